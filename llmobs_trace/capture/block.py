"""`experiment_span`: a block around a piece of work, and the maker of decorators. User's thread.

`experiment_span(function)` decorates at once. Anything else makes a `SpanBlock`, which is entered by `with`
or `async with`, or called with a function to decorate it. A block can be entered again before it was left (by
recursion, by two tasks): each entry makes a new span.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any, TypeVar, overload

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.active import ENTERS_FOR_ITS_CALLER, SUSPENDABLE
from llmobs_trace.capture.decorate import decorate
from llmobs_trace.capture.details import details_of
from llmobs_trace.capture.failure import Failure
from llmobs_trace.capture.options import UNSET, SpanOptions
from llmobs_trace.capture.plan import Plan
from llmobs_trace.capture.span import INERT, Span, begin, clock_ns, end, left_out, lost, time_ns
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.wire import Kind

F = TypeVar("F", bound="Callable[..., Any] | classmethod[Any, Any, Any]")


class SpanBlock:
    """What `experiment_span(…)` makes: `with` and `async with` enter it, calling it with a function
    decorates that.
    """

    __slots__ = ("__weakref__", "_open", "_options")

    def __init__(self, options: SpanOptions) -> None:
        self._options = options
        self._open: list[Span] = []

    def __call__(self, function: F, /) -> F:
        try:
            return _decorated(function, self._options)
        except ConfigurationError:
            raise
        except Exception as fault:
            slot.fault(fault)
            return function

    def __enter__(self) -> Span:
        try:
            return self._enter(sys._getframe(1))
        except RecursionError:
            slot.faults.count += 1  # no room for a call that says so
        except Exception as fault:
            slot.fault(fault)
        return INERT

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        try:
            self._leave(error)
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    async def __aenter__(self) -> Span:
        try:
            return self._enter(sys._getframe(1))
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)
        return INERT

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        try:
            self._leave(error)
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def _enter(self, frame: FrameType) -> Span:
        recorder = slot.current
        if recorder is None or not recorder.enabled:
            recorder = slot.get()
            if not recorder.enabled:
                return INERT
        options = self._options
        if options.problem is not None:
            option, given, expected = options.problem
            slot.misuse(f"experiment_span: {option} takes {expected}: left out", slot.shown(option, given))
        name = options.name or _named_after(frame)
        chain = active.current_chain()
        spans = chain.spans
        parent = spans[-1] if spans else None
        span = None
        if parent is None or parent._ended or not parent.sampled or active._blocks:
            parent = active.find(chain, frame)
            span = left_out(recorder, name, parent)
        if span is None:
            span = begin(recorder, options, name, parent)
            span.start_ns = time_ns()
            span._opened_ns = clock_ns()
        self.__class__ = _Entered
        self._open.append(span)
        if span is INERT:
            return span
        code = frame.f_code
        if active._blocks or code.co_flags & SUSPENDABLE or code.co_name in ENTERS_FOR_ITS_CALLER:
            active.place(span, chain, frame)
        else:
            # A plain function's: `place` would come to the same, in three calls.
            span._chain = chain
            spans.append(span)
        return span

    def _leave(self, error: BaseException | None) -> None:
        ended_ns = clock_ns()
        if not self._open:
            return  # entered while tracing was off
        span = self._open.pop() if len(self._open) == 1 else active.take(self._open, active.caller(2))
        if not self._open:
            self.__class__ = SpanBlock
        if span is INERT:
            return
        try:
            if error is not None and span.sampled and not issubclass(type(error), GeneratorExit):
                details_of(span).failure = Failure(error)
        finally:
            try:
                end(span, ended_ns)
            finally:
                span._ended = True  # whatever became of its event, it is active nowhere

    def __repr__(self) -> str:
        return f"experiment_span({self._options.name!r})"


class _Entered(SpanBlock):
    """A block for as long as it is open: nobody may be left who could leave it, as of a generator that was
    never closed.

    CPython forgets what a signal's handler raises within a `__del__`, Ctrl-C too: a block that was left has
    none.
    """

    __slots__ = ()

    def __del__(self) -> None:
        for span in self._open:
            try:
                end(span, clock_ns())
            except Exception as fault:
                lost(span, fault)


def _named_after(frame: FrameType) -> str:
    """A block without a name is named after the function it stands in."""
    name: str = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
    return name.rpartition("<locals>.")[2]


@overload
def experiment_span(function: F, /) -> F: ...


@overload
def experiment_span(
    name: str | None = None,
    *,
    kind: Kind | None = None,
    input: object = UNSET,
    expected_output: object = UNSET,
    tags: Mapping[str, object] | None = None,
    row_id: str | None = None,
    experiment_id: str | None = None,
    project_id: str | None = None,
    dataset_id: str | None = None,
    capture_input: bool | None = None,
    capture_output: bool | None = None,
) -> SpanBlock: ...


def experiment_span(
    name: Any = None,
    *,
    kind: Kind | None = None,
    input: object = UNSET,
    expected_output: object = UNSET,
    tags: Mapping[str, object] | None = None,
    row_id: str | None = None,
    experiment_id: str | None = None,
    project_id: str | None = None,
    dataset_id: str | None = None,
    capture_input: bool | None = None,
    capture_output: bool | None = None,
) -> Any:
    """Record a function's calls, or a block, as spans.

    >>> @experiment_span
    ... def answer(question): ...
    >>> @experiment_span("retrieve", kind="retrieval", tags={"index": "wiki"})
    ... async def retrieve(query): ...
    >>> with experiment_span("model", kind="llm", input=messages) as span:
    ...     span.set_output(client.chat(messages))

    `name` defaults to the function's qualified name. `kind` is one of experiment, workflow, agent, llm, tool,
    task, retrieval, embedding; a root span without one is an `experiment`: a row of it, named by `row_id` or
    by a hash of its input. `experiment_id`, `project_id` and `dataset_id` count at a root, and its
    descendants inherit them. `capture_input` and `capture_output` overrule `configure` for a decorated
    function; what `input=` or `set_output` is given is always recorded.

    A decorator raises `ConfigurationError` at once where an argument makes no sense. A block raises nothing
    of ours: the argument is left out, and the log says so.
    """
    # What is no function but sits in a class like one, such as a property, is refused when it is decorated.
    decorated = None
    if type(name) is not str and (callable(name) or hasattr(type(name), "__get__")):
        decorated = name
    try:
        options = SpanOptions(name if decorated is None else None, kind, input)
        if (
            tags is not None
            or row_id is not None
            or experiment_id is not None
            or project_id is not None
            or dataset_id is not None
            or capture_input is not None
            or capture_output is not None
            or expected_output is not UNSET
        ):
            options.say_more(
                expected_output,
                tags,
                row_id,
                experiment_id,
                project_id,
                dataset_id,
                capture_input,
                capture_output,
            )
        return SpanBlock(options) if decorated is None else _decorated(decorated, options)
    except ConfigurationError:
        raise
    except Exception as fault:
        slot.fault(fault)
        # Without options: it does nothing, as a block and as a decorator.
        return SpanBlock.__new__(SpanBlock) if decorated is None else decorated


def _decorated(function: F, options: SpanOptions) -> F:
    """Decorate a function; a wrong argument raises."""
    if options.problem is not None:
        raise options.refusal()
    return decorate(function, Plan.of(function, options))
