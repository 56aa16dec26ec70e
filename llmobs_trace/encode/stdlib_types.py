"""Lists how values of the standard library's types are read. User's thread.

A reader gets a value and gives plain material, calling only methods of the known base type on it
(``dict.items(value)``, never ``value.items()``): a subclass may override what it likes, none of it runs.
"""

from __future__ import annotations

import binascii
import collections
import datetime
import decimal
import enum
import functools
import gc
import struct
import types
import uuid
from collections.abc import Callable
from typing import Any, Final

from llmobs_trace.encode.peek import ABSENT, instance_dict, of_module, slot, type_name, undecorated
from llmobs_trace.encode.reader import Head, Pairs, Reader, Shape, head

_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1
# Some 4,200 digits: below the interpreter's limit, and digits take quadratic time.
_DIGITS_MAX_BITS: Final = 14_000
_HEX_MAX_BITS: Final = 65_536
_DECIMAL_MAX_BYTES: Final = 32_768  # some 78,000 digits
_BINARY_MAX_BYTES: Final = 1024
_ROW_MAX_BYTES: Final = 65_536
_BINARY_HEAD_BYTES: Final = 510  # multiples of three: base64 without padding inside
_BINARY_TAIL_BYTES: Final = 255


def integer(value: Any) -> int | str:
    bits = int.bit_length(value)
    if bits > _HEX_MAX_BITS:
        return f"<int of {bits} bits>"
    number = int.__int__(value)
    if _INT_MIN <= number <= _INT_MAX:
        return number
    if bits <= _DIGITS_MAX_BITS:
        try:
            return int.__repr__(number)
        except ValueError:  # the program lowered the limit
            pass
    return hex(number)


def _float(value: Any) -> float | str:
    number = float.__float__(value)
    if number - number == 0.0:
        return number
    if number != number:
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def _decimal(value: Any) -> str:
    size_bytes = decimal.Decimal.__sizeof__(value)
    if size_bytes > _DECIMAL_MAX_BYTES:
        return f"<{type_name(type(value))} of {size_bytes} bytes>"
    return decimal.Decimal.__str__(value)


def _binary(kind: str, size_bytes: int, part: Callable[[int, int], bytes]) -> str:
    def text(start: int, end: int) -> str:
        return binascii.b2a_base64(part(start, end), newline=False).decode("ascii")

    if size_bytes <= _BINARY_MAX_BYTES:
        return f"<{kind} of {size_bytes} bytes, base64: {text(0, size_bytes)}>"
    cut = size_bytes - _BINARY_HEAD_BYTES - _BINARY_TAIL_BYTES
    head, tail = text(0, _BINARY_HEAD_BYTES), text(size_bytes - _BINARY_TAIL_BYTES, size_bytes)
    return f"<{kind} of {size_bytes} bytes, base64: {head}…[{cut} bytes cut]…{tail}>"


def _bytes(value: Any) -> str:
    size = bytes.__len__(value)
    return _binary("bytes", size, lambda start, end: bytes.__getitem__(value, slice(start, end)))


def _bytearray(value: Any) -> str:
    size = bytearray.__len__(value)
    return _binary(
        "bytearray", size, lambda start, end: bytes(bytearray.__getitem__(value, slice(start, end)))
    )


