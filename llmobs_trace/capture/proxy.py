"""Stands in for a callable in all but its call: whatever else it is asked or told goes to the callable. Any
thread.

The interpreter and many libraries look at an object's class: one that has `__exit__` is a context manager,
one that has `__or__` takes part in operators, one that has `__len__` is a container. A proxy that has them
all, as wrapt's have, is taken for each of these: `ExitStack.push(function)` fails at its exit, and
`function | step` gives the step the bare function. So a proxy's class has the special methods of the
callable's class and no others; it is made when the first callable of that class comes.
"""

from __future__ import annotations

import copy
import sys
import weakref
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from llmobs_trace.capture import pickling
from llmobs_trace.capture import recorder as slot

# What a proxy answers itself.
_OWN = frozenset(
    {"__call__", "__get__", "__wrapped__", "__reduce__", "__reduce_ex__", "__copy__", "__deepcopy__"}
)


class Proxy:
    """What stands in for the callable `_real`. `stand_in` makes instances, of a subclass of this which has
    the special methods.
    """

    # `__call__` is a slot, not a method: the interpreter finds each instance's own function in it, closed
    # over what it needs. That saves binding `self` and asking it for its attributes: 150 ns a call.
    # `_made_by` says how the same is made of another callable: a function that takes it, and its further
    # arguments. `_retold`: somebody assigned `__wrapped__`, as `functools.wraps` above a decorator does; it
    # is a keyword of that function too, since what is wrapped then says nothing of the callable's arguments.
    __slots__ = ("__call__", "__weakref__", "_made_by", "_real", "_retold")

    def _reach(self, reached: Any, instance: object) -> Any:
        """The same for what the callable gave when it was reached through a class or an instance."""
        return _made_again(self, reached)

    def _named(self, owner: type, name: str) -> None:
        """A class's body holds this under a name."""

    def __getattribute__(self, name: str) -> Any:
        if name in _OWN:
            try:
                return object.__getattribute__(self, name)
            except AttributeError:
                pass  # what is no descriptor has no `__get__`, but may have an attribute of that name
        if name == "__class__" and (asking := sys._getframe(1)).f_code.co_name == pickling.ASKS_FOR_THE_CLASS:
            try:
                pickling.mend(asking, Proxy)
            except Exception as fault:
                slot.fault(fault)
        return getattr(object.__getattribute__(self, "_real"), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "_real"), name, value)
        if name == "__wrapped__":
            object.__setattr__(self, "_retold", True)

    def __delattr__(self, name: str) -> None:
        delattr(object.__getattribute__(self, "_real"), name)
        if name == "__wrapped__":
            object.__setattr__(self, "_retold", False)

    @property
    def __wrapped__(self) -> Any:
        """What this stands in for, or what somebody has said that it wraps."""
        real = object.__getattribute__(self, "_real")
        return real.__wrapped__ if object.__getattribute__(self, "_retold") else real

    def __set_name__(self, owner: type, name: str) -> None:
        real = object.__getattribute__(self, "_real")
        tell = getattr(type(real), "__set_name__", None)
        if tell is not None:
            tell(real, owner, name)
        try:
            type(self)._named(self, owner, name)
        except Exception as fault:
            slot.fault(fault)

    def __eq__(self, other: object) -> Any:
        return object.__getattribute__(self, "_real") == other

    def __hash__(self) -> int:
        return hash(object.__getattribute__(self, "_real"))

    def __repr__(self) -> str:
        return repr(object.__getattribute__(self, "_real"))

    def __copy__(self) -> Any:
        return _copied(self, copy.copy(object.__getattribute__(self, "_real")))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return _copied(self, copy.deepcopy(object.__getattribute__(self, "_real"), memo))

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle as the callable would be: by name where the name leads here, else by what it is made of."""
        name = pickling.name_of(self, sys._getframe(1))
        return Proxy._by_value(self) if name is None else name

    def __reduce__(self) -> Any:
        return self.__reduce_ex__(2)

    def _by_value(self) -> tuple[Any, ...]:
        own = object.__getattribute__
        return _arrived, (own(self, "_real"), own(self, "_retold"), *own(self, "_made_by"))


def stand_in(base: type[Proxy], real: Any, call: Callable[..., Any], *made_by: Any) -> Any:
    """An instance of `base` that stands in for `real` and does `call` when it is called."""
    made = object.__new__(_class_for(base, type(real)))
    tell = object.__setattr__
    tell(made, "_real", real)
    tell(made, "_retold", False)
    tell(made, "_made_by", made_by)
    tell(made, "__call__", call)
    return made


def _made_again(proxy: Any, real: Any) -> Any:
    make, *rest = object.__getattribute__(proxy, "_made_by")
    return make(real, *rest)


def _copied(proxy: Any, real: Any) -> Any:
    """A function's copy is itself; a callable object's is another object."""
    return proxy if real is object.__getattribute__(proxy, "_real") else _made_again(proxy, real)


def _arrived(real: Any, retold: bool, make: Callable[..., Any], *rest: Any) -> Any:
    """What `real` is in the process that it was sent to."""
    made = make(real, *rest, retold=retold)
    if retold:
        object.__setattr__(made, "_retold", True)
    return made


# --- the classes --------------------------------------------------------------------------------------------


def _bind_function(self: Any, instance: object, owner: type | None = None) -> Any:
    """A plain function is itself through its class (`Sub.method is Base.method` tells who overrides) and a
    real method through an instance, which `copy`, `pickle` and `weakref.WeakMethod` know.
    """
    return self if instance is None else MethodType(self, instance)


def _bind(self: Any, instance: object, owner: type | None = None) -> Any:
    """What reaching it through a class or an instance gives: the same kind of thing as undecorated."""
    real = object.__getattribute__(self, "_real")
    reached = type(real).__get__(real, instance, owner)
    if reached is real:
        return self
    if type(reached) is MethodType and reached.__func__ is real:
        return MethodType(self, reached.__self__)
    try:
        return type(self)._reach(self, reached, instance)
    except Exception as fault:  # it gave no callable, such as `singledispatchmethod` under another name
        slot.fault(fault)
        return reached


# Special methods that are not taken over from the callable's class: they make, show, copy and end objects of
# the class itself, or are what a proxy is for.
_NOT_TAKEN_OVER = (frozenset(vars(Proxy)) - {"__hash__"}) | {
    "__annotate__",
    "__annotate_func__",
    "__class_getitem__",
    "__del__",
    "__dir__",
    "__get__",
    "__getattr__",
    "__getnewargs__",
    "__getnewargs_ex__",
    "__getstate__",
    "__init__",
    "__init_subclass__",
    "__new__",
    "__setstate__",
    "__subclasshook__",
}

# A proxy's class by the ids of its base and of the callable's class, which it keeps so that the ids are
# theirs for as long as it is here.
_classes: weakref.WeakValueDictionary[tuple[int, int], type[Proxy]] = weakref.WeakValueDictionary()


def _class_for(base: type[Proxy], kind: type) -> type[Proxy]:
    found = _classes.get((id(base), id(kind)))
    if found is None:
        special: dict[str, Any] = {"__slots__": (), "_kept": (base, kind)}
        # Errors name the class of what they refuse: from 3.14 on with its module.
        special["__module__"] = kind.__module__ if type(kind.__module__) is str else base.__module__
        special["__qualname__"] = kind.__qualname__
        if hasattr(kind, "__get__"):
            special["__get__"] = _bind_function if kind is FunctionType else _bind
        for owner in reversed(kind.__mro__[:-1]):  # the last is `object`
            for name, method in vars(owner).items():
                if not (name.startswith("__") and name.endswith("__")) or name in _NOT_TAKEN_OVER:
                    continue
                if method is None:  # a class may say that it has none: `__hash__`, `__iter__`
                    special[name] = None
                elif callable(method):
                    special[name] = _passed_on(name)
        found = _classes[id(base), id(kind)] = type(kind.__name__, (base,), special)
    return found


def _passed_on(name: str) -> Callable[..., Any]:
    def special(self: Any, /, *args: Any, **options: Any) -> Any:
        real = object.__getattribute__(self, "_real")
        answer = getattr(real, name)(*args, **options)
        # Such as `__enter__` and `__iadd__` give; whoever holds the proxy goes on with it.
        return self if answer is real else answer

    return special
