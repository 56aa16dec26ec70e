"""What is too large is cut to fit, the largest first, visibly, and stays what it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.values import any_values, copyable_values, strict_json

from llmobs_trace.encode import encode, fit, shape_io
from llmobs_trace.encode.bound import MIN_BYTES, cut

messages = st.lists(
    st.fixed_dictionaries({"role": st.text(max_size=8), "content": st.text(max_size=400)}), max_size=40
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
