"""Finds the row of each span and metric of a batch; within the transaction that adds them.

A span is in a row where following its parents, within its trace, ends at the row. Whatever comes first, child
or parent, span or metric, in one batch or in many: who comes later finds the others. A span that has a row
keeps it, since neither it nor those above it ever change.

    rows_of_spans      new spans, of which the row is among themselves or in the file
    place_waiting      spans in the file that waited for one of the new ones
    rows_of_metrics    new metrics of spans that have a row
    place_metrics      metrics in the file that waited for a span
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from llmobs_trace.store.columns import MetricColumns, SpanColumns
from llmobs_trace.store.lookup import lookup

if TYPE_CHECKING:
    import sqlite3

_ROWS_OF: Final = (
    "SELECT span_id, trace_id, in_row FROM span WHERE experiment = ? AND span_id IN (ids)"
    " AND in_row IS NOT NULL"
)
_CHILDREN: Final = (
    "SELECT key, trace_id, parent_id FROM span WHERE experiment = ? AND parent_id IN (ids) AND in_row IS NULL"
)
# A span has one parent, so that going down from spans that have a row meets none twice.
_BELOW: Final = (
    "WITH RECURSIVE below (experiment, key, span_id, trace_id, in_row) AS ("
    "SELECT experiment, key, span_id, trace_id, in_row FROM span WHERE experiment = ? AND key IN (ids)"
    " UNION ALL SELECT c.experiment, c.key, c.span_id, c.trace_id, b.in_row FROM below b CROSS JOIN span c"
    " WHERE c.experiment = b.experiment AND c.parent_id = b.span_id AND c.trace_id = b.trace_id"
    " AND c.in_row IS NULL) SELECT key, span_id, trace_id, in_row FROM below"
)
_PLACE: Final = "UPDATE span SET in_row = ? WHERE key = ?"
_WAITING_METRICS: Final = (
    "SELECT key, span_id FROM metric WHERE experiment = ? AND span_id IN (ids) AND in_row IS NULL"
)


class Placed(NamedTuple):
    """A span that has a row."""

    span_id: str
    trace_id: str
    row: int  # its key


def is_row(span: SpanColumns) -> bool:
    """A root of kind `experiment`, which a root is unless it says otherwise."""
    return span.parent_id is None and (span.kind or "experiment") == "experiment"


def rows_of_spans(
    connection: sqlite3.Connection, experiment: int, spans: Mapping[int, SpanColumns]
) -> dict[int, int | None]:
    """For each new span, by its key, the key of its row as far as it is known yet."""
    keys = {span.span_id: key for key, span in spans.items()}
    outside = {span.parent_id for span in spans.values()} - keys.keys() - {None}
    known = {
        span_id: Placed(span_id, trace_id, row)
        for span_id, trace_id, row in lookup(connection, _ROWS_OF, experiment, outside)
    }
    rows: dict[int, int | None] = {}
    for key in spans:
        way: list[int] = []
        at: int | None = key
        row: int | None = None
        while at is not None and at not in rows:
            way.append(at)
            rows[at] = None  # so that parents in a circle end
            span = spans[at]
            if is_row(span):
                row, at = at, None
                break
            parent = keys.get(span.parent_id or "")
            if parent is not None and spans[parent].trace_id == span.trace_id:
                at = parent
            else:
                found = known.get(span.parent_id or "")
                row = found.row if found is not None and found.trace_id == span.trace_id else None
                at = None
        if at is not None:
            row = rows[at]
        for passed in way:
            rows[passed] = row
    return rows


def place_waiting(connection: sqlite3.Connection, experiment: int, placed: Sequence[Placed]) -> list[Placed]:
    """Give the placed spans' row to those below them that waited, however deep; says which those were."""
    above = {span.span_id: span for span in placed}
    children = [
        (above[parent_id].row, key)
        for key, trace_id, parent_id in lookup(connection, _CHILDREN, experiment, above)
        if above[parent_id].trace_id == trace_id
    ]
    if not children:
        return []
    connection.executemany(_PLACE, children)
    below = list(lookup(connection, _BELOW, experiment, [key for _, key in children]))
    connection.executemany(_PLACE, [(row, key) for key, _, _, row in below])
    return [Placed(span_id, trace_id, row) for _, span_id, trace_id, row in below]


def rows_of_metrics(
    connection: sqlite3.Connection, experiment: int, metrics: Sequence[MetricColumns]
) -> dict[str, int]:
    """The rows of the spans that the metrics are of, by span id, where they are known."""
    ids = {metric.span_id for metric in metrics}
    return {span_id: row for span_id, _, row in lookup(connection, _ROWS_OF, experiment, ids)}


def place_metrics(connection: sqlite3.Connection, experiment: int, placed: Sequence[Placed]) -> None:
    """Give the placed spans' row to their metrics that waited."""
    rows = {span.span_id: span.row for span in placed}
    updates = [
        (rows[span_id], key) for key, span_id in lookup(connection, _WAITING_METRICS, experiment, rows)
    ]
    connection.executemany("UPDATE metric SET in_row = ? WHERE key = ?", updates)
