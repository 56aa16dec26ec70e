"""What encoding does is bounded, whatever the value: how much is written of it, and how much looked at."""

from __future__ import annotations

import array
import collections
import contextlib
import dataclasses
import decimal
import fractions
import functools
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import msgspec
import numpy
import pandas
import pydantic
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.values import leaves as small_leaves
from support.values import strict_json

from llmobs_trace.encode import choose, encode, encode_text, fast, is_in_shape, plain, shape, teach, walk

MOST_BYTES = 64 * 1024 * 1024
MOST_VALUES = 1_000_000


@dataclasses.dataclass(frozen=True)
class Passage:
    body: Any


class Message(msgspec.Struct, frozen=True):
    body: Any


class Prompt(pydantic.BaseModel):
    body: Any


@attrs.frozen
class Part:
    body: Any


class Own:
    """What the program says how to record."""

    def __init__(self, body: Any) -> None:
        self.body = body


class Name(str):
    pass


class Odd:
    pass


class Counted:
    """How many bytes are written for one value, texts made on the way included, and how many values seen."""

    def __init__(self) -> None:
        self.written_bytes = 0
        self.values = 0

    def encode(self, value: Any) -> bytes:
        with pytest.MonkeyPatch.context() as patch:
            for module in (fast, walk):
                patch.setattr(module, "_to_json", self._writing(msgspec.json.Encoder().encode))
            for module in (fast, plain, shape):
                patch.setattr(module, "type", self._looking(type), raising=False)
            for name in ("tree", "_text"):
                patch.setattr(walk._Walk, name, self._looking(getattr(walk._Walk, name)))
            patch.setattr(walk._Walk, "_made", self._making(walk._Walk._made))
            patch.setattr(walk, "_settled", self._reading(walk._settled))
            encoded = encode(value)
            is_in_shape(value)
        return encoded

    def _writing(self, real: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        def write(value: Any) -> bytes:
            try:
                written = real(value)
            except UnicodeEncodeError:  # all that stands before that text, which may be the last
                self.written_bytes += 6 * _characters(value)
                raise
            self.written_bytes += len(written)
            return written

        return write

    def _making(self, real: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
        def make(walking: Any, text: str) -> str:
            self.written_bytes += len(text)
            return real(walking, text)

        return make

    def _looking(self, real: Any) -> Any:
        @functools.wraps(real, assigned=("__name__",), updated=())
        def look(*given: Any) -> Any:
            self.values += 1
            return real(*given)

        return look

    def _reading(self, real: Any) -> Any:
        def read(function: Any, value: Any) -> Any:
            inside = real(function, value)
            # What the program taught answers with a list of its own, which nobody has looked through yet.
            is_taught = any(function is reader.read for _, reader in choose._taught.values())
            self.values += len(inside) if isinstance(inside, list) and not is_taught else 1
            return inside

        return read


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(key) + _characters(item) for key, item in value.items())
    return sum(map(_characters, value)) if isinstance(value, (list, tuple)) else 4


@pytest.fixture(autouse=True, scope="module")
def _taught() -> Iterator[None]:
    before = choose._taught
    teach(Own, lambda own: own.body)
    yield
    choose._taught = before
    choose._readers.pop(id(Own), None)


_LONG = "x" * 3_000_000
_WIDE = pandas.DataFrame(numpy.zeros((2, 3_000)))
_FOUND = re.match("x+", _LONG)
_LARGE: tuple[Any, ...] = (
    *(_LONG, "x" * 8192, "\x01" * 300_000, "é" * 100_000, "\ud800" * 5_000, "y" * 2_000_000 + "\ud800"),
    *(Name(_LONG), collections.UserString(_LONG), _FOUND, Odd(), float("nan"), 1.5, 7, None),
    *(10**4000, -(10**15_000), 1 << 70, 1 << 1_000_000, fractions.Fraction(10**4000, 3)),
    *(decimal.Decimal("1." + "9" * 60_000), decimal.Decimal("-1e-99999"), decimal.Decimal(10) ** 200),
    *(b"x" * 100_000, bytearray(50_000), memoryview(bytes(100_000))[::2], array.array("d", bytes(800_000))),
    *(numpy.zeros(30_000), numpy.zeros((200, 200)), numpy.array(["x" * 10_000] * 1_000)),
    *(numpy.zeros(5, dtype=[("a", "f8", (30_000,))]), numpy.array([_LONG, 1.5], dtype=object)),
    *(_WIDE, pandas.Series(range(100_000)), pandas.Index(range(100_000))),
)
_PAIR: dict[str, Callable[[Any], Any]] = {
    "dataclass": Passage,
    "struct": Message,
    "pydantic": lambda body: Prompt.model_construct(body=body),
    "attrs": Part,
    "registered": Own,
    "namespace": lambda body: types.SimpleNamespace(body=body),
    "exception": ValueError,
    "UserList": lambda body: collections.UserList([body]),
    "ChainMap": lambda body: collections.ChainMap({"body": body}),
    "view": lambda body: {"body": body}.values(),
    "doubled": lambda body: functools.reduce(lambda inner, _: [inner, inner], range(25), body),
    "deep": lambda body: functools.reduce(lambda inner, _: [inner, *[0] * 30_000], range(60), body),
    "deep objects": lambda body: functools.reduce(lambda inner, _: {"a": inner, "b": body}, range(60), body),
    "deep sets": lambda body: functools.reduce(
        lambda inner, n: frozenset([inner, n]), range(30), "\x01" * 2_000_000
    ),
    "keys in keys": lambda body: functools.reduce(lambda inner, n: {(str(inner), n, "\\"): n}, range(12), 0),
    "many": lambda body: [body] * 5_000_000,
}
_SEVERAL: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "deque": collections.deque,
    "dict": lambda items: {str(at): item for at, item in enumerate(items)},
    "odd keys": lambda items: {(at, "\x01\ud800"): item for at, item in enumerate(items)},
    "long keys": lambda items: {_LONG[: 9_000 + at]: item for at, item in enumerate(items[:3_000])},
    "alike keys": lambda items: {Odd(): item for item in items},
    "OrderedDict": lambda items: collections.OrderedDict(enumerate(items)),
    "mappingproxy": lambda items: types.MappingProxyType(dict(enumerate(items))),
    "messages": lambda items: [{"role": "user", "content": item} for item in items],
    "set": lambda items: {(at, type(item).__name__ * 500) for at, item in enumerate(items)},
    "objects": lambda items: [Passage(item) for item in items],
}


