"""Takes the values out of a refused event, as bytes, so that its trace stays whole. Pure.

Ids, times, names, tags, the status and an error's type stay; what a user's program put in is replaced by a
note. An event's other fields are copied as they are, unread.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

_Fields = dict[str, Raw]

_VALUES = ("score_value", "categorical_value", "boolean_value", "json_value")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Fields).decode


def without_values(event: bytes, *, is_span: bool, note: str) -> bytes | None:
    """The event with a note in place of each value; None where it has none, or can't be read."""
    try:
        fields = _decode(event)
        degraded = _encode(_span(fields, note) if is_span else _metric(fields, note))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return None if degraded == event else degraded


def _span(fields: _Fields, note: str) -> _Fields:
    if "meta" not in fields:
        return fields
    meta = _replaced(
        _decode(fields["meta"]),
        input=note,
        output=note,
        expected_output={"value": note},
        metadata={"value": note},
    )
    if "error" in meta:
        meta["error"] = Raw(_encode(_replaced(_decode(meta["error"]), message=note, stack=note)))
    return {**fields, "meta": Raw(_encode(meta))}


def _metric(fields: _Fields, note: str) -> _Fields:
    """A metric has a value of its type or an error: the note is one."""
    kept = {name: raw for name, raw in fields.items() if name not in _VALUES}
    kept = _replaced(kept, reasoning=note, metadata={"value": note})
    return {**kept, "error": Raw(_encode({"message": note}))}


def _replaced(fields: _Fields, **notes: object) -> _Fields:
    return {name: Raw(_encode(notes[name])) if name in notes else raw for name, raw in fields.items()}
