"""Reads a body as JSON text without blanks, half characters mended. Pure."""

from __future__ import annotations

import codecs
import re
from typing import Final

import msgspec

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
# One escape after the other, so that an escaped backslash is not taken for the beginning of one.
_ESCAPE: Final = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class NoJSON(Exception):
    """What a body is instead, in words that follow `not JSON:`."""


def compact(body: bytes | bytearray) -> bytes:
    """The same JSON without blanks; raises `NoJSON`, and `RecursionError` where it is nested too deeply."""
    if not body:
        raise NoJSON("it is empty")
    if body[:3] == codecs.BOM_UTF8:
        raise NoJSON("it begins with a byte order mark")
    if not body.isascii():
        _check_utf8(body)
    if _SURROGATE.search(body):
        # Half a character, as of a text that was cut: it can't be kept, and is no reason to lose the event.
        body = _ESCAPE.sub(lambda found: rb"\ufffd" if found[2] else found[0], body)
    try:
        return bytes(msgspec.json.format(body, indent=-1))
    except msgspec.DecodeError as error:
        raise NoJSON(_in_our_words(str(error))) from None


def _check_utf8(body: bytes | bytearray) -> None:
    # In pieces: as one text it would take up to four times its size.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(body), 1 << 16):
            decoder.decode(body[start : start + (1 << 16)])
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        raise NoJSON("it is not UTF-8") from None


def _in_our_words(said: str) -> str:
    if "truncated" in said:
        return "it ends too early"
    return said.removeprefix("JSON is malformed: ")