# How a value is built: a text of megabytes would be shown by hypothesis, which takes longer than encoding it.
_Recipe = tuple[Any, ...]


def _build(recipe: _Recipe) -> Any:
    how, *of = recipe
    if how == "large":
        return _LARGE[of[0]]
    if how == "small":
        return of[0]
    if how in _PAIR:
        return _PAIR[how](_build(of[0]))
    times, parts = of
    return _SEVERAL[how](([_build(part) for part in parts] * times)[:60_000])


_recipes: st.SearchStrategy[_Recipe] = st.recursive(
    st.tuples(st.just("large"), st.integers(0, len(_LARGE) - 1)) | st.tuples(st.just("small"), small_leaves),
    lambda inner: (
        st.tuples(st.sampled_from([*_PAIR]), inner)
        | st.tuples(
            st.sampled_from([*_SEVERAL]),
            st.sampled_from([1, 8, 300, 60_000]),
            st.lists(inner, min_size=1, max_size=4),
        )
    ),
    max_leaves=5,
)


def _is_bounded(value: Any) -> None:
    counted = Counted()
    encoded = counted.encode(value)
    assert len(encoded) <= MOST_BYTES
    assert counted.written_bytes <= MOST_BYTES
    assert counted.values <= MOST_VALUES


@settings(max_examples=examples(30), suppress_health_check=[*HealthCheck], deadline=None)
@given(_recipes)
@example(("registered", ("many", ("large", 0))))
def test_what_is_written_and_what_is_looked_at_are_bounded(recipe: _Recipe) -> None:
    _is_bounded(_build(recipe))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ["x" * 8192] * 50_000,
        lambda: [10**4000] * 10_000,
        lambda: {"messages": [{"role": "user", "content": "x" * 3_000_000}] * 32},
        lambda: [{f"{at}": "x" * 100_000 for at in range(32)}] * 32,
        lambda: [{_LONG: 1}] * 1_000,
        lambda: [{_LONG: 1}] * 32,
        lambda: [{"a": [{_LONG: 1}] * 32}] * 32,
        lambda: [*range(290_000), float("nan")],
        lambda: [1] * 2_000_000,
        lambda: ["x" * 8192, float("nan")] * 50_000,
        lambda: "\x01" * (plain.PLAIN_CHARACTERS - 1) + "\ud800",
        lambda: ["\x01" * 10_000_000, "\ud800"],
        lambda: ["\x01" * 1_000_000, "\x01" * 4_000_000, "\ud800", *["\x01" * 1_000_000] * 5],
        lambda: [Name(_LONG)] * 50_000,
        lambda: [_FOUND] * 50_000,
        lambda: {Odd(): 1 for _ in range(50_000)},
        lambda: [decimal.Decimal("9" * 70_000)] * 50_000,
        lambda: [_WIDE] * 50_000,
        lambda: _PAIR["many"](1),
        lambda: _PAIR["deep"](1),
        lambda: _PAIR["deep sets"](1),
        lambda: _PAIR["keys in keys"](1),
    ],
)
def test_it_is_bounded_where_each_bound_is_reached(make: Callable[[], Any]) -> None:
    _is_bounded(make())


