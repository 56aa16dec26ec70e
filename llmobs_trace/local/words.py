"""Text comes in, the words that a search finds it by go out; any thread.

A word is a run of letters and digits; case doesn't count, nor do accents. Languages that put no spaces
between words go character by character, and so do emoji. One function folds both what is searched and what is
searched for, so that the search index itself need know nothing about languages.
"""

from __future__ import annotations

import re
from typing import Any, Final
from unicodedata import normalize

import msgspec

# Of one span: what comes later is not found. A prompt of 60 kB is some 10,000 words.
MAX_CHARACTERS: Final = 1 << 16
# A longer run of characters without a space in plain ASCII is data: an image, a key, a hash.
_BLOB_CHARACTERS: Final = 256
_BLOB: Final = re.compile(rf"[!-~]{{{_BLOB_CHARACTERS},}}")

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
_any = msgspec.json.Decoder()
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
    for value in values:
        _gather(bytes(value), parts)
    text = "\n".join(parts)
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS]


def _gather(encoded: bytes, parts: list[str]) -> None:
    first = encoded[:1]
    if first in b"ntf":  # null, true, false
        return
    if first not in b'"{[':
        parts.append(encoded.decode())
        return
    waiting: list[Any] = [_decoded(encoded)]
    # Flat: a value may be nested deeper than Python's stack allows. In order, since the end may be cut off.
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            parts.append(value if len(value) < _BLOB_CHARACTERS else _BLOB.sub(" ", value))
        elif isinstance(value, dict):
            waiting.extend(reversed(value.values()))
        elif isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            parts.append(str(value))


def _decoded(encoded: bytes) -> object:
    try:
        return _any.decode(encoded)
    except (msgspec.DecodeError, RecursionError):
        # Half a surrogate pair, or deeper than the decoder goes: the text as it stands is better than none.
        return re.sub(r'\\(?:u[0-9a-fA-F]{4}|.)|[][{}",:]', " ", encoded.decode(errors="replace"))
