"""Any value becomes valid JSON, is read as it was at the call, and runs none of its code."""

from __future__ import annotations

import collections
import copy
import datetime
import doctest
import json
import random
import sys
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.values import (
    OfTellingClass,
    TellingMeta,
    any_values,
    copyable_values,
    hostile_makers,
    ran,
    strict_json,
    texts,
)

from llmobs_trace.encode import bound, encode, encode_text, fast, plain, redact, shape, shape_io, walk

bare = msgspec.json.Encoder().encode


@given(any_values)
def test_any_value_becomes_valid_json(value: Any) -> None:
    strict_json(encode(value))


@given(any_values)
def test_no_code_of_a_value_is_run(value: Any) -> None:
    ran.clear()
    encode(value)
    assert ran == []


@pytest.mark.parametrize("make", [*hostile_makers, lambda: OfTellingClass(), lambda: OfTellingClass])
def test_no_code_of_a_value_deep_inside_is_run(make: Any) -> None:
    value = make()
    nested = {"messages": [{"role": "user", "content": [value]}] * 50, "x": ({"y": value},)}
    ran.clear()
    strict_json(encode(nested))
    assert ran == []


@given(copyable_values)
def test_a_value_and_its_deep_copy_are_encoded_alike(value: Any) -> None:
    assert encode(value) == encode(copy.deepcopy(value))


@given(copyable_values)
def test_what_is_plain_is_written_the_same_by_both_ways(value: Any) -> None:
    assert encode(value) == walk.encode_by_walking(value)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=60) | st.dictionaries(st.text(), inner, max_size=60),
    )
)
def test_json_values_come_back_as_they_were(value: Any) -> None:
    assert msgspec.json.decode(encode(value)) == value
    assert encode(value) == bare(value)


def test_a_change_after_the_call_does_not_show() -> None:
    messages = [{"role": "user", "content": "before"}]
    encoded = encode({"messages": messages})
    messages[0]["content"] = "after"
    messages.append({"role": "assistant", "content": "late"})
    assert encoded == b'{"messages":[{"role":"user","content":"before"}]}'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ([float("nan"), float("inf"), float("-inf")], b'["NaN","Infinity","-Infinity"]'),
        ([2**64 - 1, -(2**63)], b"[18446744073709551615,-9223372036854775808]"),
        ([2**64, -(2**63) - 1], b'["18446744073709551616","-9223372036854775809"]'),
        ({1: "int", "1": "str"}, b'{"1 <int>":"int","1":"str"}'),
        ({"1": "str", 1: "int"}, b'{"1":"str","1 <int>":"int"}'),
        ({True: 1, None: 2, 1.5: 3, (1, 2): 4}, b'{"true":1,"null":2,"1.5":3,"[1,2]":4}'),
        ({"\ud800": 1, "\\ud800": 2}, b'{"\\\\ud800 <str>":1,"\\\\ud800":2}'),
        (b"hello", b'"<bytes of 5 bytes, base64: aGVsbG8=>"'),
        ("a\ud800b", b'"a\\\\ud800b"'),
        ({"b", "a", "c"}, b'["a","b","c"]'),
        (float("nan"), b'"NaN"'),
        (None, b"null"),
        (True, b"true"),
        (0, b"0"),
        (-0.0, b"-0.0"),
        ((), b"[]"),
        ({}, b"{}"),
    ],
)
def test_what_msgspec_gets_wrong_alone_is_right(value: Any, written: bytes) -> None:
    assert encode(value) == written


@pytest.mark.parametrize(
    "odd", [float("nan"), 2**64, b"x", {1: 1, "1": 2}, {2, 1}, msgspec.Raw(b"not json"), "\ud800"]
)
@pytest.mark.parametrize("size", [1, 31, 33, 500])
def test_an_odd_value_is_found_wherever_it_is(odd: Any, size: int) -> None:
    for fill in ("text", 1, 1.5, None, {"a": "b"}, ["x"]):
        items: list[Any] = [fill] * size
        items[random.Random(size).randrange(size)] = odd
        for value in (
            items,
            {"a": items},
            [{"k": x} for x in items],
            {str(i): x for i, x in enumerate(items)},
            [[items]],
        ):
            strict_json(encode(value))
            assert encode(value) == walk.encode_by_walking(value)


def test_an_integer_of_many_digits_is_shown_whatever_the_limit() -> None:
    assert strict_json(encode(10**4000)) == "1" + "0" * 4000
    assert strict_json(encode(10**5000)) == hex(10**5000)
    assert strict_json(encode(1 << 100_000)) == "<int of 100001 bits>"
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        assert strict_json(encode(10**4000)) == hex(10**4000)
    finally:
        sys.set_int_max_str_digits(limit)


