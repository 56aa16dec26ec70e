"""Passes a field's JSON through the user's redactor. User's thread.

The redactor gets a plain JSON copy, never the user's object. Where it fails, a marker takes the value's
place: what should have been hidden is never what is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec

from llmobs_trace.encode.fast import encode, encode_text
from llmobs_trace.encode.peek import type_name

_from_json: Final = msgspec.json.Decoder().decode


class Redactor:
    """The user's ``(field, value) -> value`` around every field that is recorded.

    >>> Redactor(lambda field, value: "***").apply("input", b'{"key":"secret"}')
    b'"***"'
    """

    __slots__ = ("_redact", "_running", "_say")

    def __init__(
        self, redact: Callable[[str, Any], Any], say: Callable[[str, str], None] | None = None
    ) -> None:
        """`say` hears of a redactor that fails: what happened, and in which field."""
        self._redact = redact
        self._say = say
        self._running = threading.local()

    @property
    def function(self) -> Callable[[str, Any], Any]:
        """The user's, to be handed to another process."""
        return self._redact

    def apply(self, field: str, encoded: bytes) -> bytes:
        """A field's name and its JSON in, what the redactor made of it out. Never raises. User's thread."""
        # A redactor may call a traced function, whose fields come here too: redacting those would never
        # end, and leaving them as they are would let the secret out by this door.
        if getattr(self._running, "now", False):
            return encode_text("[recorded inside the redactor]")
        self._running.now = True
        try:
            return encode(self._redact(field, _from_json(encoded)))
        except Exception as error:
            failure = type_name(type(error))
        finally:
            self._running.now = False
        if self._say is not None:
            with suppress(Exception):
                # Not what the exception says: that may be the value.
                self._say(f"the redactor raised {failure}: a marker is recorded instead of a value", field)
        return encode_text(f"[redactor failed: {failure}]")
