"""Plain values are counted as they are written, and what is not plain, or too much, is found in any place."""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.values import OfTellingClass, TellingMeta, ran

from llmobs_trace.encode import plain
from llmobs_trace.encode.plain import NOT_PLAIN, TOO_MUCH, plain_far, plain_near

WAYS = (plain_near, plain_far)
DATE, UUID = datetime.date(2024, 5, 6), uuid.UUID(int=7)
LEAVES = [
    *(
        "",
        "text",
        "x" * 100,
        0,
        1,
        -1,
        -(2**63),
        2**64 - 1,
        0.0,
        -1.5,
        1.7976931348623157e308,
        True,
        False,
        None,
    ),
    *(Decimal("1.5"), Decimal("9" * 60), DATE, UUID),
]
ODD = [
    *(math.nan, math.inf, -math.inf, 2**64, -(2**63) - 1, b"bytes", {1}, 1j, Decimal("9" * 4_000)),
    *(datetime.datetime(2024, 5, 6), object(), {1: "not a text"}, {None: 1}),
]

leaves = st.sampled_from(LEAVES) | st.text(max_size=9) | st.integers(-(2**63), 2**64 - 1)
nests = st.recursive(
    st.lists(leaves, max_size=40) | st.dictionaries(st.text(max_size=9), leaves, max_size=9),
    lambda inner: (
        st.lists(inner | leaves, max_size=6).map(tuple)
        | st.lists(inner | leaves, min_size=30, max_size=40)
        | st.dictionaries(st.text(max_size=9), inner | leaves, max_size=40)
    ),
    max_leaves=6,
)


def characters(nest: Any, of_a_member: int, of_a_key: Callable[[str], int]) -> int:
    """So many for each member, those of its key and of its text, 20 for a decimal."""
    members = list(nest.values()) if type(nest) is dict else list(nest)
    counted = of_a_member * len(members)
    if type(nest) is dict:
        counted += sum(map(of_a_key, nest))
    for member in members:
        if type(member) in (dict, list, tuple):
            counted += characters(member, of_a_member, of_a_key)
        elif type(member) is str:
            counted += len(member)
        elif type(member) is Decimal:
            counted += 20
    return counted


def levels(nest: Any) -> int:
    members = nest.values() if type(nest) is dict else nest
    return 1 + max((levels(each) for each in members if type(each) in (dict, list, tuple)), default=0)


def widest(nest: Any) -> int:
    members = nest.values() if type(nest) is dict else nest
    return max([len(nest), *(widest(each) for each in members if type(each) in (dict, list, tuple))])


@given(nests)
@example([])
@example({})
@example([{}] * 40)
@example([[]])
@example(["x"] * 33)
@example(["x"] * 32)
@example([1.5] * 33)
@example([7] * 33)
@example([{"a": [Decimal("2"), ["text"]]}] * 33)
@example([[[["text"]]]])
@example([[["text"]]])
def test_each_character_of_a_plain_value_is_counted(nest: Any) -> None:
    assert plain_far(nest) == characters(nest, 7, len)
    if levels(nest) <= 3 and widest(nest) <= 32:
        assert plain_near(nest) == characters(nest, 7 + 64, lambda _: 0)
    else:
        assert plain_near(nest) == TOO_MUCH


PLACES: dict[str, Callable[[Any], Any]] = {
    "a list": lambda value: [value],
    "a tuple": lambda value: (0, value),
    "a dict": lambda value: {"a": 1, "b": value},
    "a list in a list": lambda value: [[value], "x"],
    "a list in a dict": lambda value: {"a": [value], "b": 1},
    "a dict in a tuple": lambda value: ({"a": value}, "x"),
    "a dict in a dict": lambda value: {"a": {"b": value}, "b": "x"},
}
LONG_PLACES: dict[str, Callable[[Any], Any]] = {
    "of its own kind": lambda value: [value] * 33,
    "of all kinds": lambda value: [1, "x", 1.5, {"a": 1}] * 10 + [value],
    "of dicts": lambda value: [{"a": value}] * 33,
    "of lists": lambda value: [[value]] * 33,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_what_is_not_plain_is_found_in_any_place(place: str, odd: Any) -> None:
    for way in WAYS:
        assert way(PLACES[place](odd)) == NOT_PLAIN


@pytest.mark.parametrize("place", {**PLACES, **LONG_PLACES})
@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: type(leaf).__name__)
def test_what_is_plain_is_so_in_any_place(place: str, leaf: Any) -> None:
    nest = {**PLACES, **LONG_PLACES}[place](leaf)
    assert plain_far(nest) >= 0
    assert plain_near(nest) >= 0 or place in LONG_PLACES


@pytest.mark.parametrize("place", LONG_PLACES)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_what_is_not_plain_is_found_in_any_place_of_a_long_list(place: str, odd: Any) -> None:
    assert plain_far(LONG_PLACES[place](odd)) == NOT_PLAIN


def test_one_that_is_not_plain_is_found_among_many_of_its_kind() -> None:
    for odd, fill in ((2**64, 1), (-(2**63) - 1, 1), (math.nan, 0.5), (math.inf, 0.5), (-math.inf, 0.5)):
        for at in (0, 17, 39):
            items: list[Any] = [fill] * 40
            items[at] = odd
            assert plain_far(items) == NOT_PLAIN


