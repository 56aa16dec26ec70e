"""Decompresses a body, within bounds. The writer's thread.

A few kilobytes of zeros, compressed, stand for megabytes: expanding stops at the bound.
"""

from __future__ import annotations

import zlib
from typing import Final

from llmobs_trace.receiver.http import Malformed

_HEADER: Final = "Content-Encoding"
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
CODINGS: Final = ("gzip", "deflate")
# gzip files may follow each other; each costs a copy of what is left.
_MAX_MEMBERS: Final = 16


def decoded(body: bytes | bytearray, coding: str, max_bytes: int) -> bytes | bytearray:
    """The body without its content coding; raises `Malformed` where it can't be had, or is too large."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding in ("gzip", "x-gzip"):
        return _expanded(body, _GZIP, max_bytes)
    if coding == "deflate":
        # The standard means zlib's format; some senders leave its two bytes of header out.
        return _expanded(body, _ZLIB if _is_zlib(body) else _RAW, max_bytes)
    raise Malformed(
        415, f"the body's coding {coding[:100]!r} is not known; use {' or '.join(CODINGS)}", _HEADER
    )


def _expanded(body: bytes | bytearray, window: int, max_bytes: int) -> bytearray:
    found = bytearray()
    left = bytes(body)
    try:
        for _ in range(_MAX_MEMBERS if window == _GZIP else 1):
            expander = zlib.decompressobj(window)
            # One more than is allowed, to tell too many from just as many.
            found += expander.decompress(left, max_bytes + 1 - len(found))
            if len(found) > max_bytes:
                raise Malformed(413, f"the body is larger than {max_bytes} bytes, once expanded", _HEADER)
            if not expander.eof:
                raise Malformed(400, "the compressed body ends too early", _HEADER)
            left = expander.unused_data
            if not left:
                return found
    except zlib.error as error:
        raise Malformed(400, f"the body can't be expanded: {error}", _HEADER) from None
    raise Malformed(400, "something follows the compressed body", _HEADER)


def _is_zlib(body: bytes | bytearray) -> bool:
    return len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
