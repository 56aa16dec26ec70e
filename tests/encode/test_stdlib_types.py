"""The standard library's types, each as a reader would want to see it."""

from __future__ import annotations

import array
import asyncio
import base64
import collections
import datetime
import decimal
import enum
import fractions
import functools
import json
import os
import pathlib
import subprocess
import sys
import tracemalloc
import types
import uuid
import weakref
import zoneinfo
from typing import Any
from unittest.mock import MagicMock, Mock, NonCallableMock

import numpy
import pytest
import wrapt
from support.values import Colour, Point, TellingMeta, TellingZone, Unknown, ran, strict_json

from llmobs_trace.encode import encode
from llmobs_trace.encode.choose import _readers, reader_of

UTC = datetime.timezone.utc


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Word(str, enum.Enum):
    YES = "yes"


class Text(collections.UserString):
    pass


class OurPath(pathlib.PurePosixPath):
    def __str__(self) -> str:
        raise RuntimeError


def _function(x: int) -> int:
    return x


class _Holder:
    def method(self) -> None: ...


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1 + 2j, "(1+2j)"),
        (decimal.Decimal("1.10"), "1.10"),
        (decimal.Decimal("NaN"), "NaN"),
        (fractions.Fraction(1, 3), "1/3"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.PurePosixPath("/tmp/x"), "/tmp/x"),
        (pathlib.Path("a/b"), "a/b"),
        (range(3), "range(0, 3)"),
        (range(1, 9, 2), "range(1, 9, 2)"),
        (range(9, 1, -1), "range(9, 1, -1)"),
        (range(0, 2**64, 2**70), f"range(0, {2**64}, {2**70})"),
        (slice(3), "slice(None, 3, None)"),
        (slice(1, None, -(2**70)), f"slice(1, None, {-(2**70)})"),
        (slice("a", True), "<slice>"),
        (slice(None, 1.5), "<slice>"),
        (slice(0, 1, "x"), "<slice>"),
        (Colour.RED, "red"),
        (Colour.DEEP, "Colour.DEEP"),
        (Colour.BIG, str(2**70)),
        (Level.LOW, 1),
        (Mode.READ | Mode.WRITE, 3),
        (Word.YES, "yes"),
        ({Word.YES: 1, Level.LOW: 2}, {"yes": 1, "1": 2}),
        (datetime.datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05"),
        (datetime.datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"),
        (
            datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
            "2024-07-01T00:00:00+02:00",
        ),
        (
            datetime.datetime(2024, 1, 2, tzinfo=TellingZone()),
            "2024-01-02T00:00:00 <support.values.TellingZone>",
        ),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.time(3, 4), "03:04:00"),
        (datetime.time(3, 4, tzinfo=UTC), "03:04:00+00:00"),
        (datetime.time(3, 4, tzinfo=TellingZone()), "03:04:00 <support.values.TellingZone>"),
        (datetime.timedelta(days=3, seconds=4.5), "P3DT4.5S"),
        (datetime.timedelta(seconds=-1), "-PT1S"),
        (datetime.timedelta(), "P0D"),
        (datetime.timedelta(days=1), "P1D"),
        (datetime.timedelta(days=-1), "-P1D"),
        (datetime.timedelta(microseconds=1), "PT0.000001S"),
        (datetime.timedelta(microseconds=-100), "-PT0.0001S"),
        (datetime.timedelta(seconds=10), "PT10S"),
        (datetime.timedelta(days=2, seconds=100), "P2DT100S"),
        (b"", "<bytes of 0 bytes, base64: >"),
        (bytearray(b"hello"), "<bytearray of 5 bytes, base64: aGVsbG8=>"),
        (memoryview(b"hello"), "<memoryview of 5 bytes, base64: aGVsbG8=>"),
        (memoryview(b"h.e.l.l.o")[::2], "<memoryview of 5 bytes, base64: aGVsbG8=>"),
        (array.array("i", [1, 2]), [1, 2]),
        (collections.deque([1, 2], maxlen=2), [1, 2]),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (collections.UserDict({"a": 1}), {"a": 1}),
        (collections.UserList([1]), [1]),
        (Text("text"), "text"),
        (collections.ChainMap({"a": 1}, {"b": 2}), [{"a": 1}, {"b": 2}]),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1]),
        ({"a": 1}.items(), [["a", 1]]),
        (frozenset([2, 1]), [1, 2]),
        (Point(1, [2]), {"x": 1, "y": [2]}),
        (types.SimpleNamespace(a=1), {"a": 1}),
        (ValueError("bad", 3), {"exception": "ValueError", "args": ["bad", 3]}),
        (OSError(2, "No such file"), {"exception": "FileNotFoundError", "args": [2, "No such file"]}),
        (collections.OrderedDict({1: 2, "a": 3}), {"1": 2, "a": 3}),
        (collections.OrderedDict(), {}),
        (types.MappingProxyType(collections.ChainMap({"a": 1})), [{"a": 1}]),
        (len, "<builtin len>"),
        (str.upper, "<method_descriptor str.upper>"),
        ("x".__add__, "<method-wrapper str.__add__>"),
        (
            functools.partial(int, "7", base=8),
            {"partial": "<class int>", "args": ["7"], "keywords": {"base": 8}},
        ),
        (functools.lru_cache(_function), f"<function {__name__}._function>"),
        (staticmethod(_function), f"<function {__name__}._function>"),
        (classmethod(_function), f"<function {__name__}._function>"),
        (datetime.timezone(datetime.timedelta(hours=2)), "UTC+02:00"),
        (datetime.time(1, 2, 3, 4, tzinfo=TellingZone()), "01:02:03.000004 <support.values.TellingZone>"),
        (
            datetime.datetime(2024, 1, 2, 3, 4, 5, 6, TellingZone()),
            "2024-01-02T03:04:05.000006 <support.values.TellingZone>",
        ),
        (_function, f"<function {__name__}._function>"),
        (_Holder().method, f"<method {__name__}._Holder.method>"),
        (_Holder, f"<class {__name__}._Holder>"),
        (int, "<class int>"),
        (asyncio, "<module asyncio>"),
        (object(), "<object>"),
        (..., "<ellipsis>"),
        (_Holder(), f"<{__name__}._Holder>"),
        (OurPath("/x"), f"<{__name__}.OurPath>"),
        (iter([1]), "<list_iterator>"),
        ((x for x in [1]), "<generator <genexpr>>"),
    ],
)
def test_a_known_type_is_shown_as_promised(value: Any, shown: Any) -> None:
    assert strict_json(encode(value)) == shown
    assert strict_json(encode({"inside": [value]})) == {"inside": [shown]}


