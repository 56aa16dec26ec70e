"""Containers: cycles, depth, amount, keys, and readers that fail."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from support.values import strict_json

from llmobs_trace.encode import encode, plain, walk
from llmobs_trace.encode.reader import Reader, Shape


def test_a_cycle_is_named_where_it_closes() -> None:
    value: dict[str, Any] = {"name": "loop"}
    value["self"] = value
    value["list"] = [value]
    assert strict_json(encode(value)) == {"name": "loop", "self": "<cycle: dict>", "list": ["<cycle: dict>"]}


def test_a_cycle_of_many_branches_ends_quickly() -> None:
    value: list[Any] = []
    value.extend([value, [value, value], {"a": value}])
    assert encode(value) == b'["<cycle: list>",["<cycle: list>","<cycle: list>"],{"a":"<cycle: list>"}]'


def test_the_same_object_twice_is_no_cycle() -> None:
    once = {"a": float("nan")}
    assert strict_json(encode([once, once])) == [{"a": "NaN"}, {"a": "NaN"}]


def test_a_cycle_through_objects_is_found() -> None:
    value = types.SimpleNamespace()
    value.me = [value]
    assert encode(value) == b'{"me":["<cycle: types.SimpleNamespace>"]}'


@pytest.mark.parametrize("depth", [101, 200, 5_000, 100_000])
def test_depth_is_cut_visibly(depth: int) -> None:
    value: Any = []
    for _ in range(depth):
        value = [value]
    encoded = encode(value)
    assert b"<too deep: list>" in encoded
    assert encoded.count(b"[") == walk.MAX_DEPTH
    while isinstance(value, list) and value:  # or the collector would recurse
        value = value.pop()


def test_amount_is_cut_visibly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_VALUES", 20)
    assert strict_json(walk.encode_by_walking(list(range(30))))[-1] == "<cut: 16 of 30 items>"
    members = strict_json(walk.encode_by_walking({str(number): number for number in range(30)}))
    assert members["<cut>"] == "16 of 30 keys"
    assert strict_json(walk.encode_by_walking([list(range(30)), [1]]))[-1].startswith("<cut: ")


def test_an_ordered_dict_keeps_its_own_order() -> None:
    value = collections.OrderedDict(a=1, b=2, c={3})
    value.move_to_end("a")
    assert encode(value) == b'{"b":2,"c":[3],"a":1}'


def test_keys_that_look_alike_all_stay() -> None:
    value = {1: "a", "1": "b", "1 <int>": "c", b"x": 1, b"y": 2}
    decoded = strict_json(encode(value))
    assert decoded["1"] == "b"
    assert decoded["1 <int>"] == "c"
    assert decoded["1 <int> 2"] == "a"
    assert len(decoded) == 5


def test_a_reader_that_fails_is_named_in_the_value_s_place(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd:
        pass

    def fail(_: object) -> Any:
        raise ZeroDivisionError

    for shape in set(Shape) - {Shape.TEXT}:  # a text is no reader's to give
        monkeypatch.setattr(walk, "reader_of", lambda cls, shape=shape: Reader(shape, fail))
        marker = strict_json(walk.encode_by_walking(Odd()))
        assert marker.endswith("Odd: not readable, ZeroDivisionError>")


def test_a_walker_that_fails_leaves_a_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(cls: type) -> Reader:
        raise ZeroDivisionError

    monkeypatch.setattr(walk, "reader_of", fail)
    assert walk.encode_by_walking({1}) == b'"<not encoded: ZeroDivisionError>"'

    def full(cls: type) -> Reader:
        raise MemoryError

    monkeypatch.setattr(walk, "reader_of", full)
    assert walk.encode_by_walking({1}) == b'"<not encoded: MemoryError>"'


class Name(str):
    pass


class Bag:
    """Something whose items are in no order."""

    def __init__(self, *items: Any) -> None:
        self.items = items


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Writes a value by a walk that has room for so many values, and for so many characters beside them."""
    real = walk.reader_of

    def reader_of(cls: type) -> Reader:
        return Reader(Shape.UNORDERED, lambda bag: list(bag.items)) if cls is Bag else real(cls)

    monkeypatch.setattr(walk, "reader_of", reader_of)

    def write(value: Any, characters: int = 10_000, values: int = 1_000, written: int = 0) -> Any:
        monkeypatch.setattr(walk, "MAX_VALUES", values)
        monkeypatch.setattr(walk, "MAX_CHARACTERS", characters + values * plain.VALUE_CHARACTERS + written)
        return strict_json(walk.encode_by_walking(value, written))

    return write


