"""A span's event comes in, as much of it as a list shows goes out; any thread.

A list of a hundred spans must not read a hundred megabytes: the store keeps the preview of a large event
beside it, made when the event came.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

# Of an event whose preview is kept. Smaller ones are read whole, about as fast.
LARGE_BYTES: Final = 16 << 10
SHOWN_CHARACTERS: Final = 300
_SHOWN_STACK: Final = 4000
_SHOWN_TAGS: Final = 64

_ABSENT = msgspec.Raw(b"null")


class Preview(Struct, omit_defaults=True):
    """Values as JSON text, None where there are none; cut where `_cut` says so, and no longer JSON then."""

    input: str | None = None
    input_cut: bool = False
    output: str | None = None
    output_cut: bool = False
    expected_output: str | None = None
    expected_output_cut: bool = False
    error_stack: str | None = None
    tags: list[str] = []


class _Error(Struct):
    stack: msgspec.Raw = _ABSENT  # whatever it is: only who refuses events asks for a string


class _Meta(Struct):
    input: msgspec.Raw = _ABSENT
    output: msgspec.Raw = _ABSENT
    expected_output: msgspec.Raw = _ABSENT
    error: _Error | None = None


class _Event(Struct):
    meta: _Meta | None = None
    tags: list[str] | None = None


_event = msgspec.json.Decoder(_Event)
_preview = msgspec.json.Decoder(Preview)
_NO_META = _Meta()
_NO_ERROR = _Error()


def preview_of(event: str) -> bytes:
    """What the store keeps of a large event."""
    return msgspec.json.encode(previewed(None, event.encode(), SHOWN_CHARACTERS))


def previewed(kept: bytes | None, event: bytes, characters: int) -> Preview:
    """The preview that was kept, or one of the event; `characters` is what is shown of a value."""
    if kept is not None:
        return _preview.decode(kept)
    read = _event.decode(event)
    meta = read.meta or _NO_META
    input, input_cut = cut(meta.input, characters)
    output, output_cut = cut(meta.output, characters)
    expected_output, expected_output_cut = cut(meta.expected_output, characters)
    stack = text_of_string((meta.error or _NO_ERROR).stack)
    return Preview(
        input=input,
        input_cut=input_cut,
        output=output,
        output_cut=output_cut,
        expected_output=expected_output,
        expected_output_cut=expected_output_cut,
        # The end of a stack says most.
        error_stack=stack[-_SHOWN_STACK:] if stack is not None else None,
        tags=[tag[:SHOWN_CHARACTERS] for tag in (read.tags or ())[:_SHOWN_TAGS]],
    )


def text_of_string(value: msgspec.Raw) -> str | None:
    """A JSON string's text; None for anything else."""
    encoded = bytes(value)
    return msgspec.json.decode(encoded, type=str) if encoded.startswith(b'"') else None


def cut(value: msgspec.Raw, characters: int) -> tuple[str | None, bool]:
    """A value's JSON text, None for null, of no more than so many characters; and whether it was longer."""
    encoded = bytes(value)
    if encoded == b"null":
        return None, False
    # A character is at most four bytes: what lies beyond need not be decoded.
    text = encoded[: 4 * characters + 4].decode(errors="ignore")
    if len(text) <= characters and len(encoded) <= 4 * characters + 4:
        return text, False
    return text[:characters], True