def _memoryview(value: Any) -> str:
    if value.c_contiguous:
        return _binary(
            "memoryview",
            value.nbytes,
            lambda start, end: struct.unpack_from(f"{end - start}s", value, start)[0],
        )
    # Its bytes don't lie side by side. Only rows can be taken of such a view, as a copy.
    row_bytes = value.nbytes // value.shape[0]
    if row_bytes > _ROW_MAX_BYTES:
        return f"<memoryview of {value.nbytes} bytes>"

    def part(start: int, end: int) -> bytes:
        first = start // row_bytes
        held: bytes = value[first : -(-end // row_bytes)].tobytes()
        return held[start - first * row_bytes : end - first * row_bytes]

    return _binary("memoryview", value.nbytes, part)


def _items(kind: Any) -> Callable[[Any], list[Any]]:
    """A container's class in, what reads the items of one out, whatever a class derived from it says."""
    return lambda value: head(kind.__iter__(value), kind.__len__(value))


def items_of(value: Any) -> list[tuple[Any, Any]]:
    """Keys and values of a dict, whatever its class says they are."""
    return head(dict.items(value), dict.__len__(value))


def _ordered(value: Any) -> list[tuple[Any, Any]]:
    """An ``OrderedDict`` has an order of its own; following it hashes the keys, which is theirs."""
    pairs = items_of(value)
    if not isinstance(pairs, Head) and all(type(key) is str for key, _ in pairs):
        held = dict(pairs)
        return [(key, held[key]) for key in collections.OrderedDict.__iter__(value) if key in held]
    return pairs


def _text_of_datetime(value: Any) -> str:
    fields = datetime.datetime
    zone = fields.tzinfo.__get__(value)
    if _zone_is_known(zone):
        return fields.isoformat(value)
    # utcoffset() would be the user's code. Built anew: replace() calls the constructor of a subclass.
    naive = fields.combine(fields.date(value), fields.time(value))
    return f"{naive.isoformat()} <{type_name(type(zone))}>"


def _text_of_time(value: Any) -> str:
    zone = datetime.time.tzinfo.__get__(value)
    if _zone_is_known(zone):
        return datetime.time.isoformat(value)
    kept = datetime.time
    naive = kept(
        kept.hour.__get__(value),
        kept.minute.__get__(value),
        kept.second.__get__(value),
        kept.microsecond.__get__(value),
    )
    return f"{naive.isoformat()} <{type_name(type(zone))}>"


def _zone_is_known(zone: object) -> bool:
    kind = type(zone)
    return zone is None or kind is datetime.timezone or kind is of_module("zoneinfo", "ZoneInfo")


def _text_of_timedelta(value: Any) -> str:
    """ISO 8601, sign in front, as msgspec and pydantic write it."""
    kept = datetime.timedelta
    exact = kept(kept.days.__get__(value), kept.seconds.__get__(value), kept.microseconds.__get__(value))
    sign, exact = ("-", -exact) if exact.days < 0 else ("", exact)
    text = f"{sign}P{exact.days}D" if exact.days else f"{sign}P"
    if exact.seconds or exact.microseconds:
        fraction = f".{exact.microseconds:06}".rstrip("0").rstrip(".")
        text += f"T{exact.seconds}{fraction}S"
    return text if text[-1] != "P" else "P0D"


def _uuid(value: Any) -> str:
    return str(uuid.UUID(int=slot(value, "int")))


# By id: comparing a class with another runs its metaclass's __eq__.
_SCALARS: Final = frozenset(map(id, (str, int, float, bool, type(None))))


def _enum(value: Any) -> Any:
    held = instance_dict(value)
    inner = held.get("_value_", ABSENT)
    if id(type(inner)) in _SCALARS:
        return inner
    name = held.get("_name_")
    return f"{type_name(type(value)).rpartition('.')[2]}.{name}" if type(name) is str else marker(value)


def _exception(value: Any) -> dict[str, Any]:
    args = BaseException.__dict__["args"].__get__(value)
    return {"exception": type_name(type(value)), "args": args}


def _inside_proxy(value: Any) -> Any:
    """The mapping a ``mappingproxy`` stands for: asking the proxy would run the code of a user's mapping."""
    held = gc.get_referents(value)
    return held[0] if held else {}


def _named(value: Any) -> str:
    """Functions, methods and the like: exact builtin types, whose names are plain attributes."""
    kind = type(value).__name__
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "?")
    module = getattr(value, "__module__", None)
    if type(name) is not str:
        name = "?"
    return f"<{kind} {module}.{name}>" if type(module) is str and module != "builtins" else f"<{kind} {name}>"


def _builtin(value: Any) -> str:
    # Its __qualname__ would be put together by asking the class of what it is bound to.
    return f"<builtin {value.__name__}>"


def _method(value: types.MethodType) -> Any:
    inner = undecorated(value.__func__)
    if type(inner) is not types.FunctionType:
        return inner
    return "<method" + _named(inner).removeprefix("<function")


def _descriptor(value: Any) -> str:
    """A method of a class written in C, bound or not. Its __qualname__ would ask that class."""
    return f"<{type(value).__name__} {type_name(value.__objclass__)}.{value.__name__}>"


def _partial(value: Any) -> dict[str, Any]:
    held = {name: _PARTIAL[name].__get__(value) for name in ("func", "args", "keywords")}
    return {"partial": held["func"], "args": held["args"], "keywords": held["keywords"]}


_PARTIAL: Final = functools.partial.__dict__


def _range(value: range) -> str:
    step = "" if value.step == 1 else f", {integer(value.step)}"
    return f"range({integer(value.start)}, {integer(value.stop)}{step})"


def _slice(value: slice) -> str:
    limits = (value.start, value.stop, value.step)
    if not all(limit is None or type(limit) is int for limit in limits):
        return marker(value)
    return f"slice({', '.join('None' if limit is None else str(integer(limit)) for limit in limits)})"


def _module(value: Any) -> str:
    name = instance_dict(value).get("__name__")
    return f"<module {name}>" if type(name) is str else "<module>"


def _class(value: Any) -> str:
    return f"<class {type_name(value)}>"


def marker(value: Any) -> str:
    return f"<{type_name(type(value))}>"


def _member(name: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        return instance_dict(value)[name]

    return read


MARKER: Final = Reader(Shape.LEAF, marker)

# Exact types: their methods are the interpreter's own.
EXACT: Final[list[tuple[type, Reader]]] = [
    (memoryview, Reader(Shape.LEAF, _memoryview)),
    (range, Reader(Shape.LEAF, _range)),
    (slice, Reader(Shape.LEAF, _slice)),
    (datetime.timezone, Reader(Shape.LEAF, lambda value: str.__str__(str(value)))),
    (types.MappingProxyType, Reader(Shape.INSTEAD, _inside_proxy)),
    (type({}.keys()), Reader(Shape.ITEMS, lambda value: head(value, len(value)))),
    (type({}.values()), Reader(Shape.ITEMS, lambda value: head(value, len(value)))),
    (type({}.items()), Reader(Shape.ITEMS, lambda value: head(value, len(value)))),
    (types.FunctionType, Reader(Shape.LEAF, _named)),
    (types.BuiltinFunctionType, Reader(Shape.LEAF, _builtin)),
    (types.MethodType, Reader(Shape.INSTEAD, _method)),
    (types.MethodDescriptorType, Reader(Shape.LEAF, _descriptor)),
    (types.ClassMethodDescriptorType, Reader(Shape.LEAF, _descriptor)),
    (types.WrapperDescriptorType, Reader(Shape.LEAF, _descriptor)),
    (types.MethodWrapperType, Reader(Shape.LEAF, _descriptor)),
    (functools.partial, Reader(Shape.INSTEAD, _partial)),
    # What stands before a function, by the function.
    (type(functools.lru_cache(len)), Reader(Shape.INSTEAD, _member("__wrapped__"))),
    (staticmethod, Reader(Shape.INSTEAD, lambda value: value.__func__)),
    (classmethod, Reader(Shape.INSTEAD, lambda value: value.__func__)),
    (types.GeneratorType, Reader(Shape.LEAF, _named)),
    (types.CoroutineType, Reader(Shape.LEAF, _named)),
    (types.AsyncGeneratorType, Reader(Shape.LEAF, _named)),
]

# Bases: the first of them in this order that a class derives from.
BASES: Final[list[tuple[type, Reader]]] = [
    (enum.Enum, Reader(Shape.INSTEAD, _enum)),
    (Pairs, Reader(Shape.PAIRS, list)),
    (int, Reader(Shape.LEAF, integer)),
    (float, Reader(Shape.LEAF, _float)),
    (str, Reader(Shape.TEXT, str.__str__)),
    (complex, Reader(Shape.LEAF, complex.__repr__)),
    (bytes, Reader(Shape.LEAF, _bytes)),
    (bytearray, Reader(Shape.LEAF, _bytearray)),
    (collections.OrderedDict, Reader(Shape.PAIRS, _ordered)),
    (dict, Reader(Shape.PAIRS, items_of)),
    (list, Reader(Shape.ITEMS, _items(list))),
    (tuple, Reader(Shape.ITEMS, _items(tuple))),
    (set, Reader(Shape.UNORDERED, _items(set))),
    (frozenset, Reader(Shape.UNORDERED, _items(frozenset))),
    (collections.deque, Reader(Shape.ITEMS, _items(collections.deque))),
    (datetime.datetime, Reader(Shape.LEAF, _text_of_datetime)),
    (datetime.date, Reader(Shape.LEAF, datetime.date.isoformat)),
    (datetime.time, Reader(Shape.LEAF, _text_of_time)),
    (datetime.timedelta, Reader(Shape.LEAF, _text_of_timedelta)),
    (decimal.Decimal, Reader(Shape.LEAF, _decimal)),
    (uuid.UUID, Reader(Shape.LEAF, _uuid)),
    (BaseException, Reader(Shape.INSTEAD, _exception)),
    (collections.UserDict, Reader(Shape.INSTEAD, _member("data"))),
    (collections.UserList, Reader(Shape.INSTEAD, _member("data"))),
    (collections.UserString, Reader(Shape.INSTEAD, _member("data"))),
    (collections.ChainMap, Reader(Shape.INSTEAD, _member("maps"))),
    (types.SimpleNamespace, Reader(Shape.PAIRS, lambda value: items_of(instance_dict(value)))),
    (types.ModuleType, Reader(Shape.LEAF, _module)),
    (type, Reader(Shape.LEAF, _class)),
]