def test_a_string_in_a_million_places_does_not_fill_the_memory() -> None:
    document = "x" * 10_000_000
    encoded = encode([{"context": document, "question": str(number)} for number in range(1000)])
    assert len(encoded) < plain.MAX_BYTES
    rows = strict_json(encoded)
    assert len(rows) == 1000
    assert "characters cut]" in rows[-1]["context"]


def test_a_text_past_the_bound_is_cut() -> None:
    encoded = encode("é" * (plain.MAX_CHARACTERS + 1))
    assert "characters cut]" in strict_json(encoded)


def test_branches_that_meet_again_and_again_are_cut() -> None:
    value: Any = ["leaf"]
    for _ in range(60):
        value = [value, value]
    assert b"<cut: " in encode(value)


@given(texts)
def test_a_text_is_always_a_json_string(text: str) -> None:
    decoded = strict_json(encode_text(text))
    assert decoded == text.encode("utf-8", "backslashreplace").decode()


def test_a_text_of_a_derived_class_is_written_as_it_is() -> None:
    assert encode_text(Name('a"\ud800')) == encode_text('a"\ud800')
    ran.clear()
    assert encode_text(TellingName("a")) == b'"a"'
    assert ran == []


@pytest.mark.parametrize("value", [1, None, ["a"], {"a": "b"}, b"x"])
def test_what_is_no_text_becomes_one(value: Any) -> None:
    assert isinstance(strict_json(encode_text(value)), str)


def test_a_value_that_another_thread_changes_is_encoded_all_the_same() -> None:
    shared: dict[Any, Any] = {str(number): number for number in range(200)}
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            shared[f"more {number % 300}"] = [number]
            shared.pop(f"more {(number * 7) % 300}", None)

    thread = threading.Thread(target=change)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(300):
            assert isinstance(strict_json(encode({"shared": shared, "odd": {1}})), dict)
            assert isinstance(strict_json(encode(shared)), dict)
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_an_interrupt_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(fast, "_to_json", interrupted)
    with pytest.raises(KeyboardInterrupt):
        encode("text")


def test_an_encode_close_to_the_recursion_limit_does_not_raise() -> None:
    value = {"a": {"b": [1, {2}, float("nan"), datetime.timedelta(1)]}}
    encoded: list[bytes] = []

    def deeper() -> None:
        try:
            deeper()
        except RecursionError:
            encoded.append(encode(value))
            raise

    with pytest.raises(RecursionError):
        deeper()
    assert encoded
    for each in encoded:
        strict_json(each)
    assert encoded[-1] == encode(value)


@settings(max_examples=examples(50))
@given(copyable_values)
def test_the_shapes_on_the_wire_stay_valid(value: Any) -> None:
    strict_json(shape_io(encode(value)))


@pytest.mark.parametrize("module", [fast, bound, shape, redact])
def test_the_examples_in_the_docstrings_are_true(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 2**65, -(2**64)])
def test_a_number_of_more_than_64_bits_is_text_wherever_it_stands(number: int) -> None:
    for place in ([number], {"a": number}, [[number]], [{"a": number}], {"a": [number]}, [[[number]]] * 40):
        assert (
            encode(place) == json.dumps(place).replace(f"{number}", f'"{number}"').replace(" ", "").encode()
        )
    assert encode([number] * 2000) == b"[" + b",".join([f'"{number}"'.encode()] * 2000) + b"]"


def rooms(text: str) -> list[tuple[Any, Any]]:
    """Values that are looked at in place, and next to each one that is not."""
    message = {"role": "user", "content": text, "third": "x", "fourth": "x"}
    long = "x" * 14_000
    return [
        ({"a": text, "b": "", "c": "", "d": ""}, {"a": text, "b": "", "c": "", "d": "", "e": ""}),
        ({"a": text, "messages": [message] * 32}, {"a": text, "messages": [message] * 33}),
        ({"a": [message, {}]}, {"a": [message, {**message, "fifth": "x"}]}),
        ({"a": [message], "role": long}, {"a": [message], "role": long + "x"}),
        ({"a": [{**message, "content": long}]}, {"a": [{**message, "third": long + "x"}]}),
        ({long: text}, {long + "x": text}),
        ({"a": [{"k" * 64: text}]}, {"a": [{"k" * 65: text}]}),
        ({"role": text, "content": [message]}, {"role": text, "content": (message,)}),
        ({}, []),
        ({"a": []}, {"a": [[]]}),
        ({"a": 2**64 - 1, "b": 0.5, "c": None, "d": True}, {"a": text, "b": 2**64}),
        ({"a": text, "b": -(2**63)}, {"a": text, "b": float("-inf")}),
        ({"a": text}, {Name("a"): text}),
        ({"a": text}, {"a": Name(text)}),
        ({"a": [message]}, {"a": [message, 1]}),
        ({"a": [message]}, {"a": [message, collections.OrderedDict(message)]}),
        ({"a": [message]}, {"a": [message, {Name("a"): text}]}),
        ({"a": [message]}, {"a": [message, {"a": Name(text)}]}),
        ({"a": [message], "b": text}, {"a": [{"a": None}], "b": text}),
    ]


