"""Cuts JSON values to a budget, the largest first. User's thread.

A cut value keeps its kind: a string stays a string, an array an array, an object an object, so what the wire
allowed before it allows after. What is missing is said where it is missing: ``…[9120 bytes cut]…`` inside a
string, ``"…[95 of 100 items cut]…"`` as an item, ``"…": "[3 of 9 keys cut]"`` as a member. Works on bytes:
only containers that are too large are taken apart, one level at a time, and strings not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import msgspec

# No value is cut to less: there must be room to say what was cut. A budget below it for each field is not
# kept.
MIN_BYTES: Final = 64
_MAX_KEY_BYTES: Final = 128
_READABLE_BYTES: Final = 1024
_WHOLE_ITEMS: Final = 128
_MARKER_BYTES: Final = 54  # the longest a note in an array or an object gets, separators included
_KEY_OF_THE_CUT: Final = "…"
_MAX_DEPTH: Final = 100  # the encoder's own

_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_to_json: Final = msgspec.json.Encoder().encode


def fit(fields: Mapping[str, bytes], budget_bytes: int) -> dict[str, bytes]:
    """Encoded fields by name and the bytes for all in, the same with values that fit out. User's thread.

    Small values stay whole: only what is above the level at which all would fit is cut down to it. Never
    raises. A budget below 64 bytes a field is not kept.

    >>> fit({"input": b'"' + b"x" * 1000 + b'"', "name": b'"short"'}, 100)["name"]
    b'"short"'
    """
    lengths = [len(encoded) for encoded in fields.values()]
    if sum(lengths) <= budget_bytes:
        return dict(fields)
    level = max(_level(lengths, budget_bytes), MIN_BYTES)
    return {name: cut(encoded, level) for name, encoded in fields.items()}


def cut(encoded: bytes, limit_bytes: int) -> bytes:
    """One JSON value and a limit in, valid JSON of the same kind within it out. User's thread."""
    limit_bytes = max(limit_bytes, MIN_BYTES)
    try:
        return _cut(encoded, limit_bytes, 0)
    except Exception:
        # Not JSON of ours, or no memory to take it apart.
        marker = f"[{len(encoded)} bytes cut]"
        first = encoded[:1]
        if first == b"{":
            return _to_json({_KEY_OF_THE_CUT: marker})
        return _to_json([marker]) if first == b"[" else _to_json(marker)


def with_note(encoded: bytes, note: str) -> bytes:
    """One JSON value and what to say of it in, a value of the same kind that says so out, where its kind can:
    else an object with both. User's thread.

    >>> with_note(b'"text"', "[2 items cut]"), with_note(b"7", "[2 items cut]")
    (b'"text\xe2\x80\xa6[2 items cut]"', b'{"value":7,"\xe2\x80\xa6":"[2 items cut]"}')
    """
    first = encoded[:1]
    if first == b'"':
        return encoded[:-1] + _to_json(f"{_KEY_OF_THE_CUT}{note}")[1:]
    if first == b"[":
        return _with_last(encoded, _to_json(f"{_KEY_OF_THE_CUT}{note}"))
    if first != b"{":
        encoded = b'{"value":' + encoded + b"}"
    name = _KEY_OF_THE_CUT
    while name in _object(encoded):
        name += _KEY_OF_THE_CUT
    return _with_last(encoded, _to_json(name) + b":" + _to_json(note))


def _with_last(encoded: bytes, last: bytes) -> bytes:
    """An array or an object and one item more in, both together out."""
    return encoded[:-1] + (b"," if len(encoded) > 2 else b"") + last + encoded[-1:]


def _cut(encoded: bytes, limit_bytes: int, depth: int) -> bytes:
    if len(encoded) <= limit_bytes:
        return encoded
    first = encoded[:1]
    if first == b'"':
        return _cut_string(encoded, limit_bytes)
    if first == b"[":
        return _cut_array(encoded, limit_bytes, depth)
    if first == b"{":
        return _cut_object(encoded, limit_bytes, depth)
    return encoded  # a number, true, false, null: never longer than the least limit


def _cut_string(encoded: bytes, limit_bytes: int) -> bytes:
    marker = f"…[{len(encoded)} bytes cut]…"  # as many digits as the true number at most
    head_bytes, tail_bytes = _ends(limit_bytes - len(marker.encode()) - 2)
    head_end = _boundary(encoded, 1 + head_bytes)
    tail_start = _boundary_after(encoded, len(encoded) - 1 - tail_bytes)
    marker = f"…[{tail_start - head_end} bytes cut]…"
    return encoded[:head_end] + marker.encode() + encoded[tail_start:]


def _ends(room_bytes: int) -> tuple[int, int]:
    """The room for a value in, how much of it its beginning takes, two thirds, and how much its end."""
    head_bytes = room_bytes * 2 // 3
    return head_bytes, room_bytes - head_bytes


def _boundary(encoded: bytes, at: int) -> int:
    """A JSON string and an index well within it in, the nearest one before that splits nothing out: no
    character and no escape.
    """
    while encoded[at] & 0xC0 == 0x80:
        at -= 1
    start = encoded.rfind(b"\\", at - 5, at)
    if start >= 0 and _escapes(encoded, start):
        length = 6 if encoded[start + 1] == 0x75 else 2
        if start + length > at:
            return start
    return at


