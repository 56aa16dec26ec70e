"""Where a journal's segments are kept: a locked directory. Any thread makes them, the sender settles."""

from __future__ import annotations

import errno
import itertools
import mmap
import os
import sys
from pathlib import Path
from typing import Protocol

from . import filesystem, ownership
from .ownership import Owner
from .queue import Storage
from .segment import CREATE_FLAGS, MirroredSegment, Segment
from .tally import Tally

if sys.platform != "win32":
    import resource

__all__ = ["SEGMENT_SUFFIX", "DiskShelf", "Shelf", "storage_at"]

SEGMENT_SUFFIX = ".segment"
_PART_SUFFIX = ".part"
_ZEROS = bytes(256 * 1024)


class Shelf(Protocol):
    """What makes segments and keeps account of those that are done with."""

    storage: Storage

    def make(self, size_bytes: int) -> Segment:
        """An empty segment; raises OSError where there can be none. Any thread."""

    def make_loose(self, data: bytes) -> Segment:
        """A sealed segment of these records, which nobody finds before `place`. Any thread."""

    def place(self, segment: Segment) -> None:
        """Let others find a loose segment. Any thread."""

    def settled(self, segment: Segment) -> None:
        """Write a segment's counts down, then remove it. Sender's thread."""

    def dropped(self, count: int) -> None:
        """Write down how many were dropped so far, as far as that costs no system call. Any thread."""

    def save_dropped(self, count: int) -> None:
        """Write it down whatever it costs. Sender's thread."""

    def close(self, *, remove: bool) -> None:
        """Let go of it; with `remove`, leave nothing on disk."""

    def forget(self) -> None:
        """In a forked child: close what was inherited, and nothing else."""


def storage_at(directory: Path) -> Storage:
    """How a journal in an existing directory would be stored there."""
    return "mapped" if filesystem.is_mappable(filesystem.of(directory)) else "mirrored"


class DiskShelf:
    """A locked directory. A segment's file is written to its full length with zeros before it is mapped."""

    def __init__(self, home: Path, lock: int, tally: Tally, storage: Storage) -> None:
        self.home = home
        self.storage = storage
        self._lock = lock  # -1 once it is let go of
        self._tally = tally
        self._numbers = itertools.count(1)

    @classmethod
    def claim(cls, root: Path, owner: Owner) -> DiskShelf:
        """A directory of this process's own under `root`; raises OSError where that can't be."""
        home, lock = ownership.claim(root, owner)
        try:
            storage = storage_at(home)
            return cls(home, lock, Tally.create(home, mapped=storage == "mapped"), storage)
        except BaseException:
            ownership.remove(home)
            ownership.unlock(lock)
            raise

    @classmethod
    def adopt(cls, home: Path, lock: int) -> DiskShelf:
        """An ended process's directory, locked by us, where nothing is mapped; raises OSError."""
        return cls(home, lock, Tally.reopen(home), "mirrored")

    def make(self, size_bytes: int) -> Segment:
        """An empty segment, its pages backed by the disk; raises OSError where that or a limit refuses."""
        _check_limit(size_bytes)
        path, file = self._create(SEGMENT_SUFFIX)
        try:
            if self.storage == "mirrored":
                return MirroredSegment(path, size_bytes)
            offset = 0
            while offset < size_bytes:
                offset += os.pwrite(file, _ZEROS[: size_bytes - offset], offset)
            return Segment(path, mmap.mmap(file, size_bytes), size_bytes)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)

    def make_loose(self, data: bytes) -> Segment:
        """A file of just these records. Never mapped, so it takes but one write."""
        _check_limit(len(data))
        path, file = self._create(_PART_SUFFIX)
        try:
            offset = 0
            while offset < len(data):
                offset += os.pwrite(file, data[offset:], offset)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)
        return Segment.of_file(path, data)

    def place(self, segment: Segment) -> None:
        """Give a loose segment the name under which it is found."""
        if segment.path is not None:
            segment.path = segment.path.rename(segment.path.with_suffix(SEGMENT_SUFFIX))

    def settled(self, segment: Segment) -> None:
        """The counts first, then the file: a kill in between leaves both, which counts once."""
        if self._lock < 0:
            return  # closed, so perhaps adopted already: the marks in the file say as much
        if segment.settled.records:
            name = segment.path.name if segment.path is not None else f"memory-{next(self._numbers)}"
            self._tally.settled(name, segment.settled)
        segment.discard()

    def dropped(self, count: int) -> None:
        """Into the mapped header, where there is one."""
        self._tally.dropped(count)

    def save_dropped(self, count: int) -> None:
        """Into the header, mapped or not."""
        self._tally.save_dropped(count)

    def close(self, *, remove: bool) -> None:
        """Close the tally and unlock; the directory is removed while it is still locked."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            self._tally.close()
            if remove:
                ownership.remove(self.home)
            ownership.unlock(lock)

    def forget(self) -> None:
        """Close the descriptors: unlocking would unlock the parent's."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            self._tally.close()
            os.close(lock)

    def _create(self, suffix: str) -> tuple[Path, int]:
        """A new file of the next number; whatever was planted under a name is passed over, not opened."""
        while True:
            path = self.home / f"{next(self._numbers):08d}{suffix}"
            try:
                return path, os.open(path, CREATE_FLAGS, 0o600)
            except FileExistsError:
                continue


def _check_limit(size_bytes: int) -> None:
    """Raise where writing that much would kill by SIGXFSZ or fail in the middle."""
    if sys.platform != "win32":
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit != resource.RLIM_INFINITY and size_bytes > limit:
            raise OSError(errno.EFBIG, "larger than the limit on the size of files (ulimit -f)")
