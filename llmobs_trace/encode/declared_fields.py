"""Reads objects of classes that declare their fields, family by family. User's thread.

Values come from where the instance stores them; properties, computed fields and ``__getattr__`` are never
asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Final

import msgspec

from llmobs_trace.encode.peek import class_attribute, derives, instance_dict, of_module, slot, stored_fields
from llmobs_trace.encode.reader import Reader, Shape
from llmobs_trace.encode.stdlib_types import items_of

SECRET: Final = "**********"

# The names lie in the class itself, where only its metaclass's descriptor reaches them.
_struct_fields: Final = type(msgspec.Struct).__dict__["__struct_fields__"].__get__


def record_reader(cls: type) -> Reader | None:
    """A class in, the reader of its family out; None where it is of no family."""
    for family in _FAMILIES:
        reader = family(cls)
        if reader is not None:
            return reader
    return None


def _by_name(names: list[str]) -> Reader:
    return Reader(Shape.PAIRS, lambda value: stored_fields(value, names))


def _pydantic_secret(cls: type) -> Reader | None:
    for module in ("pydantic.types", "pydantic.v1.types"):
        for name in ("Secret", "SecretStr", "SecretBytes"):
            if derives(cls, of_module(module, name)):
                return Reader(Shape.LEAF, lambda _: SECRET)
    return None


def _pydantic(cls: type) -> Reader | None:
    if not derives(cls, of_module("pydantic.main", "BaseModel")):
        return None
    fields = class_attribute(cls, "__pydantic_fields__")
    if type(fields) is not dict:  # pydantic 2.0 to 2.9 keep them under the public name
        fields = class_attribute(cls, "model_fields")
    if type(fields) is not dict:
        return _pydantic_1_fields(cls)
    if derives(cls, of_module("pydantic.root_model", "RootModel")):
        return Reader(Shape.INSTEAD, lambda value: instance_dict(value)["root"])
    shown = [name for name, field in fields.items() if getattr(field, "exclude", None) is not True]

    def read(value: Any) -> list[tuple[str, Any]]:
        pairs = stored_fields(value, shown)
        extra = slot(value, "__pydantic_extra__")
        return pairs + items_of(extra) if type(extra) is dict else pairs

    return Reader(Shape.PAIRS, read)


def _pydantic_1(cls: type) -> Reader | None:
    if not derives(cls, of_module("pydantic.v1.main", "BaseModel")):
        return None
    return _pydantic_1_fields(cls)


def _pydantic_1_fields(cls: type) -> Reader:
    fields = class_attribute(cls, "__fields__")
    hidden: set[str] = set()
    if type(fields) is dict:
        if "__root__" in fields:
            return Reader(Shape.INSTEAD, lambda value: instance_dict(value)["__root__"])
        hidden = {
            name
            for name, field in fields.items()
            if getattr(getattr(field, "field_info", None), "exclude", None) is True
        }
    # Declared and extra fields lie side by side in the instance's dictionary.
    return Reader(
        Shape.PAIRS,
        lambda value: [pair for pair in items_of(instance_dict(value)) if pair[0] not in hidden],
    )


def _struct(cls: type) -> Reader | None:
    if not derives(cls, msgspec.Struct):
        return None
    return _by_name(list(_struct_fields(cls)))


def _dataclass(cls: type) -> Reader | None:
    fields = class_attribute(cls, "__dataclass_fields__")
    if type(fields) is not dict or not all(type(field) is dataclasses.Field for field in fields.values()):
        return None
    # Class variables and init-only ones are in the table too, but in no instance.
    return _by_name([name for name in fields if type(name) is str])


def _attrs(cls: type) -> Reader | None:
    fields = class_attribute(cls, "__attrs_attrs__")
    known = of_module("attr._make", "Attribute")
    if not derives(type(fields), tuple) or not all(type(field) is known for field in tuple.__iter__(fields)):
        return None
    return _by_name([field.name for field in tuple.__iter__(fields)])


def _namedtuple(cls: type) -> Reader | None:
    names = class_attribute(cls, "_fields")
    if not derives(cls, tuple) or type(names) is not tuple or not all(type(name) is str for name in names):
        return None
    return Reader(Shape.PAIRS, lambda value: list(zip(names, tuple.__iter__(value), strict=False)))


_FAMILIES: Final[tuple[Callable[[type], Reader | None], ...]] = (
    _pydantic_secret,
    _pydantic,
    _pydantic_1,
    _struct,
    _dataclass,
    _attrs,
    _namedtuple,
)
