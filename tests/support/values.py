"""Values as users have them, for hypothesis: ordinary, odd, and hostile ones that tell when they are run."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import json
import math
import types
import uuid
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

ran: list[str] = []  # what hostile objects were made to do; cleared and read by tests


def strict_json(encoded: bytes) -> Any:
    """JSON bytes in, their value out; fails on what is none: NaN, a key given twice, a raw newline."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs), f"a key is repeated: {pairs}"
        return dict(pairs)

    def constant(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    assert b"\n" not in encoded
    assert b"\x00" not in encoded
    value = json.loads(encoded.decode("utf-8"), object_pairs_hook=members, parse_constant=constant)
    _no_lone_surrogates_or_wide_numbers(value)
    return value


def _no_lone_surrogates_or_wide_numbers(value: Any) -> None:
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, dict):
        for key, item in value.items():
            key.encode("utf-8")
            _no_lone_surrogates_or_wide_numbers(item)
    elif isinstance(value, list):
        for item in value:
            _no_lone_surrogates_or_wide_numbers(item)
    elif isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, int):
        assert -(2**63) <= value < 2**64


def _told(name: str) -> Any:
    def method(*_: Any, **__: Any) -> Any:
        ran.append(name)
        raise RuntimeError(f"{name} was run")

    return method


_METHODS = (
    *("__bool__", "__len__", "__iter__", "__next__", "__getitem__", "__contains__", "__repr__", "__str__"),
    *("__format__", "__bytes__", "__int__", "__index__", "__float__", "__complex__", "__eq__", "__lt__"),
    *("__call__", "__enter__", "__fspath__", "__array__", "__dir__", "__sizeof__", "__reduce_ex__"),
    *(
        "__getstate__",
        "__buffer__",
        "__length_hint__",
        "__getattr__",
        "__copy__",
        "__deepcopy__",
        "__round__",
    ),
    *("__neg__", "__add__", "__sub__", "keys", "items", "values", "_asdict", "model_dump", "dict", "to_dict"),
    *("tolist", "isoformat"),
)
_HASHABLE = {**{name: _told(name) for name in _METHODS}, "__hash__": object.__hash__}


class TellingMeta(type):
    """A metaclass whose classes tell when they are asked about, hashed or compared."""

    __hash__ = _told("Meta.__hash__")
    __eq__ = _told("Meta.__eq__")
    __instancecheck__ = _told("Meta.__instancecheck__")
    __subclasscheck__ = _told("Meta.__subclasscheck__")
    __getattr__ = _told("Meta.__getattr__")


Unknown = type("Unknown", (), dict(_HASHABLE))


class Properties:
    """Looks like everything; every look is the user's code."""

    def _look(self) -> Any:
        ran.append("property")
        raise RuntimeError("a property was run")

    __class__ = property(_look)  # type: ignore[assignment]
    __dict__ = property(_look)  # type: ignore[assignment]
    __dataclass_fields__ = property(_look)
    __attrs_attrs__ = property(_look)
    __struct_fields__ = property(_look)
    _fields = property(_look)
    model_fields = property(_look)
    __pydantic_fields__ = property(_look)
    __fields__ = property(_look)
    name = property(_look)


class Attributes:
    """Tells of every attribute that is read."""

    def __getattribute__(self, name: str) -> Any:
        ran.append(f"__getattribute__ {name}")
        raise RuntimeError(name)


class OfTellingClass(metaclass=TellingMeta):
    def method(self) -> None: ...


class TellingZone(datetime.tzinfo):
    utcoffset = tzname = dst = _told("tzinfo")


class Colour(enum.Enum):
    RED = "red"
    DEEP = (1, 2)
    BIG = 2**70


class TellingColour(enum.Enum):
    RED = 1
    __str__ = __repr__ = __format__ = _told("Enum")

    @property
    def value(self) -> Any:
        ran.append("value")
        raise RuntimeError


Point = collections.namedtuple("Point", "x y")

