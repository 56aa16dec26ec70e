"""Sees to it that every span's columns say what its model call took; within a transaction of the opener or
writer.

A span is written with them. Spans that an older version of the library added lack them, were the file brought
up to date before or after: `state.calls_read` says up to which span all have them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from llmobs_trace.store.columns import NO_CALL, CallColumns, call_columns

if TYPE_CHECKING:
    import sqlite3

_AT_ONCE: Final = 2000
LAGS: Final = "SELECT (SELECT max(key) FROM span) > calls_read FROM state"
_SET: Final = ", ".join(f"{column} = ?" for column in CallColumns._fields)


class _Event(Struct):
    tags: list[str] | None = None


_event = msgspec.json.Decoder(_Event)


def added(connection: sqlite3.Connection, keys: Iterable[int]) -> None:
    """Say of new spans, by ascending key, that they were written with their columns."""
    first, *others = keys
    connection.execute(
        "UPDATE state SET calls_read = ? WHERE calls_read = ?", ((others or [first])[-1], first - 1)
    )


def lags(connection: sqlite3.Connection) -> bool:
    """Whether there are spans whose events nobody has looked through for it."""
    return bool(connection.execute(LAGS).fetchone()[0])


def catch_up(connection: sqlite3.Connection) -> None:
    """Look through some of those."""
    found = connection.execute(
        "SELECT key, CAST(event AS BLOB) FROM span_event WHERE key > (SELECT calls_read FROM state)"
        " ORDER BY key LIMIT ?",
        (_AT_ONCE,),
    ).fetchall()
    if not found:
        return  # another process was faster
    calls = ((key, call_columns(_event.decode(event).tags or ())) for key, event in found)
    changed = connection.executemany(
        # Not again where it is known: a cost that was worked out stays.
        f"UPDATE span SET {_SET} WHERE key = ? AND coalesce({', '.join(CallColumns._fields)}) IS NULL",
        [(*call, key) for key, call in calls if call is not NO_CALL],
    ).rowcount
    connection.execute("UPDATE state SET calls_read = ?", (found[-1][0],))
    if changed > 0:
        connection.execute("UPDATE state SET revision = revision + 1")
