"""Finds ids and names that nothing has yet; within a transaction, so that no other process takes them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from llmobs_trace.errors import LLMObsTraceError
from llmobs_trace.store.lookup import marks
from llmobs_trace.wire import as_id

if TYPE_CHECKING:
    import sqlite3

Table = Literal["project", "dataset", "experiment"]


class NameTaken(LLMObsTraceError):
    """Something else has the name that this was to get."""


class UnknownId(LLMObsTraceError, LookupError):
    """Nothing has this id, or what had it was deleted."""


def free_id(connection: sqlite3.Connection, table: Table, name: str) -> str:
    """The name itself where it can be an id and nothing ever had it, so that loops which say their ids
    themselves meet what was made by name; else one that is drawn.
    """
    plain = as_id(name)
    is_taken = connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (plain,)).fetchone()
    return drawn_id() if is_taken else plain


def drawn_id() -> str:
    """An id that nothing else has."""
    return str(uuid4())


def free_run_name(connection: sqlite3.Connection, project: int, name: str) -> str:
    """`name`, or `name-2`, `name-3`, …: unique among the experiments of a project, also the deleted ones."""
    found = connection.execute(
        "SELECT count(*) FROM experiment WHERE project = ? AND name = ?", (project, name)
    )
    for number in count(found.fetchone()[0] + 1):
        tried = name if number == 1 else f"{name}-{number}"
        query = "SELECT 1 FROM experiment WHERE unique_name = ? AND project = ?"
        if connection.execute(query, (tried, project)).fetchone() is None:
            return tried
    raise AssertionError("numbers end")


def key_of(connection: sqlite3.Connection, table: Table, id: str) -> int:
    """The key of what has this id; raises `UnknownId`."""
    query = f"SELECT key FROM {table} WHERE id = ? AND deleted_ns IS NULL"
    found = connection.execute(query, (id,)).fetchone()
    if found is None:
        raise UnknownId(f"there is no {table} of the id {id!r}")
    key: int = found[0]
    return key


def delete(connection: sqlite3.Connection, table: Table, ids: Iterable[str], now_ns: int) -> int:
    """Have what has these ids be deleted; how many of them were not yet."""
    ids = list(ids)
    query = f"UPDATE {table} SET deleted_ns = ? WHERE deleted_ns IS NULL AND id IN ({marks(ids)})"
    return connection.execute(query, (now_ns, *ids)).rowcount


def changed(connection: sqlite3.Connection) -> None:
    """Tell whoever looks at the store that there is something new in it."""
    connection.execute("UPDATE state SET revision = revision + 1")
