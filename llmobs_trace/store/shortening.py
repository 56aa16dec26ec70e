"""Shortens a value's JSON text to the room there is. Any thread.

Of a text its beginning is shown. Of a conversation that would be what nobody looks for, the same instructions
in every row: there the newest messages stay, and how many older ones were left out is said.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

_MESSAGES: Final = "messages"
# A value is taken apart only where that makes at most so many pieces, of some 60 bytes each.
_MOST_PIECES: Final = 200_000
# Of the room, what may be left for an object's other members beside its messages.
_OTHERS: Final = 4


class Shortened(NamedTuple):
    """JSON text; where it is cut it may end before the JSON does."""

    text: str | None  # None for null
    is_cut: bool = False
    left_out: int = 0  # messages of a conversation, the oldest ones


class _Message(Struct):
    role: str


_items = msgspec.json.Decoder(list[Raw])
_members = msgspec.json.Decoder(dict[str, Raw])
_message = msgspec.json.Decoder(_Message)


def shortened(value: Raw, characters: int) -> Shortened:
    """The value whole where it has no more than so many characters."""
    encoded = bytes(value)
    if encoded == b"null":
        return Shortened(None)
    # A character is at most four bytes: what lies beyond need not be decoded.
    text = encoded[: 4 * characters + 4].decode(errors="ignore")
    if len(text) <= characters and len(encoded) <= 4 * characters + 4:
        return Shortened(text)
    return _conversation(encoded, characters) or Shortened(text[:characters], True)


def _conversation(encoded: bytes, characters: int) -> Shortened | None:
    """Of a list of messages, or of an object that has one, the newest; None for anything else."""
    if encoded.count(b",") >= _MOST_PIECES:
        return None
    try:
        if encoded.startswith(b"["):
            return _newest(_items.decode(encoded), "[", "]", characters)
        if not encoded.startswith(b"{"):
            return None
        members = _members.decode(encoded)
        found = bytes(members.get(_MESSAGES, b""))
        if not found.startswith(b"["):
            return None
        others = _others(members, characters // _OTHERS)
        return _newest(_items.decode(found), '{"messages":[', f"]{others}}}", characters)
    except (msgspec.DecodeError, RecursionError):
        return None


def _others(members: dict[str, Raw], characters: int) -> str:
    """An object's members beside the messages, those that there is room for."""
    parts = []
    for name, value in members.items():
        if name == _MESSAGES or len(bytes(value)) > characters:
            continue
        part = f",{msgspec.json.encode(name).decode()}:{bytes(value).decode()}"
        if len(part) <= characters:
            characters -= len(part)
            parts.append(part)
    return "".join(parts)


def _newest(items: list[Raw], opening: str, closing: str, characters: int) -> Shortened | None:
    if not items:
        return None
    _message.decode(items[-1])  # raises where it is no message
    room = characters - len(opening) - len(closing)
    kept: list[str] = []
    for item in reversed(items):
        # Its bytes are no fewer than its characters: one far too long need not be decoded.
        message = bytes(item)[: 4 * room + 4].decode(errors="ignore") if room > 0 else ""
        if len(message) > room or len(bytes(item)) > 4 * room + 4:
            break
        kept.append(message)
        room -= len(message) + 1
    if kept:
        text = opening + ",".join(reversed(kept)) + closing
        return Shortened(text, True, len(items) - len(kept))
    beginning = bytes(items[-1])[: 4 * characters].decode(errors="ignore")
    return Shortened((opening + beginning)[:characters], True, len(items) - 1)
