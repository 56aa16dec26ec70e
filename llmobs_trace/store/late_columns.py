"""Sees to it that every event's columns say what the event does; within a transaction of the opener or
writer.

An event is written with them. Those that an older version of the library added lack some, were the file
brought up to date before or after: `state.spans_read` and `state.metrics_read` say up to which all have them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from llmobs_trace.store import row_tags
from llmobs_trace.store.columns import CallColumns, late_span_columns, metric_columns

if TYPE_CHECKING:
    import sqlite3

_AT_ONCE: Final = 2000
LAGS: Final = (
    "SELECT coalesce((SELECT max(key) FROM span) > spans_read, 0)"
    " OR coalesce((SELECT max(key) FROM metric) > metrics_read, 0) FROM state"
)
_OF_REPEATS: Final = ("run_iteration", "attempt", "expected_hash")  # as `late_span_columns` gives them
_CALL: Final = CallColumns._fields
# Not again what is known of a call: a cost that was worked out stays.
_UNKNOWN: Final = f"coalesce({', '.join(_CALL)}) IS NULL"
_SET: Final = ", ".join(
    [
        *(f"{column} = ?" for column in _OF_REPEATS),
        *(f"{column} = CASE WHEN {_UNKNOWN} THEN ? ELSE {column} END" for column in _CALL),
    ]
)
# The few that may be meant: the event itself says it.
_FAILED: Final = (
    "SELECT key, experiment, label, metric_type, CAST(event AS BLOB) FROM metric WHERE key > ? AND key <= ?"
    " AND failed AND coalesce(error_message, '') = '' AND instr(event, 'not_applicable')"
)


def added(connection: sqlite3.Connection, keys: Iterable[int]) -> None:
    """Say of new spans, by ascending key, that they were written with their columns."""
    first, *others = keys
    connection.execute(
        "UPDATE state SET spans_read = ? WHERE spans_read = ?", ((others or [first])[-1], first - 1)
    )


def added_metrics(connection: sqlite3.Connection, last: int, count: int) -> None:
    """The same of so many metrics after the one that was the last."""
    connection.execute("UPDATE state SET metrics_read = ? WHERE metrics_read = ?", (last + count, last))


def lags(connection: sqlite3.Connection) -> bool:
    """Whether there are events that nobody has looked through for it."""
    return bool(connection.execute(LAGS).fetchone()[0])


def catch_up(connection: sqlite3.Connection) -> None:
    """Look through some of those."""
    before = connection.total_changes
    changed = _catch_up_spans(connection) + _catch_up_metrics(connection)
    if changed and connection.total_changes != before:
        connection.execute("UPDATE state SET revision = revision + 1")


def _catch_up_spans(connection: sqlite3.Connection) -> int:
    found = connection.execute(
        "SELECT v.key, CAST(v.event AS BLOB), s.experiment, s.in_row = s.key"
        " FROM span_event v JOIN span s ON s.key = v.key"
        " WHERE v.key > (SELECT spans_read FROM state) ORDER BY v.key LIMIT ?",
        (_AT_ONCE,),
    ).fetchall()
    if not found:
        return 0  # another process was faster
    said = []
    for key, event, _, _ in found:
        values = late_span_columns(event)
        if any(value is not None for value in values):
            said.append((*values, key))
    connection.executemany(f"UPDATE span SET {_SET} WHERE key = ?", said)
    row_tags.add(connection, ((experiment, key, event) for key, event, experiment, is_row in found if is_row))
    connection.execute("UPDATE state SET spans_read = ?", (found[-1][0],))
    return len(said)


def _catch_up_metrics(connection: sqlite3.Connection) -> int:
    (read,) = connection.execute("SELECT metrics_read FROM state").fetchone()
    (last,) = connection.execute(
        "SELECT max(key) FROM (SELECT key FROM metric WHERE key > ? ORDER BY key LIMIT ?)", (read, _AT_ONCE)
    ).fetchone()
    if last is None:
        return 0
    candidates = connection.execute(_FAILED, (read, last)).fetchall()
    found = [columns for *columns, event in candidates if metric_columns(event).not_applicable]
    for key, experiment, label, metric_type in found:
        connection.execute("UPDATE metric SET failed = 0, not_applicable = 1 WHERE key = ?", (key,))
        connection.execute(
            "UPDATE label SET failed = failed - 1, not_applicable = not_applicable + 1"
            " WHERE experiment = ? AND label = ? AND metric_type = ?",
            (experiment, label, metric_type),
        )
        connection.execute(
            "UPDATE experiment SET failed_metrics = failed_metrics - 1 WHERE key = ?", (experiment,)
        )
    connection.execute("UPDATE state SET metrics_read = ?", (last,))
    return len(found)
