from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.store.words import MAX_CHARACTERS, fold, has_words, text_of, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What's the Capital of France?", ["what", "s", "the", "capital", "of", "france"]),
        ("snake_case-and.dots 3.14", ["snake", "case", "and", "dots", "3", "14"]),
        ("Où est l'Élysée, STRASSE straße", ["ou", "est", "l", "elysee", "strasse", "strasse"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("fine🎉then", ["fine", "🎉", "then"]),
        ("“quoted”…done", ["quoted", "done"]),
        ("\ufb01le \uff21\uff22", ["file", "ab"]),
        ("--- !!! \u200b", []),
        ("", []),
    ],
)
def test_a_text_is_taken_apart_into_words(text: str, found: list[str]) -> None:
    assert words(text) == found


@given(st.text())
def test_folding_is_done_once_and_leaves_nothing_that_sqlite_refuses(text: str) -> None:
    folded = fold(text)
    folded.encode()
    assert words(folded) == words(text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_text_has_its_own_words_and_their_beginnings(text: str, more: str) -> None:
    found = words(text)
    assert has_words(f"{more} {text}", found)
    assert has_words(f"{text} {more}", [word[:2] for word in found])
    assert not has_words("about", ["a"])


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def test_values_are_searched_by_their_strings_and_numbers_and_not_by_their_names() -> None:
    value = {"question": ['Why\n"so"?', {"n": 42, "x": 1.5, "yes": True, "none": None}]}
    text = text_of(["step"], [raw(value), raw("plain"), raw(7), raw(None), raw(True)])
    assert words(text) == ["step", "why", "so", "42", "1", "5", "plain", "7"]


def test_a_value_that_no_decoder_takes_is_searched_as_it_stands() -> None:
    odd = [b'{"a":"one\\ud800two"}', b'[1e400,"three\\n"]', b"[" * 3000 + b'"four"' + b"]" * 3000]
    found = words(text_of([], [msgspec.Raw(each) for each in odd]))
    assert {"one", "two", "three", "four"} <= set(found)


def test_data_is_left_out_and_a_long_text_is_read_to_its_bound() -> None:
    image = "data:image/png;base64," + "iVBORw0KGgo" * 1000
    assert words(text_of([], [raw([image, "caption"])])) == ["caption"]
    long = "word " * MAX_CHARACTERS
    assert len(text_of([], [raw([long, long])])) <= MAX_CHARACTERS + 2
