"""Holds what knows the streams of model clients: a slot between capture and `model_calls`. Any thread.

Capture knows no client. `model_calls` fills the slot when a client is imported; until then nobody asks.
"""

from __future__ import annotations

from typing import Protocol

from llmobs_trace.capture.span import Span
from llmobs_trace.capture.span_arguments import SpanOptions
from llmobs_trace.capture.stream import Adder


class Assembled(Protocol):
    """A generator's items, as a client's chunks: put together in the place of a list of them."""

    def add(self, item: object) -> None:
        """Take in an item."""

    def adder(self) -> Adder:
        """The same as a function, which gives itself back."""
        ...

    def encoded(self) -> bytes:
        """What the items come to."""
        ...

    def tell(self, span: Span) -> None:
        """Tell the generator's span what the chunks say of the call."""


class KnownStreams(Protocol):
    """What the slot is filled with."""

    def stays_open(self, result: object, span: Span, what: SpanOptions, began_ns: int | None) -> bool:
        """Whether a decorated function returned a client's stream: then its span ends with that."""
        ...

    def assembled(self, first: object) -> Assembled | None:
        """What a decorated generator's items are added to, if the first is a client's chunk."""
        ...


known: KnownStreams | None = None