@given(
    st.recursive(
        small_leaves | st.sampled_from([*_LARGE[:3], 2**64 - 1, -(2**63), -1.7976931348623157e308]),
        lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=9), inner, max_size=9),
    )
)
def test_no_more_is_written_of_what_is_plain_than_was_counted(value: Any) -> None:
    for count in (plain.plain_near, plain.plain_far):
        if isinstance(value, (list, dict)) and (counted := count(value)) >= 0:
            with contextlib.suppress(UnicodeEncodeError):
                assert len(msgspec.json.encode(value)) <= 6 * counted + 2


@pytest.mark.parametrize("surrogate", ["", "\ud800"])
def test_a_long_text_is_whole_beside_small_values(surrogate: str) -> None:
    text = "x" * 500_000 + surrogate
    shown = strict_json(encode({"text": text, "score": float("nan")}))
    assert shown == {"text": text.replace("\ud800", "\\ud800"), "score": "NaN"}
    assert strict_json(encode_text(text)) == text.replace("\ud800", "\\ud800")


def test_a_text_in_a_thousand_places_leaves_room_for_what_is_beside_it() -> None:
    document = "x" * 3_000_000
    rows = [{"document": document, "score": float("nan"), "question": str(at)} for at in range(1_000)]
    shown = strict_json(encode(rows))
    assert shown[0]["document"] == rows[0]["document"]
    assert [row["question"] for row in shown] == [str(at) for at in range(1_000)]
    assert "characters cut]" in shown[-1]["document"]


def test_how_much_was_cut_is_said_of_very_long_containers() -> None:
    for made in (list, tuple, collections.deque, set):
        (said,) = [item for item in strict_json(encode(made(range(400_000)))) if isinstance(item, str)]
        assert re.fullmatch(r"<cut: \d+ of 400000 items>", said)
    for kind in (dict, collections.OrderedDict):
        members = strict_json(encode(kind.fromkeys(range(400_000))))
        assert re.fullmatch(r"\d+ of 400000 keys", members["<cut>"])
    wide = strict_json(encode(pandas.DataFrame(numpy.zeros((60, 3_000)))))
    assert wide[0]["<cut>"] == "2000 of 3000 columns"
    assert wide[-1] == "<cut: 10 of 60 rows>"
    assert strict_json(encode(array.array("b", bytes(400_000))))[-1].endswith("of 400000 items>")


def test_keys_that_look_alike_are_numbered() -> None:
    shown = strict_json(encode({Odd(): at for at in range(9_000)}))
    assert len(shown) == 9_000
    assert list(shown.values()) == [*range(9_000)]


def test_a_large_decimal_is_shown_by_its_size() -> None:
    assert strict_json(encode(decimal.Decimal("9" * 70_000))) == "9" * 70_000
    assert re.fullmatch(
        r"<decimal.Decimal of \d+ bytes>", strict_json(encode(decimal.Decimal("9" * 100_000)))
    )