def test_floats_whose_sum_is_infinite_are_plain() -> None:
    assert plain_far([1.7976931348623157e308] * 40) == 7 * 40


@pytest.mark.parametrize("place", {**PLACES, **LONG_PLACES})
def test_no_class_is_asked_whether_it_is_plain(place: str) -> None:
    class Key(metaclass=TellingMeta): ...

    make = {**PLACES, **LONG_PLACES}[place]
    for way in WAYS:
        for value in (OfTellingClass(), {Key(): 1}):
            ran.clear()
            assert way(make(value)) < 0
            assert ran == []


def test_few_short_and_shallow_is_what_the_short_way_takes() -> None:
    for edge, beyond in (
        ([0] * 32, [0] * 33),
        (dict.fromkeys(map(str, range(32)), 0), dict.fromkeys(map(str, range(33)), 0)),
        ({"k" * 64: 0}, {"k" * 65: 0}),
        ([["x"], [[0]]], [["x"], [[[0]]]]),
        ({"a": {"b": {"c": 0}}}, {"a": {"b": {"c": {"d": 0}}}}),
    ):
        assert plain_near(edge) >= 0
        assert plain_near(beyond) == TOO_MUCH
        assert plain_far(beyond) >= 0
    assert plain_near([["x"] * 33, 1j]) == plain_near({"a": [0] * 33, "b": 1j}) == TOO_MUCH


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "nest",
    [
        ["ten chars."] * 3,
        {"a": "ten chars.", "b": "ten"},
        ["x", {"a": 1}],
        ["x"] * 32,
        [Decimal(2)],
        {"a": Decimal(2)},
        [[1, 2], [3]],
        {"a": {"b": {}}},
    ],
)
def test_more_characters_than_are_written_are_too_many(
    monkeypatch: pytest.MonkeyPatch, way: Callable[[Any], int], nest: Any
) -> None:
    counted = way(nest)
    bound = "LARGEST_KEPT" if way is plain_near else "PLAIN_CHARACTERS"
    monkeypatch.setattr(plain, bound, counted)
    assert way(nest) == counted
    monkeypatch.setattr(plain, bound, counted - 1)
    assert way(nest) == (TOO_MUCH if way is plain_near else NOT_PLAIN)


@pytest.mark.parametrize("nest", [["x"] * 33, [1] * 33, [0.5] * 33, [{"a": 1}] * 33, [{"a": "x"}, 1, [[2]]]])
def test_more_characters_than_are_written_are_too_many_in_a_long_list(
    monkeypatch: pytest.MonkeyPatch, nest: Any
) -> None:
    test_more_characters_than_are_written_are_too_many(monkeypatch, plain_far, nest)


@pytest.mark.parametrize(
    ("nest", "values"),
    [
        ([0, 0, 0], 3),
        ([[0, 0], [0]], 5),
        ({"a": 0, "b": 0}, 2),
        ({"a": {"b": 0, "c": 0}}, 3),
        ([{"a": 0, "b": 0}, {"c": 0}], 5),
        ([{"a": 0}] * 33, 66),
        ([[0]] * 33, 66),
    ],
)
def test_more_values_than_are_looked_at_are_too_many(
    monkeypatch: pytest.MonkeyPatch, nest: Any, values: int
) -> None:
    monkeypatch.setattr(plain, "_MAX_VALUES", values)
    assert plain_far(nest) >= 0
    monkeypatch.setattr(plain, "_MAX_VALUES", values - 1)
    assert plain_far(nest) == NOT_PLAIN


def test_fifty_levels_are_plain_and_no_more() -> None:
    lists, dicts = [], {}
    for _ in range(49):
        lists, dicts = [lists], {"a": dicts}
    assert plain_far(lists) == 49 * 7
    assert plain_far(dicts) == 49 * 8
    assert plain_far([lists]) == plain_far({"a": dicts}) == NOT_PLAIN
    assert plain_far([dicts]) == 49 * 8 + 7  # a dict is looked through with the list it is in


def test_the_same_few_lists_in_a_thousand_places_are_not_plain() -> None:
    """They may be branches that multiply when they are written."""
    assert plain_far([[0]] * 1_000) >= 0
    assert plain_far([[0]] * 1_001) == NOT_PLAIN
    assert plain_far([[at // 2] for at in range(1_001)]) >= 0
    halves = [[0] for _ in range(501)]
    assert plain_far([*halves, *halves]) >= 0
    assert plain_far([*halves, *halves, halves[0]]) == NOT_PLAIN
    loop: list[Any] = []
    loop.append(loop)
    assert plain_far(loop) == plain_near([loop, 1j, loop, loop]) + 1 == NOT_PLAIN


def test_of_one_value_at_most_64_mib_are_written() -> None:
    """A character takes six bytes at most. What is plain leaves the walker room to write some of it anew."""
    assert plain.MAX_BYTES == 67_108_864
    assert plain.MAX_CHARACTERS == 11_184_810
    assert plain.PLAIN_CHARACTERS == 10_398_378
    assert plain_far([0] * 300_000) == 7 * 300_000
    assert plain_far([0] * 300_001) == NOT_PLAIN