def shown_binary(kind: str, held: bytes) -> str:
    """Up to 1,024 bytes whole; of more the first 510 and the last 255."""

    def text(part: bytes) -> str:
        return base64.b64encode(part).decode()

    inside = text(held)
    if len(held) > 1_024:
        inside = f"{text(held[:510])}…[{len(held) - 765} bytes cut]…{text(held[-255:])}"
    return f"<{kind} of {len(held)} bytes, base64: {inside}>"


@pytest.mark.parametrize("length", [0, 1, 2, 3, 1_023, 1_024, 1_025, 5_000])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_up_to_a_kilobyte_of_binary_is_shown_and_of_more_both_ends(kind: Any, length: int) -> None:
    held = bytes(at * 7 % 251 for at in range(length))
    assert strict_json(encode(kind(held))) == shown_binary(kind.__name__, held)


def test_of_a_view_with_rows_of_64_kib_at_most_bytes_are_shown() -> None:
    for row, is_shown in ((65_535, True), (65_536, True), (65_537, False)):
        held = bytes(at % 251 for at in range(row * 4))
        view = memoryview(held).cast("B", (4, row))[::2]
        name = f"<memoryview of {2 * row} bytes>"
        shown = shown_binary("memoryview", view.tobytes()) if is_shown else name
        assert strict_json(encode(view)) == shown


