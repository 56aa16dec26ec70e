"""Makes a journal's segments in its locked directory. Any thread makes them, the sender settles."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from . import disk_use, files, filesystem, maps, memory_left, ownership
from .lock import Lock
from .mirrored import MirroredSegment
from .ownership import Owner
from .queue import Storage
from .record import Settlement, scan
from .segment import PART_SUFFIX, SEGMENT_SUFFIX, Segment
from .tally import Tally

_ZEROS = bytes(256 * 1024)
# On a filesystem that is memory: the share of what is free that a journal may take in all, and the share that
# a single segment may take of what is free by then.
_SHARE_IN_ALL, _SHARE_OF_ONE = 4, 8


class Shelf(Protocol):
    """What makes segments and keeps account of those that are done with."""

    storage: Storage
    # The most that it may hold, where that is less than one might ask for.
    most_bytes: int | None
    # Asked at every writing: what is settled and how much is pending in segments that have no file, and how
    # many records were ever spilled into such.
    in_memory: Callable[[], tuple[Settlement, int, int]]

    def taken_by_others(self, enough_bytes: int) -> int:
        """How much others take of the same disk that waits for the same destination, up to some bound."""

    def make(self, size_bytes: int) -> Segment:
        """An empty segment; raises OSError where there can be none. Any thread."""

    def make_loose(self, data: bytes) -> Segment:
        """A sealed segment of these records, which nobody finds before `place`. Any thread."""

    def place(self, segment: Segment) -> None:
        """Let others find a loose segment. Any thread."""

    def replace(self, segment: Segment, data: bytes) -> None:
        """Put other data in the place of a segment's, in one step; raises OSError. Sender's thread."""

    def settled(self, segment: Segment) -> bool:
        """Write a segment's counts down, then remove it; False where it had better stay. Sender's thread."""

    def settled_without_file(self, settlement: Settlement) -> None:
        """Write counts down that no file has. Sender's thread."""

    def save(self) -> None:
        """Write down what is held in memory now, and remove what could not be removed. Sender's thread."""

    def dropped(self, count: int) -> None:
        """Write down how many were dropped so far, as far as that costs no system call. Any thread."""

    def spilled(self, count: int) -> None:
        """The same of how many were stored in memory for want of a file. Any thread."""

    def save_dropped(self, count: int) -> None:
        """Write down how many were dropped, whatever it costs. Sender's thread."""

    def close(self, *, remove: bool) -> None:
        """Let go of it; with `remove`, leave nothing on disk."""

    def forget(self) -> None:
        """In a forked child: close what was inherited, and nothing else."""


def storage_at(directory: Path) -> Storage:
    """How a journal in an existing directory would be stored there."""
    return _storage_on(filesystem.of(directory))


def _storage_on(kind: str) -> Storage:
    return "mapped" if filesystem.is_mappable(kind) else "mirrored"


def nothing_in_memory() -> tuple[Settlement, int, int]:
    """Every segment has a file."""
    return Settlement(), 0, 0


