"""Finds the strings and numbers in a value's JSON, as many as somebody asks for. Any thread.

A small value is decoded. A large one is gone through as text: as objects a megabyte of `[{"":{}},…]` takes
forty, of which nothing is wanted. What is done is bounded whatever the shape: by steps, and within a string
by what is asked for. A step goes through so little that the interpreter, which a pattern holds for as long as
it looks, is free for other threads in between: a receiver answers pages meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

# What is decoded: ten times as fast as going through its text.
_SMALL_BYTES: Final = 64 << 10
_MOST_BYTES, _MOST_PARTS = 1 << 20, 1 << 15
# Of a large value: strings, names, numbers, and escapes within strings. What comes later is not found.
MOST_STEPS: Final = 1 << 17
# A longer run of characters without a space in plain ASCII is data: an image, a key, a hash. Looked for where
# a run begins, and not again at each of its characters.
_BLOB: Final = re.compile("(?<![!-~])[!-~]{256,}")
_RAW_BLOB: Final = re.compile(rb"(?<![!-\[\]-~])[!-\[\]-~]{256,}")  # an escape is no part of it
_BLOB_CHARACTERS: Final = 256
# A character is written with at most so many bytes: `\ud83d\ude00`.
_CHARACTER_BYTES: Final = 12

# So much a step goes through, some 5 ms.
_STEP_BYTES: Final = 128 << 10
_TOKEN: Final = re.compile(rb'"|-?[0-9]')
_NUMBER: Final = re.compile(rb"[-+.0-9eE]*")
# The part of a string up to its next escape, or to its end. One at a time: a pattern for a whole string
# remembers each escape that it passed.
_PART: Final = re.compile(rb'[^"\\]*(?:\\.|("))', re.DOTALL)
_UNESCAPED: Final = re.compile(rb'[^"\\]*')
_RAW_RUN: Final = re.compile(rb"[!-\[\]-~]*")
_COLON: Final = re.compile(rb"[ \t\r\n]*:")
_MARKS: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)")
_any = msgspec.json.Decoder()


def strings_of(encoded: bytes, most_characters: int) -> Iterator[str]:
    """The strings, without what is data in them, and the numbers, in their order; no names of members.

    `most_characters` are of use in all.
    """
    if encoded[:1] in b"ntf":  # null, true, false
        return iter(())
    if encoded[:1] not in b'"{[':
        return iter((encoded.decode(),))
    if _is_small(encoded):
        try:
            return _of_objects(_any.decode(encoded))
        except (msgspec.DecodeError, RecursionError):
            pass  # half a surrogate pair, a number beyond all bounds, or deeper than the decoder goes
    return _of_text(encoded, most_characters)


def _is_small(encoded: bytes) -> bool:
    """Whether it is so as objects, too."""
    return len(encoded) <= _SMALL_BYTES or (
        len(encoded) <= _MOST_BYTES and sum(map(encoded.count, (b",", b"{", b"["))) <= _MOST_PARTS
    )


def _of_objects(whole: object) -> Iterator[str]:
    waiting: list[Any] = [whole]
    # Flat: a value may be nested deeper than Python's stack allows.
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value if len(value) < _BLOB_CHARACTERS else _BLOB.sub(" ", value)
        elif isinstance(value, dict):
            waiting.extend(reversed(value.values()))
        elif isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield str(value)


def _of_text(encoded: bytes, most_characters: int) -> Iterator[str]:
    at = steps = 0
    while steps < MOST_STEPS and at < len(encoded):
        steps += 1
        token = _TOKEN.search(encoded, at, at + _STEP_BYTES)
        if token is None:
            at += _STEP_BYTES
            continue
        at = begin = token.end()
        if token[0] != b'"':
            at = _end_of(_NUMBER, encoded, token.start())  # this step may have ended within it
            yield encoded[token.start() : at].decode()
            continue
        is_whole = False
        while not is_whole and steps < MOST_STEPS and at < len(encoded):
            steps += 1
            part = _PART.match(encoded, at, at + _STEP_BYTES)
            if part is not None:
                at, is_whole = part.end(), part[1] is not None
            else:
                # Not into an escape, whose second half is in the next step.
                at = _end_of(_UNESCAPED, encoded, at)
        if _COLON.match(encoded, at) is None:
            yield _decoded(encoded[begin : at - is_whole], most_characters, is_whole)


def _end_of(run: re.Pattern[bytes], text: bytes, at: int) -> int:
    """Where a run that begins here ends, or this step does."""
    found = run.match(text, at, at + _STEP_BYTES)
    return at if found is None else found.end()


def _without_data(raw: bytes, most_bytes: int) -> tuple[bytes, bool]:
    """A string without what is data in it, as far as it is of use; whether that is all of it."""
    kept, kept_bytes, at = [], 0, 0
    while at < len(raw) and kept_bytes <= most_bytes:
        end = min(at + _STEP_BYTES, len(raw))
        found = _RAW_BLOB.search(raw, at, end)
        if found is not None:
            text, at = raw[at : found.start()] + b" ", found.end()
            while (run_end := _end_of(_RAW_RUN, raw, at)) > at:
                at = run_end
        else:
            # Data may begin at the end of this step, and be recognised in the next.
            end = end if end == len(raw) else end - _BLOB_CHARACTERS
            text, at = raw[at:end], end
        kept.append(text)
        kept_bytes += len(text)
    return b"".join(kept), at == len(raw)


def _decoded(raw: bytes, most_characters: int, is_whole: bool) -> str:
    """The text of what stands between a string's quotes, its beginning where it is long."""
    if len(raw) >= _BLOB_CHARACTERS:
        raw, is_all = _without_data(raw, _CHARACTER_BYTES * most_characters)
        is_whole = is_whole and is_all
    longest = min(len(raw), _CHARACTER_BYTES * most_characters)
    # Where it is cut a character may be: then it ends before that.
    shortest = longest if is_whole and longest == len(raw) else max(0, longest - _CHARACTER_BYTES)
    for end in range(longest, shortest - 1, -1):
        try:
            text = msgspec.json.decode(b'"%b"' % raw[:end], type=str)
        except msgspec.DecodeError:
            continue
        return _BLOB.sub(" ", text)
    # Half a surrogate pair: the text as it stands is better than none.
    return _MARKS.sub(" ", raw[:longest].decode(errors="replace"))