def test_a_number_is_written_in_the_longest_form_that_costs_little() -> None:
    for number in (2**64 - 1, -(2**63), 0):
        assert strict_json(encode([number, {number}])) == [number, [number]]
    for number in (2**64, -(2**63) - 1, 2**14_000 - 1, -(2**14_000) + 1):  # 64 bits; 14,000 bits
        assert strict_json(encode(number)) == str(number)
    for number in (2**14_000, -(2**14_000), 2**65_536 - 1, -(2**65_536) + 1):
        assert strict_json(encode(number)) == hex(number)
    assert strict_json(encode(2**65_536)) == strict_json(encode(-(2**65_536))) == "<int of 65537 bits>"


class Factor(float):
    pass


def test_a_float_that_is_no_number_is_named() -> None:
    for kind in (float, Factor):
        shown = strict_json(encode([{kind(text)} for text in ("nan", "inf", "-inf", "1.5", "-0.0")]))
        assert shown == [["NaN"], ["Infinity"], ["-Infinity"], [1.5], [-0.0]]


def test_a_decimal_is_shown_up_to_32_kib() -> None:
    edges = []
    for digits in range(70_000, 80_000, 19):
        value = decimal.Decimal("9" * digits)
        if not edges or value.__sizeof__() > edges[-1].__sizeof__():
            edges.append(value)
    for value in (*(each for each in edges if abs(each.__sizeof__() - 32_768) < 20), edges[0], edges[-1]):
        size = value.__sizeof__()
        shown = f"<decimal.Decimal of {size} bytes>" if size > 32_768 else str(value)
        assert strict_json(encode(value)) == shown


class Telling(metaclass=TellingMeta):
    __hash__ = object.__hash__

    def __call__(self) -> None: ...


class TellingKey:
    def __hash__(self) -> int:
        ran.append("__hash__")
        return 1


@pytest.mark.parametrize("more", [0, 60_000])
def test_a_key_of_an_ordered_dict_is_not_hashed(more: int) -> None:
    value = collections.OrderedDict({TellingKey(): 1, **{str(at): at for at in range(more)}})
    ran.clear()
    strict_json(encode(value))
    assert ran == []


def test_no_class_of_what_a_value_is_made_of_is_asked() -> None:
    telling = Telling()
    values = [
        types.MethodType(telling, 1),
        types.MethodType(_function, telling),
        slice(telling, telling, telling),
        collections.OrderedDict({telling: 1, "a": telling}),
        functools.partial(telling, telling, a=telling),
        types.SimpleNamespace(a=telling),
        ValueError(telling),
        staticmethod(telling),
        types.MappingProxyType({telling: telling}),
        {telling},
    ]
    ran.clear()
    for value in values:
        strict_json(encode(value))
    assert ran == []


def test_long_binary_is_cut_with_its_length_said() -> None:
    shown = strict_json(encode(b"\x00" * 1_000_000))
    assert shown.startswith("<bytes of 1000000 bytes, base64: AAAA")
    assert "…[999235 bytes cut]…" in shown
    assert len(shown) < 1200


@pytest.mark.parametrize(
    "view",
    [
        memoryview(bytes(range(256)) * 40)[::3],
        memoryview(bytes(range(256)) * 40)[::-1],
        memoryview(array.array("d", range(1_000)))[::2],
        memoryview(array.array("d", range(1_000))),
        memoryview(numpy.arange(6_000).reshape(200, 30)[:, ::2]),
        memoryview(numpy.arange(6_000).reshape(20, 30, 10)),
        memoryview(numpy.arange(6_000).reshape(200, 30).T),
        memoryview(numpy.ones(500, dtype=[("a", "i4"), ("b", "f8")])),
        memoryview(numpy.ones(500, dtype=[("a", "i4"), ("b", "f8")])[::2]),
        memoryview(numpy.array(7)),
        memoryview(numpy.zeros((3, 0))),
    ],
)
def test_of_a_view_the_first_and_the_last_bytes_are_shown(view: memoryview) -> None:
    whole = view.tobytes()
    assert strict_json(encode(view)) == shown_binary("memoryview", whole)


