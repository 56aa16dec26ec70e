"""Containers: cycles, depth, amount, keys, and readers that fail."""

from __future__ import annotations

import collections
import types
from typing import Any

import pytest
from support.values import strict_json

from llmobs_trace.encode import encode, walk
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
    monkeypatch.setattr(walk, "_MAX_NODES", 20)
    assert strict_json(walk.encode_by_walking(list(range(30))))[-1] == "<cut: 11 of 30 items>"
    members = strict_json(walk.encode_by_walking({str(number): number for number in range(30)}))
    assert members["<cut>"] == "11 of 30 keys"
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

    for shape in Shape:
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
