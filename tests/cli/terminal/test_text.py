from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.cli.terminal.text import cut, harmless, pad, width, wrapped

REORDERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred", "\\e[31mred"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("hidden\U000e0041", "hidden\\U000e0041"),
        ("\udc80", "\\udc80"),
        ("👩‍👩‍👧 می‌خواهم ❤️ é", "👩‍👩‍👧 می‌خواهم ❤️ é"),
    ],
)
def test_what_moves_hides_or_reorders_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert harmless(text) == shown


@given(st.text())
def test_nothing_harmful_is_left_and_it_can_be_written(text: str) -> None:
    safe = harmless(text)
    assert not {unicodedata.category(character) for character in safe} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(character) for character in safe} & REORDERING
    safe.encode()
    assert harmless(safe) == safe


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("abc", 3),
        ("東京", 4),
        ("ｶﾅ", 2),
        ("한국", 4),
        ("\u1112\u1161\u11ab", 2),
        ("e\u0301", 1),
        ("🙂", 2),
        ("👍🏽", 2),
        ("👩‍👩‍👧", 2),
        ("❤️", 2),
        ("🇫🇷", 2),
        ("ไทย", 3),
        ("…", 1),
    ],
)
def test_width_is_what_a_terminal_takes(text: str, columns: int) -> None:
    assert width(text) == columns


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 20))
def test_a_cut_text_fits_and_says_that_it_was_cut(text: str, columns: int) -> None:
    shown = cut(text, columns)
    assert width(shown) <= columns
    if shown != text:
        assert text.startswith(shown[:-1])
        assert shown.endswith("…") or columns == 0


@given(st.text(max_size=8))
def test_a_padded_text_gets_the_blanks_that_its_width_leaves(text: str) -> None:
    safe = harmless(text)
    assert pad(safe, width(safe) + 3) == safe + "   "
    assert pad(safe, width(safe) + 3, right=True) == "   " + safe
    assert pad(safe, 0) == safe


def test_lines_break_at_words_and_keep_their_indent() -> None:
    assert list(wrapped("one two three", 8)) == ["one two", "three"]
    assert list(wrapped("  one two three", 8)) == ["  one", "  two", "  three"]
    assert list(wrapped("abcdefghij kl", 4)) == ["abcd", "efgh", "ij", "kl"]
    assert list(wrapped("今日は良い天気です", 8)) == ["今日は良", "い天気で", "す"]


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"], max_codepoint=0xFFFF)), st.integers(8, 40))
def test_a_wrapped_line_fits_and_loses_no_character_but_blanks(text: str, columns: int) -> None:
    parts = list(wrapped(text, columns))
    assert max(map(width, parts)) <= columns
    assert "".join("".join(parts).split()) == "".join(text.split())
