"""One wrapper for each kind of callable: what a decorated call does around the user's. User's thread.

Built on `wrapt.FunctionWrapper`, a proxy that keeps signature, hints, `inspect` answers and the descriptor
protocol. Each wrapper is a subclass with a `__call__` of its own: 0.6 µs a call, where wrapt's usual wrapper
function costs 1.4.

What a wrapper promises: the same return value, the same exception object with the same cause and context, a
traceback longer by one frame of ours, and a fault of our own never reaches the user.
"""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Callable, Coroutine
from types import FunctionType, MethodType
from typing import Any, TypeVar, cast

import wrapt

from llmobs_trace.capture import active, event
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.arguments import Mapper, mapper
from llmobs_trace.capture.entry import Active
from llmobs_trace.capture.failure import Failure
from llmobs_trace.capture.options import UNSET, SpanOptions
from llmobs_trace.capture.recorder import Recorder
from llmobs_trace.capture.span import INERT, Span, begin, clock_ns, end, lost
from llmobs_trace.capture.steps import Steps, run_async_generator, run_generator, run_iterable_coroutine
from llmobs_trace.capture.stream import Stream
from llmobs_trace.errors import ConfigurationError

F = TypeVar("F")


class Plan:
    """What is known of a decorated callable before its first call."""

    __slots__ = ("arguments", "name", "options")

    def __init__(self, name: str, options: SpanOptions, arguments: Mapper) -> None:
        self.name = name
        self.options = options
        self.arguments = arguments

    @classmethod
    def of(cls, wrapped: Any, options: SpanOptions, name: str | None = None) -> Plan:
        """Check that `wrapped` can be decorated, and read its name and parameters."""
        function = wrapped.__func__ if isinstance(wrapped, (classmethod, staticmethod)) else wrapped
        if inspect.isclass(wrapped):
            raise ConfigurationError(
                f"experiment_span decorates functions; {wrapped.__qualname__} is a class: name its methods"
            )
        if not callable(function):
            raise ConfigurationError(
                f"experiment_span decorates functions, and this is a {type(wrapped).__name__}; "
                'a name is a string: experiment_span("name")'
            )
        arguments = mapper(function, receiver=isinstance(wrapped, classmethod))
        return cls(name or options.name or _name_of(function), options, arguments)


def _name_of(function: Any) -> str:
    """`__qualname__` from the last `<locals>.` on: `C.method`, `helper`."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None)
    if not isinstance(name, str):
        name = type(function).__qualname__
    return name.rpartition("<locals>.")[2]


def decorate(wrapped: F, plan: Plan) -> F:
    """The wrapper for `wrapped`'s kind of callable; a classmethod or staticmethod stays one."""
    if isinstance(wrapped, (classmethod, staticmethod)):
        again = type(wrapped)(decorate(wrapped.__func__, plan))
        again.__dict__.update(wrapped.__dict__)
        return cast(F, again)
    for is_kind, wrapper in _WRAPPERS:
        if is_kind(wrapped):
            return cast(F, wrapper(wrapped, plan))
    return cast(F, _Function(wrapped, plan))


# --- what every call does -----------------------------------------------------------------------------------


