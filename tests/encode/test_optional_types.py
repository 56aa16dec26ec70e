"""Types of modules that need not be loaded: what has a plain text is shown as that text."""

from __future__ import annotations

import functools
import io
import ipaddress
import os
import re
import sqlite3
import string
import zoneinfo
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath
from typing import Any

import httpx
import numpy
import PIL.Image
import pydantic
import pydantic_core
import pytest
import sqlalchemy
import yarl
from support.values import Unknown, ran, strict_json

from llmobs_trace.encode import encode
from llmobs_trace.encode.optional_types import _without_password


class OurUrl(pydantic.AnyUrl):
    def __str__(self) -> str:
        ran.append("__str__")
        raise RuntimeError


class OurHttpxUrl(httpx.URL):
    __str__ = OurUrl.__str__


class OurNetwork(ipaddress.IPv4Network):
    __str__ = OurUrl.__str__


class OurImage(PIL.Image.Image):
    @property
    def size(self) -> Any:
        ran.append("size")
        raise RuntimeError

    __repr__ = OurUrl.__str__


def _our_image() -> PIL.Image.Image:
    image = OurImage()
    image.__dict__.update(_size=(3, 4), _mode="L")
    return image


@functools.lru_cache
def _cached(number: int) -> int:
    return number


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (pydantic.HttpUrl("https://example.org/a?b=c#d"), "https://example.org/a?b=c#d"),
        (pydantic.AnyUrl("ftp://example.org"), "ftp://example.org/"),
        (pydantic.RedisDsn("redis://localhost:6379/0"), "redis://localhost:6379/0"),
        (pydantic.PostgresDsn("postgres://h1:1,h2:2/db"), "postgres://h1:1,h2:2/db"),
        (pydantic_core.Url("https://example.org/"), "https://example.org/"),
        (OurUrl("https://example.org/ours"), "https://example.org/ours"),
        (pydantic.NameEmail("Ada", "ada@example.org"), "Ada <ada@example.org>"),
        (httpx.URL("https://example.org/ü"), "https://example.org/%C3%BC"),
        (yarl.URL("https://example.org/a"), "https://example.org/a"),
        (sqlalchemy.make_url("sqlite:///a.db"), "sqlite:///a.db"),
        (ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
        (ipaddress.ip_address("2001:db8::1"), "2001:db8::1"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (ipaddress.ip_interface("10.0.0.1/8"), "10.0.0.1/8"),
        (re.compile("^a+$"), "^a+$"),
        (re.compile("a", re.IGNORECASE | re.MULTILINE | re.ASCII), "(?aim)a"),
        (re.compile(b"a\xff"), "b'a\\xff'"),
        (re.search("b+", "abba"), {"match": "bb", "span": [1, 3]}),
        (zoneinfo.ZoneInfo("Europe/Paris"), "Europe/Paris"),
        (string.Template("Dear $name"), "Dear $name"),
        (io.BytesIO(b"abc"), "<io.BytesIO of 3 bytes>"),
        (numpy.dtype("float32"), "float32"),
        (numpy.dtype([("a", "i4")]), "[('a', '<i4')]"),
        (PIL.Image.new("RGB", (640, 480)), "<PIL.Image.Image: RGB, 640 x 480 pixels>"),
        (_our_image(), f"<{__name__}.OurImage: L, 3 x 4 pixels>"),
        (_cached, f"<function {__name__}._cached>"),
    ],
)
def test_what_has_a_plain_text_is_shown_as_it(value: Any, shown: Any) -> None:
    ran.clear()
    assert strict_json(encode(value)) == shown
    assert strict_json(encode({"inside": [value]})) == {"inside": [shown]}
    assert ran == []


def _derived(base: type) -> Any:
    """A class whose objects tell when they are asked for a text."""
    names = ("__str__", "__repr__", "__fspath__", "name", "raw", "buffer", "getbuffer", "keys", "key")
    telling = dict.fromkeys(names, OurUrl.__str__)
    return type("Derived", (base,), {**telling, "__module__": __name__})


def _derived_row() -> Any:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = _derived(sqlite3.Row)
    (row,) = connection.execute("SELECT 1 AS a")
    connection.close()
    return row


