"""Makes anybody's text safe and measurable on a terminal; on any thread.

What is shown was recorded from models and users: it may hold escape sequences that rewrite the screen, and
marks that reorder a line. They are written out as escapes, and everything else stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# C0 and C1 controls, bidirectional marks, embeddings and isolates, invisible spaces and tags, line and
# paragraph ends, byte order marks, lone surrogates. Joiners stay: emoji and several scripts are spelled with
# them.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}
# Blanks and the word after them; a wide character is a word, since most of those scripts have no blanks.
_WIDE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60"
_WORDS = re.compile(f" *(?:[{_WIDE}]|[^ {_WIDE}]+)| +$")
_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"


def harmless(text: str) -> str:
    """Make controls, bidirectional marks and invisible characters visible, as escapes."""
    return _UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    known = _ESCAPES.get(character)
    if known is not None:
        return known
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width(text: str) -> int:
    """How many columns of a terminal `text` takes: wide characters two, combining ones none."""
    return len(text) if text.isascii() else sum(columns for _, columns in _measured(text))


def cut(text: str, columns: int) -> str:
    """`text` where it fits in `columns`, else its beginning and an ellipsis."""
    if width(text) <= columns:
        return text
    if columns <= 0:
        return ""
    kept, used = [], 0
    for character, takes in _measured(text):
        if used + takes > columns - 1:
            break
        kept.append(character)
        used += takes
    return "".join(kept) + "…"


def wrapped(text: str, columns: int) -> Iterator[str]:
    """One line as several that fit in `columns`, broken at words; those after the first keep its indent.

    A word that is longer than a line is broken where the line ends, and so are texts without blanks, as
    Chinese and Japanese ones. Nothing but blanks at a break is left out.
    """
    indent = text[: len(text) - len(text.lstrip(" "))][: columns // 2]
    line, used = "", 0
    for word in _WORDS.findall(text):
        takes = width(word)
        if used + takes <= columns:
            line, used = line + word, used + takes
            continue
        if line.strip():
            yield line.rstrip()
            line, used, word = indent, len(indent), word.lstrip(" ")
        for character, takes in _measured(word):
            if used + takes > columns and line.strip():
                yield line
                line, used = indent, len(indent)
            line, used = line + character, used + takes
    yield line.rstrip()


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """`text` with blanks after it, or before it, to fill `columns`."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def _measured(text: str) -> list[tuple[str, int]]:
    measured: list[tuple[str, int]] = []
    joined = False
    before = 0
    for character in text:
        if character == _EMOJI_STYLE and before == 1:
            takes = 1  # turns a narrow sign into a wide emoji
        elif joined or unicodedata.category(character) in ("Mn", "Me", "Cf"):
            takes = 0
        elif "\u1160" <= character <= "\u11ff":
            takes = 0  # Korean vowels and finals, drawn into the syllable before them
        elif before and "\U0001f3fb" <= character <= "\U0001f3ff":
            takes = 0  # skin tones
        else:
            takes = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        joined = character == _JOINER
        before = takes or before
        measured.append((character, takes))
    return measured