@pytest.mark.parametrize(
    "view",
    [
        memoryview(bytes(8_000_000))[::2],
        memoryview(bytes(8_000_000)).cast("B", (2_000, 4_000))[::2],
        memoryview(numpy.zeros((2, 8_000_000), dtype="u1")[:, ::2]),
        memoryview(numpy.zeros((8_000_000, 2), dtype="u1").T),
    ],
)
def test_no_more_of_a_view_is_copied_than_is_shown(view: memoryview) -> None:
    encode(view)
    tracemalloc.start()
    try:
        shown = strict_json(encode(view))
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()
    assert shown.startswith(f"<memoryview of {view.nbytes} bytes")


def test_a_released_view_is_named() -> None:
    view = memoryview(b"x")
    view.release()
    assert strict_json(encode(view)) == "<memoryview: not readable, ValueError>"


@pytest.mark.parametrize(
    "made", [Mock, MagicMock, NonCallableMock, lambda: Mock(spec=dict), lambda: MagicMock(spec=int)]
)
def test_a_mock_is_a_name(made: Any) -> None:
    mock = made()
    assert "ock>" in strict_json(encode([mock]))[0]
    assert mock.mock_calls == []


def test_a_proxy_is_not_asked_what_it_stands_for() -> None:
    target = Unknown()
    proxies = [wrapt.ObjectProxy(target), weakref.proxy(target)]
    ran.clear()
    shown = [strict_json(encode(proxy)) for proxy in proxies]
    assert ran == []
    assert shown[0].endswith("ObjectProxy>")
    assert shown[1].endswith("ProxyType>")
    assert strict_json(encode(weakref.ref(target))) == "<weakref.ReferenceType>"


OF_WRAPT = """
import collections, json, wrapt
from dataclasses import dataclass
from typing import Any
from llmobs_trace import experiment_span
from llmobs_trace.encode import encode

asked = []

class Target:
    __name__ = __qualname__ = "target"
    def __call__(self, x): return x
    def __getattr__(self, name):
        asked.append(name)
        raise AttributeError(name)

class Proxy(wrapt.ObjectProxy):
    def __getattr__(self, name):
        asked.append(name)
        return super().__getattr__(name)

class Key(Proxy):
    def __hash__(self): return 1

@dataclass
class Holder:
    held: Any

proxies = [
    Proxy(Target()), Proxy({"a": 1}), Proxy(Proxy([1])), Proxy(Holder(1)),
    wrapt.CallableObjectProxy(Target()), wrapt.FunctionWrapper(Target(), lambda *given: None),
    wrapt.PartialCallableObjectProxy(Target(), 1),
    experiment_span("decorated")(Target()), experiment_span("decorated")(wrapt.CallableObjectProxy(Target())),
]
if hasattr(wrapt, "LazyObjectProxy"):
    proxies.append(wrapt.LazyObjectProxy(lambda: asked.append("made")))
key = {Key(Target()): 1}
asked.clear()
for proxy in proxies:
    for value in (proxy, [proxy], {"a": proxy}, Holder(proxy), (proxy,)):
        encode(value)
encode(key)
print(json.dumps(asked))
"""


@pytest.mark.parametrize("without_extensions", ["", "1"], ids=["of C", "of pure Python"])
def test_wrapts_proxies_are_asked_for_nothing_wherever_they_stand(without_extensions: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", OF_WRAPT],
        env={**os.environ, "WRAPT_DISABLE_EXTENSIONS": without_extensions},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(ran.stdout) == []


def test_a_class_is_not_kept_alive_by_having_been_seen() -> None:
    import gc

    def see() -> tuple[weakref.ref[type], int]:
        local = type("Passing", (), {})
        encode(local())
        assert id(local) in _readers
        return weakref.ref(local), id(local)

    seen, key = see()
    gc.collect()
    assert seen() is None
    assert key not in _readers
    assert reader_of(int) is not None