def _boundary_after(encoded: bytes, at: int) -> int:
    """The same, at or after the index: the tail may get shorter, never longer."""
    return next(index for index in range(at, len(encoded)) if _boundary(encoded, index) == index)


def _escapes(encoded: bytes, at: int) -> bool:
    """Whether the backslash at an index begins an escape, rather than being the second of ``\\\\``."""
    before = encoded[:at]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 0


def _cut_array(encoded: bytes, limit_bytes: int, depth: int) -> bytes:
    if b'"' not in encoded and b"{" not in encoded and encoded.find(b"[", 1) < 0:
        return _cut_scalars(encoded, limit_bytes)
    items = _array(encoded)  # views; only what is kept is copied
    lengths = [len(memoryview(item)) for item in items]
    keep = _keep(lengths, [1] * len(items), limit_bytes - 2, depth)
    parts = [_cut(bytes(item), keep.level, depth + 1) for item in items[: keep.head]]
    if keep.head + keep.tail < len(items):
        parts.append(_to_json(f"…[{len(items) - keep.head - keep.tail} of {len(items)} items cut]…"))
        parts.extend(_cut(bytes(item), keep.level, depth + 1) for item in items[len(items) - keep.tail :])
    return b"[" + b",".join(parts) + b"]"


def _cut_scalars(encoded: bytes, limit_bytes: int) -> bytes:
    """An array of numbers, booleans and nulls: every comma is a border, so it need not be taken apart."""
    head_bytes, tail_bytes = _ends(limit_bytes - 2 - _MARKER_BYTES)
    head = encoded[: encoded.rfind(b",", 0, 2 + head_bytes) + 1]
    tail_start = encoded.find(b",", len(encoded) - 1 - tail_bytes)
    tail = encoded[tail_start:] if tail_start >= 0 else b"]"
    total = encoded.count(b",") + 1
    cut_items = total - head.count(b",") - tail.count(b",")
    return (head or b"[") + _to_json(f"…[{cut_items} of {total} items cut]…") + tail


def _cut_object(encoded: bytes, limit_bytes: int, depth: int) -> bytes:
    held = _object(encoded)
    # Keys are cut too, where they are absurd; two that are alike afterwards count as one cut.
    short = {_short_key(name): value for name, value in held.items()}
    members = list(short.items())
    overheads = [len(key) + 2 for key, _ in members]
    keep = _keep([len(memoryview(value)) for _, value in members], overheads, limit_bytes - 2, depth)

    def written(some: Sequence[tuple[bytes, msgspec.Raw]]) -> list[bytes]:
        return [key + b":" + _cut(bytes(value), keep.level, depth + 1) for key, value in some]

    parts = written(members[: keep.head])
    if keep.head + keep.tail < len(held):
        name = _KEY_OF_THE_CUT
        while name in held:
            name += _KEY_OF_THE_CUT
        marker = f"[{len(held) - keep.head - keep.tail} of {len(held)} keys cut]"
        parts.append(_to_json(name) + b":" + _to_json(marker))
        parts.extend(written(members[len(members) - keep.tail :]))
    return b"{" + b",".join(parts) + b"}"


def _short_key(name: str) -> bytes:
    key = _to_json(name)
    return key if len(key) <= _MAX_KEY_BYTES else _cut_string(key, _MAX_KEY_BYTES)


class _Keep(NamedTuple):
    """How many items from the front and from the back stay, and to what length they are cut."""

    head: int
    tail: int
    level: int


def _keep(lengths: Sequence[int], overheads: Sequence[int], room_bytes: int, depth: int) -> _Keep:
    """Lengths of a container's items, what each costs besides, and the room for all in, what stays out.

    All of them where each can have its least; else as many as can, two thirds of the room from the front.
    """
    if depth >= _MAX_DEPTH:
        return _Keep(0, 0, MIN_BYTES)
    # An item is worth keeping when something can be read of it: better four of those than twenty stubs, and
    # better one less of ordinary ones than all of them cut by a few bytes.
    # Where there is much room, whole ones: a hundred messages say more than a thousand that are all cut.
    readable = min(max(room_bytes // 4, MIN_BYTES), max(_READABLE_BYTES, room_bytes // _WHOLE_ITEMS))
    least = [
        over + (length if length <= 2 * readable else readable)
        for length, over in zip(lengths, overheads, strict=True)
    ]
    if sum(least) <= room_bytes:
        return _Keep(len(least), 0, _level(lengths, room_bytes - sum(overheads)))
    room_bytes -= _MARKER_BYTES
    head = _fitting(least, _ends(room_bytes)[0])
    used = sum(least[:head])
    # No item is in both: all of them together did not fit.
    tail = _fitting(least[::-1], room_bytes - used)
    kept = [*range(head), *range(len(least) - tail, len(least))]
    level = _level([lengths[at] for at in kept], room_bytes - sum(overheads[at] for at in kept))
    return _Keep(head, tail, level)


def _fitting(costs: Sequence[int], room_bytes: int) -> int:
    """How many of the costs, from the first on, the room holds."""
    for count, so_far in enumerate(accumulate(costs)):
        if so_far > room_bytes:
            return count
    return len(costs)


def _level(lengths: Sequence[int], budget_bytes: int) -> int:
    """The largest length such that all, each cut down to it, fit the budget."""
    left = level = budget_bytes
    for done, length in enumerate(sorted(lengths)):
        level = left // (len(lengths) - done)
        if length > level:
            return level
        left -= length
    return level
