"""A trace's id comes in, its spans go out in the order of its tree; the thread that has the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from llmobs_trace.local import queries
from llmobs_trace.local.forest import Branch, trees
from llmobs_trace.local.lookup import marks
from llmobs_trace.local.preview import LARGE_BYTES, Preview, previewed
from llmobs_trace.local.store import Store
from llmobs_trace.local.viewer import metrics, tags
from llmobs_trace.local.viewer.experiments import find, revision_of
from llmobs_trace.local.viewer.metrics import Explained
from llmobs_trace.local.viewer.parameters import Parameters
from llmobs_trace.local.viewer.response import Refused

MOST: Final = 500
_SHOWN_MESSAGE: Final = 2000


class TraceSpan(Struct, frozen=True):
    """A span at its place in the tree; values are JSON text, cut only where the event is large."""

    span_id: str
    parent_id: str | None
    name: str
    kind: str | None
    depth: int
    has_children: bool
    start_ns: int
    offset_ns: int  # since the trace's first start
    duration_ns: int
    status: str
    error_type: str | None
    error_message: str | None
    error_stack: str | None
    tags: list[str]
    first_item_ns: int | None
    exhausted: bool | None
    input: str | None
    input_cut: bool
    output: str | None
    output_cut: bool
    expected_output: str | None
    expected_output_cut: bool
    metrics: list[Explained]


class Trace(Struct, frozen=True):
    """A page of a trace's spans; all else is of the whole trace, `duration_ns` to its last end."""

    revision: str
    total: int
    row_id: str | None
    began_ns: int
    duration_ns: int
    spans: list[TraceSpan]


def trace(store: Store, experiment_id: str, trace_id: str, query: Mapping[str, str]) -> Trace:
    parameters = Parameters(query)
    experiment, _ = find(store, experiment_id)
    limit = parameters.whole("limit", MOST, most=MOST)
    offset = parameters.whole("offset", 0)
    spans = queries.trace(store, experiment_id, trace_id)
    if not spans:
        raise Refused(404, f'experiment "{experiment_id}" has no trace of the id "{trace_id[:300]}"')
    grown = trees(spans)
    branches = [branch for tree in grown for branch in tree.branches]
    began_ns = min(span.start_ns for span in spans)
    page = branches[offset : offset + limit]
    ids = [branch.span.span_id for branch in page]
    previews = _previews(store, experiment, ids) if ids else {}
    measured = metrics.of_spans(store, experiment, ids) if ids else {}
    return Trace(
        revision=revision_of(store),
        total=len(branches),
        row_id=next((tree.first.row_id for tree in grown if tree.is_row), None),
        began_ns=began_ns,
        duration_ns=max(span.start_ns + span.duration_ns for span in spans) - began_ns,
        spans=[
            _span(branch, began_ns, previews[branch.span.span_id], measured[branch.span.span_id])
            for branch in page
        ],
    )


def _previews(store: Store, experiment: int, span_ids: list[str]) -> dict[str, Preview]:
    found = store.select(
        "SELECT s.span_id, v.preview, CASE WHEN v.preview IS NULL THEN CAST(v.event AS BLOB) ELSE x'' END"
        " FROM span s JOIN span_event v ON v.key = s.key"
        f" WHERE s.experiment = ? AND s.span_id IN ({marks(span_ids)})",
        (experiment, *span_ids),
    )
    return {span_id: previewed(kept, event, LARGE_BYTES) for span_id, kept, event in found}


def _span(branch: Branch, began_ns: int, preview: Preview, measured: list[Explained]) -> TraceSpan:
    span = branch.span
    message = span.error_message
    return TraceSpan(
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        kind=span.kind,
        depth=branch.depth,
        has_children=branch.has_children,
        start_ns=span.start_ns,
        offset_ns=span.start_ns - began_ns,
        duration_ns=span.duration_ns,
        status=span.status,
        error_type=span.error_type,
        error_message=message if message is None else message[:_SHOWN_MESSAGE],
        error_stack=preview.error_stack,
        tags=tags.users(preview.tags),
        first_item_ns=tags.first_item_ns(preview.tags),
        exhausted=tags.exhausted(preview.tags),
        input=preview.input,
        input_cut=preview.input_cut,
        output=preview.output,
        output_cut=preview.output_cut,
        expected_output=preview.expected_output,
        expected_output_cut=preview.expected_output_cut,
        metrics=measured,
    )
