"""Decides whether there is room for another segment, within the bounds. Any thread asks.

To be told no has to cost little: in an outage that outlasts the bound, every record is. So it is remembered
until something changes, and what takes long to find out is found out on the sender's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

# A record stored while another thread rolls over has a file of its own, and so takes a block of the disk.
# There may be as many files as there are blocks within the bound, and these many in any case or at most.
_BLOCK_BYTES, _FEWEST_FILES, _MOST_FILES = 4096, 64, 4096
# A file that can't be made costs whoever tries: up to a segment of zeros. Once that was so, no append tries
# again; the sender does, so often, and when a segment was freed.
_AGAIN_SECONDS = 1.0
# What others take is counted no more often than that, and takes the sender one part in so many of its time.
_COUNT_SHARE = 100

_OTHERS = "what all processes left for this destination is at its bound (max_journal_bytes)"


class Room:
    """The bounds of one journal; `taken_by_others` counts what other journals take of the same one."""

    def __init__(self, max_bytes: int, taken_by_others: Callable[[int], int]) -> None:
        self.max_bytes = max_bytes
        # Why there was none, where the journal itself is not at its bound.
        self.reason = ""
        self._max_files = min(max(_FEWEST_FILES, max_bytes // _BLOCK_BYTES), _MOST_FILES)
        # How many segments were freed so far; and when there was last no room, that number and the size that
        # found none. Until another is freed it finds none either.
        self._freed = 0
        self._none = (-1, 0)
        # When the last file could not be made, and how many segments were freed by then.
        self._no_file: tuple[float, int] | None = None
        self._taken_by_others = taken_by_others
        self._others_bytes, self._count_at = 0, float("-inf")
        self.count_others()

    @property
    def own_bytes(self) -> int:
        """What is left of the bound for this journal."""
        return self.max_bytes - self._others_bytes

    def is_known_to_be_none(self, size_bytes: int) -> bool:
        """Whether there was none when that was last asked, and nothing has changed."""
        freed, without_room_bytes = self._none
        return freed == self._freed and size_bytes >= without_room_bytes

    def has(self, size_bytes: int, held: Callable[[], Sequence[int]]) -> bool:
        """Whether there is room for this beside segments of these sizes."""
        if self.is_known_to_be_none(size_bytes):
            return False
        freed, sizes = self._freed, held()
        with_it_bytes = sum(sizes) + size_bytes
        if len(sizes) >= self._max_files:
            size_bytes = 0  # not even the smallest
        elif with_it_bytes <= self.own_bytes:
            return True
        self.reason = _OTHERS if with_it_bytes <= self.max_bytes else ""
        self._none = (freed, size_bytes)
        return False

    def has_none_at_all(self) -> None:
        """Neither on disk nor in memory could anything be had."""
        self._none = (self._freed, 0)

    def freed_one(self) -> None:
        """A segment was freed, or takes less."""
        self._freed += 1

    # -- files -----------------------------------------------------------------------------------------------

    @property
    def has_files(self) -> bool:
        """Whether an append may make one."""
        return self._no_file is None

    def refused_a_file(self) -> None:
        """One could not be made: no append is to try again."""
        self._no_file = (time.monotonic(), self._freed)

    def made_a_file(self) -> None:
        """One could be made."""
        self._no_file = None

    def may_make_a_file(self) -> bool:
        """Whether it is time that the sender tries."""
        if self._no_file is not None:
            at, freed = self._no_file
            if freed == self._freed and time.monotonic() - at < _AGAIN_SECONDS:
                return False
            self._none = (-1, 0)  # there may be memory again
        return True

    # -- others ----------------------------------------------------------------------------------------------

    def count_others(self) -> None:
        """Count what others take, if it is time. Sender's thread."""
        began, before = time.monotonic(), self._others_bytes
        if began < self._count_at:
            return
        self._others_bytes = self._taken_by_others(self.max_bytes)
        ended = time.monotonic()
        self._count_at = ended + max(_AGAIN_SECONDS, _COUNT_SHARE * (ended - began))
        if self._others_bytes < before:
            self._none = (-1, 0)
