"""Writes a typing form as a program would: ``list[app.City]``, ``Literal['a', 'b']``. User's thread.

Only what a form stores is read: its own ``repr`` would ask the metaclass of each class
in it, and what stands in a ``Literal`` or an ``Annotated``.
"""

from __future__ import annotations

import collections.abc
import enum
import types
import typing
from typing import Any, Final

from llmobs_trace.encode.peek import ABSENT, derives, instance_dict, slot, type_name
from llmobs_trace.encode.reader import Reader, Shape

_MAX_PARTS: Final = 100  # a form may hold another a thousand times
_MAX_DEPTH: Final = 20
_MAX_TEXT: Final = 1000

_GENERIC: Final = types.GenericAlias
_UNION: Final = types.UnionType
_origin: Final = _GENERIC.__dict__["__origin__"].__get__
_arguments: Final = _GENERIC.__dict__["__args__"].__get__
_members: Final = _UNION.__dict__["__args__"].__get__


def _of_typing(*names: str) -> tuple[type, ...]:
    """Those of these classes that this Python has."""
    return tuple(getattr(typing, name) for name in names if hasattr(typing, name))


_ALIASES: Final = _of_typing("_GenericAlias", "_SpecialGenericAlias", "_SpecialForm")
_NAMED: Final = _of_typing("TypeVar", "ParamSpec", "TypeVarTuple", "NewType", "TypeAliasType")
_FORMS: Final = (_GENERIC, _UNION, *_ALIASES, *_NAMED, typing.ForwardRef)


def form_reader(cls: type) -> Reader | None:
    """A class in, the reader of its values out where they are typing forms; else None."""
    return _READER if any(derives(cls, form) for form in _FORMS) else None


class _Writing:
    """How many parts of a form may still be written."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _MAX_PARTS

    def text(self, form: Any, depth: int = 0) -> str:
        """A form, or whatever stands within one, in; its text out."""
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            return "…"
        if form is None or form is type(None):
            return "None"
        if form is ...:
            return "..."
        kind = type(form)
        if derives(kind, type):
            return type_name(form)
        if kind is list or kind is tuple:  # the parameters of a Callable or a ParamSpec
            return f"[{self._several(form, depth)}]"
        if kind is str:
            return _shortened(form)
        if any(kind is named for named in _NAMED):
            return _dotted(form)
        if kind is typing.ForwardRef:
            return self.text(form.__forward_arg__, depth)
        if form_reader(kind) is None:
            return f"<{type_name(kind)}>"
        return self._of_alias(form, kind, depth)

    def _of_alias(self, form: Any, kind: type, depth: int) -> str:
        held = instance_dict(form)
        origin: Any
        if derives(kind, _UNION):
            origin, inside = typing.Union, _members(form)
        elif derives(kind, _GENERIC):
            origin, inside = _origin(form), _arguments(form)
        else:
            origin, inside = held.get("__origin__"), held.get("__args__")
        if type(inside) is not tuple:  # a form without brackets: `typing.Any`, `typing.List`
            name = held.get("_name", slot(form, "_name"))
            return name if type(name) is str else type_name(kind)
        if origin is typing.Union:
            return self._several(inside, depth, " | ")
        if origin is typing.Literal:
            return f"Literal[{', '.join(map(self._literal, self._first(inside)))}]"
        if type(notes := held.get("__metadata__")) is tuple:
            return f"Annotated[{self._several((origin, *notes), depth)}]"
        if origin is collections.abc.Callable and inside:
            *given, answer = inside
            several = not (len(given) == 1 and given[0] is ...)
            parameters = f"[{self._several(given, depth)}]" if several else "..."
            return f"Callable[{parameters}, {self.text(answer, depth + 1)}]"
        return f"{self.text(origin, depth)}[{self._several(inside, depth)}]"

    def _several(self, forms: Any, depth: int, between: str = ", ") -> str:
        return between.join(self.text(each, depth + 1) for each in self._first(forms))

    def _first(self, forms: Any) -> Any:
        """As many as may still be written, and one that stands for all others."""
        return forms[: max(self._left, 0) + 1]

    def _literal(self, value: Any) -> str:
        self._left -= 1
        if self._left < 0:
            return "…"
        kind = type(value)
        if kind is str or kind is bytes:
            return repr(value if len(value) <= _MAX_TEXT else value[:_MAX_TEXT])
        if kind is bool or value is None or (kind is int and value.bit_length() <= _MAX_TEXT):
            return repr(value)
        if derives(kind, enum.Enum):
            return f"{type_name(kind)}.{instance_dict(value).get('_name_')}"
        return f"<{type_name(kind)}>"


def _dotted(form: Any) -> str:
    """A type variable by its name, a named type by its module's too: exact classes of `typing`'s own."""
    name = form.__name__
    module = getattr(form, "__module__", ABSENT)
    if type(form) is typing.NewType or type(form).__name__ == "TypeAliasType":
        return f"{module}.{name}" if type(module) is str else str(name)
    return _shortened(str(name))


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


_READER: Final = Reader(Shape.LEAF, lambda form: _Writing().text(form))
