"""A segment in memory that the sender copies to a file: where a store into a mapped file could kill.

Any thread writes, the sender copies and settles. A kill loses what came since the last copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import files
from .record import Settlement, is_settled, scan
from .segment import Segment, SegmentDamaged, anonymous, opened

__all__ = ["MirroredSegment"]


class MirroredSegment(Segment):
    """Anonymous memory, and a file that is written to and never mapped."""

    __slots__ = ("_mirrored_bytes",)

    def __init__(self, path: Path, size_bytes: int) -> None:
        super().__init__(path, anonymous(size_bytes), size_bytes)
        self._mirrored_bytes = 0

    @property
    def memory_bytes(self) -> int:
        """How much memory of the process's own it holds."""
        return 0 if self._memory is None else self.size_bytes

    def mirror(self) -> None:
        """Append to the file what came since; raises OSError where the disk refuses. Sender's thread."""
        stop = self.stop()
        if self.path is None or self._memory is None or stop <= self._mirrored_bytes:
            return
        with opened(self.path, os.O_RDWR) as file:
            files.write_at(file, self.read(self._mirrored_bytes, stop), self._mirrored_bytes)
        self._mirrored_bytes = stop

    def move_to(self, path: Path | None) -> None:
        """The new file has everything up to now; what is in memory alone is copied nowhere."""
        super().move_to(path)
        self._mirrored_bytes = self.stop()

    def give_up_rest(self) -> Settlement:
        """Keep what the file has, for good; count the rest, its pending records as lost. Sender's thread."""
        if self._memory is None or self.path is None:
            return Settlement()
        rest = scan(self.read(self._mirrored_bytes, self.seal()))
        self.total()
        pending = rest.records - rest.settled.records
        rest_bytes = rest.length_bytes - rest.settled.size_bytes
        self.settled = self.settled.plus(Settlement(lost=pending, size_bytes=rest_bytes))
        self.forget()
        with suppress(OSError, SegmentDamaged), opened(self.path, os.O_RDWR) as file:
            os.ftruncate(file, self._mirrored_bytes)  # some of the rest may have been written
        return rest.settled.plus(Settlement(lost=pending))

    def _mark(self, offsets: list[int], mark: int) -> Iterator[list[int]]:
        if self._memory is None or self.path is None:
            yield from super()._mark(offsets, mark)
            return
        mirrored = [offset for offset in offsets if offset < self._mirrored_bytes]
        if mirrored:
            # The file first: where it refuses, memory must not say that it is marked.
            with opened(self.path, os.O_RDWR) as file:
                for offset in mirrored:
                    if not is_settled(self._memory[offset]):
                        files.write_at(file, bytes((mark,)), offset)
        yield from super()._mark(offsets, mark)

    def release(self) -> None:
        """Copy the rest to the file, then let the memory go. Sender's thread."""
        if self.is_sealed:
            self.mirror()
            super().release()
