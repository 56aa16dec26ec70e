"""The span: from its first clock read to its event. User's thread.

A span is opened, is told its input, output and failure, and ends once: then its event goes to the recorder as
bytes. Values are encoded when they are given, so that what the user changes later does not change what was
recorded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import get_ident
from typing import TYPE_CHECKING

from llmobs_trace.capture import active, event
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.details import Details, details_of
from llmobs_trace.capture.entry import Active, Carried
from llmobs_trace.capture.failure import Failure
from llmobs_trace.capture.ids import NO_SPAN_ID, NO_TRACE_ID, more_span_ids, new_trace_id, take_span_id
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.capture.tags import plain_tags

if TYPE_CHECKING:
    from llmobs_trace.capture.options import SpanOptions
    from llmobs_trace.wire import Assessment, MetricType

# A span's output as long as it was told none; None would be what it was told.
NOT_GIVEN = b""

clock_ns = time.perf_counter_ns
time_ns = time.time_ns


class Span(Active):
    """One timed piece of work, as `with experiment_span(…) as span` or `current_span()` hands it out.

    `span_id` and `trace_id` are W3C hex (16 and 32 digits), `parent_id` the parent's span id or None,
    `start_ns` the wall clock in nanoseconds since the epoch. Disabled or unsampled, a span is inert: the same
    methods, nothing recorded.

    >>> with experiment_span("answer", input="2+2?") as span:
    ...     span.set_output("4")
    """

    __slots__ = ("_details", "_input", "_output", "_recorder", "kind", "name", "parent_id", "start_ns")

    name: str
    kind: str
    parent_id: str | None
    start_ns: int
    _recorder: Recorder
    _input: bytes | None
    # Empty until it is given: what a decorated call returns takes no given one's place.
    _output: bytes | None
    _details: Details | None

    def set_input(self, value: object) -> None:
        """Record `value`, as it is now, as what the work was given; None leaves it out."""
        try:
            if self._writable("set_input"):
                self._input = event.captured(self._recorder, "input", value)
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def set_output(self, value: object) -> None:
        """Record `value`, as it is now, as what came of the work; None leaves it out."""
        try:
            if self._writable("set_output"):
                self._output = event.captured(self._recorder, "output", value)
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def set_expected_output(self, value: object) -> None:
        """Record what the output should have been; anything but a mapping is sent as `{"value": …}`."""
        try:
            if self._writable("set_expected_output"):
                details_of(self).expected = event.captured(self._recorder, "expected_output", value)
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Add tags; one of the same name is replaced."""
        try:
            if self._writable("set_tags"):
                details = details_of(self)
                details.tags = {**(details.tags or {}), **plain_tags(tags)}
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def record_exception(self, exc: BaseException) -> None:
        """Record an exception's type, message and stack, and set the status to `error`."""
        try:
            if not isinstance(exc, BaseException):
                slot.misuse(
                    f"record_exception takes an exception, not {type(exc).__name__}: nothing recorded"
                )
            elif self._writable("record_exception"):
                details_of(self).failure = Failure(exc)
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def record_metric(
        self,
        label: str,
        value: object = None,
        *,
        metric_type: MetricType | None = None,
        assessment: Assessment | None = None,
        reasoning: str | None = None,
        tags: Mapping[str, object] | None = None,
        metadata: Mapping[str, object] | None = None,
        error: str | BaseException | None = None,
        timestamp_ms: int | None = None,
    ) -> None:
        """Record a metric of this span, also after it has ended; the arguments are `record_metric`'s."""
        try:
            from llmobs_trace.capture.metric import record_metric

            record_metric(
                label,
                value,
                span=self,
                metric_type=metric_type,
                assessment=assessment,
                reasoning=reasoning,
                tags=tags,
                metadata=metadata,
                error=error,
                timestamp_ms=timestamp_ms,
            )
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def _writable(self, method: str) -> bool:
        if not self._ended:
            return True
        what = f"{method}() on a span that has ended: nothing recorded"
        slot.misuse(what, f"the span {slot.shown('name', self.name)}")
        return False

    def __repr__(self) -> str:
        state = "ended" if self._ended else "open"
        return f"<Span {self.name!r} {self.kind} span_id={self.span_id} trace_id={self.trace_id} {state}>"


