"""Turns a mapping into tags as the wire has them, `key:value` strings. User's thread."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llmobs_trace.capture import recorder as slot
from llmobs_trace.encode import Redactor, encode, encode_text
from llmobs_trace.wire import RESERVED

_decode = msgspec.json.Decoder().decode
_to_json = msgspec.json.Encoder().encode
_SHORT_BYTES = 1024


def plain_tags(tags: Mapping[str, object] | None) -> dict[str, object]:
    """A copy at the time of the call: keys as strings, values plain JSON. Anything but a mapping is
    misuse.
    """
    if tags is None:
        return {}
    try:
        items = [*tags.items()] if isinstance(tags, Mapping) else None
    except Exception as error:  # the user's own mapping, or what only looks like one
        slot.misuse(f"tags could not be read ({type(error).__name__}): left out")
        return {}
    if items is None:
        slot.misuse(f"tags are a mapping of names to values, not {type(tags).__name__}: left out")
        return {}
    plain: dict[str, object] = {}
    for key, value in items:
        name = key if type(key) is str else tag_text(key)
        if name in RESERVED:
            slot.misuse(f"the tag {name!r} is the library's own: left out; use another name")
        else:
            plain[name] = value if type(value) is str else _decode(encode(value))
    return plain


def encoded_tags(plain: dict[str, object], redactor: Redactor | None) -> list[bytes]:
    """Each tag as a JSON string; strings as they are, other values as the encoder writes them, compact."""
    if redactor is not None:
        redacted = _decode(redactor.apply("tags", encode(plain)))
        if redacted is None:
            return []
        # What a redactor puts in place of the mapping, a marker where it fails, is a tag with a key too; and
        # it has no more right to the library's own names than its user.
        plain = plain_tags(redacted if isinstance(redacted, dict) else {"tags": redacted})
    return [encode_text(_tag(key, value)) for key, value in plain.items()]


def written_tags(tags: dict[str, object]) -> bytes:
    """Tags of the library's as JSON, joined; nothing where they are too long, or no JSON as they are: then
    they go the way of a user's.
    """
    try:
        # Most are texts and counts: in place, each takes half as long as by a call.
        written = _to_json(
            [
                f"{name}:{value}" if type(value) is str or type(value) is int else _tag(name, value)
                for name, value in tags.items()
            ]
        )
    except UnicodeEncodeError:  # a lone surrogate
        return b""
    return written[1:-1] if len(written) <= _SHORT_BYTES else b""


def _tag(key: str, value: object) -> str:
    return f"{key}:{value if type(value) is str or type(value) is int else tag_text(value)}"


def tag_text(value: object) -> str:
    """A string as it is; anything else as the encoder writes it, without quotes round a string-like one."""
    if type(value) is str:
        return value
    encoded = encode(value)
    return str(_decode(encoded)) if encoded.startswith(b'"') else encoded.decode()
