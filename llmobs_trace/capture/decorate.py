"""Wraps a callable in a proxy that nobody can tell from the callable, but for its spans. User's thread.

What a call of it does is in `call`; all else about it in `proxy`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, cast

from llmobs_trace.capture.arguments import mapper
from llmobs_trace.capture.call import (
    calling_async_generator,
    calling_coroutine,
    calling_function,
    calling_generator,
)
from llmobs_trace.capture.callable_facts import Plan, function_of
from llmobs_trace.capture.proxy import Proxy, stand_in
from llmobs_trace.errors import ConfigurationError

F = TypeVar("F")
Calling = Callable[[Any, Plan], Callable[..., Any]]


def decorate(wrapped: F, plan: Plan) -> F:
    """The wrapper for `wrapped`'s kind of callable; a classmethod or staticmethod stays one."""
    if type(wrapped) is classmethod or type(wrapped) is staticmethod:
        again = cast(Any, type(wrapped))(decorate(cast(Any, wrapped).__func__, plan))
        again.__dict__.update(wrapped.__dict__)
        return cast(F, again)
    calling = _calling(function_of(wrapped))
    if plan.options.collect is not None and not _yields(function_of(wrapped), calling):
        raise ConfigurationError(
            f"experiment_span: collect= is for generators, and {plan.name} is none: decorate a function that "
            "yields the items, or leave collect= out"
        )
    return cast(F, _decorated(wrapped, plan, calling))


def _decorated(wrapped: Any, plan: Plan, calling: Calling) -> Any:
    made = stand_in(_Decorated, wrapped, calling(wrapped, plan), _decorated_again, plan)
    object.__setattr__(made, "_plan", plan)
    object.__setattr__(made, "_calling", calling)
    object.__setattr__(made, "_last_reached", (None, False, plan))
    return made


# What the interpreter makes of a plain function of such a name in a class body, and of nothing else.
_IMPLIED = {"__new__": staticmethod, "__init_subclass__": classmethod, "__class_getitem__": classmethod}


class _Decorated(Proxy):
    __slots__ = ("_calling", "_last_reached", "_plan")

    def _reach(self, reached: Any, instance: object) -> Any:
        """Another decorator's proxy, or a classmethod of another kind, gives a new object at each access. The
        plan for it, which takes 40 µs to make, is kept for the next one of the same function.
        """
        own = object.__getattribute__
        plan, calling = own(self, "_plan"), own(self, "_calling")
        function = getattr(reached, "__func__", None) or getattr(reached, "__wrapped__", None)
        known, through_class, last = own(self, "_last_reached")
        if known is None or known is not function or through_class != (instance is None):
            last = Plan.of(reached, plan.options, plan.name)
            object.__setattr__(self, "_last_reached", (function, instance is None, last))
        return _decorated(reached, last, calling)

    def _named(self, owner: type, name: str) -> None:
        """The first argument of what a class's body holds is the receiver, whatever its name."""
        own = object.__getattribute__
        wrapped = own(self, "_real")
        implied = _IMPLIED.get(name) if type(wrapped) is FunctionType else None
        if implied is not None:
            type.__setattr__(owner, name, implied(self))
        plan = own(self, "_plan")
        # A function that was written elsewhere and put there keeps its arguments.
        if isinstance(wrapped, FunctionType) and plan.written_in == owner.__qualname__:
            plan.arguments = mapper(wrapped, receiver=True, follow=not own(self, "_retold"))
            plan.receiver = True


def _decorated_again(wrapped: Any, plan: Plan, *, retold: bool = False) -> Any:
    again = Plan.of(wrapped, plan.options, plan.name, receiver=plan.receiver, follow=not retold)
    return decorate(wrapped, again)


def _asking(ask: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda function: ask(function) or ask(getattr(type(function), "__call__", None))  # noqa: B004


# Kind of callable -> what makes its calls. `inspect` looks through partials; a callable object is what its
# `__call__` is.
_CALLING: tuple[tuple[Callable[[Any], bool], Calling], ...] = (
    (_asking(inspect.iscoroutinefunction), calling_coroutine),
    (_asking(inspect.isasyncgenfunction), calling_async_generator),
    (_asking(inspect.isgeneratorfunction), calling_generator),
)


def _yields(function: Any, calling: Calling) -> bool:
    """Whether what its calls yield is for their caller, where that of `types.coroutine` is for a loop."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    awaitable = code is not None and code.co_flags & inspect.CO_ITERABLE_COROUTINE
    return calling in (calling_generator, calling_async_generator) and not awaitable


def _calling(function: Any) -> Calling:
    for is_kind, calling in _CALLING:
        if is_kind(function):
            return calling
    return calling_function