class Name(str):
    pass


class TellingName(str):
    def __str__(self) -> str:
        ran.append("__str__")
        raise RuntimeError


@pytest.mark.parametrize("at", range(len(rooms(""))))
@pytest.mark.parametrize("text", ["text", "\ud800"])
def test_a_few_short_texts_are_looked_at_in_place(
    monkeypatch: pytest.MonkeyPatch, at: int, text: str
) -> None:
    asked: list[Any] = []
    real = plain.plain_near
    monkeypatch.setattr(fast, "plain_near", lambda nest: asked.append(nest) or real(nest))
    inside, outside = rooms(text)[at]
    for value, looks in ((inside, []), (outside, [outside])):
        asked.clear()
        assert encode(value) == walk.encode_by_walking(value)
        assert asked == looks


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many characters of each value that is walked were written in vain."""
    in_vain: list[int] = []
    real = walk.encode_by_walking

    def walk_it(value: Any, written: int = 0) -> bytes:
        in_vain.append(written)
        return real(value, written)

    monkeypatch.setattr(fast, "encode_by_walking", walk_it)
    return in_vain


@pytest.mark.parametrize(
    "value",
    [
        *("text", "", None, True, [], {}, (), [[]], ["x"] * 500, {"a": 1}, {"a": {"b": [None, 1.5]}}),
        *([[[[["deep"]]]]], {"a": "x" * 20_000}, [{"role": "user", "content": "x"}] * 40),
    ],
)
def test_what_is_plain_is_not_walked(walked: list[int], value: Any) -> None:
    assert encode(value) == bare(value)
    assert walked == []


def test_a_text_is_walked_where_it_may_be_too_long(
    walked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("LARGEST_KEPT", "PLAIN_CHARACTERS"):
        monkeypatch.setattr(fast, limit, 5)
    for text in ("", "four", "fives"):
        assert encode(text) == bare(text)
    assert walked == []
    assert encode("sixsix") == b'"sixsix"'
    assert walked == [0]


@pytest.mark.parametrize(
    ("value", "in_vain"),
    [
        (7, 0),
        (float("nan"), 0),
        ([float("nan")], 0),
        ({"a": b"x"}, 0),
        ("four\ud800", 5),
        (["four", "\ud800"], 2 * (64 + 7) + 5),
        (["x"] * 40 + ["\ud800"], 41 * (7 + 1)),
        ({"a": (1,), "b": "\ud800"}, 3 * (64 + 7) + 1),
    ],
)
def test_it_is_counted_how_much_is_written_in_vain(walked: list[int], value: Any, in_vain: int) -> None:
    encode(value)
    assert walked == [in_vain]


def test_of_what_is_looked_at_in_place_the_most_that_it_may_hold_counts_as_written(walked: list[int]) -> None:
    long, name = "x" * 13_999, "n" * 63
    message = {f"{name}{at}": f"{long}{at}" for at in range(4)}
    value: dict[str, Any] = {f"{long}{at}": [message] * 32 for at in range(4)}
    held = sum(len(key) + 32 * sum(len(name) + len(text) for name, text in message.items()) for key in value)
    encode(value)
    assert walked == []
    message["n"] = message.pop(f"{name}0")[:-1] + "\ud800"
    encode(value)
    assert walked == [held]


def test_a_dict_that_changes_while_it_is_written_is_walked_with_all_the_room(
    walked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(_: object) -> bytes:
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(fast, "_to_json", changed)
    for value in ({"a": "b"}, {"a": 1}, "text"):
        assert encode(value) == bare(value)
    assert walked == [0, 0, 0]


class Key(metaclass=TellingMeta):
    """One that can be a key, of a class that tells when it is compared."""

    __hash__ = object.__hash__


@pytest.mark.parametrize(
    "around",
    [
        lambda key, value: value,
        lambda key, value: {"a": value},
        lambda key, value: {key: "text"},
        lambda key, value: {"a": [value]},
        lambda key, value: {"a": [{"a": value}]},
        lambda key, value: {"a": [{key: "text"}]},
        lambda key, value: [value],
        lambda key, value: [{"a": value}, {key: "text"}],
        lambda key, value: {"a": {"b": value, key: "text"}},
        lambda key, value: [value, {"a": value}, {key: "text"}, [value]] * 10,
        lambda key, value: {str(at): value for at in range(40)},
        lambda key, value: ({key: value},) * 40,
    ],
)
def test_no_class_is_asked_wherever_its_value_stands(around: Any) -> None:
    value = around(Key(), OfTellingClass())
    ran.clear()
    strict_json(encode(value))
    assert ran == []
