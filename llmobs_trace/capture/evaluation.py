"""Records what an evaluator says of a span: finds the span that is meant. User's thread."""

from __future__ import annotations

from collections.abc import Mapping

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.entry import Active
from llmobs_trace.capture.ids import NO_SPAN_ID
from llmobs_trace.capture.metric import record
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.capture.span import Span
from llmobs_trace.wire import Assessment, MetricType, id_problem


def record_metric(
    label: str,
    value: object = None,
    *,
    span: Span | str | None = None,
    metric_type: MetricType | None = None,
    assessment: Assessment | None = None,
    reasoning: str | None = None,
    tags: Mapping[str, object] | None = None,
    metadata: Mapping[str, object] | None = None,
    error: str | BaseException | None = None,
    timestamp_ms: int | None = None,
    lower_is_better: bool | None = None,
) -> None:
    """Record what an evaluator says of a span, while it is active or later.

    >>> with experiment_span("answer", input="2+2?") as span:
    ...     span.set_output("4")
    ...     record_metric("exact_match", True)
    ...     record_metric("faithfulness", 0.8, assessment="pass", reasoning="quotes the passage")
    >>> record_metric("fluency", error="the judge gave no answer", span=span)

    - `label`: the metric's name, the same for all rows
    - `value`: a truth value, a number, a text (one of several categories) or a mapping; None beside an
      `error`
    - `span`: a span, a span's id, or None for the active one; it may have ended. By an id alone the metric
      goes to the experiment that its span named, or else to the one that is configured now
    - `metric_type`: `boolean`, `score`, `categorical` or `json`, where the value's own type says another
    - `assessment`: `pass` or `fail`
    - `reasoning`: why, a text
    - `tags`, `metadata`: mappings of names to values
    - `error`: why there is no value, a text or an exception; a failed evaluator is no score of zero
    - `timestamp_ms`: milliseconds since the epoch; by default now
    - `lower_is_better`: whether lower values are the better ones, for whoever compares experiments

    A score that is not finite is sent as an error. Misuse (no span, an id that none can have, no label, label
    and value swapped, neither value nor error) is logged and records nothing; under `strict` it raises
    `UsageError`.
    """
    try:
        recorder = slot.current or slot.get()
        if not recorder.enabled:
            return
        target = _target(recorder, span)
        if target is None:
            return
        scope, span_id = target
        record(
            recorder,
            scope,
            span_id,
            label,
            value,
            metric_type,
            assessment,
            reasoning,
            tags,
            metadata,
            error,
            timestamp_ms,
            lower_is_better,
        )
    except RecursionError:
        slot.faults.count += 1  # no room for a call that says so
    except Exception as fault:
        slot.fault(fault)


def _target(recorder: Recorder, span: Span | str | None) -> tuple[Scope, str] | None:
    """Where the metric belongs; None where its trace is not recorded, or there is no span."""
    if isinstance(span, str):
        span = str.__str__(span)
        if wrong := id_problem(span):
            slot.misuse(f"record_metric: the span id {wrong}: nothing recorded", slot.shown("value", span))
            return None
        return None if span == NO_SPAN_ID else (slot.scope_of(span) or recorder.scope, span)
    found: Active | None = span if isinstance(span, Span) else None
    if span is not None and found is None:
        slot.misuse(
            f"record_metric: span is a {type(span).__name__}, not a span or a span's id: nothing recorded"
        )
        return None
    if found is None:
        found = active.now(active.caller(2))
    if found is None or not found.trace_id:
        slot.misuse("record_metric without a span: call it inside one, or pass span=: nothing recorded")
        return None
    return (found._scope, found.span_id) if found._sampled else None