class DiskShelf:
    """A locked directory. A segment's file is written to its full length with zeros before it is mapped."""

    def __init__(
        self, home: Path, destination: str, lock: Lock, tally: Tally, storage: Storage, kind: str = ""
    ) -> None:
        self.home = home
        self._destination = destination
        self.storage = storage
        self.in_memory = nothing_in_memory
        self._is_memory = kind == "tmpfs"
        free_bytes = memory_left.free_bytes() if self._is_memory else None
        self.most_bytes = None if free_bytes is None else free_bytes // _SHARE_IN_ALL
        self._is_adopted = False
        self._lock: Lock | None = lock  # None once it is let go of
        self._tally = tally
        self._numbers = itertools.count(1)

    @classmethod
    def claim(cls, root: Path, owner: Owner) -> DiskShelf:
        """A directory of this process's own under `root`; raises OSError where that can't be."""
        home, lock = ownership.claim(root, owner)
        try:
            kind = filesystem.of(home)
            storage = _storage_on(kind)
            if filesystem.maps_what_is_locked(kind):
                lock.pin()
            tally = Tally.create(home, mapped=storage == "mapped")
            return cls(home, owner.destination, lock, tally, storage, kind)
        except BaseException:
            ownership.remove(home)
            lock.give_up()
            raise

    @classmethod
    def adopt(cls, home: Path, destination: str, lock: Lock) -> DiskShelf:
        """An ended process's directory, locked by us, where nothing is mapped; raises OSError."""
        shelf = cls(home, destination, lock, Tally.reopen(home), "mirrored")
        shelf._is_adopted = True
        return shelf

    def taken_by_others(self, enough_bytes: int) -> int:
        """All other journals under the same root, living processes' and ended ones'."""
        return disk_use.of_others(self.home.parent, self._destination, self.home, enough_bytes)

    def make(self, size_bytes: int) -> Segment:
        """An empty segment, its pages backed by the disk; raises OSError where that or a limit refuses."""
        files.check_limit(size_bytes)
        self._check_room(size_bytes)
        path, file = self._create(SEGMENT_SUFFIX)
        try:
            if self.storage == "mirrored":
                return MirroredSegment(path, size_bytes)
            for offset in range(0, size_bytes, len(_ZEROS)):
                files.write_at(file, _ZEROS[: size_bytes - offset], offset)
            memory = maps.of_file(file, size_bytes)
            try:
                return Segment(path, memory, size_bytes)
            except BaseException:
                maps.close(memory)
                raise
        except BaseException:
            files.remove(path)
            raise
        finally:
            os.close(file)

    def make_loose(self, data: bytes) -> Segment:
        """A file of just these records. Never mapped, so it takes but one write."""
        self._check_room(len(data))
        path, file = self._create(PART_SUFFIX)
        try:
            files.write_at(file, data, 0)
        except BaseException:
            files.remove(path)
            raise
        finally:
            os.close(file)
        return Segment.of_file(path, scan(data))

    def replace(self, segment: Segment, data: bytes) -> None:
        """A new file, renamed to the old one's name."""
        if segment.path is None:
            segment.replace_memory(data)
        else:
            fresh = self.make_loose(data)
            try:
                self._rename(fresh, segment.path)
            except OSError:
                fresh.discard()
                raise
            segment.move_to(segment.path)

    def place(self, segment: Segment) -> None:
        """Give a loose segment the name under which it is found."""
        if segment.path is not None:
            self._rename(segment, segment.path.with_suffix(SEGMENT_SUFFIX))

    def _rename(self, segment: Segment, path: Path) -> None:
        if segment.path is not None:
            os.rename(segment.path, path)
            segment.path = path

    def settled(self, segment: Segment) -> bool:
        """The counts first, then the file: a kill in between leaves both, which counts once."""
        if self._lock is None:
            return True  # closed, so perhaps adopted already: the marks in the file say as much
        name = segment.path.name if segment.path is not None else ""
        is_written = True
        if segment.settled.records:
            if not self._tally.add(segment.settled, name):
                return False
            # A full copy-on-write filesystem may refuse to write, and take it once there is a file less.
            is_written = self._write()
        if segment.discard():
            self._tally.removed(name)
        if not is_written:
            self._write()
        return True

    def settled_without_file(self, settlement: Settlement) -> None:
        """Into the totals."""
        if self._lock is not None:
            self._tally.add(settlement)
            self._write()

    def save(self) -> None:
        """The totals, if they changed."""
        if self._lock is not None:
            self._lock.keep()
            for name in self._tally.still_there():
                if files.remove(self.home / name):
                    self._tally.removed(name)
            self._write()

    def _write(self) -> bool:
        return self._tally.write(*self.in_memory())

    def dropped(self, count: int) -> None:
        """Into the mapped header, where there is one."""
        self._tally.dropped(count)

    def spilled(self, count: int) -> None:
        """Into the mapped header, where there is one; else the sender's next writing says it."""
        self._tally.spilled(count)

    def save_dropped(self, count: int) -> None:
        """Into the header, mapped or not."""
        self._tally.save_dropped(count)

    def close(self, *, remove: bool) -> None:
        """Close the tally and unlock; the directory is removed while it is still locked."""
        lock, self._lock = self._lock, None
        if lock is not None:
            if not self._is_adopted:
                self._tally.ended()
            self._tally.close()
            if remove:
                ownership.remove(self.home)
            lock.give_up()

    def forget(self) -> None:
        """Close what was inherited: unlocking would unlock the parent's."""
        lock, self._lock = self._lock, None
        if lock is not None:
            self._tally.close()
            lock.forget()

    def _create(self, suffix: str) -> tuple[Path, int]:
        """A new file of the next number; whatever was planted under a name is passed over, not opened."""
        while True:
            path = self.home / f"{next(self._numbers):08d}{suffix}"
            try:
                return path, files.create(path)
            except FileExistsError:
                continue

    def _check_room(self, size_bytes: int) -> None:
        """Raise where there is no room, before anything is written: others need the last of a disk too."""
        found = os.statvfs(self.home)
        if found.f_blocks and found.f_bavail * found.f_frsize < size_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._is_memory:
            free_bytes = memory_left.free_bytes()
            if free_bytes is not None and size_bytes > free_bytes // _SHARE_OF_ONE:
                raise OSError(errno.ENOSPC, "it is memory, of which too little is left")
