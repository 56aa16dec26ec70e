from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.store import strings
from llmobs_trace.store.strings import strings_of
from llmobs_trace.store.words import MAX_CHARACTERS, words

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def read(encoded: bytes, monkeypatch: pytest.MonkeyPatch | None = None) -> list[str]:
    """As text where a `monkeypatch` is given, however small it is."""
    if monkeypatch is None:
        return list(strings_of(encoded, MAX_CHARACTERS))
    with monkeypatch.context() as patch:
        patch.setattr(strings, "_SMALL_BYTES", -1)
        patch.setattr(strings, "_MOST_BYTES", -1)
        return list(strings_of(encoded, MAX_CHARACTERS))


# So short that steps end within everything; data is recognised by more.
_STEPS = st.sampled_from([300, 301, 700, strings._STEP_BYTES])
_LONG = st.lists(
    st.sampled_from([" " + "data" * 70 + " ", " " + "x" * 3000 + " ", "word ", "é", "\n", "\\", '"', "東"]),
    max_size=12,
)


@given(
    value=_VALUES | st.lists(_LONG.map("".join)),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 1]),
    step_bytes=_STEPS,
)
def test_going_through_the_text_finds_what_decoding_finds(
    value: Any, ascii_only: bool, indent: int | None, step_bytes: int
) -> None:
    encoded = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strings, "_STEP_BYTES", step_bytes)
        # Numbers come as they are written, which only their words are compared by.
        decoded = [words(text) for text in read(encoded) if not _is_number(text)]
        assert [words(text) for text in read(encoded, patch) if not _is_number(text)] == decoded


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_numbers_are_found_as_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(b'[1,-2.50,1e-7,{"3":true}]', monkeypatch) == ["1", "-2.50", "1e-7"]


class Watched:
    """A pattern that is looked with, and how much there was to be looked at each time."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern = pattern
        self.most_bytes = 0

    def _ask(self, method: str, text: bytes, at: int, end: int) -> re.Match[bytes] | None:
        self.most_bytes = max(self.most_bytes, min(end, len(text)) - at)
        found: re.Match[bytes] | None = getattr(self.pattern, method)(text, at, end)
        return found

    def search(self, text: bytes, at: int = 0, end: int = sys.maxsize) -> re.Match[bytes] | None:
        return self._ask("search", text, at, end)

    def match(self, text: bytes, at: int = 0, end: int = sys.maxsize) -> re.Match[bytes] | None:
        return self._ask("match", text, at, end)


@pytest.mark.parametrize(
    "encoded",
    [
        b'{"a":[%bnull]}' % (b"null," * 1_000_000),
        b"[%b[]]" % (b"[]," * 1_000_000),
        json.dumps("\U0001f600" * 1_000_000, ensure_ascii=False).encode(),
        b'"%b"' % (b"A" * 5_000_000),
        b"[%b]" % (b"1" * 5_000_000),
    ],
    ids=["nothing to find", "empty lists", "emoji", "data", "a number"],
)
def test_other_threads_have_the_interpreter_again_after_each_step(
    encoded: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    patterns = [
        name for name, found in vars(strings).items() if isinstance(getattr(found, "pattern", 0), bytes)
    ]
    watched = [Watched(getattr(strings, name)) for name in patterns if name != "_COLON"]
    for name, one in zip([name for name in patterns if name != "_COLON"], watched, strict=True):
        monkeypatch.setattr(strings, name, one)
    assert sum(map(len, strings_of(encoded, MAX_CHARACTERS))) <= 12 * MAX_CHARACTERS or b"1" in encoded
    assert 0 < max(one.most_bytes for one in watched) <= strings._STEP_BYTES


def test_text_after_data_is_found_in_a_large_value_too() -> None:
    data = "data:image/png;base64," + "iVBORw0KGgo" * 200_000
    encoded = json.dumps([data, f"caption {data} below", {"name": "last"}]).encode()
    assert [words(text) for text in strings_of(encoded, MAX_CHARACTERS)] == [
        [],
        ["caption", "below"],
        ["last"],
    ]


@pytest.mark.parametrize("before", [1, 100, 255, 256, 257, 300])
def test_data_that_begins_at_the_end_of_a_step_is_data_all_the_same(before: int) -> None:
    text = "word " * (strings._STEP_BYTES // 5) + "     "
    encoded = json.dumps(text[: strings._STEP_BYTES - before - 1] + " " + "iVBORw0KGgo" * 200_000 + " below")
    [found] = strings_of(encoded.encode(), MAX_CHARACTERS)
    assert words(found)[-1] == "below"


@pytest.mark.parametrize(
    "encoded",
    [
        json.dumps("é" * 3_000_000).encode(),
        json.dumps("é" * 3_000_000, ensure_ascii=False).encode(),
        json.dumps("\U0001f600" * 1_000_000).encode(),
        json.dumps("word \n" * 500_000).encode(),
    ],
    ids=["escapes", "UTF-8", "surrogate pairs", "lines"],
)
def test_a_long_string_is_cut_between_characters(encoded: bytes) -> None:
    [text] = strings_of(encoded, MAX_CHARACTERS)
    whole = json.loads(encoded)
    assert len(text) >= MAX_CHARACTERS - 1
    assert whole.startswith(text)


def test_half_a_surrogate_pair_in_a_large_value_hides_no_word() -> None:
    encoded = b'["' + b"word " * 300_000 + b'\\ud800","' + b'\\ud800 other"]'
    first, second = strings_of(encoded, MAX_CHARACTERS)
    assert words(first)[0] == "word"
    assert words(second) == ["other"]


@pytest.mark.parametrize("part", [b'{"":{}}', b'""', b'"\\n\\n"', b"1"])
def test_what_is_gone_through_of_a_large_value_is_bounded(part: bytes) -> None:
    some = b",".join([part] * 1000)
    count = strings.MOST_STEPS // 1000
    assert list(strings_of(b"[%b,2]" % b",".join([some] * (count // 4)), MAX_CHARACTERS))[-1] == "2"
    many = list(strings_of(b"[%b,2]" % b",".join([some] * 3 * count), MAX_CHARACTERS))
    assert len(many) <= strings.MOST_STEPS
    assert many[-1:] != ["2"]