texts = st.text(st.characters(), max_size=12)  # lone surrogates included
keys = st.one_of(
    texts,
    st.sampled_from(["1", "null", "true", "1.5", "…"]),
    st.integers(-3, 3),
    st.integers(2**62, 2**70),
    st.booleans(),
    st.none(),
    st.floats(),
    st.binary(max_size=3),
    st.tuples(st.integers(0, 2)),
    st.sampled_from(Colour),
    st.dates(),
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(2**60, 2**70),
    st.booleans().map(lambda wide: 10**5000 if wide else -(10**4200)),
    st.floats(),
    texts,
    st.binary(max_size=40),
    st.binary(max_size=9).map(bytearray),
    st.complex_numbers(),
    st.decimals(),
    st.fractions(),
    st.uuids(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(datetime.timezone.utc)),
    st.times(),
    st.timedeltas(),
    st.sampled_from(Colour),
    st.builds(ValueError, st.text(max_size=5)),
    st.just(range(5)),
)
hashables = st.one_of(st.integers(), texts, st.none(), st.booleans(), st.floats(), st.tuples(st.integers()))


def _nested(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(children, max_size=5),
        st.dictionaries(keys, children, max_size=5),
        st.dictionaries(texts, children, max_size=5),
        st.dictionaries(texts, children, max_size=3).map(collections.OrderedDict),
        st.tuples(children, children),
        st.builds(Point, children, children),
        st.lists(children, max_size=3).map(collections.deque),
        st.builds(types.SimpleNamespace, a=children),
        st.frozensets(hashables, max_size=4),
        st.sets(hashables, max_size=4),
    )


# What copy.deepcopy takes.
copyable_values = st.recursive(leaves, _nested, max_leaves=25)


def _in_disguise(base: type, value: Any) -> Any:
    return base.__new__(type(f"Telling{base.__name__.title()}", (base,), dict(_HASHABLE)), value)


def _filled(base: type, value: Any) -> Any:
    made = _in_disguise(base, value)
    base.__init__(made, value)
    return made


def _telling_uuid() -> uuid.UUID:
    made = type("TellingUuid", (uuid.UUID,), {})(int=1)
    type(made).__str__ = type(made).__int__ = _told("uuid")  # type: ignore[method-assign]
    type(made).int = property(_told("uuid.int"))  # type: ignore[assignment]
    return made


# Made by number: hypothesis itself would hash and compare them.
hostile_makers: tuple[Callable[[], Any], ...] = (
    Unknown,
    Properties,
    Attributes,
    lambda: Unknown,
    lambda: datetime.datetime(2020, 1, 1, tzinfo=TellingZone()),
    lambda: datetime.time(1, 2, tzinfo=TellingZone()),
    lambda: TellingColour.RED,
    lambda: _in_disguise(str, "text"),
    lambda: _in_disguise(int, 7),
    lambda: _in_disguise(int, 2**80),
    lambda: _in_disguise(float, 1.5),
    lambda: _in_disguise(float, math.nan),
    lambda: _in_disguise(bytes, b"abc"),
    lambda: _in_disguise(tuple, (1, 2)),
    lambda: _in_disguise(frozenset, (1, 2)),
    lambda: _in_disguise(decimal.Decimal, "1.5"),
    lambda: _filled(list, [1]),
    lambda: _filled(dict, {"a": 1}),
    lambda: _filled(set, {1}),
    lambda: _filled(bytearray, b"ab"),
    lambda: _filled(collections.deque, [1]),
    lambda: types.MappingProxyType(_filled(dict, {"a": 1})),
    lambda: {Unknown(): 1},
    lambda: {_in_disguise(str, "key"): 1},
    lambda: _telling_uuid(),
    lambda: (item for item in [ran.append("generator run")]),
    lambda: map(ran.append, ["map run"]),
    lambda: OfTellingClass().__dir__,
    lambda: OfTellingClass().method,
)
hostile_values = st.integers(0, len(hostile_makers) - 1).map(lambda number: hostile_makers[number]())
any_values = st.recursive(leaves | hostile_values, _nested, max_leaves=20)
