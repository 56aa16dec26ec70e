"""Keeps a journal's counts beyond its segments, in the file `tally`. The sender writes; any thread drops.

It has one size for good, written to its full length when it is made, so that a full disk doesn't stop it. A
header holds how many records were dropped. Behind it are two places for the totals of the segments that are
gone, written in turn, each with a sequence number and a checksum: a write cut short leaves the other one.
The totals also name the files that they count already: one is removed after its counts are written, and
where it is still there, a kill came in between, and it counts once. So after a kill at any moment, what was
recorded is the totals, plus the dropped, plus the records in the segments that aren't named.

Records in memory have no file to be counted in, and once the process is gone they are lost. How many of
them were pending when the sender last looked is in the totals, and so is how many had been put into memory
by then; the header has how many have been by now, so that those that came since are counted too.

Where the header is mapped, so are the places: a store there asks nobody, so that neither a full disk nor a
limit on the size of files, be it zero, keeps a count from being written.

Where nothing is mapped, events are in memory before they are in a file, and a kill takes uncounted what came
since the last copy. So the header then says whether the process has ended in order, with all copied.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import zlib
from pathlib import Path
from typing import NamedTuple

from . import files, maps
from .files import Identity
from .record import Settlement

TALLY_FILE = "tally"
_FILE_BYTES = 4096
_COUNT_BYTES = 32
_DROPPED, _SPILLED = slice(0, _COUNT_BYTES), slice(_COUNT_BYTES, 2 * _COUNT_BYTES)
_COPIED = slice(2 * _COUNT_BYTES, 3 * _COUNT_BYTES)
_PLACES = (512, 2304)
_PLACE_BYTES = 1792
# So many that can't be removed are named at most; then no more are counted as gone until they can be.
_MOST_NAMES = 64
_NOTHING = Settlement()


class Totals(NamedTuple):
    """What one writing says: its number, the counts, how many were in memory, the files it counts, and how
    many had ever been put into memory.
    """

    sequence: int = 0
    settled: Settlement = Settlement()
    in_memory: int = 0
    names: frozenset[str] = frozenset()
    spilled: int = 0


class Written(NamedTuple):
    """What a file says: how many records were dropped, the totals, and whether more may have been recorded
    than was ever in a file.
    """

    dropped: int = 0
    totals: Totals = Totals()
    is_behind: bool = False


class Tally:
    """The file, mapped where a store into it is safe, which spares a dropped record a system call.

    Else it is opened for each writing: a number that is kept may be of a file of the program's by the next.
    """

    def __init__(
        self, path: Path, identity: Identity | None, totals: Totals, memory: mmap.mmap | None
    ) -> None:
        self._path: Path | None = path  # None once it is closed
        self._identity = identity
        self._map = memory
        self._written = totals  # as far as the disk took it
        self._settled = totals.settled  # of the segments that are gone; those in memory are added each time
        self._names = set(totals.names)

    @classmethod
    def create(cls, home: Path, *, mapped: bool) -> Tally:
        """Make the file; raises OSError where it can't."""
        path = home / TALLY_FILE
        file = files.create(path)
        try:
            if not mapped:
                files.write_in_place(file)
            head = _dropped(0) + _spilled(0) + (b"" if mapped else _copied(False))
            files.write_at(file, head.ljust(_FILE_BYTES, b"\0"), 0)
            memory = maps.of_file(file, _FILE_BYTES) if mapped else None
            return cls(path, files.identity_of(file), Totals(), memory)
        finally:
            os.close(file)

    @classmethod
    def reopen(cls, home: Path) -> Tally:
        """Take an ended process's file, to add to it; what that one had in memory is lost. Raises OSError."""
        path = home / TALLY_FILE
        try:
            file = files.open_ours(path, os.O_RDWR)
        except FileNotFoundError:
            return cls.create(home, mapped=False)
        try:
            totals = _up_to_date(_read(file))
            lost = totals.settled.plus(Settlement(lost=totals.in_memory))
            return cls(path, files.identity_of(file), totals._replace(settled=lost, in_memory=0), None)
        finally:
            os.close(file)

    def add(self, settlement: Settlement, name: str = "") -> bool:
        """Count a segment that is about to go; False where its file had better stay for now."""
        if name:
            if len(self._names) >= _MOST_NAMES:
                return False
            self._names.add(name)
        self._settled = self._settled.plus(settlement)
        return True

    def removed(self, name: str) -> None:
        """That file is gone: the next writing needn't name it."""
        self._names.discard(name)

    def still_there(self) -> list[str]:
        """The files that are counted and could not be removed."""
        return sorted(self._names)

    def write(self, in_memory: Settlement = _NOTHING, pending: int = 0, spilled: int = 0) -> bool:
        """Write what changed, with what is settled and pending in memory, and how many were ever put there;
        False where the disk refuses.
        """
        settled = self._settled.plus(in_memory)._replace(size_bytes=0)
        spilled = max(spilled, self._written.spilled)  # an adopted journal spills nothing of its own
        totals = Totals(self._written.sequence + 1, settled, pending, frozenset(self._names), spilled)
        if totals[1:] == self._written[1:]:
            return True
        line, place = _line(totals), _PLACES[totals.sequence % 2]
        if self._map is not None:
            self._map[place : place + len(line)] = line
        else:
            try:
                self._write_at(line, place)
            except OSError:
                return False
        self._written = totals
        return True

    def _write_at(self, data: bytes, offset: int) -> None:
        if self._path is None:
            raise OSError(errno.EBADF, "it is closed")
        file = files.open_ours(self._path, os.O_RDWR)
        try:
            if files.identity_of(file) != self._identity:
                raise OSError(errno.ESTALE, "another file is in its place")
            files.write_at(file, data, offset)
        finally:
            os.close(file)

    def dropped(self, count: int) -> None:
        """Note how many were dropped so far, where the header is mapped: one C call, safe from any thread."""
        self._note(_DROPPED, _dropped(count))

    def spilled(self, count: int) -> None:
        """The same of how many were ever put into memory, for want of a file."""
        self._note(_SPILLED, _spilled(count))

    def _note(self, where: slice, words: bytes) -> None:
        mapped = self._map
        if mapped is not None:
            try:
                mapped[where] = words
            except ValueError:
                return  # closed meanwhile: what comes now is counted in this process alone

    def save_dropped(self, count: int) -> None:
        """The same where it isn't mapped, and once more where threads crossed. Sender's thread."""
        self.dropped(count)
        if self._map is None:
            with contextlib.suppress(OSError):
                self._write_at(_dropped(count), 0)

    def ended(self) -> None:
        """All that was recorded is in a file, or is counted here; to be said at the very end."""
        if self._map is None:
            with contextlib.suppress(OSError):
                self._write_at(_copied(True), _COPIED.start)

    def close(self) -> None:
        """Let go of the file: what comes now is counted in this process alone."""
        self._path = None
        memory, self._map = self._map, None
        if memory is not None:
            maps.close(memory)