def _fitting(plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """A call's arguments by name; None where they do not fit: the function itself will say so."""
    try:
        return plan.arguments(*args, **kwargs)
    except TypeError:
        return None


def _given(recorder: Recorder, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
    """The input of a call, encoded now; None where there is none or it is not wanted."""
    arguments = _fitting(plan, args, kwargs)
    return None if arguments is None else _input(recorder, plan, arguments)


def _input(recorder: Recorder, plan: Plan, arguments: dict[str, Any]) -> bytes | None:
    options = plan.options
    wanted = options.capture_input if options.capture_input is not None else recorder.capture_input
    # An input given to the decorator is set when its options are applied.
    if not arguments or not wanted or options.given_input is not UNSET:
        return None
    return event.captured(recorder, "input", arguments)


def _wants_output(recorder: Recorder, plan: Plan) -> bool:
    wanted = plan.options.capture_output
    return wanted if wanted is not None else recorder.capture_output


def _begin(recorder: Recorder, plan: Plan, parent: Active | None, given: bytes | None) -> Span:
    options = plan.options
    scope = options.scope(recorder) if parent is None and options.scope_ids is not None else None
    span = begin(recorder, plan.name, options.kind, parent, scope)
    if span.sampled:
        span._input = given
        if not options.plain:
            options.apply(span)
    return span


def _fail(span: Span, error: BaseException) -> None:
    """The call ended with an exception; a generator or coroutine that was closed did not fail."""
    try:
        if span.sampled and not isinstance(error, GeneratorExit):
            span._failure = Failure(error)
    finally:
        end(span)


def _finish(span: Span, plan: Plan, result: object) -> None:
    """The call returned."""
    try:
        if span.sampled and not span._output_given and _wants_output(span._recorder, plan):
            span._output = event.captured(span._recorder, "output", result)
    finally:
        end(span)


def _on_stack(plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span:
    """Begin the span of a plain call, whose wrapper calls this."""
    recorder = slot.current or slot.get()
    if not recorder.enabled:
        return INERT
    chain = active.current_chain()
    frame = active.caller(1) if active._blocks else None
    parent = active.find(chain, frame)
    span = _begin(recorder, plan, parent, _given(recorder, plan, args, kwargs))
    if span is not INERT:
        active.place_on_chain(span, chain, frame)
    return span


def _in_coroutine(plan: Plan, given: bytes | None) -> Span:
    """Begin the span of a coroutine, whose wrapper's frame calls this at its first step."""
    recorder = slot.current or slot.get()
    if not recorder.enabled:
        return INERT
    chain = active.current_chain()
    frame = active.caller(1)
    span = _begin(recorder, plan, active.find(chain, frame), given)
    if span is INERT:
        return INERT
    if chain.task or frame is None:
        active.place_on_chain(span, chain, frame)
    else:
        # Outside a task nobody knows who runs while it awaits: active with its frame only.
        active.place_in_frame(span, chain, frame)
    return span


# --- the wrappers: everything of ours is tried, since a fault of ours is not the user's ---------------------


def _call_function(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    recorder = slot.current
    if recorder is not None and not recorder.enabled:
        return self.__wrapped__(*args, **kwargs)
    try:
        plan = self._self_plan
        span = _on_stack(plan, args, kwargs)
    except RecursionError:
        slot.faults.count += 1  # no room for a call that says so
        span = INERT
    except Exception as fault:
        slot.fault(fault)
        span = INERT
    if span is INERT:
        return self.__wrapped__(*args, **kwargs)
    try:
        result = self.__wrapped__(*args, **kwargs)
    except BaseException as error:
        try:
            _fail(span, error)
        except Exception as fault:
            lost(span, fault)
        raise
    try:
        _finish(span, plan, result)
    except Exception as fault:
        lost(span, fault)
    return result


def _call_coroutine(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    recorder = slot.current
    if recorder is not None and not recorder.enabled:
        return self.__wrapped__(*args, **kwargs)
    coroutine = None
    try:
        plan = self._self_plan
        arguments = _fitting(plan, args, kwargs)
        if arguments is not None:
            given = _input(slot.current or slot.get(), plan, arguments)
            coroutine = _run_coroutine(self.__wrapped__, plan, given, args, kwargs)
            _name_after(coroutine, self)
    except Exception as fault:
        slot.fault(fault)
    # A call that does not fit raises here, as it would undecorated, and outside of the handlers, whose
    # exception would else be its context.
    return coroutine if coroutine is not None else self.__wrapped__(*args, **kwargs)


async def _run_coroutine(
    wrapped: Callable[..., Coroutine[Any, Any, Any]],
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
    if span is INERT:
        return await wrapped(*args, **kwargs)
    try:
        result = await wrapped(*args, **kwargs)
    except BaseException as error:
        try:
            _fail(span, error)
        except Exception as fault:
            lost(span, fault)
        raise
    try:
        _finish(span, plan, result)
    except Exception as fault:
        lost(span, fault)
    return result


_AWAITABLE = inspect.CO_ITERABLE_COROUTINE


def _call_generator(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    recorder = slot.current
    inner = self.__wrapped__(*args, **kwargs)
    if (recorder is not None and not recorder.enabled) or not inspect.isgenerator(inner):
        return inner
    try:
        drive = run_iterable_coroutine if inner.gi_code.co_flags & _AWAITABLE else run_generator
        outer = drive(inner, _SpanSteps(self._self_plan, args, kwargs))
        _name_after(outer, self)
    except Exception as fault:
        slot.fault(fault)
        return inner
    return outer


def _call_async_generator(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    recorder = slot.current
    inner = self.__wrapped__(*args, **kwargs)
    if (recorder is not None and not recorder.enabled) or not inspect.isasyncgen(inner):
        return inner
    try:
        outer = run_async_generator(inner, _SpanSteps(self._self_plan, args, kwargs))
        _name_after(outer, self)
    except Exception as fault:
        slot.fault(fault)
        return inner
    return outer


def _name_after(made: Any, wrapper: Any) -> None:
    """A coroutine or generator shows its name in warnings and debuggers: the user's, not ours."""
    try:
        made.__name__ = wrapper.__name__
        made.__qualname__ = wrapper.__qualname__
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
        self._stream: Stream | None = None
        self._given = _given(recorder, plan, args, kwargs)
        # A body streamed after its handler returned still has its parent.
        self._at_call: Active | None = active.handed_over(active.now(active.caller(2)))

    def begin(self) -> bool:
        """At the first step; False where there is nothing to record."""
        if not self._recorder.enabled:
            return False
        parent = active.now(active.caller(1)) or self._at_call
        self.span = _begin(self._recorder, self._plan, parent, self._given)
        self.entry = self.span
        self._at_call = self._given = None
        self._began_ns = self.span._opened_ns
        if self.span.sampled and _wants_output(self._recorder, self._plan):
            self._stream = Stream(self._recorder.max_event_bytes)
        return self.span is not INERT

    def item(self, item: object) -> None:
        span = self.span
        if not span.sampled:
            return
        if not span._own_tags:
            span._own_tags = (f"time_to_first_item_ns:{clock_ns() - self._began_ns}",)
        if self._stream is not None:
            self._stream.add(item)

    def finish(self, error: BaseException | None = None) -> None:
        span = self.span
        try:
            if span.sampled and error is not None:
                span._own_tags = (*span._own_tags, "exhausted:false")
                if not isinstance(error, GeneratorExit):
                    span._failure = Failure(error)
            if self._stream is not None and not span._output_given:
                span._output = event.captured_bytes(self._recorder, "output", self._stream.encoded())
        finally:
            end(span, self._began_ns)


def _get(self: Any, instance: object, owner: type | None = None) -> Any:
    """What reaching it through a class or an instance gives: the same kind of thing as undecorated.

    A plain function is itself through its class (`Sub.method is Base.method` tells who overrides) and a real
    method through an instance, which `copy`, `pickle` and `weakref.WeakMethod` know; wrapt's bound proxy is
    neither, and costs 0.5 µs more.
    """
    wrapped = self.__wrapped__
    if type(wrapped) is FunctionType:
        return self if instance is None else MethodType(self, instance)
    binds = getattr(type(wrapped), "__get__", None)
    if binds is None:
        return self
    reached = binds(wrapped, instance, owner)
    if reached is wrapped:
        return self
    if type(reached) is MethodType and reached.__func__ is wrapped:
        return MethodType(self, reached.__self__)
    try:
        plan = self._self_plan
        return type(self)(reached, Plan.of(reached, plan.options, plan.name))
    except Exception as fault:  # it gave no callable, such as `singledispatchmethod` under another name
        slot.fault(fault)
        return reached


def _set_name(self: Any, owner: type, name: str) -> None:
    """A class body holds it: the first argument is the receiver, whatever its name."""
    wrapped = self.__wrapped__
    if type(wrapped) is FunctionType:
        if wrapped.__qualname__.rpartition(".")[0] == owner.__qualname__:
            self._self_plan.arguments = mapper(wrapped, receiver=True)
    elif hasattr(type(wrapped), "__set_name__"):
        wrapped.__set_name__(owner, name)


def _reduce(self: Any, protocol: int) -> Any:
    """Pickle as the undecorated would be: by name where the name leads here, else what is wrapped, to be
    decorated again.
    """
    wrapped = self.__wrapped__
    name = getattr(wrapped, "__qualname__", None)
    if isinstance(name, str) and _found(getattr(wrapped, "__module__", None), name) is self:
        return name
    return _rebuild, (wrapped, self._self_plan.options)


def _found(module: object, qualname: str) -> Any:
    """What a qualified name leads to; None where to nothing."""
    found: Any = sys.modules.get(module) if isinstance(module, str) else None
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _rebuild(wrapped: Any, options: SpanOptions) -> Any:
    return decorate(wrapped, Plan.of(wrapped, options))


def _copy(self: Any) -> Any:
    return _copied(self, copy.copy(self.__wrapped__))


def _deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    return _copied(self, copy.deepcopy(self.__wrapped__, memo))


def _copied(self: Any, wrapped: Any) -> Any:
    """A function's copy is itself; a callable object's is another object."""
    return self if wrapped is self.__wrapped__ else _rebuild(wrapped, self._self_plan.options)


def _set_annotations(self: Any, annotations: Any) -> None:
    self.__wrapped__.__annotations__ = annotations


# Whoever reads the annotations of a class makes the interpreter store empty ones in it, which then stand
# before those of the function: so the class has this in their place.
_annotations = property(lambda self: self.__wrapped__.__annotations__, _set_annotations)


def _wrapper(name: str, call: Callable[..., Any]) -> Any:
    """A `FunctionWrapper` whose `__call__` is `call`."""

    def __init__(self: Any, wrapped: Any, plan: Plan) -> None:
        wrapt.FunctionWrapper.__init__(self, wrapped, _unused)
        self._self_plan = plan

    return type(
        f"_{name}",
        (wrapt.FunctionWrapper,),
        {
            "__init__": __init__,
            "__call__": call,
            "__annotations__": _annotations,
            "__get__": _get,
            "__set_name__": _set_name,
            "__reduce_ex__": _reduce,
            "__copy__": _copy,
            "__deepcopy__": _deepcopy,
            "__repr__": lambda self: repr(self.__wrapped__),
            "__module__": __name__,
        },
    )


def _unused(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """wrapt asks for a wrapper function; ours is the class's `__call__`."""
    return wrapped(*args, **kwargs)


def _asking(ask: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda function: ask(function) or ask(getattr(type(function), "__call__", None))  # noqa: B004


_Function = _wrapper("Function", _call_function)


# Kind of callable -> its wrapper. `inspect` looks through partials; a callable object is what its `__call__`
# is.
_WRAPPERS: tuple[tuple[Callable[[Any], bool], Any], ...] = tuple(
    (
        _asking(ask),
        _wrapper(name, call),
    )
    for ask, name, call in (
        (inspect.iscoroutinefunction, "CoroutineFunction", _call_coroutine),
        (inspect.isasyncgenfunction, "AsyncGeneratorFunction", _call_async_generator),
        (inspect.isgeneratorfunction, "GeneratorFunction", _call_generator),
    )
)
