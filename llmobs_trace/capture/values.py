"""Encodes what a user gives, as it is now, redacted and in the shape the wire takes. User's thread."""

from __future__ import annotations

from llmobs_trace.capture.recorder import Recorder
from llmobs_trace.encode import Redactor, encode, encode_text, is_in_shape, shape_expected, shape_io

_SHAPES = {"input": shape_io, "output": shape_io, "expected_output": shape_expected}
# An object or a string needs no other shape as input or output, which its first byte tells: but for the
# empty ones, which are two bytes long. As numbers: to look for one in bytes takes longer.
IN_SHAPE = tuple(b'{"')
REMOVED = encode_text("[removed by the redactor]")


def captured(recorder: Recorder, field: str, value: object) -> bytes | None:
    """A user's value as it is now, redacted, in the shape the wire takes; None is left out."""
    if value is None:
        return None
    encoded = encode(value)
    if (
        recorder.redactor is None
        and field != "expected_output"
        and ((encoded[0] in IN_SHAPE and len(encoded) > 2) or is_in_shape(value))
    ):
        return encoded  # without the two calls that would give it back
    return captured_bytes(recorder, field, encoded)


def captured_bytes(recorder: Recorder, field: str, encoded: bytes) -> bytes | None:
    """The same for a value that is encoded already."""
    if recorder.redactor is not None:
        encoded = recorder.redactor.apply(field, encoded)
        if encoded == b"null":
            return None
    return _SHAPES[field](encoded)


def redacted_text(redactor: Redactor, field: str, encoded: bytes) -> bytes:
    """What a redactor leaves of a text that an event can't be without; a marker where that is nothing."""
    left = redactor.apply(field, encoded)
    return REMOVED if left in (b"null", b'""') and left != encoded else as_text(left)


def as_text(encoded: bytes) -> bytes:
    """A JSON string stays; what a redactor made of one otherwise becomes the text of it."""
    return encoded if encoded.startswith(b'"') else encode_text(encoded.decode())
