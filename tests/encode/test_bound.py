"""What is too large is cut to fit, the largest first, visibly, and stays what it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.values import any_values, copyable_values, strict_json

from llmobs_trace.encode import encode, fit, shape_io
from llmobs_trace.encode.bound import MIN_BYTES, _cut, _keep, _level, cut, with_note

messages = st.lists(
    st.fixed_dictionaries({"role": st.text(max_size=8), "content": st.text(max_size=400)}), max_size=40
)
encodable = st.text(st.characters(exclude_categories=["Cs"]), max_size=9) | st.sampled_from(["…", "……"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | encodable,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(encodable, inner, max_size=4),
    max_leaves=9,
)
large = st.one_of(
    messages,
    st.text(max_size=3000),
    st.text('\\"\n\x01é😀u', max_size=2000),
    st.lists(st.integers() | st.none() | st.booleans(), max_size=300),
    st.dictionaries(st.text(max_size=300), st.text(max_size=300), max_size=30),
    st.recursive(
        st.text(max_size=200),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("ab…", max_size=4), inner),
    ),
    any_values,
)


@given(large, st.integers(MIN_BYTES, 4000))
def test_a_cut_value_is_valid_within_the_limit_and_of_the_same_kind(value: Any, limit: int) -> None:
    encoded = encode(value)
    shorter = cut(encoded, limit)
    assert len(shorter) <= limit
    assert type(strict_json(shorter)) is type(strict_json(encoded))
    if len(encoded) <= limit:
        assert shorter == encoded


@given(st.dictionaries(st.text(max_size=5), large.map(encode), min_size=1, max_size=3), st.integers(0, 4000))
def test_fields_fit_the_budget(fields: dict[str, bytes], budget: int) -> None:
    fitted = fit(fields, budget)
    assert list(fitted) == list(fields)
    assert sum(map(len, fitted.values())) <= max(budget, MIN_BYTES * len(fields))
    for encoded in fitted.values():
        strict_json(encoded)


@given(large, st.integers(MIN_BYTES, 2000))
def test_a_cut_value_is_still_one_the_wire_takes(value: Any, limit: int) -> None:
    shaped = cut(shape_io(encode(value)), limit)
    assert shape_io(shaped) == shaped


def test_the_largest_is_cut_first_and_the_small_stay_whole() -> None:
    fields = {"input": encode("i" * 10_000), "output": encode("o" * 500), "name": encode("n")}
    fitted = fit(fields, 2_000)
    assert fitted["output"] == fields["output"]
    assert fitted["name"] == fields["name"]
    assert 1_300 < len(fitted["input"]) <= 1_500


def test_what_fits_is_not_touched() -> None:
    fields = {"input": encode(["a"]), "output": encode("b")}
    assert fit(fields, 8) == fields


def test_a_string_keeps_its_head_and_tail_and_says_what_is_missing() -> None:
    text = strict_json(cut(encode("head " + "x" * 5_000 + " tail"), 200))
    assert text.startswith("head xxx")
    assert text.endswith("xxx tail")
    assert "…[" in text
    kept = len(text) - len(text[text.index("…") : text.rindex("…") + 1])
    assert f"…[{5_010 - kept} bytes cut]…" in text


@given(st.text('\\"\n\x01é😀u0', min_size=80, max_size=400), st.integers(MIN_BYTES, 300))
def test_a_cut_string_splits_no_character_and_no_escape(text: str, limit: int) -> None:
    shorter = strict_json(cut(encode(text), limit))
    if "bytes cut]…" in shorter:
        head, _, rest = shorter.partition("…[")
        assert text.startswith(head)
        assert text.endswith(rest.partition("]…")[2])


def test_a_long_conversation_keeps_its_first_and_last_messages_readable() -> None:
    talk = [{"role": "user", "content": f"message {number} " + "x" * 300} for number in range(1_000)]
    shown = strict_json(cut(encode(talk), 20_000))
    assert shown[0] == talk[0]
    assert shown[-1] == talk[-1]
    markers = [item for item in shown if isinstance(item, str)]
    assert markers == [f"…[{1_001 - len(shown)} of 1000 items cut]…"]


def test_one_long_document_in_a_conversation_is_what_gets_cut() -> None:
    talk = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "d" * 50_000},
        {"role": "user", "content": "so?"},
    ]
    shown = strict_json(cut(encode(talk), 2_000))
    assert shown[0] == talk[0]
    assert shown[2] == talk[2]
    assert "bytes cut]…" in shown[1]["content"]


def test_an_object_with_too_many_keys_says_how_many_are_missing() -> None:
    shown = strict_json(cut(encode({f"key {number}": "v" * 50 for number in range(500)}), 1_000))
    assert shown["key 0"] == "v" * 50
    assert shown["key 499"] == "v" * 50
    assert shown["…"] == f"[{501 - len(shown)} of 500 keys cut]"


def test_a_user_s_key_that_looks_like_the_note_stays() -> None:
    value = {"…": "mine", **{str(number): "v" * 40 for number in range(100)}}
    shown = strict_json(cut(encode(value), 600))
    assert shown["…"] == "mine"
    assert "keys cut]" in shown["……"]


def test_an_embedding_keeps_its_first_and_last_numbers() -> None:
    shown = strict_json(cut(encode([number / 8 for number in range(5_000)]), 1_000))
    assert shown[0] == 0.0
    assert shown[-1] == 4_999 / 8
    assert f"…[{5_001 - len(shown)} of 5000 items cut]…" in shown


def test_a_string_of_nothing_but_backslashes_is_cut_between_escapes() -> None:
    shown = strict_json(cut(encode("\\" * 1_000_000), 1_001))
    head, _, rest = shown.partition("…[")
    assert set(head) == set(rest.partition("]…")[2]) == {"\\"}


def test_keys_of_absurd_length_are_cut_too() -> None:
    shown = strict_json(cut(encode({"k" * 10_000: 1, "b": 2}), 500))
    assert shown["b"] == 2
    assert any("bytes cut]" in key for key in shown)


def test_deep_nesting_is_cut_without_raising() -> None:
    value: Any = "x" * 10_000
    for _ in range(95):
        value = {"a": [value]} if _ % 2 else [value]
    for limit in (64, 200, 500, 2_000):
        assert len(cut(encode(value), limit)) <= limit
        strict_json(cut(encode(value), limit))


@pytest.mark.parametrize("broken", [b'{"a":' + b"x" * 100, b"[" + b'"' * 99, b"?" * 100])
def test_what_is_no_json_becomes_a_note(broken: bytes) -> None:
    assert len(cut(broken, 64)) <= 100


@given(copyable_values)
def test_a_large_budget_changes_nothing(value: Any) -> None:
    encoded = encode(value)
    assert fit({"input": encoded}, len(encoded)) == {"input": encoded}


@pytest.mark.parametrize("around", [b'{"a":%b}', b"[%b,{}]"])
def test_what_is_nested_deeper_than_the_encoder_nests_is_left_out_of_what_is_cut(around: bytes) -> None:
    nested = b'"' + b"x" * 4000 + b'"'
    for _ in range(150):
        nested = around.replace(b"%b", nested)
    shorter = cut(nested, 3500)
    assert shorter.count(around[:1]) <= 102  # one may be the note's
    assert b"1 keys cut" in shorter or b"2 items cut" in shorter


def test_two_thirds_of_what_stays_of_a_list_of_alike_items_are_its_first_and_the_others_its_last() -> None:
    items = [f"{number:03}" + "x" * 200 for number in range(100)]
    kept = strict_json(cut(encode(items), 3000))
    assert kept == [*items[:9], "…[86 of 100 items cut]…", *items[95:]]


def as_many(units: Iterable[bytes], room_bytes: int) -> list[bytes]:
    """The first of some pieces, so long as all of them fit."""
    kept: list[bytes] = []
    for unit in units:
        room_bytes -= len(unit)
        if room_bytes < 0:
            break
        kept.append(unit)
    return kept


@given(
    st.text(min_size=60, max_size=400)
    | st.text('\\"\n\x01é😀u0', min_size=60, max_size=400)
    | st.text("ab\\\x01", min_size=60, max_size=400),
    st.integers(MIN_BYTES, 400),
)
@example("x" * 9_000, 3_000)
@example("\x01" * 90, 80)
@example("a" + "\\" * 90, 81)
@example("😀" * 90, 80)
def test_of_a_string_as_many_whole_characters_remain_as_there_is_room_for(text: str, limit: int) -> None:
    """Two thirds of the room are for its beginning."""
    encoded = encode(text)
    if len(encoded) <= limit:
        return
    units = re.findall(rb"\\u[0-9a-f]{4}|\\.|[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]+", encoded[1:-1])
    assert b"".join(units) == encoded[1:-1]
    room = limit - 2 - len(f"…[{len(encoded)} bytes cut]…".encode())
    head = as_many(units, room * 2 // 3)
    tail = as_many(reversed(units), room - room * 2 // 3)[::-1]
    cut_bytes = len(encoded) - 2 - len(b"".join(head + tail))
    note = f"…[{cut_bytes} bytes cut]…".encode()
    assert cut(encoded, limit) == b'"' + b"".join(head) + note + b"".join(tail) + b'"'


@given(st.lists(st.integers(-(10**6), 10**6) | st.none() | st.booleans(), max_size=300), st.integers(64, 700))
@example([12] * 300, 80)
@example([10**15] * 9, 64)
@example([-(10**17)] * 9, 81)
@example([10**18 + at for at in range(9)], 100)
def test_of_a_list_of_numbers_as_many_remain_as_there_is_room_for(items: list[Any], limit: int) -> None:
    encoded = encode(items)
    if len(encoded) <= limit:
        return
    room = limit - 2 - 54  # the brackets, and the longest note
    units = [encode(item) + b"," for item in items]
    head = as_many(units, room * 2 // 3 + 1)
    tail = as_many(reversed(units), room - room * 2 // 3)[::-1]
    note = f'"…[{len(items) - len(head) - len(tail)} of {len(items)} items cut]…"'.encode()
    assert cut(encoded, limit) == b"[%b]" % (b"".join(head) + b",".join([note, *(b[:-1] for b in tail)]))


@given(st.lists(st.integers(1, 300), min_size=1, max_size=30), st.integers(0, 9_000))
def test_the_level_is_the_highest_at_which_all_fit(lengths: list[int], budget: int) -> None:
    def at(level: int) -> int:
        return sum(min(length, level) for length in lengths)

    level = _level(lengths, budget)
    assert at(level) <= budget
    assert at(level + 1) > budget or at(level) == sum(lengths)


def test_of_nothing_all_fits() -> None:
    assert _level([], 7) == 7


def kept(lengths: Sequence[int], overheads: Sequence[int], room: int) -> tuple[int, int, int]:
    """Which items of a container remain, and to what length they are cut."""
    readable = max(64, min(room // 4, max(1024, room // 128)))
    least = [
        (length if length <= 2 * readable else readable) + over
        for length, over in zip(lengths, overheads, strict=True)
    ]
    if sum(least) <= room:
        return len(least), 0, _level(lengths, room - sum(overheads))
    room -= 54  # the longest note
    head = len(as_many([b" " * each for each in least], room * 2 // 3))
    left = room - sum(least[:head])
    tail = len(as_many([b" " * each for each in reversed(least[head:])], left))
    remain = [*range(head), *range(len(least) - tail, len(least))]
    level = _level([lengths[at] for at in remain], room - sum(overheads[at] for at in remain))
    return head, tail, level


@given(
    st.lists(st.tuples(st.sampled_from([2, 60, 64, 70, 130, 300, 5_000]), st.integers(1, 30)), max_size=40),
    st.integers(62, 3_000) | st.integers(62, 300_000),
    st.integers(0, 99),
)
@example([(128, 1)] * 3, 256, 0)
@example([(129, 1)] * 3, 256, 0)
@example([(1_024, 1)] * 9, 4_096, 0)
@example([(2_048, 1)] * 3, 6_147, 99)
@example([(2_048, 1)] * 3, 6_146, 0)
@example([(4_000, 1)] * 99, 256_000, 0)
@example([(4_001, 1)] * 99, 256_000, 0)
@example([(2_051, 1)] * 99, 131_200, 0)
@example([(2_049, 1), (2_000, 1)] * 99, 131_200, 0)
def test_of_a_container_items_remain_of_which_something_can_be_read(
    items: list[tuple[int, int]], room: int, depth: int
) -> None:
    """A kilobyte of each, or a quarter of the room where there is less, or of much room its 128th."""
    lengths, overheads = [length for length, _ in items], [over for _, over in items]
    assert _keep(lengths, overheads, room, depth) == kept(lengths, overheads, room)


def test_nothing_remains_of_a_container_below_a_hundred_others() -> None:
    assert _keep([1], [1], 100, 99) == (1, 0, 99)
    for depth in (100, 101):
        assert _keep([1], [1], 100, depth)[:2] == (0, 0)
    nested = b'["' + b"x" * 4_000 + b'"]'
    for _ in range(150):
        nested = b"[" + nested + b",{}]"
    assert cut(nested, 3_500).count(b"[") == 101 + 1  # the note has one


@pytest.mark.parametrize("is_list", [True, False])
def test_of_what_lies_in_a_hundred_others_nothing_but_how_much_it_was_remains(is_list: bool) -> None:
    inner: Any = ["a" * 60] * 20 if is_list else {str(at): "a" * 60 for at in range(20)}
    note: Any = ["…[20 of 20 items cut]…"] if is_list else {"…": "[20 of 20 keys cut]"}
    outer = encode([inner] * 30 if is_list else {str(at): inner for at in range(30)})
    for depth in (98, 99):
        shown = strict_json(_cut(outer, 1_500, depth))
        remain = [item for item in (shown if is_list else shown.values()) if not isinstance(item, str)]
        assert len(remain) > 2
        assert all((item == note) is (depth == 99) for item in remain)


names = st.text("abcdefghij", min_size=1, max_size=4) | st.sampled_from(["…", "……", "k" * 126, "k" * 127])


@given(
    st.dictionaries(names, st.sampled_from([2, 60, 64, 70, 130, 300, 5_000]), max_size=40),
    st.integers(64, 3_000),
)
@example({f"{at}": 40 for at in range(30)}, 500)
@example({"…": 70, "……": 70, **{f"{at}": 40 for at in range(30)}}, 500)
@example({"k" * 126: 300, "k" * 127: 300, "b": 2}, 420)
def test_of_an_object_and_of_a_list_those_items_remain(sizes: dict[str, int], limit: int) -> None:
    items = {name: encode("x" * (size - 2)) for name, size in sizes.items()}
    lengths = [*map(len, items.values())]

    def written(prefixes: list[bytes], opening: bytes, closing: bytes, note: Callable[[int], bytes]) -> bytes:
        head, tail, level = kept(lengths, [len(prefix) + 1 for prefix in prefixes], limit - 2)
        parts = [prefix + cut(item, level) for prefix, item in zip(prefixes, items.values(), strict=True)]
        if head + tail < len(parts):
            parts[head : len(parts) - tail] = [note(len(parts) - head - tail)]
        return opening + b",".join(parts) + closing

    def left_out_of_a_list(count: int) -> bytes:
        return encode(f"…[{count} of {len(items)} items cut]…")

    def left_out_of_an_object(count: int) -> bytes:
        name = next("…" * more for more in range(1, 4) if "…" * more not in items)
        return encode(name) + b":" + encode(f"[{count} of {len(items)} keys cut]")

    array = b"[" + b",".join(items.values()) + b"]"
    if len(array) > limit:
        assert cut(array, limit) == written([b""] * len(items), b"[", b"]", left_out_of_a_list)
    whole = b"{" + b",".join(encode(name) + b":" + item for name, item in items.items()) + b"}"
    if len(whole) > limit:
        keys = [cut(encode(name), 128) + b":" for name in items]
        assert cut(whole, limit) == written(keys, b"{", b"}", left_out_of_an_object)


@given(json_values, encodable)
@example([], "x")
@example({}, "x")
@example([1], "x")
@example({"…": 1, "……": 2}, "x")
@example("", "x")
def test_a_note_is_a_part_of_the_value(value: Any, note: str) -> None:
    said = strict_json(with_note(encode(value), note))
    if isinstance(value, str):
        assert said == f"{value}…{note}"
    elif isinstance(value, list):
        assert said == [*value, f"…{note}"]
    else:
        members = value if isinstance(value, dict) else {"value": value}
        name = next("…" * more for more in range(1, 9) if "…" * more not in members)
        assert said == {**members, name: note}
        assert list(said) == [*members, name]


@pytest.mark.parametrize(("broken", "kind"), [(b"{", dict), (b"[", list)])
def test_of_what_is_no_json_that_much_is_kept_that_it_was_an_object_or_a_list(
    broken: bytes, kind: type
) -> None:
    assert type(strict_json(cut(broken + b"{nonsense" * 100, 60))) is kind
