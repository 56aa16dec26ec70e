"""Keeps what a person says of a row: metrics of its root, of which the latest counts. Any thread, one at a
time.

    human                  pass or fail, with the note as its reasoning
    human_note             a note without a verdict
    human_expected_output  what should have been expected; both are JSON, `{"value": …}`

The latest of a label is in the table `metric`, where every reader counts it, and is sent as any metric is.
Those before it are kept in `earlier_mark`. Each change reads what there is and writes within one transaction:
two people who say something at once lose nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw, Struct

from llmobs_trace.store import naming, summing, writing
from llmobs_trace.store.columns import MetricColumns, metric_columns
from llmobs_trace.store.lookup import marks
from llmobs_trace.store.store import Store

if TYPE_CHECKING:
    import sqlite3

HUMAN: Final = "human"
NOTE: Final = "human_note"
EXPECTED: Final = "human_expected_output"
_LABELS: Final = (HUMAN, NOTE, EXPECTED)


class _Event(Struct):
    timestamp_ms: int
    boolean_value: bool | None = None
    reasoning: str | None = None
    json_value: Raw = Raw(b"null")


class _Text(Struct):
    value: str = ""


_event = msgspec.json.Decoder(_Event)


def verdict(store: Store, experiment_id: str, span_id: str, passes: bool | None) -> None:
    """Say whether the row passes; None takes that back. Its note stays. Raises `UnknownId`."""

    def say(row: _Row) -> None:
        note = row.note()
        if passes is None:
            row.say(HUMAN, None)
            row.say(NOTE, {"json_value": {"value": note}} if note else None)
        else:
            row.say(HUMAN, _human(passes, note))
            row.say(NOTE, None)

    _change(store, experiment_id, span_id, say)


def note(store: Store, experiment_id: str, span_id: str, text: str) -> None:
    """Write this of it, in place of what was there; an empty text takes that away. Raises `UnknownId`."""

    def say(row: _Row) -> None:
        human = row.said(HUMAN)
        if human is not None and human.boolean_value is not None:
            row.say(HUMAN, _human(human.boolean_value, text))
        else:
            row.say(NOTE, {"json_value": {"value": text}} if text else None)

    _change(store, experiment_id, span_id, say)


def expected_output(store: Store, experiment_id: str, span_id: str, value: bytes | None) -> None:
    """Say what should have been expected, as JSON; None takes that back. Raises `UnknownId`."""
    said: dict[str, object] | None = None if value is None else {"json_value": {"value": Raw(value)}}
    _change(store, experiment_id, span_id, lambda row: row.say(EXPECTED, said))


def _human(passes: bool, note: str) -> dict[str, object]:
    said: dict[str, object] = {"boolean_value": passes, "assessment": "pass" if passes else "fail"}
    return {**said, "reasoning": note} if note else said


def _change(store: Store, experiment_id: str, span_id: str, say: Callable[[_Row], None]) -> None:
    def change(connection: sqlite3.Connection) -> None:
        key = naming.key_of(connection, "experiment", experiment_id)
        query = "SELECT 1 FROM span WHERE experiment = ? AND span_id = ? AND in_row = key"
        if connection.execute(query, (key, span_id)).fetchone() is None:
            raise naming.UnknownId(f"the experiment has no row whose span has the id {span_id!r}")
        row = _Row(connection, key, span_id)
        say(row)
        row.finish()

    store.derive_rows()  # what came just now is a row once it is read
    store.change(change)


class _Row:
    """What was said of a row by hand, within a transaction."""

    def __init__(self, connection: sqlite3.Connection, experiment: int, span_id: str) -> None:
        self._connection = connection
        self._experiment = experiment
        self._span_id = span_id
        self._there: dict[str, list[tuple[int, bytes]]] = {label: [] for label in _LABELS}
        self._replaced: list[tuple[int, MetricColumns]] = []
        self._new: list[MetricColumns] = []
        found = connection.execute(
            "SELECT label, key, CAST(event AS BLOB) FROM metric WHERE experiment = ? AND span_id = ?"
            f" AND label IN ({marks(_LABELS)}) ORDER BY timestamp_ms, key",
            (experiment, span_id, *_LABELS),
        )
        for label, key, event in found:
            self._there[label].append((key, event))
        times = [_event.decode(event).timestamp_ms for each in self._there.values() for _, event in each]
        # Of two in one millisecond, or after a clock was set back, the later is the later all the same.
        self._now_ms = max([time.time_ns() // 10**6, *(at_ms + 1 for at_ms in times)])

    def said(self, label: str) -> _Event | None:
        """The latest of a label."""
        there = self._there[label]
        return _event.decode(there[-1][1]) if there else None

    def note(self) -> str:
        """The note, wherever it stands."""
        human, alone = self.said(HUMAN), self.said(NOTE)
        if human is not None and human.reasoning:
            return human.reasoning
        if alone is None:
            return ""
        try:
            return msgspec.json.decode(alone.json_value, type=_Text).value
        except msgspec.ValidationError:  # a program's own metric of that label
            return ""

    def say(self, label: str, said: dict[str, object] | None) -> None:
        """This in the place of what was said under the label; None: nothing more."""
        self._replaced += [(key, metric_columns(event)) for key, event in self._there[label]]
        if said is not None:
            event = {
                "label": label,
                "metric_type": "boolean" if label == HUMAN else "json",
                "span_id": self._span_id,
                "timestamp_ms": self._now_ms,
                **said,
            }
            self._new.append(metric_columns(msgspec.json.encode(event)))

    def finish(self) -> None:
        """Write what was said."""
        now_ns, replaced = time.time_ns(), [columns for _, columns in self._replaced]
        self._connection.executemany(
            "INSERT INTO earlier_mark (experiment, span_id, label, replaced_ns, event) VALUES (?,?,?,?,?)",
            [(self._experiment, each.span_id, each.label, now_ns, each.event) for each in replaced],
        )
        self._connection.executemany(
            "DELETE FROM metric WHERE key = ?", [(key,) for key, _ in self._replaced]
        )
        summing.take_away(self._connection, self._experiment, replaced)
        self._connection.execute(
            "UPDATE experiment SET metrics = metrics - ?, failed_metrics = failed_metrics - ?,"
            " replaced = replaced + ? WHERE key = ?",
            (len(replaced), sum(each.failed for each in replaced), len(replaced), self._experiment),
        )
        writing.write_events(self._connection, self._experiment, [], self._new)
        naming.changed(self._connection)
