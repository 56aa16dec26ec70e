"""Runs a decorated call within its span: the hot path, for each kind of callable. User's thread.

For a call with a parent, an input and an output it may do this and no more: find the running thread's or
task's chain, bind and encode the arguments, take an id, make the span, put it on the chain, read the wall
clock and the monotonic one; then the user's function; then read the monotonic clock, encode what was
returned, take the span off the chain, join the record and append it. Everything else is a branch not taken.

What is promised: the same return value, the same exception object with the same cause and context, a
traceback longer by one frame of ours, and a fault of our own never reaches the user: so all of ours is tried
(free of charge on 3.11 and later).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from llmobs_trace.capture import active, known_streams
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.callable_facts import Plan
from llmobs_trace.capture.entry import Active, Chain
from llmobs_trace.capture.generators import (
    Keep,
    Steps,
    run_async_generator,
    run_generator,
    run_iterable_coroutine,
)
from llmobs_trace.capture.lifetime import begin, end, left_by, left_out, lost
from llmobs_trace.capture.recorder import Recorder
from llmobs_trace.capture.span import INERT, NOT_GIVEN, Span, clock_ns, details_of, time_ns
from llmobs_trace.capture.stream import Collected, Stream, told_of_stream
from llmobs_trace.capture.values import captured_bytes
from llmobs_trace.encode import encode
from llmobs_trace.wire import EXHAUSTED_TAG, FIRST_ITEM_TAG

# As numbers: to look for one in bytes takes longer.
_BRACE, _QUOTE, _MARK = b'{"<'

# --- what every call does -----------------------------------------------------------------------------------


def _input(recorder: Recorder, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
    """The input of a call, encoded now; None where there is none or it is not wanted, and where the arguments
    do not fit: the function itself will say so.
    """
    wanted = plan.capture_input
    if wanted is None:
        wanted = recorder.capture_input
    if not wanted:
        return None
    try:
        # An empty `**kwargs` is worth a look: passing it on makes a new dictionary, 60 ns.
        arguments = plan.arguments(*args, **kwargs) if kwargs else plan.arguments(*args)
    except TypeError:
        return None
    if not arguments:
        return None
    encoded = encode(arguments)  # an object with something in it: in shape as it is
    return encoded if recorder.redactor is None else captured_bytes(recorder, "input", encoded)


def _fail(span: Span, plan: Plan, error: BaseException, began_ns: int | None = None) -> None:
    """The call ended with an exception."""
    ended_ns = clock_ns()
    try:
        left_by(span, plan.options, error)
    finally:
        end(span, ended_ns, began_ns)


def _finish(span: Span, plan: Plan, result: object, began_ns: int | None = None) -> None:
    """The call returned."""
    ended_ns = clock_ns()
    try:
        if result is not None and span._output is NOT_GIVEN:
            recorder, wanted = span._recorder, plan.capture_output
            if wanted is None:
                wanted = recorder.capture_output
            if wanted:
                encoded = encode(result)
                # In shape as they are: an object with a member, a text that is not empty nor a type's name.
                if (
                    recorder.redactor is None
                    and len(encoded) > 2
                    and (encoded[0] == _BRACE or (encoded[0] == _QUOTE and encoded[1] != _MARK))
                ):
                    span._output = encoded
                elif _stays_open(span, plan, result, began_ns):
                    span = INERT
                else:
                    span._output = captured_bytes(recorder, "output", told_of_stream(result, encoded))
            elif _stays_open(span, plan, result, began_ns):
                span = INERT
    finally:
        end(span, ended_ns, began_ns)


def _stays_open(span: Span, plan: Plan, result: object, began_ns: int | None) -> bool:
    """Whether it returned a stream of a model client, with which its span will end."""
    known = known_streams.known
    return known is not None and known.stays_open(result, span, plan.options, began_ns)


def _on_stack(plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span:
    """Begin the span of a plain call, whose wrapper calls this."""
    recorder = slot.current
    if recorder is None:  # the first span of all; the wrapper has looked whether tracing is off
        recorder = slot.get()
        if not recorder.enabled:
            return INERT
    chain = active.current_chain()
    spans = chain.spans
    parent = spans[-1] if spans else None
    if parent is None or parent._ended or not parent.trace_id or active._blocks:
        return _on_stack_among_others(recorder, plan, args, kwargs, chain)
    if not parent._sampled:
        return INERT  # before anything is encoded
    given = _input(recorder, plan, args, kwargs)
    span = begin(recorder, plan.options, plan.name, parent)
    if given is not None:
        span._input = given
    span._chain = chain
    span.start_ns = time_ns()
    span._opened_ns = clock_ns()
    spans.append(span)
    return span


def _on_stack_among_others(
    recorder: Recorder, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any], chain: Chain
) -> Span:
    """The same for a root, and while a generator or coroutine somewhere has a block open."""
    within = active.innermost_blocks(chain, active.caller(2)) if active._blocks else None
    parent = active.find_within(chain, within) if active._blocks else active.top(chain)
    span = left_out(recorder, plan.name, parent)
    if span is INERT:
        return INERT
    if span is None:
        given = _input(recorder, plan, args, kwargs)
        span = begin(recorder, plan.options, plan.name, parent)
        if given is not None:
            span._input = given
        span.start_ns = time_ns()
        span._opened_ns = clock_ns()
    span._within = within
    span._chain = chain
    chain.spans.append(span)
    return span


def _in_coroutine(plan: Plan, given: bytes | None) -> Span:
    """Begin the span of a coroutine, whose wrapper's frame calls this at its first step."""
    recorder = slot.current or slot.get()
    if not recorder.enabled:
        return INERT
    chain = active.current_chain()
    # A frame object costs 100 ns; in a task it is looked at only while there are blocks in the table.
    frame = active.caller(1) if active._blocks or not chain.task else None
    parent = active.find(chain, frame)
    span = left_out(recorder, plan.name, parent) if parent is None or not parent._sampled else None
    if span is INERT:
        return INERT
    if span is None:
        span = begin(recorder, plan.options, plan.name, parent)
        if given is not None:
            span._input = given
        span.start_ns = time_ns()
        span._opened_ns = clock_ns()
    if frame is None:
        span._chain = chain
        chain.spans.append(span)
    elif chain.task:
        active.place_on_chain(span, chain, frame)
    else:
        # Outside a task nobody knows who runs while it awaits: active with its frame only.
        active.place_in_frame(span, chain, frame)
    return span