def read_tally(home: Path) -> Written:
    """What it says, with what came into memory since the totals were written; nothing where the file isn't
    there or isn't ours.
    """
    try:
        file = files.open_ours(home / TALLY_FILE, os.O_RDONLY)
    except OSError:
        return Written()
    try:
        data = _read(file)
    finally:
        os.close(file)
    dropped = _number(b"dropped ", data[_DROPPED])
    return Written(dropped, _up_to_date(data), data[_COPIED] == _copied(False))


def _read(file: int) -> bytes:
    try:
        return os.pread(file, _FILE_BYTES, 0)
    except OSError:
        return b""


def _dropped(count: int) -> bytes:
    return b"dropped %023d\n" % count


def _spilled(count: int) -> bytes:
    return b"spilled %023d\n" % count


def _copied(is_all: bool) -> bytes:
    return b"copied  %023d\n" % is_all


def _number(word: bytes, line: bytes) -> int:
    digits = line.removeprefix(word).removesuffix(b"\n")
    return int(digits) if line == b"%b%b\n" % (word, digits) and digits.isdigit() else 0


def _up_to_date(data: bytes) -> Totals:
    """The totals, and what was put into memory after they were written."""
    totals = _totals(data)
    # Where nothing is mapped, only the totals ever say how many that were.
    spilled = max(_number(b"spilled ", data[_SPILLED]), totals.spilled)
    in_memory = totals.in_memory + spilled - totals.spilled
    return totals._replace(in_memory=in_memory, spilled=spilled)


def _line(totals: Totals) -> bytes:
    (delivered, rejected, lost, _) = totals.settled
    numbers = (totals.sequence, delivered, rejected, lost, totals.in_memory, totals.spilled)
    words = [str(number) for number in numbers]
    text = " ".join([*words, *sorted(totals.names)]).encode("ascii")
    return b"%b %08x\n" % (text, zlib.crc32(text))


def _totals(data: bytes) -> Totals:
    """The newer of the two that are whole."""
    return max((_parse(data[place : place + _PLACE_BYTES]) for place in _PLACES), key=lambda it: it.sequence)


def _parse(data: bytes) -> Totals:
    text, _, checksum = data[: max(0, data.find(b"\n"))].rpartition(b" ")
    if not text or checksum != b"%08x" % zlib.crc32(text):
        return Totals()
    try:
        sequence, delivered, rejected, lost, in_memory, spilled, *names = text.decode("ascii").split(" ")
        settled = Settlement(int(delivered), int(rejected), int(lost))
        return Totals(int(sequence), settled, int(in_memory), frozenset(names), int(spilled))
    except ValueError:
        return Totals()
