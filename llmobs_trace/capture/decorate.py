"""A callable in, its wrapper out: a proxy that nobody can tell from the callable, but for its spans. User's
thread.

Built on `wrapt.FunctionWrapper`, a proxy that keeps signature, hints, `inspect` answers and the descriptor
protocol. What a call of it does is in `call`.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, TypeVar, cast

import wrapt

from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.arguments import mapper
from llmobs_trace.capture.call import (
    calling_async_generator,
    calling_coroutine,
    calling_function,
    calling_generator,
)
from llmobs_trace.capture.options import SpanOptions
from llmobs_trace.capture.plan import Plan

F = TypeVar("F")


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


# What the interpreter makes of a plain function of such a name in a class body, and of nothing else.
_IMPLIED = {"__new__": staticmethod, "__init_subclass__": classmethod, "__class_getitem__": classmethod}


def _set_name(self: Any, owner: type, name: str) -> None:
    """A class body holds it: the first argument is the receiver, whatever its name."""
    wrapped = self.__wrapped__
    if type(wrapped) is FunctionType:
        implied = _IMPLIED.get(name)
        if implied is not None:
            type.__setattr__(owner, name, implied(self))
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


def _wrapper(name: str, calling: Callable[[Any, Plan], Callable[..., Any]]) -> Any:
    """A `FunctionWrapper` whose instances are called by what `calling` makes for each."""

    def __init__(self: Any, wrapped: Any, plan: Plan) -> None:
        wrapt.FunctionWrapper.__init__(self, wrapped, _unused)
        self._self_plan = plan
        made.__dict__["__call__"].__set__(self, calling(wrapped, plan))

    made = type(
        f"_{name}",
        (wrapt.FunctionWrapper,),
        {
            "__init__": __init__,
            # A slot, not a method: the interpreter finds each instance's own function in it, closed over what
            # it needs. That saves binding `self` and asking the proxy for its attributes: 150 ns a call.
            "__slots__": ("__call__",),
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
    return made


def _unused(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """wrapt asks for a wrapper function; ours is the class's `__call__`."""
    return wrapped(*args, **kwargs)


def _asking(ask: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda function: ask(function) or ask(getattr(type(function), "__call__", None))  # noqa: B004


_Function = _wrapper("Function", calling_function)


# Kind of callable -> its wrapper. `inspect` looks through partials; a callable object is what its `__call__`
# is.
_WRAPPERS: tuple[tuple[Callable[[Any], bool], Any], ...] = tuple(
    (
        _asking(ask),
        _wrapper(name, calling),
    )
    for ask, name, calling in (
        (inspect.iscoroutinefunction, "CoroutineFunction", calling_coroutine),
        (inspect.isasyncgenfunction, "AsyncGeneratorFunction", calling_async_generator),
        (inspect.isgeneratorfunction, "GeneratorFunction", calling_generator),
    )
)