# --- the calls ----------------------------------------------------------------------------------------------


def calling_function(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    """What runs when a decorated plain function is called."""

    def call_function(*args: Any, **kwargs: Any) -> Any:
        recorder = slot.current
        if recorder is not None and not recorder.enabled:
            try:
                return function(*args, **kwargs)
            except BaseException:
                args, kwargs = (), {}  # as below
                raise
        try:
            span = _on_stack(plan, args, kwargs)
        except RecursionError:
            slot.faults.count += 1  # no room for a call that says so
            span = INERT
        except Exception as fault:
            slot.fault(fault)
            span = INERT
        try:
            if span is INERT:
                return function(*args, **kwargs)
            result = function(*args, **kwargs) if kwargs else function(*args)
        except BaseException as error:
            # An exception among them that goes on from here would hold itself, by its traceback.
            args, kwargs = (), {}
            try:
                _fail(span, plan, error)
            except Exception as fault:
                lost(span, fault)
            raise
        try:
            _finish(span, plan, result)
        except Exception as fault:
            lost(span, fault)
        return result

    return call_function


def calling_coroutine(
    function: Callable[..., Coroutine[Any, Any, Any]], plan: Plan
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """What runs when a decorated coroutine function is called: the arguments are taken now."""

    def call_coroutine(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        recorder = slot.current
        if recorder is not None and not recorder.enabled:
            return function(*args, **kwargs)
        coroutine = None
        try:
            given = _input(slot.current or slot.get(), plan, args, kwargs)
            if given is not None or _fits(plan, args, kwargs):
                coroutine = _run_coroutine(function, plan, given, args, kwargs)
                _name_after(coroutine, function)
        except Exception as fault:
            slot.fault(fault)
        # A call that does not fit raises here, as it would undecorated, and outside of the handlers, whose
        # exception would else be its context.
        return coroutine if coroutine is not None else function(*args, **kwargs)

    return call_coroutine


def _fits(plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    try:
        plan.arguments(*args, **kwargs)
    except TypeError:
        return False
    return True


async def _run_coroutine(
    function: Callable[..., Coroutine[Any, Any, Any]],
    plan: Plan,
    given: bytes | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    try:
        span = _in_coroutine(plan, given)
    except Exception as fault:
        slot.fault(fault)
        span = INERT
    try:
        coroutine = function(*args, **kwargs)
        if span._blocks is not None:  # outside a task: active with the user's own frame
            try:
                active.move_to_frame(span, getattr(coroutine, "cr_frame", None))
            except Exception as fault:
                slot.fault(fault)
        # From here on they are the user's function's alone: what it lets go of is gone.
        args, kwargs = (), {}
        if span is INERT:
            return await coroutine
        result = await coroutine
    except BaseException as error:
        try:
            _fail(span, plan, error)
        except Exception as fault:
            lost(span, fault)
        raise
    try:
        _finish(span, plan, result)
    except Exception as fault:
        lost(span, fault)
    return result


_AWAITABLE = inspect.CO_ITERABLE_COROUTINE


def calling_generator(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    """What runs when a decorated generator function is called."""

    def call_generator(*args: Any, **kwargs: Any) -> Any:
        recorder = slot.current
        inner = function(*args, **kwargs)
        if (recorder is not None and not recorder.enabled) or not inspect.isgenerator(inner):
            return inner
        try:
            if inner.gi_code.co_flags & _AWAITABLE:
                outer = run_iterable_coroutine(inner, _AwaitedSteps(plan, args, kwargs))
            else:
                outer = run_generator(inner, _SpanSteps(plan, args, kwargs))
            _name_after(outer, function)
        except Exception as fault:
            slot.fault(fault)
            return inner
        return outer

    return call_generator


def calling_async_generator(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    """What runs when a decorated async generator function is called."""

    def call_async_generator(*args: Any, **kwargs: Any) -> Any:
        recorder = slot.current
        inner = function(*args, **kwargs)
        if (recorder is not None and not recorder.enabled) or not inspect.isasyncgen(inner):
            return inner
        try:
            outer = run_async_generator(inner, _SpanSteps(plan, args, kwargs))
            _name_after(outer, function)
        except Exception as fault:
            slot.fault(fault)
            return inner
        return outer

    return call_async_generator


def _name_after(made: Any, function: Any) -> None:
    """A coroutine or generator shows its name in warnings and debuggers: the user's, not ours."""
    try:
        made.__name__ = function.__name__
        made.__qualname__ = function.__qualname__
    except Exception:
        return  # a callable object has no such name


class _SpanSteps(Steps):
    """The span of a decorated generator, active around each step and nowhere between."""

    __slots__ = ("_at_call", "_began_ns", "_given", "_plan", "_recorder", "_stream", "span")

    def __init__(self, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        recorder = slot.current or slot.get()
        super().__init__()
        self.span = INERT
        self._plan = plan
        self._recorder = recorder
        self._began_ns = 0
        self._stream: Stream | known_streams.Assembled | None = None
        self._given = _input(recorder, plan, args, kwargs)
        # A body streamed after its handler returned still has its parent.
        self._at_call: Active | None = active.handed_over(active.now(active.caller(2)))

    def begin(self) -> bool:
        """At the first step; False where there is nothing to record."""
        if not self._recorder.enabled:
            return False
        parent = active.now(active.caller(1))
        if parent is None or not parent.trace_id:
            parent = self._at_call or parent
        plan, recorder = self._plan, self._recorder
        span = left_out(recorder, plan.name, parent)
        if span is INERT:
            return False
        if span is None:
            span = begin(recorder, plan.options, plan.name, parent)
            if self._given is not None:
                span._input = self._given
            span.start_ns = time_ns()
            self._began_ns = span._opened_ns = clock_ns()
        self.entry = self.span = span
        self._at_call = self._given = None
        wanted = plan.capture_output if plan.capture_output is not None else recorder.capture_output
        if span._sampled and wanted:
            collect = plan.options.collect
            self._stream = (
                Stream(recorder.max_event_bytes)
                if collect is None
                else Collected(recorder.max_event_bytes, collect, plan.name)
            )
        return True

    def first(self, item: object) -> Keep | None:
        span = self.span
        if span._sampled:
            details_of(span).own_tags = (f"{FIRST_ITEM_TAG}:{clock_ns() - self._began_ns}",)
        stream, known = self._stream, known_streams.known
        if stream is None:
            return None
        if known is not None and self._plan.options.collect is None:
            stream = self._stream = known.assembled(item) or stream
        stream.add(item)
        return stream.adder()

    def finish(self, error: BaseException | None = None, result: object = None) -> None:
        ended_ns = clock_ns()
        span = self.span
        try:
            if span._sampled and error is not None:
                details = details_of(span)
                details.own_tags = (*details.own_tags, f"{EXHAUSTED_TAG}:false")
                left_by(span, self._plan.options, error)
            if self._stream is not None and span._output is NOT_GIVEN:
                encoded = self._stream.encoded()
                # As a function that returned None has no output, so has one whose items come to it.
                if encoded != b"null":
                    span._output = captured_bytes(self._recorder, "output", encoded)
                if not isinstance(self._stream, Stream):
                    self._stream.tell(span)
        finally:
            end(span, ended_ns, self._began_ns)


class _AwaitedSteps(_SpanSteps):
    """The same of a `types.coroutine`: what it yields is for the event loop, its output is what it
    returned.
    """

    __slots__ = ()

    def first(self, item: object) -> None:
        return None

    def finish(self, error: BaseException | None = None, result: object = None) -> None:
        if error is None:
            _finish(self.span, self._plan, result, self._began_ns)
        else:
            _fail(self.span, self._plan, error, self._began_ns)
