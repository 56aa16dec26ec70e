"""Looks many ids up in a table, in few queries; within a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import sqlite3

# SQLite before 3.32 takes no more than 999 parameters in a query.
_AT_ONCE: Final = 400


def marks(values: Sized) -> str:
    """A question mark for each."""
    return ",".join("?" * len(values))


def lookup(
    connection: sqlite3.Connection, query: str, experiment: int, ids: Iterable[object]
) -> Iterator[tuple[Any, ...]]:
    """What `query` finds of all ids. It says `experiment = ?` first, and `IN (ids)` where the ids go."""
    query = query.replace("(ids)", f"({marks(range(_AT_ONCE))})")
    waiting = iter(ids)
    while part := list(islice(waiting, _AT_ONCE)):
        # Filled up with NULL, which is found nowhere: one query for SQLite to prepare, however many ids.
        part += [None] * (_AT_ONCE - len(part))
        yield from connection.execute(query, [experiment, *part])
