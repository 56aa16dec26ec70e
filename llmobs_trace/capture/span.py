"""Defines the span that a user holds: what it is told, and when that is encoded. User's thread.

A span is opened, is told its input, output and failure, and ends once: then its event goes to the recorder as
bytes. Values are encoded when they are given, so that what the user changes later does not change what was
recorded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.details import Details
from llmobs_trace.capture.entry import Active, Carried
from llmobs_trace.capture.failure import Failure
from llmobs_trace.capture.ids import NO_SPAN_ID, NO_TRACE_ID
from llmobs_trace.capture.metric import record
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.capture.user_tags import plain_tags
from llmobs_trace.capture.values import captured
from llmobs_trace.wire import Assessment, MetricType

# A span's output as long as it was told none; None would be what it was told.
NOT_GIVEN = b""

clock_ns = time.perf_counter_ns
time_ns = time.time_ns


class Span(Active):
    """One timed piece of work, as `with experiment_span(…) as span` or `current_span()` hands it out.

    - `name`, `kind`: as `experiment_span` was told, or decided
    - `span_id`, `trace_id`: 16 and 32 hexadecimal digits, as in W3C's trace context
    - `parent_id`: the id of the span around it, None for a root
    - `start_ns`: when it began, in nanoseconds since the epoch

    Values are encoded when they are given: what is changed later is not recorded. Where tracing is off or the
    trace is not sampled a span has the same methods, and nothing is recorded. Its methods raise nothing, but
    `UsageError` under `strict`.

    >>> with experiment_span("answer", input="2+2?", expected_output="4") as span:
    ...     span.set_output("4")
    ...     span.record_metric("exact_match", True)
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
        """Record `value`, anything, as what the work was given, in the place of what was recorded; None
        leaves it out.
        """
        try:
            if self._writable("set_input"):
                self._input = captured(self._recorder, "input", value)
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def set_output(self, value: object) -> None:
        """Record `value`, anything, as what came of the work; None leaves it out. A decorated function's
        result does not take its place.
        """
        try:
            if self._writable("set_output"):
                self._output = captured(self._recorder, "output", value)
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def set_expected_output(self, value: object) -> None:
        """Record what the output should have been; what is no mapping is sent as `{"value": …}`."""
        try:
            if self._writable("set_expected_output"):
                details_of(self).expected = captured(self._recorder, "expected_output", value)
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Add tags, a mapping of names to values, sent as `name:value`; one of the same name is replaced."""
        try:
            if self._writable("set_tags"):
                details = details_of(self)
                details.tags = {**(details.tags or {}), **plain_tags(tags)}
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def record_exception(self, exc: BaseException) -> None:
        """Record an exception, such as one that the block catches: its type, message and stack. The span's
        status is `error` then.
        """
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
        lower_is_better: bool | None = None,
    ) -> None:
        """Record a metric of this span, also after it has ended. The arguments are those of
        `llmobs_trace.record_metric`.
        """
        try:
            recorder = slot.current or slot.get()
            if recorder.enabled and self._sampled:
                record(
                    recorder,
                    self._scope,
                    self.span_id,
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


def details_of(span: Span) -> Details:
    """A span's details, to be written to."""
    details = span._details
    if details is None:
        details = span._details = Details()
    return details


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
        self._scope = scope if scope is not None else _NO_SCOPE
        self._sampled = False
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
    span = InertSpan("", scope=carried._scope)
    span.trace_id = carried.trace_id
    span.span_id = carried.span_id
    span._sampled = carried._sampled
    span._ended = True
    return span


def current_span() -> Span | None:
    """The span that is active here, or None: outside any, where tracing is off, and where the trace is not
    sampled. Raises nothing.

    >>> def note(text):
    ...     if span := current_span():
    ...         span.set_tags({"note": text})
    >>> with experiment_span("row"):
    ...     note("a short one")
    """
    try:
        found = active.now(active.caller(1))
        if found is None or not found._sampled:
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
