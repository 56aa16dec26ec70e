"""Shortens a span's event to what a list shows. Any thread.

A list of a hundred spans must not read a hundred megabytes: the store keeps the preview of a large event
beside it, made when the event came.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from llmobs_trace.store.shortening import shortened

# Of an event whose preview is kept. Smaller ones are read whole, about as fast.
LARGE_BYTES: Final = 16 << 10
SHOWN_CHARACTERS: Final = 300


class Shown(NamedTuple):
    """What is shown of a span beside its values."""

    stack_characters: int
    tags: int
    tag_characters: int


LISTED: Final = Shown(4_000, 64, SHOWN_CHARACTERS)
WHOLE: Final = Shown(1 << 16, 1_000, 1 << 12)

_ABSENT = msgspec.Raw(b"null")


class Preview(Struct, omit_defaults=True):
    """Values as JSON text, None where there are none; cut where `_cut` says so, and no longer JSON then."""

    input: str | None = None
    input_cut: bool = False
    input_left_out: int = 0  # messages before those that are there
    output: str | None = None
    output_cut: bool = False
    output_left_out: int = 0
    expected_output: str | None = None
    expected_output_cut: bool = False
    error_stack: str | None = None
    tags: list[str] = []
    others_cut: bool = False  # the stack or the tags

    def values(self) -> dict[str, Any]:
        """Input, output and expected output, and what is not there of each, by their names."""
        return {name: getattr(self, name) for name in self.__struct_fields__[:8]}


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


def previewed(kept: bytes | None, event: bytes, characters: int, room: Shown = LISTED) -> Preview:
    """The preview that was kept, or one of the event; `characters` is what is shown of a value."""
    if kept is not None:
        return _preview.decode(kept)
    read = _event.decode(event)
    meta = read.meta or _NO_META
    input = shortened(meta.input, characters)
    output = shortened(meta.output, characters)
    expected_output = shortened(meta.expected_output, characters)
    stack = text_of_string((meta.error or _NO_ERROR).stack)
    tags = [tag[: room.tag_characters] for tag in (read.tags or ())[: room.tags]]
    return Preview(
        input=input.text,
        input_cut=input.is_cut,
        input_left_out=input.left_out,
        output=output.text,
        output_cut=output.is_cut,
        output_left_out=output.left_out,
        expected_output=expected_output.text,
        expected_output_cut=expected_output.is_cut,
        # The end of a stack says most.
        error_stack=stack[-room.stack_characters :] if stack is not None else None,
        tags=tags,
        others_cut=(stack is not None and len(stack) > room.stack_characters) or tags != (read.tags or []),
    )


def text_of_string(value: msgspec.Raw) -> str | None:
    """A JSON string's text; None for anything else."""
    encoded = bytes(value)
    return msgspec.json.decode(encoded, type=str) if encoded.startswith(b'"') else None
