"""Keeps a stretch of the queue, usually in a mapped file. Any thread writes, the sender settles.

A segment is filled once, from its beginning, and is never used twice. It is written through `writer()`: one
C call, `mmap.write`, which the interpreter lock makes atomic against every other access here, so no lock is
held that a signal handler, a collection or a fork could find held. Where there is no interpreter lock, an
RLock takes its place; re-entering it is harmless, since a handler can't run inside that one C call.

Sealing moves the map's position to its end, so that every later write is refused with ValueError, a write
already on its way with a `writer` taken earlier included. A closed map refuses in the same way.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import compress
from pathlib import Path

from . import files, maps
from .record import MARKS, SETTLED, Outcome, Scan, Settlement, is_settled
from .records import Records

SEGMENT_SUFFIX = ".segment"
PART_SUFFIX = ".part"  # until it is to be found
_PAGE_BYTES = 4096
# What is copied at a time to be counted: where memory is short, a program that asks for counts gets them.
_COUNTED_BYTES = 128 * 1024
# What opening says where our file isn't there any more, or something else is in its place. Anything else may
# pass: too many open files, a network's hiccup.
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENODEV})


class SegmentDamaged(Exception):
    """A segment's file was removed, replaced or shortened by somebody else; what it held is gone."""


def _guard() -> AbstractContextManager[object]:
    """A lock where there is no interpreter lock, else nothing."""
    has_lock: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    if has_lock is None or has_lock():
        return nullcontext()
    return threading.RLock()