class InertSpan(Span):
    """A span of which nothing is recorded: tracing is off, its trace is not sampled, or it was recorded
    elsewhere.
    """

    __slots__ = ()

    def __init__(self, name: str = "", kind: str = "task", *, scope: Scope | None = None) -> None:
        self.name = name
        self.kind = kind
        self.span_id = NO_SPAN_ID
        self.trace_id = NO_TRACE_ID
        self.parent_id = None
        self.start_ns = 0
        self.scope = scope if scope is not None else _NO_SCOPE
        self.sampled = False
        self._ended = False
        self._opened_ns = clock_ns()
        self._chain = self._frame = self._blocks = self._within = None
        self._input = self._output = self._details = None

    def _writable(self, method: str) -> bool:
        return False


_NO_SCOPE = Scope("", "", "")
INERT: Span = InertSpan()


def handed_on(carried: Carried) -> Span:
    """A stand-in for the span of `carried`, which ended or runs in another process: its ids, for metrics
    and headers.
    """
    span = InertSpan("", scope=carried.scope)
    span.trace_id = carried.trace_id
    span.span_id = carried.span_id
    span.sampled = carried.sampled
    span._ended = True
    return span


def left_out(recorder: Recorder, name: str, parent: Active | None) -> Span | None:
    """An inert span where the trace is not sampled, decided here for a root; None where it is."""
    if parent is not None:
        return None if parent.sampled else INERT
    if recorder.sample_rate >= 1.0 or slot.sampled(recorder.sample_rate):
        return None
    span = InertSpan(name, "experiment", scope=recorder.scope)
    span.trace_id = new_trace_id()  # `inject` hands the decision on, with the flag down
    return span


def begin(recorder: Recorder, what: SpanOptions, name: str, parent: Active | None) -> Span:
    """A new open span, not placed yet, its clocks not read."""
    span = Span()
    if parent is None:
        span.trace_id = new_trace_id()
        span.parent_id = None
        span.kind = what.kind or "experiment"
        span.scope = scope = recorder.scope if what.scope_ids is None else recorder.scope_for(*what.scope_ids)
    else:
        span.trace_id = parent.trace_id
        span.parent_id = parent.span_id
        span.kind = what.kind or "task"
        span.scope = scope = parent.scope
    try:
        span.span_id = take_span_id()
    except IndexError:
        span.span_id = more_span_ids()
    span.name = name
    span.sampled = True
    span._recorder = recorder
    span._input = None
    span._output = NOT_GIVEN
    span._ended = False
    span._details = span._chain = span._frame = span._blocks = span._within = None
    if scope is not recorder.scope:
        slot.remember_scope(span.span_id, scope)
    if not what.plain:
        try:
            what.apply(span)
        except Exception as fault:
            slot.fault(fault)
    return span


def current_span() -> Span | None:
    """The active span, or None: outside any, where tracing is off, and where the trace is not sampled."""
    try:
        found = active.now(active.caller(1))
        if found is None or not found.sampled:
            return None
        if isinstance(found, Span):
            return found
        if isinstance(found, Carried):
            span = found.span
            return span if isinstance(span, Span) else handed_on(found)
    except RecursionError:
        slot.faults.count += 1
    except Exception as fault:
        slot.fault(fault)
    return None


def lost(entry: Active | None, fault: Exception) -> None:
    """After a fault of ours at a span's end: whatever became of its event, it is active nowhere."""
    if entry is not None and entry is not INERT:
        entry._ended = True
    slot.fault(fault)


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
    if span.sampled:
        recorder = span._recorder
        recorder.append(event.span_record(span, recorder, ended_ns - (began_ns or span._opened_ns)))
