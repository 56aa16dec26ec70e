"""Finds what ended processes left: their journals, locked and ready, or their ledgers. Sender's thread, or a
command's.

Read with `pread` and marked with `pwrite`, never through a map: somebody may be cutting these files short.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from . import disk_use, files, filesystem, ownership
from .compact import compact, is_worth_it
from .lock import Lock
from .ownership import NamedRun, Owner
from .record import Counts, Scan, Settlement
from .segment import PART_SUFFIX, SEGMENT_SUFFIX, Segment, SegmentDamaged
from .sequence import SegmentSequence
from .shelf import DiskShelf
from .tally import TALLY_FILE, read_tally

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
    with the process, or of the dropped were. `is_anothers` is whether it is another user's. `disk_bytes` is
    what it takes while records wait in it.
    """

    home: Path
    owner: Owner | None
    is_held: bool
    counts: Counts
    problem: str = ""
    in_memory: int = 0
    is_anothers: bool = False
    disk_bytes: int = 0


class AdoptedJournal(SegmentSequence):
    """An ended process's journal, locked: a source to deliver, with whose it is in `owner`. Sender's thread.

    Its counts are those of the whole journal, what the ended process itself delivered included.
    """

    def __init__(self, home: Path, owner: Owner, lock: Lock) -> None:
        """Take over a locked directory; raises OSError where it can't be read."""
        super().__init__(DiskShelf.adopt(home, owner.destination, lock))
        self.home = home
        self.owner = owner
        self._refused_before, totals, self._is_behind = read_tally(home)
        self._segments.append(totals.settled.plus(Settlement(lost=totals.in_memory)))
        self._is_unread = False  # some of it, for whatever reason: it may be read another time
        for name in files.list_names(home, PART_SUFFIX):
            files.remove(home / name)  # of an append that never returned
        for path in _segment_files(home):
            if path.name in totals.names:
                files.remove(path)  # the kill came between its counts in the totals and its removal
            else:
                try:
                    self._segments.append(_open(path))
                except OSError:
                    self._is_unread = True
        for number, segment in self._live():
            self._free(number, segment)
        self._fold()
        for _, segment in self._live():
            self._trim(segment)

    @property
    def runs(self) -> tuple[NamedRun, ...]:
        """The runs whose made-up ids its events may have."""
        return self.owner.runs

    def _trim(self, segment: Segment) -> None:
        """Rewrite a file that was made for more than came: a killed process had no time to cut it.

        It is not cut here. If that process lives after all, where a lock isn't seen, it has the file mapped,
        and would be killed.
        """
        with contextlib.suppress(OSError, SegmentDamaged):
            if segment.path is not None:
                segment.size_bytes = os.lstat(segment.path).st_size
                if is_worth_it(segment):
                    compact(segment, self._shelf)

    def close(self, keep: bool) -> None:
        """Let go of it: with `keep`, pending records stay on disk, else they are dropped."""
        for number, segment in self._live():
            self._pay(number, segment)
            if not keep:
                self._write_off(number, segment)
        self._shelf.save()
        # Where more may have been recorded than was ever in a file, none at all in a file proves nothing.
        self._shelf.close(remove=not (self.recorded() or self._is_behind or self._is_unread))

    def after_fork_in_child(self) -> None:
        """Close what was inherited: the parent goes on delivering it."""
        self._shelf.forget()

    def _refused(self) -> int:
        return self._refused_before


def adoptable(
    directory: Path, destination: str | None = None, *, other_hosts: bool = False, nobodys: bool = False
) -> Iterator[AdoptedJournal]:
    """The journals of ended processes that have records pending, each locked until it is closed.

    With a destination, only those meant for it. Another host's, on a filesystem that hosts share, only where
    asked for: the lock of a process there may not be seen here. Nor others of which nothing says any more
    where they are meant to go; their owner's destination is then empty.
    """
    kind = filesystem.of(directory)
    shared, may_pin = not filesystem.is_local(kind), filesystem.maps_what_is_locked(kind)
    for home in ownership.homes(directory):
        owner = ownership.read_owner(home)
        if owner is None and nobodys:
            owner = Owner(destination="")
        if owner is None or (destination is not None and owner.destination != destination):
            continue
        if shared and not other_hosts and not _is_ours(owner):
            continue
        if ownership.problem(home) or not _segment_files(home):
            continue
        lock = ownership.try_lock(home)
        if lock is None:
            continue
        if may_pin:
            lock.pin()
        try:
            adopted = AdoptedJournal(home, owner, lock)
        except OSError:
            lock.forget()
            continue
        if adopted.pending()[0]:
            yield adopted
        else:
            adopted.close(keep=True)


