"""Gathers the items of a stream into its output, within bounds. User's thread.

Strings are kept as they are and joined; where one item is no string, the output is a list of all. An endless
stream keeps its head and its tail: what lies between is counted, and the count stands in its place. For
`collect=` the items of the head are kept themselves besides, for a function of the user's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from llmobs_trace.capture import recorder as slot
from llmobs_trace.encode import ABSENT, class_attribute, encode, encode_text, type_name, with_note

_decode = msgspec.json.Decoder(str).decode

Adder = Callable[[object], "Adder"]


class Stream:
    """What a generator yielded, at most about twice `limit_bytes` of it."""

    __slots__ = (
        "_head",
        "_head_bytes",
        "_limit_bytes",
        "_skipped",
        "_tail",
        "_tail_bytes",
        "_texts_only",
    )

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._head: list[str | bytes] = []
        self._head_bytes = 0
        self._tail: deque[str | bytes] = deque()
        self._tail_bytes = 0
        self._skipped = 0
        self._texts_only = True

    def adder(self) -> Adder:
        """`add` as a function that keeps what it needs at hand: half the time for a string. It gives itself
        back, to be called with the next item.
        """
        keep, room = self._head.append, self._limit_bytes - self._head_bytes

        def add(item: object) -> Adder:
            nonlocal room
            if type(item) is str and room > 0:
                room -= len(item) + 1
                keep(item)
            else:
                self._head_bytes = self._limit_bytes - room
                self.add(item)
                room = self._limit_bytes - self._head_bytes
            return add

        return add

    def add(self, item: object) -> None:
        """Take an item as it is now: a string as such, anything else encoded."""
        kept: str | bytes
        if type(item) is str:
            kept = item
        else:
            kept = encode(item)
            self._texts_only = False
        if self._head_bytes < self._limit_bytes:
            self._head.append(kept)
            self._head_bytes += len(kept) + 1
            return
        self._tail.append(kept)
        self._tail_bytes += len(kept) + 1
        while self._tail_bytes > self._limit_bytes and len(self._tail) > 1:
            self._tail_bytes -= len(self._tail.popleft()) + 1
            self._skipped += 1

    def encoded(self) -> bytes:
        """The strings joined, or a JSON array of the items."""
        gap = [f"… [{self._skipped} items cut] …"] if self._skipped else []
        items = [*self._head, *gap, *self._tail]
        if self._texts_only and items:
            return encode_text("".join([item for item in items if isinstance(item, str)]))
        return b"[%b]" % b",".join([item if isinstance(item, bytes) else encode_text(item) for item in items])


class Collected(Stream):
    """The same, of which a function of the user's makes the output."""

    __slots__ = ("_collect", "_count", "_items", "_name")

    def __init__(self, limit_bytes: int, collect: Callable[[Any], object], name: str) -> None:
        super().__init__(limit_bytes)
        self._collect = collect
        self._name = name
        self._items: list[object] = []
        self._count = 0

    def adder(self) -> Adder:
        def add(item: object) -> Adder:
            self.add(item)
            return add

        return add

    def add(self, item: object) -> None:
        super().add(item)
        self._count += 1
        if not self._tail:
            self._items.append(item)

    def encoded(self) -> bytes:
        """What the function makes of the items, and how many of them it was not given; without it where it
        raises.
        """
        try:
            made = self._collect(self._items)
        except BaseException as error:
            # Interrupts and cancellations are not its own.
            if not isinstance(error, (Exception, SystemExit, GeneratorExit)):
                raise
            # Not what the exception says: that may be an item.
            slot.say(
                f"collect= raised {type_name(type(error))}: the items are recorded as they were yielded",
                f"the generator {slot.shown('name', self._name)}",
            )
            return super().encoded()
        if made is None:
            return b"null"
        encoded = encode(made)
        cut = self._count - len(self._items)
        return with_note(encoded, f"[the last {cut} of {self._count} items cut]") if cut else encoded


def told_of_stream(value: object, encoded: bytes) -> bytes:
    """What a function returned, and as what that was encoded, in; for a stream of which nothing is known but
    its type, how its items are recorded, out. It is left as it is: whoever reads it reads all of it.
    """
    kind = type(value)
    marked = encoded[:2] == b'"<' and (
        encoded.startswith((b'"<generator ', b'"<async_generator '))
        or encoded == encode_text(f"<{type_name(kind)}>")
    )
    if not marked or all(class_attribute(kind, step) is ABSENT for step in ("__next__", "__anext__")):
        return encoded
    return encode_text(f"{_decode(encoded)[:-1]}, {_HOW}>")


_HOW = (
    "a stream, which was handed on unread: to record its items, decorate with experiment_span the generator "
    "function that yields them"
)
