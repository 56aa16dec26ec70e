"""Makes a digest of a record's values, the same for JSON that says the same. Pure, any thread.

A server may give a record back with its keys in another order, with other white space and escapes, with 1 for
1.0 and empty metadata for none: none of it is a change. Digests are kept in the place of values, 24 bytes of
each record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

import msgspec

_VALUES_BYTES: Final = 16
_TAGS_BYTES: Final = 8
# Beyond it a float has no neighbours that are whole numbers.
_EXACT: Final = 2**53
_NULL: Final = b"null"


def digest_of(
    values: Iterable[msgspec.Raw], metadata: msgspec.Raw, tags: Iterable[str] | None = None
) -> bytes:
    """The digest of a record's values, in their order, its metadata and, if they are known, its tags."""
    digest = blake2b(digest_size=_VALUES_BYTES)
    for value in values:
        _add(digest, canonical(value))
    kept = canonical(metadata)
    _add(digest, _NULL if kept == b"{}" else kept)
    if tags is None:
        return digest.digest()
    of_tags = blake2b(digest_size=_TAGS_BYTES)
    # Datadog writes tags in small letters, in whatever order.
    for tag in sorted({tag.casefold() for tag in tags}):
        _add(of_tags, tag.encode("utf-8", "surrogatepass"))
    return digest.digest() + of_tags.digest()


def is_same(one: bytes, other: bytes) -> bool:
    """Whether two digests are of the same, as far as both know."""
    both = min(len(one), len(other))
    return one[:both] == other[:both]


def are_tags_alone(one: bytes, other: bytes) -> bool:
    """Whether the values are the same."""
    return one[:_VALUES_BYTES] == other[:_VALUES_BYTES]


def canonical(value: msgspec.Raw) -> bytes:
    """JSON in the one way to write it that is ours; what can't be read stays as it is."""
    text = bytes(value).strip() or _NULL
    if text == _NULL:
        return text
    try:
        return _ENCODER.encode(_DECODER.decode(text.decode())).encode()
    except (ValueError, RecursionError):
        return text


def _number(text: str) -> float | int:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


_DECODER: Final = json.JSONDecoder(parse_float=_number)
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def _add(digest: blake2b, part: bytes) -> None:
    digest.update(b"%d:" % len(part))
    digest.update(part)
