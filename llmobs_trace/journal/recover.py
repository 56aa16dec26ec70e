"""What ended processes left: from a root directory to their journals, locked and ready, or their ledgers.

Read with `pread` and marked with `pwrite`, never through a map: somebody may be cutting these files short.
Runs on the sender's thread, or in a command.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import files, filesystem, ownership
from .ownership import Owner
from .record import Counts, Scan, Settlement
from .segment import Segment
from .sequence import SegmentSequence
from .shelf import PART_SUFFIX, SEGMENT_SUFFIX, DiskShelf
from .tally import TALLY_FILE, read_tally

__all__ = ["AdoptedJournal", "JournalReport", "adoptable", "prune", "survey"]

# A file with a longer line isn't one of ours, and would have to be read into memory whole.
_LONGEST_LINE_BYTES = 256 << 20
# Ledgers of ended processes that are kept for `doctor` once all their records are delivered.
_KEPT_LEDGERS = 64
# One that lost something is kept for longer: or a few runs later nothing would seem to be lost.
_KEPT_LOSSES, _KEPT_LOSSES_SECONDS = 1024, 7 * 86_400.0

# Where events are in memory before they are in a file.
_ABRUPT = "its process ended abruptly, and what was not copied to a file by then is counted nowhere"


class JournalReport(NamedTuple):
    """One journal on disk: whose it is, whether its process (or a recoverer) holds it, and its ledger.

    `problem` says why it, or some of it, is left alone. `in_memory` is how many of the pending would be lost
    with the process, or of the dropped were.
    """

    home: Path
    owner: Owner | None
    is_held: bool
    counts: Counts
    problem: str = ""
    in_memory: int = 0


class AdoptedJournal(SegmentSequence):
    """An ended process's journal, locked: a source to deliver, with whose it is in `owner`. Sender's thread.

    Its counts are those of the whole journal, what the ended process itself delivered included.
    """

    def __init__(self, home: Path, owner: Owner, lock: int) -> None:
        """Take over a locked directory; raises OSError where it can't be read."""
        super().__init__(DiskShelf.adopt(home, lock))
        self.home = home
        self.owner = owner
        self._refused_before, totals, self._is_behind = read_tally(home)
        self._segments.append(totals.settled.plus(Settlement(lost=totals.in_memory)))
        for name in files.list_names(home, PART_SUFFIX):
            files.remove(home / name)  # of an append that never returned
        for path in _segment_files(home):
            if path.name in totals.names:
                files.remove(path)  # the kill came between its counts in the totals and its removal
            else:
                with contextlib.suppress(OSError):
                    self._segments.append(_open(path))
        for number, segment in self._live():
            self._free(number, segment)
        self._fold()

    def close(self, keep: bool) -> None:
        """Let go of it: with `keep`, pending records stay on disk, else they are dropped."""
        for number, segment in self._live():
            self._pay(number, segment)
            if not keep:
                self._write_off(number, segment)
        self._shelf.save()
        # Where more may have been recorded than was ever in a file, none at all in a file proves nothing.
        self._shelf.close(remove=not (self.recorded() or self._is_behind))

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
        if ownership.problem(home) or not _segment_files(home):
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
    return [_report(home) for home in ownership.homes(directory)]


def _report(home: Path) -> JournalReport:
    if problem := ownership.problem(home):
        return JournalReport(home, None, False, Counts(), problem)
    lock = ownership.try_lock(home, to_look=True)
    try:
        owner = ownership.read_owner(home)
        problem = "" if owner is not None else f"its file {ownership.OWNER_FILE!r} can't be read"
        return _read_report(home, owner, lock is None, problem)
    finally:
        if lock is not None:
            os.close(lock)


def _read_report(home: Path, owner: Owner | None, is_held: bool, problem: str) -> JournalReport:
    dropped, totals, is_behind = read_tally(home)
    if not problem and is_behind and not is_held:
        problem = _ABRUPT
    if not problem and not _is_ours_or_missing(home / TALLY_FILE):
        problem = f"its file {TALLY_FILE!r} is no file of yours"
    settled = totals.settled
    pending = pending_bytes = 0
    for path in _segment_files(home):
        if path.name not in totals.names:
            try:
                segment = _open(path, is_held=is_held)
            except OSError as error:
                problem = problem or f"{path.name} can't be read: {error.strerror or error}"
                continue
            records, size_bytes, its = segment.remaining()
            pending += records
            pending_bytes += size_bytes
            settled = settled.plus(its)
    if is_held:
        pending += totals.in_memory
    else:
        dropped += totals.in_memory
    counts = Counts(settled.delivered, pending, settled.rejected, dropped + settled.lost, pending_bytes)
    return JournalReport(home, owner, is_held, counts, problem, totals.in_memory)


def prune(directory: Path) -> None:
    """Remove the oldest ledgers of ended processes that have nothing pending, beyond the newest few, or
    beyond a week where something was lost.
    """
    ownership.sweep(directory)
    homes = ownership.homes(directory)
    kept = set(homes[-_KEPT_LOSSES:])
    for home in homes[:-_KEPT_LEDGERS]:
        if ownership.problem(home) or _segment_files(home):
            continue
        if home in kept and _has_lost(home) and ownership.age_seconds(home) < _KEPT_LOSSES_SECONDS:
            continue
        lock = ownership.try_lock(home)
        if lock is not None:
            if not _segment_files(home):
                ownership.remove(home)
            os.close(lock)


def _has_lost(home: Path) -> bool:
    dropped, totals, is_behind = read_tally(home)
    return is_behind or bool(dropped + totals.settled.lost + totals.in_memory)


def _is_ours(owner: Owner) -> bool:
    """Whether that process is of this kernel, so that its lock is seen, or of an earlier run of this host."""
    return owner.boot == ownership.this_boot() != "" or owner.host == ownership.this_host() != ""


def _is_ours_or_missing(path: Path) -> bool:
    try:
        os.close(files.open_ours(path, os.O_RDONLY))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _segment_files(home: Path) -> list[Path]:
    return [home / name for name in files.list_names(home, SEGMENT_SUFFIX)]


def _open(path: Path, *, is_held: bool = False) -> Segment:
    """A segment to read and settle; raises OSError where it isn't a file of ours.

    What was being written when its process was killed counts as one record lost; while the process lives,
    it is none yet.
    """
    file = files.open_ours(path, os.O_RDONLY)
    try:
        found = Scan()
        # A segment is read no further than to the first zero: the rest may be a hole of any size.
        while (chunk := os.pread(file, 1 << 20, found.read_bytes)) and found.feed(chunk):
            if found.begun_bytes > _LONGEST_LINE_BYTES:
                raise OSError(errno.EFBIG, "it has a line longer than any record")
    finally:
        os.close(file)
    if not is_held:
        found.count_torn()
    return Segment.of_file(path, found)