@pytest.mark.parametrize(
    "make",
    [
        lambda: _derived(httpx.URL)("https://example.org"),
        lambda: _derived(PurePosixPath)("a"),
        lambda: _derived(PureWindowsPath)("a"),
        lambda: _derived(PosixPath)("a"),
        *(
            lambda kind=kind, version=version: _derived(getattr(ipaddress, f"IPv{version}{kind}"))(
                "10.0.0.0" if version == 4 else "::"
            )
            for version in (4, 6)
            for kind in ("Address", "Network", "Interface")
        ),
        lambda: _derived(zoneinfo.ZoneInfo)("Europe/Paris"),
        lambda: _derived(io.FileIO)("a.txt"),
        lambda: _derived(io.BufferedReader)(io.FileIO("a.txt", "r")),
        lambda: _derived(io.BufferedWriter)(io.FileIO("a.txt", "a")),
        lambda: _derived(io.BufferedRandom)(io.FileIO("a.txt", "r+")),
        lambda: _derived(io.TextIOWrapper)(io.BytesIO()),
        lambda: _derived(io.BytesIO)(b"abc"),
        _derived_row,
    ],
)
def test_an_object_of_a_class_that_may_override_the_text_is_a_name(make: Any) -> None:
    Path("a.txt").touch()
    value = make()
    ran.clear()
    shown = strict_json(encode(value))
    assert ran == []
    assert shown == f"<{__name__}.Derived>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a://u:p@h", "a://u:**********@h"),
        ("a://u:p@h?q=x@y", "a://u:**********@h?q=x@y"),
        ("a://u:p@h#x:y@z", "a://u:**********@h#x:y@z"),
        ("a://h?q=u:p@h", "a://h?q=u:p@h"),
        ("a://h/u:p@h", "a://h/u:p@h"),
        ("a://u:p@@h/x", "a://u:**********@h/x"),
        ("a://u:p:q@h", "a://u:**********@h"),
        ("a://u@h,v:p@i,j/x", "a://u@h,v:**********@i,j/x"),
        ("mail:u:p@h", "mail:u:p@h"),
        ("u@h", "u@h"),
        ("", ""),
    ],
)
def test_what_stands_between_the_name_and_the_host_is_hidden(text: str, shown: str) -> None:
    assert _without_password(text) == shown


def test_of_a_long_match_the_first_eight_kib_are_shown() -> None:
    for length in (8_191, 8_192, 8_193, 9_999):
        for before in ("", "a", "a" * 8_191):
            found = re.search("b+", before + "b" * length)
            begin = len(before)
            assert strict_json(encode(found)) == {
                "match": "b" * min(length, 8_192),
                "span": [begin, begin + length],
            }


def test_of_a_long_pattern_of_bytes_a_thousand_are_shown() -> None:
    for length in (999, 1_000, 1_001):
        pattern = b"a" * length
        assert strict_json(encode(re.compile(pattern))) == repr(pattern[:1_000])


def test_of_a_picture_is_shown_what_it_knows_of_itself() -> None:
    for held, shown in (
        ({"_size": (3, 4), "_mode": "L"}, "L, 3 x 4 pixels"),
        ({"_size": (3, 4), "_mode": ""}, "3 x 4 pixels"),
        ({"_size": (3, 4), "_mode": None, "format": "PNG"}, "PNG, 3 x 4 pixels"),
        ({"size": (3, 4), "mode": "L"}, "L, 3 x 4 pixels"),
        ({"_size": (3, 4, 5), "_mode": "L"}, "L"),
        ({"_size": (3,), "_mode": "L"}, "L"),
        ({"_size": (3, "4"), "_mode": "L"}, "L"),
        ({"_size": [3, 4], "_mode": "L"}, "L"),
    ):
        image = OurImage()
        image.__dict__.clear()
        image.__dict__.update(held)
        assert strict_json(encode(image)) == f"<{__name__}.OurImage: {shown}>"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (pydantic.HttpUrl("https://ada:secret@example.org/a"), "https://ada:**********@example.org/a"),
        (pydantic.HttpUrl("https://ada@example.org/a"), "https://ada@example.org/a"),
        (pydantic.HttpUrl("https://example.org/a:b@c"), "https://example.org/a:b@c"),
        (
            pydantic.PostgresDsn("postgres://ada:secret@h1:1,eve:secret@h2:2/db"),
            "postgres://ada:**********@h1:1,eve:**********@h2:2/db",
        ),
        (httpx.URL("https://:secret@example.org/"), "https://:**********@example.org/"),
        (yarl.URL("https://ada:secret@example.org/"), "https://ada:**********@example.org/"),
        (sqlalchemy.make_url("postgresql://ada:secret@h/db"), "postgresql://ada:***@h/db"),
    ],
)
def test_a_password_in_a_url_is_hidden(value: Any, shown: str) -> None:
    assert strict_json(encode([value])) == [shown]


