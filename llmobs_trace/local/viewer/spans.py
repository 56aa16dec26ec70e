"""A span's id comes in, the whole of it goes out as it came; the thread that has the store."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from llmobs_trace.local.store import Store
from llmobs_trace.local.viewer.experiments import find, revision_of
from llmobs_trace.local.viewer.response import Refused


class InRow(Struct, frozen=True):
    """The row in whose tree a span is."""

    row_id: str | None
    span_id: str
    trace_id: str


class WholeSpan(Struct, frozen=True):
    """A span's event and its metrics' events, as JSON text: who reads JSON may change numbers in it."""

    revision: str
    span: str
    metrics: list[str]
    trace_id: str
    parent_id: str | None
    kind: str | None
    row: InRow | None


def span(store: Store, experiment_id: str, span_id: str, query: Mapping[str, str]) -> WholeSpan:
    experiment, _ = find(store, experiment_id)
    found = next(
        store.select(
            "SELECT v.event, s.trace_id, s.parent_id, s.kind, r.row_id, r.span_id, r.trace_id"
            " FROM span s JOIN span_event v ON v.key = s.key LEFT JOIN span r ON r.key = s.in_row"
            " WHERE s.experiment = ? AND s.span_id = ?",
            (experiment, span_id),
        ),
        None,
    )
    if found is None:
        raise Refused(404, f'experiment "{experiment_id}" has no span of the id "{span_id[:300]}"')
    event, trace_id, parent_id, kind, *row = found
    metrics = store.select(
        "SELECT event FROM metric WHERE experiment = ? AND span_id = ? ORDER BY timestamp_ms, key",
        (experiment, span_id),
    )
    return WholeSpan(
        revision=revision_of(store),
        span=event,
        metrics=[each for (each,) in metrics],
        trace_id=trace_id,
        parent_id=parent_id,
        kind=kind,
        row=InRow(*row) if row[1] is not None else None,
    )