class Segment:
    """Records one after the other in a map, a file, or both; without a `path`, in memory alone."""

    __slots__ = (
        "_counted",
        "_guard",
        "_identity",
        "_memory",
        "_sealed_bytes",
        "owed",
        "path",
        "places",
        "settled",
        "size_bytes",
    )

    def __init__(self, path: Path | None, memory: mmap.mmap | None, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.settled = Settlement()
        # Marks that the disk refused, by offset: the records are done with, and a later run can't know yet.
        self.owed: dict[int, int] = {}
        # Once it was rewritten: where each pending record is now, by where it was.
        self.places: dict[int, int] | None = None
        self._identity = None if path is None else files.identity(path)
        self._memory = memory
        self._guard = _guard()
        self._sealed_bytes: int | None = None
        self._counted = (0, 0)  # up to which offset, how many records: replaced whole, so any thread may look

    @classmethod
    def in_memory(cls, size_bytes: int) -> Segment:
        """A segment that dies with the process."""
        return cls(None, anonymous(size_bytes), size_bytes)

    @classmethod
    def of_file(cls, path: Path, found: Scan) -> Segment:
        """A segment that is only read and settled: its file has these records, and no more come."""
        segment = cls(path, None, found.length_bytes)
        segment.settled = found.settled
        segment._sealed_bytes = found.length_bytes
        segment._counted = (found.length_bytes, found.records)
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
    def is_in_memory(self) -> bool:
        """Whether its data can be read without its file."""
        return self._memory is not None

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
        with opened(self.path, os.O_RDONLY) as file:
            while len(data) < stop - start:
                more = os.pread(file, stop - start - len(data), start + len(data))
                if not more:
                    raise SegmentDamaged(f"{self.path} was shortened")
                data += more
        return data

    def content(self) -> bytes:
        """All that a file of it would hold. Sender's thread."""
        return self.read(0, self.stop() if self.places is None else self.size_bytes)

    def replace_memory(self, content: bytes) -> None:
        """Hold these bytes instead; only of a sealed one that has no file. Sender's thread."""
        self.total()  # while what is counted is still there
        before, fresh = self._memory, anonymous(len(content))
        fresh.write(content)
        self._memory = fresh
        if before is not None:
            before.close()

    def is_there(self) -> bool:
        """Whether its file is still where it was made; True where it has none. Raises OSError."""
        return self.path is None or files.identity(self.path) == self._identity

    def move_to(self, path: Path | None) -> None:
        """From now on its data is in that file, at the same places; without one, in memory alone."""
        self.path = path
        self._identity = None if path is None else files.identity(path)

    def total(self) -> tuple[int, int]:
        """How many records it holds now and their bytes, settled ones included. Any thread."""
        offset, records = self._counted
        stop, memory = self.stop(), self._memory
        if stop > offset and memory is not None:
            try:
                while offset < stop:
                    upto = min(stop, offset + _COUNTED_BYTES)
                    with self._guard:
                        data = memory[offset:upto]
                    offset, records = upto, records + data.count(b"\n")
            except ValueError:
                offset, records = self._counted  # unmapped meanwhile, and so counted to its end before
            else:
                self._counted = (offset, records)
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

    def apart(self) -> tuple[int, Settlement]:
        """How many records are not settled, and what is settled, of those that no file has. Any thread."""
        if self.path is not None:
            return 0, Settlement()
        records, _, settled = self.remaining()
        return records, settled

    def settle(self, records: Records, outcome: Outcome) -> None:
        """Mark these records as done with, each once, here if not on disk. Sender's thread."""
        sizes = dict(zip(records.offsets, map(len, records.lines), strict=True))
        if self.owed:
            sizes = {offset: size for offset, size in sizes.items() if offset not in self.owed}
        marked: list[int] = []
        try:
            for fresh in self._mark(list(sizes), MARKS[outcome]):
                marked += fresh
        except BaseException:
            # Delivered is delivered: nobody here will be given them again. What was marked just before the
            # disk refused, or an interrupt came, is among them, and is marked again in vain.
            refused = dict.fromkeys(sizes.keys() - set(marked), MARKS[outcome])
            self.owed |= refused
            marked += refused
            raise
        finally:
            size_bytes = sum(map(sizes.__getitem__, marked)) + len(marked)  # a newline each
            counts = {outcome: len(marked)}
            self.settled = self.settled.plus(Settlement(**counts, size_bytes=size_bytes))

    def pay(self) -> None:
        """Bring to the disk the marks that it refused; raises OSError where it still does."""
        for mark in set(self.owed.values()):
            offsets = [offset for offset, owed in self.owed.items() if owed == mark]
            for _ in self._mark(offsets, mark):
                pass
            for offset in offsets:
                del self.owed[offset]

    def _place_of(self, offset: int) -> int | None:
        """Where it is now; what was settled when the segment was rewritten has no place any more."""
        return offset if self.places is None else self.places.get(offset)

    def _mark(self, offsets: list[int], mark: int) -> Iterator[list[int]]:
        """Overwrite the first byte at each of these; yield those that weren't marked before, as it goes."""
        memory = self._memory
        if memory is not None:
            places = offsets
            if self.places is not None:
                offsets = [offset for offset in offsets if offset in self.places]
                places = [self.places[offset] for offset in offsets]
            are_pending = [memory[place] not in SETTLED for place in places]
            for pending in compress(places, are_pending):
                memory[pending] = mark
            yield list(compress(offsets, are_pending))
        elif self.path is not None:
            with opened(self.path, os.O_RDWR) as file:
                for offset in offsets:
                    place = self._place_of(offset)
                    before = b"" if place is None else os.pread(file, 1, place)
                    if place is not None and before and not is_settled(before[0]):
                        files.write_at(file, bytes((mark,)), place)
                        yield [offset]

    def mirror(self) -> None:
        """Bring the file up to what is in memory; here the file is the memory. Sender's thread."""

    def give_up_rest(self) -> Settlement:
        """Count what will never be in the file; here that is nothing. Sender's thread."""
        return Settlement()

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
                maps.close(memory)

    def trim(self) -> None:
        """Unmap a sealed segment, and cut from its file what nothing was appended to; raises OSError or
        SegmentDamaged.
        """
        memory, stop = self._memory, self.stop()
        self.forget()
        # A page that is cut off must not be mapped: to look at it would kill.
        if self.path is not None and memory is not None and memory.closed and stop < self.size_bytes:
            with opened(self.path, os.O_RDWR) as file:
                if files.identity_of(file) == self._identity:
                    os.ftruncate(file, stop)

    def forget_in_child(self) -> None:
        """The same in a forked child: whoever holds the guard now is a thread that it doesn't have."""
        self._guard = _guard()
        self.forget()

    def discard(self) -> bool:
        """Unmap and remove the file; whether it is gone."""
        self.forget()
        return self.path is None or files.remove(self.path)


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A segment's file for as long as the block: an outage's worth of segments must not hold descriptors."""
    try:
        file = files.open_ours(path, flags)
    except OSError as error:
        if error.errno in _GONE or isinstance(error, files.NotOurs):
            raise SegmentDamaged(f"{path} was removed: {error.strerror}") from error
        raise
    try:
        yield file
    finally:
        os.close(file)


def _refuse(line: bytes) -> object:
    raise ValueError("nothing is mapped here")


def anonymous(size_bytes: int) -> mmap.mmap:
    """Memory of our own; private, so that a forked child's copy isn't the parent's."""
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows, where nobody forks
        return mmap.mmap(-1, size_bytes)
    return mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
