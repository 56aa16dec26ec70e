"""Takes the steps that follow from events that were appended: first their rows and sums, then their words.

    arrived ──> span, span_event, metric, label, scope, experiment ──> search

Whoever reads takes the first step before it answers, and the second before it searches; a program without
new events takes both, a slice at a time. Each step is one transaction that writes what follows and forgets
what it follows from. So any number of processes may take them at once, and one that is killed in between
leaves either all of a step or nothing of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from llmobs_trace.store import search, writing
from llmobs_trace.store.columns import indexed

if TYPE_CHECKING:
    import sqlite3

_LAST: Final = "SELECT max(key) FROM arrived WHERE trouble IS NULL"
_COUNT: Final = "SELECT coalesce(sum(events), 0) FROM arrived"
_NEXT: Final = (
    "SELECT key, experiment, spans, metrics FROM arrived WHERE trouble IS NULL AND key <= ?"
    " ORDER BY key LIMIT 1"
)
# Of a program that has nothing else to do: some milliseconds.
_WORDS_A_SLICE: Final = 400


def last_waiting(connection: sqlite3.Connection) -> int | None:
    """The last part whose rows are yet to be derived, by its key; None where there is none."""
    found: int | None = connection.execute(_LAST).fetchone()[0]
    return found


def derive_rows(connection: sqlite3.Connection, last: int, seconds: float) -> bool:
    """Derive the rows of a part, and of more, up to the part `last`, while there is time; within a
    transaction. Says whether there is more.
    """
    until = time.monotonic() + seconds
    while (found := connection.execute(_NEXT, (last,)).fetchone()) is not None:
        key, experiment, spans, metrics = found
        try:
            parts = list(indexed(_lines(spans), _lines(metrics)))
        except (ValueError, RecursionError) as error:
            # It was an event when it came: somebody changed the file. Nobody else waits for it.
            connection.execute("UPDATE arrived SET trouble = ? WHERE key = ?", (str(error), key))
            continue
        for part in parts:
            writing.write(connection, experiment, part)
        connection.execute("DELETE FROM arrived WHERE key = ?", (key,))
        if time.monotonic() >= until:
            return True
    return False


def take_a_slice(connection: sqlite3.Connection, beyond: int = 0) -> bool:
    """Take the next step, or some milliseconds' work of it, within a transaction; whether there is more. Not
    where no more than `beyond` events wait.
    """
    if beyond and connection.execute(_COUNT).fetchone()[0] <= beyond:
        return False
    last = last_waiting(connection)
    if last is not None:
        derive_rows(connection, last, 0)
        return True  # their words
    return index_words(connection, _WORDS_A_SLICE)


def index_words(connection: sqlite3.Connection, spans: int = 2000) -> bool:
    """Index the words of the next spans, within a transaction; whether there is more."""
    return search.catch_up(connection, spans)


def _lines(events: bytes) -> list[bytes]:
    return events.split(b"\n") if events else []