def test_what_was_written_in_vain_leaves_so_much_less_room(little: Callable[..., Any]) -> None:
    for written in (0, 3, 4_000):
        assert little(["ab", "cd", "e", "f"], characters=5, written=written) == [
            *("ab", "cd", "e"),
            "<cut: 1 of 4 items>",
        ]


def test_a_long_text_is_whole_in_half_of_the_room_and_its_ends_remain_past_it(
    little: Callable[..., Any],
) -> None:
    assert little("a" * 20_000, characters=40_000) == "a" * 20_000
    assert little("a" * 20_000, characters=39_998) == "a" * 9_999 + "…[2 characters cut]…" + "a" * 9_999
    assert little("a" * 20_000, characters=40_001) == "a" * 20_000
    shown = little(["a" * 20_000, "b" * 4_096, "c" * 4_097, "d" * 5_000, "e" * 4_096], characters=40_000)
    assert shown == [
        *("a" * 20_000, "b" * 4_096, "c" * 2_048 + "…[1 characters cut]…" + "c" * 2_048),
        *("d" * 2_048 + "…[904 characters cut]…" + "d" * 2_048, "e" * 4_096),
    ]
    assert little(["a" * 20_000] * 9, characters=40_000)[-1] == "<cut: 3 of 9 items>"


@pytest.mark.parametrize(
    ("value", "characters"),
    [
        ("abc", 3),
        ("é", 1),
        (Name("ab"), 2),
        ("\ud800", 1 + 6),  # written once in vain
        ("a\ud800bc", 4 + 9),
        (Decimal("1.50"), 4),
        (float("nan"), 3),
        (2**64, 20),
        ({"key": 0}, 3),
        ({12: 0}, 2),
        ({1.5: 0}, 3),
        ({"a": 0, 1: 0, "1": 0}, 1 + 1 + 1 + 3),  # what kind of key the 1 is, besides
    ],
)
def test_each_character_that_is_written_leaves_room_for_one_less(
    little: Callable[..., Any], value: Any, characters: int
) -> None:
    kept, *others = little([value, "x", "y"], characters=characters + 2)
    assert others == ["x", "y"]
    assert little([value, "x", "y"], characters=characters + 1) == [kept, "x", "<cut: 1 of 3 items>"]


def test_a_long_text_with_surrogates_leaves_room_for_their_escapes(little: Callable[..., Any]) -> None:
    # Half of the room in which each takes six characters: 8,333 of them.
    for count in (8_332, 8_333):
        shown = little(["\ud800" * count, "x"], characters=100_000)
        note = "…[1 characters cut]…" if count == 8_333 else ""
        assert shown == ["\\ud800" * 4_166 + note + "\\ud800" * 4_166, "x"]


@pytest.mark.parametrize(
    ("value", "values"),
    [
        (1, 1),
        ("x", 1),
        ([], 1),
        ({}, 1),
        ([1, 2, 3, 4, 5], 6),
        ([1, 2, 3, 4, 5, 6], 8),  # six that are read, and may be cut, count as one written
        ({1: 1, 2: 2, 3: 3, 4: 4, 5: 5}, 6),
        ({1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6}, 8),
        ([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]], 13),
        (Decimal("1.2345678901234"), 1),
        (Decimal("1.23456789012345"), 2),  # sixteen digits take as long
        (Decimal("1." + "1" * 30), 3),
        ([Decimal("1." + "1" * 29), Decimal("1." + "1" * 29)], 5),
        ({(1, 2): 3}, 5),
        (collections.deque([1, 2]), 3),
    ],
)
def test_each_value_that_is_written_leaves_room_for_one_less(
    little: Callable[..., Any], value: Any, values: int
) -> None:
    kept, *others = little([value, 7, 8], values=1 + values + 2)
    assert others == [7, 8]
    assert little([value, 7, 8], values=1 + values + 1) == [kept, 7, "<cut: 1 of 3 items>"]


