"""Provides `experiment_span`: a block around a piece of work, and the maker of decorators. User's thread.

`experiment_span(function)` decorates at once. Anything else makes a `SpanBlock`, which is entered by `with`
or `async with`, or called with a function to decorate it. A block can be entered again before it was left (by
recursion, by two tasks): each entry makes a new span.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from types import FrameType, TracebackType
from typing import Any, TypeVar, overload

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.active import ENTERS_FOR_ITS_CALLER, SUSPENDABLE
from llmobs_trace.capture.callable_facts import Plan
from llmobs_trace.capture.decorate import decorate
from llmobs_trace.capture.lifetime import begin, end, left_by, left_out, lost
from llmobs_trace.capture.opened_by import take
from llmobs_trace.capture.span import INERT, Span, clock_ns, time_ns
from llmobs_trace.capture.span_arguments import UNSET, SpanOptions
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.wire import Kind

F = TypeVar("F", bound="Callable[..., Any] | classmethod[Any, Any, Any]")

# Where there is no interpreter lock, each change of a class stops all threads, one in a long C call included.
_CHANGES_CLASS = "free-threading" not in sys.version


class SpanBlock:
    """What `experiment_span(…)` makes: `with` and `async with` enter it and give a `Span`; calling it with a
    function decorates that. It can be entered again, also before it was left: each time is a span of its own.

    >>> block = experiment_span("model", kind="llm")
    >>> with block as span:
    ...     span.set_output("4")
    >>> block(len)("four")
    4
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
            slot.misuse(*options.misuse())
        name = options.name or _named_after(frame)
        chain = active.current_chain()
        spans = chain.spans
        parent = spans[-1] if spans else None
        span = None
        if parent is None or parent._ended or not parent._sampled or active._blocks:
            parent = active.find(chain, frame)
            span = left_out(recorder, name, parent)
        if span is None:
            span = begin(recorder, options, name, parent)
            span.start_ns = time_ns()
            span._opened_ns = clock_ns()
        self._open.append(span)
        if _CHANGES_CLASS:
            self.__class__ = _Entered
        if span is INERT:
            return span
        span._opened_by = options
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
        opened = self._open
        # The first of one alone is our own, whatever other threads open meanwhile.
        span = opened.pop(0) if len(opened) == 1 else self._take(active.caller(2))
        if _CHANGES_CLASS and not opened:
            self.__class__ = SpanBlock
            if opened:
                self.__class__ = _Entered  # another thread opened it just now
        if span is INERT:
            return
        try:
            if error is not None:
                left_by(span, self._options, error)
        finally:
            try:
                end(span, ended_ns)
            finally:
                span._ended = True  # whatever became of its event, it is active nowhere

    def _take(self, frame: FrameType | None) -> Span:
        """Which of several it is; an inert one where it was entered while tracing was off."""
        return (take(self._open, self._options, frame) if self._open else None) or INERT

    def __repr__(self) -> str:
        return f"experiment_span({self._options.name!r})"


class _Entered(SpanBlock):
    """A block for as long as it is open: nobody may be left who could leave it, as of a generator that was
    never closed.

    CPython forgets what a signal's handler raises within a `__del__`, Ctrl-C too: a block that was left has
    none, but where there is no interpreter lock.
    """

    __slots__ = ()

    def __del__(self) -> None:
        for span in getattr(self, "_open", ()):
            try:
                end(span, clock_ns())
            except Exception as fault:
                lost(span, fault)


_Block = SpanBlock if _CHANGES_CLASS else _Entered


def _named_after(frame: FrameType) -> str:
    """A block without a name is named after the function it stands in."""
    name: str = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
    return name.rpartition("<locals>.")[2]


def _as_stated(stated: Callable[..., Any]) -> Any:
    """Carry out what is only stated below. Every call looks for each keyword that has a default, 10 ns: those
    that few give come together.
    """

    @functools.wraps(stated)
    def experiment_span(
        name: Any = None, *, kind: Kind | None = None, input: object = UNSET, **more: Any
    ) -> Any:
        # What is no function but sits in a class like one, such as a property, is refused when it is
        # decorated.
        decorated = None
        if type(name) is not str and (callable(name) or hasattr(type(name), "__get__")):
            decorated = name
        try:
            options = SpanOptions(name if decorated is None else None, kind, input)
            if more:
                unknown = options.say_more(**more)
                if unknown:
                    options.refuse_unknown(unknown, inspect.signature(stated).parameters)
            return _Block(options) if decorated is None else _decorated(decorated, options)
        except ConfigurationError:
            raise
        except Exception as fault:
            slot.fault(fault)
            # Without options: it does nothing, as a block and as a decorator.
            return _Block.__new__(_Block) if decorated is None else decorated

    return experiment_span


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
    collect: Callable[[Any], object] | None = None,
    not_errors: Collection[type[BaseException] | str] | None = None,
) -> SpanBlock: ...


@_as_stated
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
    collect: Callable[[Any], object] | None = None,
    not_errors: Collection[type[BaseException] | str] | None = None,
) -> Any:
    """Record the calls of a function, or a block, as spans.

    >>> @experiment_span
    ... def answer(question):
    ...     with experiment_span("model", kind="llm", input=question, tags={"model": "small"}) as span:
    ...         span.set_output(reply := question.upper())
    ...     return reply
    >>> answer("why?")
    'WHY?'
    >>> @experiment_span("retrieve", kind="retrieval", capture_output=False)
    ... async def retrieve(query): ...

    Functions, coroutine functions, generators, async generators and methods can be decorated; they keep their
    signature and their type. `async with` does what `with` does.

    - `name`: what the span is called; by default the function's qualified name, or that of the function in
      which the block stands
    - `kind`: `experiment`, `workflow`, `agent`, `llm`, `tool`, `task`, `retrieval` or `embedding`; by default
      `experiment` for a root span, which is a row of its experiment, and `task` within another
    - `input`, `expected_output`: any values; by default a decorated function's input are its arguments, by
      name
    - `tags`: a mapping of names to values, sent as `name:value`
    - `row_id`: the row of the dataset that a root span is; by default a hash of its input
    - `experiment_id`, `project_id`, `dataset_id`: where a root span belongs, if not where `configure` says;
      all that runs within it goes there too
    - `capture_input`, `capture_output`: whether a decorated function's arguments and result are recorded, if
      not as `configure` says; what `input=` or `set_output` is given always is
    - `collect`: for a generator: a function that gets all that was yielded, as one iterable, and returns what
      is recorded as the output
    - `not_errors`: exception types, or their dotted names, that end the span without failing it, beside those
      that `configure` names

    A decorator raises `ConfigurationError` at once where an argument makes no sense or is misspelt. A block
    raises nothing: it leaves the argument out, and the log says so; under `strict` it raises `UsageError`.
    """


def _decorated(function: F, options: SpanOptions) -> F:
    """Decorate a function; a wrong argument raises."""
    options.check_decorating()
    return decorate(function, Plan.of(function, options))
