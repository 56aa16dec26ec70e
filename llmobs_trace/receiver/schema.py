"""Makes of the documented types (`wire`) tables of a request's members, and the types that read them; data.

The same tables make two kinds of types for msgspec: `typed` reads what is as documented and stops at the
first thing that is not; `raw` reads the members alone, each as its bytes. Values that may have any number of
parts are bytes in both, so that a body never becomes many times its size in objects.
"""

from __future__ import annotations

import enum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from llmobs_trace.wire import EventsRequest, ExperimentSpan, Int32, Int64, JsonObject, JsonValue, Metric


class Scalar(enum.Enum):
    """A kind of value, in the words of an error."""

    STRING = "a string"
    INT64 = "an integer of 64 bits"
    INT32 = "an integer of 32 bits"
    DOUBLE = "a number"
    BOOLEAN = "true or false"
    OBJECT = "an object"
    STRINGS = "an array of strings"
    VALUE = "a string, a number, a boolean, an object, an array of those, or null"
    ITEM = "a string, a number, a boolean or an object"
    ANY = "any value"


class OneOf(Struct, frozen=True):
    """One of a few strings."""

    allowed: tuple[str, ...]


# A value of which only that it is an object is looked at.
RawObject = Annotated[Raw, Scalar.OBJECT]


class ClosedObject(Struct, frozen=True):
    """An object with these members, and no others unless it `is_open`: what is open may also have null in the
    place of what may be left out.

    `typed` reads it, `raw` its members' bytes at all depths, `flat` at its own alone.
    """

    required: dict[str, Any]
    optional: dict[str, Any]
    typed: type[Struct]
    raw: type[Struct]
    flat: type[Struct]
    is_open: bool

    @property
    def members(self) -> dict[str, Any]:
        return self.required | self.optional


class ListOf(Struct, frozen=True):
    """An array of such objects."""

    item: ClosedObject


# What a type of `wire` says of a value, and the type that reads it here.
_SCALARS: Final[dict[Any, tuple[Scalar, Any]]] = {
    str: (Scalar.STRING, str),
    Int64: (Scalar.INT64, Int64),
    float: (Scalar.DOUBLE, float),
    bool: (Scalar.BOOLEAN, bool),
    JsonObject: (Scalar.OBJECT, Raw),
    list[str]: (Scalar.STRINGS, Raw),
    JsonValue: (Scalar.VALUE, Raw),
    Int32: (Scalar.INT32, Int32),
    RawObject: (Scalar.OBJECT, Raw),
    Raw: (Scalar.ANY, Raw),
}
_TYPES: Final = dict(_SCALARS.values())


def _kind(annotation: Any) -> Any:
    """The kind of a member's values; that it may be left out, or null, says nothing of them."""
    for left_out in (UnsetType, type(None)):
        if annotation not in _SCALARS and get_origin(annotation) in (Union, UnionType):
            annotation = Union[tuple(each for each in get_args(annotation) if each is not left_out)]  # noqa: UP007
    if annotation in _SCALARS:
        return _SCALARS[annotation][0]
    if get_origin(annotation) is Literal:
        return OneOf(get_args(annotation))
    if get_origin(annotation) is list:
        return ListOf(closed(get_args(annotation)[0]))
    return closed(annotation)


def _typed(kind: Any) -> Any:
    match kind:
        case Scalar():
            return _TYPES[kind]
        case OneOf(allowed):
            return Literal[allowed]
        case ClosedObject():
            return kind.typed
        case _:
            return list[kind.item.typed]


def _raw(kind: Any) -> Any:
    match kind:
        case ClosedObject():
            return kind.raw
        case ListOf():
            return list[kind.item.raw]
        case _:
            return Raw


@cache
def closed(sent: type[Struct]) -> ClosedObject:
    """An object with the members of one of `wire`'s types, or of another that describes a request."""
    required: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    for field in msgspec.structs.fields(sent):
        (required if field.required else optional)[field.name] = _kind(field.type)
    members = required | optional
    fields: list[Any] = [(member, _typed(kind)) for member, kind in required.items()]
    fields += [(member, _typed(kind) | UnsetType, UNSET) for member, kind in optional.items()]
    raws = [(member, _raw(kind) | UnsetType, UNSET) for member, kind in members.items()]
    flat = [(member, Raw | UnsetType, UNSET) for member in members]
    name, is_closed = sent.__name__, sent.__struct_config__.forbid_unknown_fields
    return ClosedObject(
        required,
        optional,
        msgspec.defstruct(name, fields, forbid_unknown_fields=is_closed, gc=False),
        msgspec.defstruct(f"Raw{name}", raws, forbid_unknown_fields=is_closed, gc=False),
        msgspec.defstruct(f"Flat{name}", flat, forbid_unknown_fields=is_closed, gc=False),
        not is_closed,
    )


SPAN: Final = closed(ExperimentSpan)
METRIC: Final = closed(Metric)
BODY: Final = closed(EventsRequest)

# In place of a number, the documentation's own example has its generator's word for one. It is taken as what
# it stands for, a score that was not given; no other string is.
PLACEHOLDER: Final = b'"number"'
