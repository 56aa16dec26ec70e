"""What ended processes left: from a root directory to their journals, locked and ready, or their ledgers.

Read with `pread` and marked with `pwrite`, never through a map: somebody may be cutting these files short.
Runs on the sender's thread, or in a command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import filesystem, ownership
from .ownership import Owner
from .record import Counts, Settlement, whole
from .segment import Segment
from .sequence import SegmentSequence
from .shelf import SEGMENT_SUFFIX, DiskShelf
from .tally import read_tally

__all__ = ["AdoptedJournal", "JournalReport", "adoptable", "prune", "survey"]

_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
# Ledgers of ended processes that are kept for `doctor` once all their records are delivered.
_KEPT_LEDGERS = 64


class JournalReport(NamedTuple):
    """One journal on disk: whose it is, whether its process (or a recoverer) holds it, and its ledger."""

    home: Path
    owner: Owner | None
    is_held: bool
    counts: Counts


class AdoptedJournal(SegmentSequence):
    """An ended process's journal, locked: a source to deliver, with whose it is in `owner`. Sender's thread.

    Its counts are those of the whole journal, what the ended process itself delivered included.
    """

    def __init__(self, home: Path, owner: Owner, lock: int) -> None:
        """Take over a locked directory; raises OSError where it can't be read."""
        super().__init__(DiskShelf.adopt(home, lock))
        self.home = home
        self.owner = owner
        self._refused_before, before = read_tally(home)
        self._segments.append(_total(before))
        for path in _segment_files(home):
            if path.name in before:
                path.unlink(missing_ok=True)  # the kill came between its line in the tally and its removal
            elif (segment := _open(path)) is not None:
                self._segments.append(segment)
        for number, segment in self._live():
            self._free(number, segment)
        self._fold()

    def close(self, keep: bool) -> None:
        """Let go of it: with `keep`, pending records stay on disk, else they are dropped."""
        if not keep:
            for number, segment in self._live():
                self._write_off(number, segment)
        self._shelf.close(remove=not self.recorded())

    def after_fork_in_child(self) -> None:
        """Close what was inherited: the parent goes on delivering it."""
        self._shelf.forget()

    def _refused(self) -> int:
        return self._refused_before


def adoptable(
    directory: Path, destination: str | None = None, *, other_hosts: bool = False
) -> Iterator[AdoptedJournal]:
    """The journals of ended processes that have records pending, each locked until it is closed.

    With a destination, only those meant for it. Another host's, on a filesystem that hosts share, only where
    asked for: the lock of a process there may not be seen here.
    """
    shared = not filesystem.is_local(filesystem.of(directory))
    for home in ownership.homes(directory):
        owner = ownership.read_owner(home)
        if owner is None or (destination is not None and owner.destination != destination):
            continue
        if shared and not other_hosts and not _is_ours(owner):
            continue
        if not _segment_files(home):
            continue
        lock = ownership.try_lock(home)
        if lock is None:
            continue
        try:
            adopted = AdoptedJournal(home, owner, lock)
        except OSError:
            os.close(lock)
            continue
        if adopted.pending()[0]:
            yield adopted
        else:
            adopted.close(keep=True)


def survey(directory: Path) -> list[JournalReport]:
    """Every journal under a directory with its ledger, as it is on disk. Nothing is changed."""
    reports = []
    for home in ownership.homes(directory):
        lock = ownership.try_lock(home)
        try:
            reports.append(JournalReport(home, ownership.read_owner(home), lock is None, _counts(home)))
        finally:
            if lock is not None:
                os.close(lock)
    return reports


def prune(directory: Path) -> None:
    """Remove the oldest ledgers of ended processes that have nothing pending, beyond the newest few."""
    ownership.sweep(directory)
    for home in ownership.homes(directory)[:-_KEPT_LEDGERS]:
        if _segment_files(home):
            continue
        lock = ownership.try_lock(home)
        if lock is not None:
            if not _segment_files(home):
                ownership.remove(home)
            os.close(lock)


def _is_ours(owner: Owner) -> bool:
    """Whether that process is of this kernel, so that its lock is seen, or of an earlier run of this host."""
    return owner.boot == ownership.this_boot() != "" or owner.host == ownership.this_host() != ""


def _segment_files(home: Path) -> list[Path]:
    try:
        return sorted(home / name for name in os.listdir(home) if name.endswith(SEGMENT_SUFFIX))
    except OSError:
        return []


def _read(path: Path) -> bytes:
    """A segment's data up to the end of its last whole record; raises OSError where it can't be read."""
    file = os.open(path, _READ_FLAGS)
    try:
        chunks = []
        offset = 0
        while chunk := os.pread(file, 1 << 20, offset):
            chunks.append(chunk)
            offset += len(chunk)
        return whole(b"".join(chunks))
    finally:
        os.close(file)


def _open(path: Path) -> Segment | None:
    """A segment to read and settle; None where it isn't a file of ours."""
    try:
        data = _read(path)
    except OSError:
        return None
    return Segment.of_file(path, data)


def _total(settlements: dict[str, Settlement]) -> Settlement:
    total = Settlement()
    for settlement in settlements.values():
        total = total.plus(settlement)
    return total


def _counts(home: Path) -> Counts:
    dropped, before = read_tally(home)
    settled = _total(before)
    pending = pending_bytes = 0
    for path in _segment_files(home):
        if path.name in before or (segment := _open(path)) is None:
            continue
        records, size_bytes, its = segment.remaining()
        pending += records
        pending_bytes += size_bytes
        settled = settled.plus(its)
    return Counts(settled.delivered, pending, settled.rejected, dropped + settled.lost, pending_bytes)
