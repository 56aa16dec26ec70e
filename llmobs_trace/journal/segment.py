"""A stretch of the queue, usually a mapped file: lines in, lines out. Any thread writes, the sender settles.

A segment is filled once, from its beginning, and is never used twice. It is written through `writer()`: one
C call, `mmap.write`, which the interpreter lock makes atomic against every other access here, so no lock is
held that a signal handler, a collection or a fork could find held. Where there is no interpreter lock, an
RLock takes its place; re-entering it is harmless, since a handler can't run inside that one C call.

Sealing moves the map's position to its end, so that every later write is refused with ValueError, a write
already on its way with a `writer` taken earlier included. A closed map refuses in the same way.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from .record import MARKS, Outcome, Record, Settlement, is_settled, tally

__all__ = ["MirroredSegment", "Segment", "SegmentDamaged"]

_PAGE_BYTES = 4096
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
_MARK_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
CREATE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


class SegmentDamaged(Exception):
    """A segment's file was removed or shortened by somebody else; what it held is gone."""


def _guard() -> AbstractContextManager[object]:
    """A lock where there is no interpreter lock, else nothing."""
    has_lock: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    if has_lock is None or has_lock():
        return nullcontext()
    return threading.RLock()


class Segment:
    """Records one after the other in a map, a file, or both; without a `path`, in memory alone."""

    __slots__ = ("_counted", "_guard", "_memory", "_sealed_bytes", "path", "settled", "size_bytes")

    def __init__(self, path: Path | None, memory: mmap.mmap | None, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.settled = Settlement()
        self._memory = memory
        self._guard = _guard()
        self._sealed_bytes: int | None = None
        self._counted = (0, 0)  # up to which offset, how many records: replaced whole, so any thread may look

    @classmethod
    def in_memory(cls, size_bytes: int) -> Segment:
        """A segment that dies with the process."""
        return cls(None, _anonymous(size_bytes), size_bytes)

    @classmethod
    def of_file(cls, path: Path, data: bytes) -> Segment:
        """A segment that is only read and settled: its file has these whole records, and no more come."""
        segment = cls(path, None, len(data))
        records, segment.settled = tally(data)
        segment._sealed_bytes = len(data)
        segment._counted = (len(data), records)
        return segment

    def touch(self) -> None:
        """Fault every page in, so that no append pays for it; only before it is in use. Sender's thread."""
        memory = self._memory
        if memory is not None:
            for offset in range(0, self.size_bytes, _PAGE_BYTES):
                memory[offset] = 0

    def writer(self) -> Callable[[bytes], object]:
        """What appends one line, or raises ValueError where there is no room or it is sealed. Any thread."""
        memory = self._memory
        if memory is None:
            return _refuse
        if isinstance(self._guard, nullcontext):
            return memory.write
        guard, write = self._guard, memory.write

        def guarded(line: bytes) -> object:
            with guard:
                return write(line)

        return guarded

    @property
    def memory_bytes(self) -> int:
        """How much memory of the process's own it holds, a mapped file not counted."""
        return 0 if self._memory is None or self.path is not None else self.size_bytes

    @property
    def is_sealed(self) -> bool:
        """Whether nothing can be appended any more."""
        return self._sealed_bytes is not None

    def seal(self) -> int:
        """Refuse all further writes and say where the data ends. Any thread, any number of times."""
        memory = self._memory
        if self._sealed_bytes is None and memory is not None:
            with self._guard, suppress(ValueError):  # sealed and unmapped by another thread meanwhile
                memory.seek(0, os.SEEK_END)
        return self.stop()

    def stop(self) -> int:
        """Where the data ends now: a record's end. Any thread."""
        sealed_bytes, memory = self._sealed_bytes, self._memory
        if sealed_bytes is not None or memory is None:
            return sealed_bytes or 0
        try:
            with self._guard:
                stop = memory.tell()
                if stop == self.size_bytes:
                    # Full or sealed: the position says nothing any more, but nobody can write either, so the
                    # first zero after a record's end is where the data ends.
                    end = memory.find(b"\0", self._counted[0])
                    self._sealed_bytes = stop = end if end >= 0 else self.size_bytes
        except ValueError:
            stop = self._sealed_bytes or 0  # unmapped meanwhile, and so sealed before
        return stop

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`. Any thread while it is mapped; the sender's once it isn't."""
        memory = self._memory
        if memory is not None:
            try:
                with self._guard:
                    return memory[start:stop]
            except ValueError:
                pass  # unmapped meanwhile: the file has it
        if self.path is None:
            raise SegmentDamaged("a segment in memory was let go of")
        data = b""
        with _opened(self.path, _READ_FLAGS) as file:
            while len(data) < stop - start:
                more = os.pread(file, stop - start - len(data), start + len(data))
                if not more:
                    raise SegmentDamaged(f"{self.path} was shortened")
                data += more
        return data

    def total(self) -> tuple[int, int]:
        """How many records it holds now and their bytes, settled ones included. Any thread."""
        offset, records = self._counted
        stop, memory = self.stop(), self._memory
        if stop > offset and memory is not None:
            try:
                with self._guard:
                    data = memory[offset:stop]
            except ValueError:
                offset, records = self._counted  # unmapped meanwhile, and so counted to its end before
            else:
                offset, records = self._counted = (stop, records + data.count(b"\n"))
        elif stop > offset:
            offset, records = self._counted
        return records, offset

    def remaining(self) -> tuple[int, int, Settlement]:
        """How many records are not settled, their bytes, and what is settled, at one moment. Any thread."""
        while True:
            settled = self.settled
            data_bytes, records = self._counted
            if data_bytes != self._sealed_bytes:
                records, data_bytes = self.total()
            if settled is self.settled:
                delivered, rejected, lost, settled_bytes = settled
                return records - delivered - rejected - lost, data_bytes - settled_bytes, settled

    def settle(self, records: Sequence[Record], outcome: Outcome) -> None:
        """Mark these records as done with, each once. Sender's thread."""
        count = size_bytes = 0
        try:
            for index in self._mark([record.at.offset for record in records], MARKS[outcome]):
                count += 1
                size_bytes += len(records[index].line) + 1
        finally:  # what was marked before the disk failed is counted
            self.settled = self.settled.plus(
                Settlement(
                    delivered=count if outcome == "delivered" else 0,
                    rejected=count if outcome == "rejected" else 0,
                    size_bytes=size_bytes,
                )
            )

    def _mark(self, offsets: list[int], mark: int) -> Iterator[int]:
        """Overwrite the first byte at each offset; yield the index of each that wasn't marked before."""
        memory = self._memory
        if memory is not None:
            for index, offset in enumerate(offsets):
                if not is_settled(memory[offset]):
                    memory[offset] = mark
                    yield index
        elif self.path is not None:
            with _opened(self.path, _MARK_FLAGS) as file:
                for index, offset in enumerate(offsets):
                    before = os.pread(file, 1, offset)
                    if before and not is_settled(before[0]):
                        os.pwrite(file, bytes((mark,)), offset)
                        yield index

    def mirror(self) -> None:
        """Bring the file up to what is in memory; here the file is the memory. Sender's thread."""

    def release(self) -> None:
        """Unmap a sealed segment that has a file: mapped pages count as memory. Sender's thread."""
        memory = self._memory
        if memory is None or self.path is None or self._sealed_bytes is None:
            return
        self.total()  # while it is cheap: afterwards nobody needs the map
        self.forget()

    def forget(self) -> None:
        """Unmap, and leave the file as it is."""
        memory, self._memory = self._memory, None
        if memory is not None:
            with self._guard:
                memory.close()

    def discard(self) -> None:
        """Unmap and remove the file."""
        self.forget()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class MirroredSegment(Segment):
    """A segment in memory that the sender copies to a file: where a store into a mapped one could kill."""

    __slots__ = ("_mirrored_bytes",)

    def __init__(self, path: Path, size_bytes: int) -> None:
        super().__init__(path, _anonymous(size_bytes), size_bytes)
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
        with _opened(self.path, _MARK_FLAGS) as file:
            data = self.read(self._mirrored_bytes, stop)
            while data:
                written = os.pwrite(file, data, self._mirrored_bytes)
                self._mirrored_bytes += written
                data = data[written:]

    def _mark(self, offsets: list[int], mark: int) -> Iterator[int]:
        if self._memory is None or self.path is None:
            yield from super()._mark(offsets, mark)
            return
        with _opened(self.path, _MARK_FLAGS) as file:
            for index in super()._mark(offsets, mark):
                if offsets[index] < self._mirrored_bytes:
                    os.pwrite(file, bytes((mark,)), offsets[index])
                yield index

    def release(self) -> None:
        """Copy the rest to the file, then let the memory go. Sender's thread."""
        if self.is_sealed:
            self.mirror()
            super().release()


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """A segment's file for as long as the block: an outage's worth of segments must not hold descriptors."""
    try:
        file = os.open(path, flags)
    except FileNotFoundError as error:
        raise SegmentDamaged(f"{path} was removed") from error
    try:
        yield file
    finally:
        os.close(file)


def _refuse(line: bytes) -> object:
    raise ValueError("nothing is mapped here")


def _anonymous(size_bytes: int) -> mmap.mmap:
    """Memory of our own; private, so that a forked child's copy isn't the parent's."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size_bytes)
    return mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
