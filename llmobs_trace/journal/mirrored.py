"""Copies a segment in memory to a file, on the sender's thread: where a store into a mapped file could kill.

Any thread writes, the sender copies and settles. A kill loses what came since the last copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import files
from .record import Settlement, is_settled, outcome_of, scan
from .segment import Segment, SegmentDamaged, anonymous, opened


class MirroredSegment(Segment):
    """Anonymous memory, and a file that is written to and never mapped."""

    __slots__ = ("_is_refused", "_mirrored_bytes", "_mirrored_records", "_settled_apart")

    def __init__(self, path: Path, size_bytes: int) -> None:
        super().__init__(path, anonymous(size_bytes), size_bytes)
        self._mirrored_bytes = self._mirrored_records = 0
        # What is settled of the records that are not in the file; and whether the disk refused those.
        self._settled_apart = Settlement()
        self._is_refused = False

    @property
    def memory_bytes(self) -> int:
        """How much memory of the process's own it holds."""
        return 0 if self._memory is None else self.size_bytes

    def mirror(self) -> None:
        """Append to the file what came since; raises OSError where the disk refuses. Sender's thread."""
        stop = self.stop()
        if self.path is None or self._memory is None or stop <= self._mirrored_bytes:
            return
        data = self.read(self._mirrored_bytes, stop)
        self._is_refused = True
        with opened(self.path, os.O_RDWR) as file:
            files.write_at(file, data, self._mirrored_bytes)
        self._has_copied(stop, self._mirrored_records + data.count(b"\n"))

    def _has_copied(self, stop: int, records: int) -> None:
        self._mirrored_bytes, self._mirrored_records = stop, records
        self._settled_apart, self._is_refused = Settlement(), False

    def apart(self) -> tuple[int, Settlement]:
        """Also what the disk refused to take into the file. What is about to be copied is not counted."""
        if self._memory is None or self.path is None or not self._is_refused:
            return super().apart()
        records = self.total()[0] - self._mirrored_records
        return records - self._settled_apart.records, self._settled_apart

    def move_to(self, path: Path | None) -> None:
        """The new file has everything up to now; what is in memory alone is copied nowhere."""
        super().move_to(path)
        self._has_copied(self.stop(), self.total()[0])

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
        for fresh in super()._mark([offset for offset in offsets if offset >= self._mirrored_bytes], mark):
            self._settled_apart = self._settled_apart.plus(Settlement(**{outcome_of(mark): len(fresh)}))
            yield fresh
        if mirrored:
            # The file first: where it refuses, memory must not say that it is marked.
            with opened(self.path, os.O_RDWR) as file:
                for offset in mirrored:
                    if not is_settled(self._memory[offset]):
                        files.write_at(file, bytes((mark,)), offset)
            yield from super()._mark(mirrored, mark)

    def release(self) -> None:
        """Copy the rest to the file, then let the memory go. Sender's thread."""
        if self.is_sealed:
            self.mirror()
            super().release()
