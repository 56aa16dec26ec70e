"""Answers for one trace: its spans in the order of its tree. The thread that has the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct, structs

from llmobs_trace.store import queries
from llmobs_trace.store.forest import Branch, trees
from llmobs_trace.store.lookup import marks
from llmobs_trace.store.preview import LARGE_BYTES, Preview, previewed
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import metrics, tags
from llmobs_trace.viewer.experiments import find, revision_of
from llmobs_trace.viewer.metrics import Explained
from llmobs_trace.viewer.parameters import Parameters
from llmobs_trace.viewer.response import CannotAnswer

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
    input_left_out: int  # messages before those that are there
    output: str | None
    output_cut: bool
    output_left_out: int
    expected_output: str | None
    expected_output_cut: bool
    metrics: list[Explained]
    # Of a model call; of a root with `model_calls`, the sums of its tree. None is unknown.
    model: str | None
    provider: str | None
    model_calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: str | None
    cost_usd: float | None
    cost_from: str | None  # `stated`, or the price data that it was worked out with
    finish_reason: str | None
    retries: str | None
    attempt: int | None  # of an earlier attempt at the row that was cut off: in no count
    is_cut: bool  # any of it: `spans/<id>/shown` has more


class Trace(Struct, frozen=True):
    """A page of a trace's spans; all else is of the whole trace: `duration_ns` to its last end, `errors`."""

    revision: str
    total: int
    row_id: str | None
    run_iteration: int | None
    began_ns: int
    duration_ns: int
    errors: int
    spans: list[TraceSpan]


def trace(store: Store, experiment_id: str, trace_id: str, query: Mapping[str, str]) -> Trace:
    parameters = Parameters(query)
    limit = parameters.whole("limit", MOST, most=MOST)
    offset = parameters.whole("offset", 0)
    return _Laid(store, experiment_id, trace_id).page(offset, limit)


def pages(store: Store, experiment_id: str, trace_id: str) -> Iterator[Trace]:
    """All of a trace, page after page: its tree is made once, however many there are."""
    laid = _Laid(store, experiment_id, trace_id)
    return (laid.page(offset, MOST) for offset in range(0, len(laid.branches), MOST))


class _Laid:
    """A trace's spans, laid out in the order of its tree."""

    def __init__(self, store: Store, experiment_id: str, trace_id: str) -> None:
        self._store = store
        self._experiment, _ = find(store, experiment_id)
        spans = queries.trace(store, experiment_id, trace_id)
        if not spans:
            raise CannotAnswer(404, f'experiment "{experiment_id}" has no trace of the id "{trace_id[:300]}"')
        # What was cut off of earlier attempts stands last.
        grown = sorted(trees(spans), key=lambda tree: tree.is_cut_off)
        self.branches = [branch for tree in grown for branch in tree.branches]
        self._cut_off = {b.span.span_id for tree in grown if tree.is_cut_off for b in tree.branches}
        row = next((tree.first for tree in grown if tree.is_row), None)
        began_ns = min(span.start_ns for span in spans)
        self._whole = Trace(
            revision=revision_of(store),
            total=len(self.branches),
            row_id=None if row is None else row.row_id,
            run_iteration=None if row is None else row.run_iteration,
            began_ns=began_ns,
            duration_ns=max(span.start_ns + span.duration_ns for span in spans) - began_ns,
            errors=sum(
                branch.span.status == "error" and not tree.is_cut_off
                for tree in grown
                for branch in tree.branches
            ),
            spans=[],
        )

    def page(self, offset: int, limit: int) -> Trace:
        page = self.branches[offset : offset + limit]
        ids = [branch.span.span_id for branch in page]
        previews = _previews(self._store, self._experiment, ids) if ids else {}
        measured = metrics.of_spans(self._store, self._experiment, ids) if ids else {}
        spans = [
            _span(
                branch,
                self._whole.began_ns,
                previews[branch.span.span_id],
                measured[branch.span.span_id],
                branch.span.attempt if branch.span.span_id in self._cut_off else None,
            )
            for branch in page
        ]
        return structs.replace(self._whole, spans=spans)


def _previews(store: Store, experiment: int, span_ids: list[str]) -> dict[str, Preview]:
    found = store.select(
        "SELECT s.span_id, v.preview, CASE WHEN v.preview IS NULL THEN CAST(v.event AS BLOB) ELSE x'' END"
        " FROM span s JOIN span_event v ON v.key = s.key"
        f" WHERE s.experiment = ? AND s.span_id IN ({marks(span_ids)})",
        (experiment, *span_ids),
    )
    return {span_id: previewed(kept, event, LARGE_BYTES) for span_id, kept, event in found}


def _span(
    branch: Branch, began_ns: int, preview: Preview, measured: list[Explained], attempt: int | None
) -> TraceSpan:
    span = branch.span
    message = span.error_message
    call = tags.of_call(preview.tags)
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
        **preview.values(),
        metrics=measured,
        model=span.model,
        provider=span.provider,
        model_calls=span.model_calls,
        input_tokens=span.input_tokens,
        output_tokens=span.output_tokens,
        cached_tokens=span.cached_tokens,
        reasoning_tokens=call.reasoning_tokens,
        cost_usd=span.cost_usd,
        cost_from=span.cost_from,
        finish_reason=call.finish_reason,
        retries=call.retries,
        attempt=attempt,
        is_cut=preview.input_cut
        or preview.output_cut
        or preview.expected_output_cut
        or preview.others_cut
        or (message is not None and len(message) > _SHOWN_MESSAGE)
        or any(metric.is_cut for metric in measured),
    )
