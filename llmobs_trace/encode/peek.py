"""Looks into types and objects, running none of their code. User's thread.

Everything ordinary attribute access may run is bypassed: ``__getattr__``, properties, ``__class__``,
metaclasses, ``__instancecheck__``, ``__hash__`` of a class. What is left are the slots of ``type`` itself,
read through its own descriptors, and the getset and member descriptors that CPython makes for ``__dict__``
and ``__slots__``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final

_lineage: Final = type.__dict__["__mro__"].__get__
_class_dict: Final = type.__dict__["__dict__"].__get__
_name: Final = type.__dict__["__name__"].__get__
_qualname: Final = type.__dict__["__qualname__"].__get__
_module: Final = type.__dict__["__module__"].__get__

ABSENT: Final = object()


def lineage(cls: type) -> tuple[type, ...]:
    """A class in, its method resolution order out, whatever its metaclass says ``__mro__`` is."""
    mro: tuple[type, ...] = _lineage(cls)
    return mro


def derives(cls: type, base: object) -> bool:
    """A class and a supposed base in, whether it truly is one out: no hooks are asked."""
    return cls is base or any(parent is base for parent in lineage(cls))


def one_of(value: object, allowed: tuple[str, ...]) -> Any:
    """A value and the texts of a closed set in, the text that it is out, as a member of an enum is one; None
    where it is none of them.
    """
    text = value
    if type(value) is not str:
        text = str.__str__(value) if derives(type(value), str) else None
    return text if text in allowed else None


def class_attribute(cls: type, name: str) -> Any:
    """A class and a name in, what it or its nearest base holds under it out, unbound; else ``ABSENT``."""
    for base in lineage(cls):
        found = _class_dict(base).get(name, ABSENT)
        if found is not ABSENT:
            return found
    return ABSENT


def name_of(cls: type) -> str:
    """A class in, its name alone out, whatever its metaclass says ``__name__`` is."""
    name: str = _name(cls)
    return name


def type_name(cls: type) -> str:
    """A class in, ``module.QualName`` out; builtins go without their module."""
    name: str = str.__str__(_qualname(cls))
    module = _module(cls)
    if type(module) is not str or module == "builtins":
        return name
    return f"{module}.{name}"


def instance_dict(value: object) -> dict[str, Any]:
    """Any object in, its attribute dictionary itself out; an empty one where it has none.

    A class may define a property called ``__dict__``; the descriptor CPython made is then further up the
    order.
    """
    for base in lineage(type(value)):
        descriptor = _class_dict(base).get("__dict__")
        if type(descriptor) is GetSetDescriptorType or type(descriptor) is MemberDescriptorType:
            held = descriptor.__get__(value)
            return held if type(held) is dict else {}
    return {}


def slot(value: object, name: str) -> Any:
    """An object and the name of a slot in, what the slot holds out; ``ABSENT`` where it is unset.

    The nearest slot of that name wins over properties that hide it: those are the user's code.
    """
    for base in lineage(type(value)):
        descriptor = _class_dict(base).get(name)
        if type(descriptor) is MemberDescriptorType:
            try:
                return descriptor.__get__(value)
            except AttributeError:
                return ABSENT
    return ABSENT


def stored_fields(value: object, names: Iterable[str]) -> list[tuple[str, Any]]:
    """An object and names of fields in, those it stores out, from its dictionary or its slots."""
    held = instance_dict(value)
    fields = []
    for name in names:
        field = held.get(name, ABSENT)
        if field is ABSENT:
            field = slot(value, name)
        if field is not ABSENT:
            fields.append((name, field))
    return fields


def of_module(module: str, name: str) -> Any:
    """A module and the name of one of its classes in, the class out where that is loaded, else ``ABSENT``.

    Nothing is imported: where the module was never loaded there is no value of its types.
    """
    held = sys.modules.get(module)
    return instance_dict(held).get(name, ABSENT) if held is not None else ABSENT


def undecorated(value: Any) -> Any:
    """A callable in, the one that it stands in for out where it is decorated by us, else itself."""
    proxy = of_module("llmobs_trace.capture.proxy", "Proxy")
    return slot(value, "_real") if derives(type(value), proxy) else value
