"""The standard library's types, each as a reader would want to see it."""

from __future__ import annotations

import array
import asyncio
import collections
import datetime
import decimal
import enum
import fractions
import pathlib
import types
import uuid
import weakref
import zoneinfo
from typing import Any
from unittest.mock import MagicMock, Mock, NonCallableMock

import pytest
import wrapt
from support.values import Colour, Point, TellingZone, Unknown, ran, strict_json

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
        (len, "<builtin len>"),
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


def test_long_binary_is_cut_with_its_length_said() -> None:
    shown = strict_json(encode(b"\x00" * 1_000_000))
    assert shown.startswith("<bytes of 1000000 bytes, base64: AAAA")
    assert "…[999235 bytes cut]…" in shown
    assert len(shown) < 1200


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
