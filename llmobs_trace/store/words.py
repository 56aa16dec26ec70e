"""Finds the words in a text that a search finds it by. Any thread.

A word is a run of letters and digits; case doesn't count, nor do accents. Languages that put no spaces
between words go character by character, and so do emoji. One function folds both what is searched and what is
searched for, so that the search index itself need know nothing about languages.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import normalize

import msgspec

from llmobs_trace.store.strings import strings_of

# Of one span: what comes later is not found. A prompt of 60 kB is some 10,000 words.
MAX_CHARACTERS: Final = 1 << 16
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
# Beyond ASCII, what is no part of a word: controls, Latin-1 signs, punctuation and symbols, halves of
# surrogate pairs, private use, variation selectors, and the CJK punctuation.
_GAPS: Final = re.compile(
    "[\x80-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7\u2000-\u25ff\u27c0-\u2bff\u3000-\u303f\ud800-\uf8ff"
    "\ufe00-\ufe0f\ufeff\ufff0-\uffff\U000e0000-\U0010ffff]"
)
# Thai, Lao, Tibetan, Burmese, Khmer; kana and Han; emoji.
_ALONE: Final = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2600-\u27bf\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\U0001f000-\U0001faff\U00020000-\U0003ffff]"
)
_WORD: Final = re.compile("[0-9a-z\x80-\U0010ffff]+")


def fold(text: str) -> str:
    """The text in which runs of ASCII letters and digits and of all else beyond ASCII are its words."""
    if text.isascii():
        return text.lower()
    plain = _ACCENTS.sub("", normalize("NFKD", normalize("NFKD", text).casefold()))
    return _ALONE.sub(r" \g<0> ", _GAPS.sub(" ", plain)).lower()


def words(text: str) -> list[str]:
    """The words, in their order.

    >>> words("Où est l'Élysée? snake_case 東京")
    ['ou', 'est', 'l', 'elysee', 'snake', 'case', '東', '京']
    """
    return _WORD.findall(fold(text))


def has_words(text: str, wanted: list[str]) -> bool:
    """Whether each of the wanted words begins one of the text's; a single letter must be one of them."""
    there = set(words(text))
    return all(
        want in there or (len(want) > 1 and any(word.startswith(want) for word in there)) for want in wanted
    )


def text_of(strings: list[str], values: list[msgspec.Raw]) -> str:
    """What is searched: texts, and the strings and numbers within JSON values (not the names in objects)."""
    parts = [text for text in strings if text]
    left = MAX_CHARACTERS - sum(map(len, parts))
    for value in values:
        if left <= 0:
            break
        for text in strings_of(bytes(value), left):
            parts.append(text)
            left -= len(text) + 1
            if left <= 0:
                break
    text = "\n".join(parts)
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS]