def test_a_picture_in_a_file_says_its_kind_and_is_not_loaded() -> None:
    PIL.Image.new("L", (5, 6)).save("picture.png")
    with PIL.Image.open("picture.png") as picture:
        assert encode(picture) == b'"<PIL.PngImagePlugin.PngImageFile: PNG, L, 5 x 6 pixels>"'
        assert picture._im is None


def test_an_open_file_is_shown_by_its_name_and_not_read() -> None:
    Path("a.txt").write_text("abc")
    with open("a.txt") as text, open("a.txt", "rb") as binary, open("a.txt", "rb", buffering=0) as raw:
        assert strict_json(encode([text, binary, raw])) == ["<file a.txt>"] * 3
        assert text.read() == "abc"

    class OurRaw(io.RawIOBase):
        @property
        def name(self) -> str:
            ran.append("name")
            raise RuntimeError

        def readable(self) -> bool:
            return True

    ran.clear()
    assert strict_json(encode(io.BufferedReader(OurRaw()))) == "<_io.BufferedReader>"
    assert ran == []


def test_an_entry_of_a_directory_is_shown_as_its_path() -> None:
    Path("a.txt").touch()
    with os.scandir(".") as entries:
        assert strict_json(encode([*entries])) == ["./a.txt"]


def test_a_row_of_sqlite_is_shown_by_its_columns() -> None:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    (row,) = connection.execute("SELECT 1 AS a, 'x' AS b")
    connection.close()
    assert strict_json(encode(row)) == {"a": 1, "b": "x"}


class _Holder:
    @staticmethod
    def apart() -> None: ...

    @classmethod
    def of_class(cls) -> None: ...

    @functools.lru_cache  # noqa: B019
    def kept(self) -> None: ...


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            functools.partial(int, "7", base=8),
            {"partial": "<class int>", "args": ["7"], "keywords": {"base": 8}},
        ),
        (str.upper, "<method_descriptor str.upper>"),
        (int.__add__, "<wrapper_descriptor int.__add__>"),
        (dict.__dict__["fromkeys"], "<classmethod_descriptor dict.fromkeys>"),
        ([].__len__, "<method-wrapper list.__len__>"),
        (_Holder.__dict__["apart"], f"<function {__name__}._Holder.apart>"),
        (_Holder.__dict__["of_class"], f"<function {__name__}._Holder.of_class>"),
        (_Holder.of_class, f"<method {__name__}._Holder.of_class>"),
        (_Holder().kept, f"<function {__name__}._Holder.kept>"),
        (slice(1, None, 2), "slice(1, None, 2)"),
        (range(0, 10**5000, 3), f"range(0, {hex(10**5000)}, 3)"),
    ],
)
def test_what_stands_for_a_function_or_a_range_is_shown_by_it(value: Any, shown: Any) -> None:
    assert strict_json(encode(value)) == shown


class TellingText(str):
    def __str__(self) -> str:
        ran.append("__str__")
        raise RuntimeError

    __repr__ = __str__


class Callback:
    __call__ = __repr__ = __str__ = TellingText.__str__


@pytest.mark.parametrize(
    "make",
    [
        lambda: slice(Unknown(), None),
        lambda: functools.partial(Unknown()),
        lambda: functools.lru_cache(Callback()),
        lambda: staticmethod(Callback()),
        lambda: re.compile(TellingText("a")),
        lambda: string.Template(TellingText("a")),
    ],
)
def test_what_they_hold_is_asked_nothing(make: Any) -> None:
    value = make()
    ran.clear()
    strict_json(encode(value))
    assert ran == []


def test_a_match_says_what_matched_unless_it_looked_at_something_else_than_text_or_bytes() -> None:
    class Text(str):
        pass

    assert strict_json(encode(re.search("b+", "abbc"))) == {"match": "bb", "span": [1, 3]}
    assert strict_json(encode(re.search(b"b+", b"abbc")))["span"] == [1, 3]
    for other in (bytearray(b"abbc"), memoryview(b"abbc")):
        assert strict_json(encode(re.search(b"b+", other))) == "<re.Match>"
    assert strict_json(encode(re.search("b+", Text("abbc")))) == "<re.Match>"
