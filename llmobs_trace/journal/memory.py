"""Keeps segments in memory: for a queue without files, and where the disk refuses. Any thread."""

from __future__ import annotations

from collections.abc import Callable

from .queue import Storage
from .record import Settlement
from .segment import Segment
from .unkept import UnkeptJournal


class MemoryShelf:
    """Makes segments of anonymous memory; what is in them dies with the process.

    `word` says so on disk, where a journal was wanted and none could be made. It is taken back at the end if
    nothing was lost.
    """

    storage: Storage = "memory"
    most_bytes: int | None = None

    def __init__(self, word: UnkeptJournal | None = None) -> None:
        self._word = word
        self._lost = self._refused = 0
        self.in_memory: Callable[[], tuple[Settlement, int, int]] = lambda: (Settlement(), 0, 0)

    def taken_by_others(self, enough_bytes: int) -> int:
        """Memory is its process's own."""
        return 0

    def make(self, size_bytes: int) -> Segment:
        """An empty segment. Memory is used as far as it is filled."""
        return Segment.in_memory(size_bytes)

    def make_loose(self, line: bytes) -> Segment:
        """A sealed segment of one record."""
        segment = Segment.in_memory(len(line))
        segment.writer()(line)
        return segment

    def place(self, segment: Segment) -> None:
        """A loose segment is there as soon as it is made."""

    def replace(self, segment: Segment, data: bytes) -> None:
        """The memory is all there is of it."""
        segment.replace_memory(data)

    def settled(self, segment: Segment) -> bool:
        """Give its memory back."""
        self._lost += segment.settled.lost
        return segment.discard()

    def settled_without_file(self, settlement: Settlement) -> None:
        """Nobody asks memory after the process is gone."""

    def save(self) -> None:
        """Nobody asks memory after the process is gone."""

    def dropped(self, count: int) -> None:
        """Nobody asks memory after the process is gone."""

    def spilled(self, count: int) -> None:
        """Nobody asks memory after the process is gone."""

    def save_dropped(self, count: int) -> None:
        """Whether anything was lost is asked at the end."""
        self._refused = count

    def close(self, *, remove: bool) -> None:
        """Nothing is left, but for the word that something was lost."""
        if self._word is not None:
            self._word.close(remove=remove or not (self._lost or self._refused))

    def forget(self) -> None:
        """In a forked child: the word is the parent's."""
        if self._word is not None:
            self._word.forget()