def test_a_container_for_which_no_value_is_left_is_named(
    little: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert little([1, [2]], values=4) == [1, [2]]
    assert little([1, [2]], values=3) == [1, "<cut: list, too many values>"]
    assert little([1, [2]], values=2) == [1, "<cut: 1 of 2 items>"]
    real = walk.reader_of
    dear = Reader(Shape.INSTEAD, lambda bag: [*bag.items], counts=3)
    monkeypatch.setattr(walk, "reader_of", lambda cls: dear if cls is Bag else real(cls))
    assert little([Bag(1)], values=7) == [[1]]
    for values in (6, 5, 4):
        assert little([Bag(1)], values=values) == ["<cut: list, too many values>"]


def test_values_in_no_order_are_sorted_where_they_can_be_written_twice(little: Callable[..., Any]) -> None:
    # Three characters, and seven for each of two values: written twice they leave room for none.
    for characters in (15, 20):
        assert little([Bag("bb", "a"), "x", "y"], characters=characters) == [["bb", "a"], "x", "y"]
    assert little([Bag("bb", "a"), "x", "y"], characters=21) == [["a", "bb"], "x", "<cut: 1 of 3 items>"]
    assert little([Bag("bb", "a"), "x", "y"], characters=22) == [["a", "bb"], "x", "y"]
    assert little([Bag("bb"), "x", "y"], characters=12) == [["bb"], "x", "y"]
    assert little([Bag(), "x", "y"], characters=2) == [[], "x", "y"]


def test_a_value_beside_others_is_no_deeper_than_they_are() -> None:
    value: Any = "leaf"
    for _ in range(walk.MAX_DEPTH - 1):
        value = [value]
    assert strict_json(encode([{1}, *[[]] * 300, value, {1}]))[301] == value
    assert "too deep" in str(strict_json(encode([{1}, *[[]] * 300, [value]])))
    assert "too deep" not in str(strict_json(encode([value, value])))


@pytest.mark.parametrize("changes", range(22))
def test_a_value_that_others_change_is_read_again_twenty_times(
    little: Callable[..., Any], changes: int
) -> None:
    tries = iter(range(changes))

    class Busy:
        pass

    def read(_: object) -> list[Any]:
        for _ in tries:
            raise RuntimeError("changed size during iteration")
        return ["calm"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "reader_of", lambda cls: Reader(Shape.ITEMS, read))
        shown = little(Busy())
    assert shown == ["calm"] if changes <= 20 else shown.endswith("not readable, RuntimeError>")


def test_of_keys_that_look_alike_the_string_keeps_its_name_and_the_others_say_their_type() -> None:
    assert encode({1: 0, "1": 1, None: 2, "null": 3}) == (b'{"1 <int>":0,"1":1,"null <NoneType>":2,"null":3}')
    assert encode({"1": 0, 1: 1, "1 <int>": 2, Decimal("1"): 3}) == b'{"1":0,"1 <int> 2":3,"1 <int>":2}'
    assert encode({"\ud800": 0, "\\ud800": 1, "\\ud800 <str>": 2, "\ud800 ": 3}) == (
        b'{"\\\\ud800 <str> 2":0,"\\\\ud800":1,"\\\\ud800 <str>":2,"\\\\ud800 ":3}'
    )
    assert encode({b"": 0, 1.0: 1, "1.0": 2}) == b'{"<bytes of 0 bytes, base64: >":0,"1.0 <float>":1,"1.0":2}'


def test_many_keys_that_look_alike_are_counted_from_two_on() -> None:
    shown = [*strict_json(encode({Bag(): at for at in range(4)}))]
    name = shown[0]
    assert shown == [name, *(f"{name} {name}{number}" for number in ("", " 2", " 3"))]


def test_the_note_of_keys_that_were_cut_is_no_user_s_key(little: Callable[..., Any]) -> None:
    assert little({"<cut>": 1, "a": 2, "b": 3}, values=3) == {
        "<cut>": 1,
        "a": 2,
        "<cut> 2": "1 of 3 keys",
    }


@pytest.mark.parametrize("error", [RecursionError, KeyError])
def test_a_value_too_deep_for_the_stack_is_tried_in_fewer_levels(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """There may be room for a hundred levels, for eight, or for two."""
    tried = []

    def tree(self: walk._Walk, value: Any) -> Any:
        tried.append(self.max_depth)
        raise error

    monkeypatch.setattr(walk._Walk, "tree", tree)
    assert walk.encode_by_walking([]) == f'"<not encoded: {error.__name__}>"'.encode()
    assert tried == [100, 8, 2]


def test_what_cannot_be_said_of_a_failure_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> bytes:
        raise ValueError

    monkeypatch.setattr(walk, "_to_json", fail)
    assert walk.encode_by_walking([]) == b'"<not encoded>"'
