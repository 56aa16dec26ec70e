"""Appends a batch as it came: all that a traced program pays for. The thread that adds.

That each event is one is judged first, since what was appended is the store's to keep. Its row, its words and
the sums of its label follow later, see `deriving`; so does that there is one of each, and a batch that comes
twice is appended twice.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from llmobs_trace.store.columns import PART_BYTES, decode_metric, decode_span

if TYPE_CHECKING:
    import sqlite3

_APPEND: Final = "INSERT INTO arrived (experiment, events, spans, metrics) VALUES (?,?,?,?)"

_Events = Sequence[bytes]


def checked(spans: _Events, metrics: _Events) -> tuple[_Events, _Events]:
    """The events, each on one line; raises `ValueError` that says which of them is none."""
    return _checked(spans, "spans", decode_span), _checked(metrics, "metrics", decode_metric)


def append(
    connection: sqlite3.Connection, experiment_id: str, spans: _Events, metrics: _Events, name: str | None
) -> None:
    """Append what was `checked`, to the experiment of that id, which is made where there is none; within a
    transaction.
    """
    before = connection.total_changes
    experiment = _experiment_key(connection, experiment_id, name)
    if connection.total_changes != before:
        connection.execute("UPDATE state SET revision = revision + 1")
    connection.executemany(
        _APPEND,
        (
            (experiment, len(of_spans) + len(of_metrics), b"\n".join(of_spans), b"\n".join(of_metrics))
            for of_spans, of_metrics in _parts(spans, metrics)
        ),
    )


def _checked(events: _Events, name: str, decode: Callable[[bytes], object]) -> _Events:
    try:
        # Two calls of C for each event. What the decoder passes over may be no UTF-8, which SQLite's text is.
        deque(map(decode, events), 0)
        deque(map(bytes.decode, events), 0)
    except (ValueError, RecursionError):
        for position, event in enumerate(events):
            try:
                decode(event)
                event.decode()
            except RecursionError:
                raise ValueError(f"{name}[{position}]: nested too deeply") from None
            except ValueError as error:
                raise ValueError(f"{name}[{position}]: {error}") from None
        raise
    text = b"".join(events)
    if b"\n" in text or b"\r" in text:
        return [msgspec.json.format(event, indent=-1) for event in events]
    return events


def _parts(spans: _Events, metrics: _Events) -> Iterator[tuple[_Events, _Events]]:
    """Of some `PART_BYTES` each: so much is derived from at a time."""
    count = len(spans) + len(metrics)
    size_bytes = sum(map(len, spans)) + sum(map(len, metrics))
    if size_bytes <= PART_BYTES:
        if count:
            yield spans, metrics
        return
    at_once = max(1, count * PART_BYTES // size_bytes)
    for start in range(0, len(spans), at_once):
        yield spans[start : start + at_once], ()
    for start in range(0, len(metrics), at_once):
        yield (), metrics[start : start + at_once]


def _experiment_key(connection: sqlite3.Connection, experiment_id: str, name: str | None) -> int:
    found = connection.execute("SELECT key, name FROM experiment WHERE id = ?", (experiment_id,)).fetchone()
    if found is None:
        made = connection.execute(
            "INSERT INTO experiment (id, name, created_ns) VALUES (?,?,?)",
            (experiment_id, name, time.time_ns()),
        )
        assert made.lastrowid is not None
        return made.lastrowid
    key: int = found[0]
    if name is not None and name != found[1]:
        connection.execute("UPDATE experiment SET name = ? WHERE key = ?", (name, key))
    return key
