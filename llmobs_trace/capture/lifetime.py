"""Opens a span, and ends it once: then its event goes to the recorder. User's thread."""

from __future__ import annotations

import sys
from threading import get_ident

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.entry import Active
from llmobs_trace.capture.failure import Failure
from llmobs_trace.capture.ids import more_span_ids, new_trace_id, take_span_id
from llmobs_trace.capture.recorder import Recorder
from llmobs_trace.capture.span import INERT, NOT_GIVEN, InertSpan, Span, clock_ns, details_of
from llmobs_trace.capture.span_arguments import UNSET, SpanOptions
from llmobs_trace.capture.span_record import span_record
from llmobs_trace.capture.user_tags import plain_tags
from llmobs_trace.capture.values import captured
from llmobs_trace.encode import type_name
from llmobs_trace.wire import ENDED_BY_TAG


def left_out(recorder: Recorder, name: str, parent: Active | None) -> Span | None:
    """An inert span where the trace is not sampled, decided here for a root; None where it is."""
    if parent is not None and parent.trace_id:
        return None if parent._sampled else INERT
    if recorder.sample_rate >= 1.0 or slot.sampled(recorder.sample_rate):
        return None
    span = InertSpan(name, "experiment", scope=recorder.scope if parent is None else parent._scope)
    span.trace_id = new_trace_id()  # `inject` hands the decision on, with the flag down
    return span


def begin(recorder: Recorder, what: SpanOptions, name: str, parent: Active | None) -> Span:
    """A new open span, not placed yet, its clocks not read."""
    span = Span()
    if parent is None or not parent.trace_id:
        span.trace_id = new_trace_id()
        span.parent_id = None
        span.kind = what.kind or "experiment"
        scope = recorder.scope if parent is None else parent._scope
        if what.scope_ids is not None:
            scope = recorder.scope_for(*what.scope_ids, default=scope)
    else:
        span.trace_id = parent.trace_id
        span.parent_id = parent.span_id
        span.kind = what.kind or "task"
        scope = parent._scope
    span._scope = scope
    try:
        span.span_id = take_span_id()
    except IndexError:
        span.span_id = more_span_ids()
    span.name = name
    span._sampled = True
    span._recorder = recorder
    span._input = None
    span._output = NOT_GIVEN
    span._ended = False
    span._details = span._chain = span._frame = span._blocks = span._within = None
    if scope is not recorder.scope:
        slot.remember_scope(span.span_id, scope)
    if not what.plain:
        try:
            _tell(span, what)
        except Exception as fault:
            slot.fault(fault)
    return span


def _tell(span: Span, what: SpanOptions) -> None:
    """Record on a span that has just begun what was said of it beforehand."""
    recorder = span._recorder
    if what.given_input is not UNSET:
        span._input = captured(recorder, "input", what.given_input)
    if not what.more:
        return
    if what.expected_output is not UNSET:
        details_of(span).expected = captured(recorder, "expected_output", what.expected_output)
    if what.tags is not None:
        details_of(span).tags = plain_tags(what.tags)
    if what.scope_ids is not None and span.parent_id is not None:
        ids = zip(what.scope_ids, span._scope.ids, strict=True)
        if any(mine not in (None, his) for mine, his in ids):
            # As where the loop over the dataset is a span too: everything within is of its experiment.
            wrong = (
                "experiment_id, project_id and dataset_id are for root spans: left out within another span"
            )
            slot.misuse(wrong, slot.shown("name", span.name))
    if what.row_id is not None:
        if span.parent_id is None and span.kind == "experiment":
            details_of(span).row_id = what.row_id
        else:
            # As where the function that goes through the dataset is a span too: then all of it is a row.
            where = "within another span" if span.parent_id is not None else f"of kind {span.kind}"
            slot.misuse(
                "row_id is for rows, that is, root spans of kind experiment: left out of a span", where
            )


# Of a class's name, which no bound on an event's size knows of.
_NAME_CHARACTERS = 256


def left_by(span: Span, what: SpanOptions, error: BaseException) -> None:
    """An exception ends a span: it failed, but where that was closed or is said to be no error."""
    kind = type(error)
    if not span._sampled or issubclass(kind, GeneratorExit):
        return
    details = details_of(span)
    if _is_no_error(error, what, span._recorder):
        details.own_tags = (*details.own_tags, f"{ENDED_BY_TAG}:{type_name(kind)[:_NAME_CHARACTERS]}")
    else:
        details.failure = Failure(error)


def _is_no_error(error: BaseException, what: SpanOptions, recorder: Recorder) -> bool:
    try:
        return error in recorder.not_errors or error in what.not_errors
    except Exception as fault:  # an abstract class of the user's may raise where it is asked
        slot.fault(fault)
        return False


def set_aside(span: Span) -> None:
    """Leave a span open that is active nowhere: it lasts as long as a stream that its function returned."""
    chain = span._chain
    if span._blocks is not None:
        active.step_out_of_frame(span)
    elif chain is not None:
        active.step_out(span, chain.spans)
    span._chain = span._within = None


def end(span: Span, ended_ns: int, began_ns: int | None = None) -> None:
    """End a span once: leave its place, and hand its event to the recorder.

    A span ended already, by another thread or in a forked child for its parent, is left alone. `began_ns` is
    for a stream, whose `_opened_ns` moves with its steps.
    """
    if span._ended or span is INERT:
        return
    chain = span._chain
    if chain is not None and span._blocks is None and chain.thread == get_ident():
        # What `active.leave` comes to for most, without its call (80 ns).
        span._ended = True
        span._chain = span._frame = span._within = None
        spans = chain.spans
        if spans and spans[-1] is span:
            spans.pop()
        elif span in spans:
            spans.remove(span)
    else:
        active.leave(span)
    if span._sampled:
        recorder = span._recorder
        append = recorder.append  # called in one go it would first be looked for as a method, in vain
        append(span_record(span, recorder, ended_ns - (began_ns or span._opened_ns)))


def end_what_is_open() -> None:
    """At the process's end: end the blocks that nobody will leave any more, while they can still be recorded.
    Those of threads that go on are theirs.
    """
    running = sys._current_frames().keys() - {get_ident()}
    in_frames = [reference() for blocks in list(active._blocks.values()) for reference in blocks.refs]
    for entry in (*in_frames[::-1], *active.thread_chain().spans[::-1]):
        chain = entry._chain if isinstance(entry, Span) else None
        if isinstance(entry, Span) and chain is not None and chain.thread not in running:
            end(entry, clock_ns())


def lost(entry: Active | None, fault: Exception) -> None:
    """After a fault of ours at a span's end: whatever became of its event, it is active nowhere."""
    if entry is not None and entry is not INERT:
        entry._ended = True
    slot.fault(fault)
