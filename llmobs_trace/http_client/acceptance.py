"""Tells whether an answer is an acceptance, by its status and its body; else what came, in words. Pure, any
thread.

The documented answer is 202 with nothing to say. A network's login page, a proxy and a wrong base_url answer
200 as well, and whoever believes them throws away what nobody has.

    one of ACCEPTING   nothing in the body, or JSON without `errors`     an acceptance
    the same           JSON that holds `errors`, a page, any other text  none
    any other 2xx      whatever the body: 203 is a proxy's own version   none
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

# Where the body does not speak against it.
ACCEPTING: Final = frozenset({200, 201, 202, 204})

# Of a body this is read, packed or not: an acceptance has next to nothing to say.
MAX_BODY_BYTES: Final = 64 * 1024

# `zlib` tells these two apart by itself, with 32 added to its window.
_UNPACKED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_ANY_WINDOW: Final = 32 + zlib.MAX_WBITS
# How deep JSON:API has room for `errors`: beside `data`, in it, and in its attributes. Below are events.
_LEVELS: Final = 3
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


def what_came(status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """What came instead of an acceptance, for a log line; None where it is one.

    `headers` have their names in lower case.
    """
    if status not in ACCEPTING:
        by_whom = headers.get("via") or headers.get("server")
        return "not the endpoint's own answer" + (f" but that of {by_whom}" if by_whom else "")
    packing = headers.get("content-encoding", "identity").strip().lower()
    unpacked = _unpacked(body, packing)
    if unpacked is None:
        return f"{len(body):,} bytes packed as {packing!r}, which can't be read"
    said = unpacked.removeprefix(b"\xef\xbb\xbf").strip()
    if not said:
        return None
    try:
        value = msgspec.json.decode(said)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _described(said, headers.get("content-type", ""))
    errors = _errors_in(value, _LEVELS)
    if not errors:
        return None
    return f"errors within: {words_of(errors if isinstance(errors, list) else [errors])}"


def page_of(body: bytes, content_type: str = "") -> str | None:
    """A page for people in a few words; None where a body is no page."""
    if not body.lstrip().startswith(b"<") and "html" not in content_type.lower():
        return None
    title = _TITLE.search(body.decode("utf-8", "replace"))
    named = " ".join(title[1].split()) if title else ""
    return f"a page titled {named!r}" if named else "a page"


def words_of(errors: list[Any]) -> str:
    """The words of JSON:API's `errors`: objects with a title and a detail, or bare strings as a 429 has."""
    return "; ".join(filter(None, map(_words_of_one, errors)))


def _words_of_one(error: object) -> str:
    if isinstance(error, str):
        return error
    parts = [error.get("title"), error.get("detail")] if isinstance(error, dict) else []
    words = ": ".join(part for part in parts if isinstance(part, str) and part)
    return words or msgspec.json.encode(error).decode()


def _unpacked(body: bytes, packing: str) -> bytes | None:
    """A body as it was before it was packed, as far as it is read; None where that can't be undone."""
    if packing in ("", "identity"):
        return body
    if packing not in _UNPACKED:
        return None
    try:
        return zlib.decompressobj(_ANY_WINDOW).decompress(body, MAX_BODY_BYTES)
    except zlib.error:
        return None


def _errors_in(value: Any, levels: int) -> object:
    """The first `errors` (or `error`) that is not empty, in an object, in those of a list, or a few levels
    below.
    """
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and levels:
            found = one.get("errors") or one.get("error")
            if not found:
                found = next(filter(None, (_errors_in(each, levels - 1) for each in one.values())), None)
            if found:
                return found
    return None


def _described(said: bytes, content_type: str) -> str:
    what = page_of(said, content_type) or repr(said[:80].decode("utf-8", "replace"))
    kind = content_type.split(";")[0].strip() or "no content type"
    return f"no acceptance but {what} ({kind}, {len(said):,} bytes)"
