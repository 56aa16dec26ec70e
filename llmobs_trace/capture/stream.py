"""The items of a stream in, one after the other; its output out, within bounds. User's thread.

Strings are kept as they are and joined; where one item is no string, the output is a list of all. An endless
stream keeps its head and its tail: what lies between is counted, and the count stands in its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from llmobs_trace.encode import encode, encode_text

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