def passed_over(directory: Path) -> Iterator[tuple[Path, str]]:
    """The journals that `adoptable` leaves alone, all or some of each, and why; none of a living process.

    What is in them is neither delivered nor counted.
    """
    for home in ownership.homes(directory):
        if problem := ownership.problem(home):
            yield home, problem
        elif files_of := _segment_files(home):
            problem = _unreadable([home / ownership.OWNER_FILE], _open_and_close)
            if not problem and ownership.read_owner(home) is None:
                problem = _nobodys(home)
            lock = ownership.try_lock(home, to_look=True)
            if lock is not None:
                problem = problem or _unreadable(files_of, _open)
                lock.forget()
            if problem:
                yield home, problem


def _unreadable(paths: list[Path], read: Callable[[Path], object]) -> str:
    for path in paths:
        try:
            read(path)
        except FileNotFoundError:
            continue  # somebody delivered it just now
        except OSError as error:
            return f"its file {path.name!r} can't be read: {error.strerror or error}"
    return ""


def _open_and_close(path: Path) -> None:
    os.close(files.open_ours(path, os.O_RDONLY))


def ended_runs(directory: Path, destination: str) -> list[str]:
    """The marks of runs that were begun here, of which no process is left: neither the one that began it nor
    a worker, nor anybody who delivers what they recorded.
    """
    shared = not filesystem.is_local(filesystem.of(directory))
    begun: dict[str, None] = {}
    alive: set[str] = set()
    for home in ownership.homes(directory):
        owner = ownership.read_owner(home)
        if owner is None or not owner.runs:
            continue
        is_unseen = shared and not _is_ours(owner)
        lock = None if is_unseen else ownership.try_lock(home, to_look=True)
        if lock is None:
            alive.update(run.mark for run in owner.runs)
            continue
        lock.forget()
        if owner.destination == destination:
            begun.update((run.mark, None) for run in owner.runs if run.is_begun_here)
    return [mark for mark in begun if mark not in alive]


def survey(directory: Path) -> list[JournalReport]:
    """Every journal under a directory with its ledger, as it is on disk. Nothing is changed."""
    return [_report(home) for home in ownership.homes(directory)]


def _report(home: Path) -> JournalReport:
    if problem := ownership.problem(home):
        return JournalReport(home, None, False, Counts(), problem, is_anothers=ownership.is_anothers(home))
    lock = ownership.try_lock(home, to_look=True)
    try:
        owner = ownership.read_owner(home)
        problem = "" if owner is not None else _nobodys(home)
        return _read_report(home, owner, lock is None, problem)
    finally:
        if lock is not None:
            lock.forget()


def _nobodys(home: Path) -> str:
    where = shlex.quote(str(home.parent))
    return (
        f"its file {ownership.OWNER_FILE!r} says nothing; to deliver it to where the environment says:"
        f" llmobs-trace resend --journal {where}"
    )


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
    disk_bytes = disk_use.taken_bytes(home)
    return JournalReport(home, owner, is_held, counts, problem, totals.in_memory, disk_bytes=disk_bytes)


def drop_old_ledgers(directory: Path) -> None:
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
            lock.forget()


def _has_lost(home: Path) -> bool:
    dropped, totals, is_behind = read_tally(home)
    return is_behind or bool(dropped + totals.settled.lost + totals.in_memory)


def _is_ours(owner: Owner) -> bool:
    """Whether that process is of this kernel, so that its lock is seen, or of an earlier run of this host."""
    return owner.boot == ownership.this_boot() != "" or owner.host == ownership.this_host() != ""


def _is_ours_or_missing(path: Path) -> bool:
    try:
        _open_and_close(path)
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
