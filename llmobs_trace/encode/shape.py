"""Shapes JSON as the wire's closed schema takes it. User's thread.

``input`` and ``output`` may be a string, a number, a boolean, an object, or an array of those;
``expected_output`` is an object. The official client's models refuse the rest, or change it in silence, so it
travels as the member ``value`` of an object, in which anything may stand.
"""

from __future__ import annotations

from typing import Final

import msgspec

# By id: hashing a class runs its metaclass's code.
_IN_SHAPE: Final = set(map(id, (str, dict, int, float, bool)))

_MANY: Final = 50_000

_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def shape_io(encoded: bytes) -> bytes:
    """An encoded input or output in, itself or wrapped as ``{"value":…}`` out. User's thread.

    >>> shape_io(b'"text"'), shape_io(b'[[1,2]]'), shape_io(b'null')
    (b'"text"', b'{"value":[[1,2]]}', b'{"value":null}')
    """
    first = encoded[:1]
    if first == b"[":
        # A search for what might be one costs a tenth of looking at each element, and mostly finds nothing.
        suspect = encoded.find(b"[", 1) >= 0 or b"null" in encoded
        return _wrapped(encoded) if suspect and _holds_array_or_null(encoded) else encoded
    if first == b"n" or encoded == b"{}":
        return _wrapped(encoded)
    return encoded


def is_in_shape(value: object) -> bool:
    """A list or tuple in, whether its types alone say that it needs no other shape. User's thread.

    False where they don't tell, or are very many. Of 10 MB of messages this asks each for its type, where
    `shape_io` reads all the bytes, which takes longer than writing them did.
    """
    if type(value) is not list and type(value) is not tuple:
        return False
    return len(value) <= _MANY and set(map(id, map(type, value))) <= _IN_SHAPE


def shape_expected(encoded: bytes) -> bytes:
    """An encoded expected output in, an object out: itself, or ``{"value":…}``. User's thread.

    >>> shape_expected(b'{"answer":4}'), shape_expected(b'4')
    (b'{"answer":4}', b'{"value":4}')
    """
    return encoded if encoded[:1] == b"{" else _wrapped(encoded)


def _wrapped(encoded: bytes) -> bytes:
    return b'{"value":' + encoded + b"}"


def _holds_array_or_null(encoded: bytes) -> bool:
    return any(bytes(memoryview(element)[:1]) in (b"[", b"n") for element in _elements(encoded))
