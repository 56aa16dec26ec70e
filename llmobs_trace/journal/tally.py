"""The counts of a journal that outlive its segments: the file `tally`. The sender writes; any thread drops.

It has one size for good, written to its full length when it is made, so that a full disk doesn't stop it. A
header holds how many records were dropped. Behind it are two places for the totals of the segments that are
gone, written in turn, each with a sequence number and a checksum: a write cut short leaves the other one.
The totals also name the files that they count already: one is removed after its counts are written, and
where it is still there, a kill came in between, and it counts once. So after a kill at any moment, what was
recorded is the totals, plus the dropped, plus the records in the segments that aren't named.

Records in memory have no file to be counted in. How many of them were pending when the sender last looked
is in the totals too: once the process is gone, they are lost.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import zlib
from pathlib import Path
from typing import NamedTuple

from . import files
from .record import Settlement

__all__ = ["TALLY_FILE", "Tally", "Totals", "read_tally"]

TALLY_FILE = "tally"
_FILE_BYTES = 4096
_HEADER_BYTES = 32
_PLACES = (512, 2304)
_PLACE_BYTES = 1792
# So many that can't be removed are named at most; then no more are counted as gone until they can be.
_MOST_NAMES = 64
_NOTHING = Settlement()


class Totals(NamedTuple):
    """What one writing says: its number, the counts, how many were in memory, and the files it counts."""

    sequence: int = 0
    settled: Settlement = Settlement()
    in_memory: int = 0
    names: frozenset[str] = frozenset()


class Tally:
    """The open file; `mapped` where a store into it is safe, which spares a dropped record a system call."""

    def __init__(self, file: int, totals: Totals, *, mapped: bool) -> None:
        self._file = file
        self._written = totals  # as far as the disk took it
        self._settled = totals.settled  # of the segments that are gone; those in memory are added each time
        self._names = set(totals.names)
        self._header = mmap.mmap(file, _HEADER_BYTES) if mapped else None

    @classmethod
    def create(cls, home: Path, *, mapped: bool) -> Tally:
        """Make the file; raises OSError where it can't."""
        file = files.create(home / TALLY_FILE)
        try:
            files.write_at(file, _header(0).ljust(_FILE_BYTES, b"\0"), 0)
            return cls(file, Totals(), mapped=mapped)
        except BaseException:
            os.close(file)
            raise

    @classmethod
    def reopen(cls, home: Path) -> Tally:
        """Open an ended process's file, to add to it; what that one had in memory is lost. Raises OSError."""
        try:
            file = files.open_ours(home / TALLY_FILE, os.O_RDWR)
        except FileNotFoundError:
            return cls.create(home, mapped=False)
        totals = _totals(_read(file))
        lost = totals.settled.plus(Settlement(lost=totals.in_memory))
        return cls(file, totals._replace(settled=lost, in_memory=0), mapped=False)

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

    def write(self, in_memory: Settlement = _NOTHING, pending: int = 0) -> bool:
        """Write what changed, with what is settled and pending in memory; False where the disk refuses."""
        settled = self._settled.plus(in_memory)._replace(size_bytes=0)
        totals = Totals(self._written.sequence + 1, settled, pending, frozenset(self._names))
        if totals[1:] == self._written[1:]:
            return True
        try:
            files.write_at(self._file, _line(totals), _PLACES[totals.sequence % 2])
        except OSError:
            return False
        self._written = totals
        return True

    def dropped(self, count: int) -> None:
        """Note how many were dropped so far, where the header is mapped: one C call, safe from any thread."""
        header = self._header
        if header is not None:
            try:
                header[:_HEADER_BYTES] = b"dropped %023d\n" % count
            except ValueError:
                return  # closed meanwhile: what comes now is counted in this process alone

    def save_dropped(self, count: int) -> None:
        """The same where it isn't mapped, and once more where threads crossed. Sender's thread."""
        self.dropped(count)
        if self._header is None:
            with contextlib.suppress(OSError):
                files.write_at(self._file, _header(count), 0)

    def close(self) -> None:
        """Let go of the file."""
        if self._header is not None:
            self._header.close()
            self._header = None
        # The number may be another file's by the time that somebody still comes with a count.
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def read_tally(home: Path) -> tuple[int, Totals]:
    """How many records were dropped, and the totals; nothing where the file isn't there or isn't ours."""
    try:
        file = files.open_ours(home / TALLY_FILE, os.O_RDONLY)
    except OSError:
        return 0, Totals()
    try:
        data = _read(file)
    finally:
        os.close(file)
    return _dropped(data[:_HEADER_BYTES]), _totals(data)


def _read(file: int) -> bytes:
    try:
        return os.pread(file, _FILE_BYTES, 0)
    except OSError:
        return b""


def _header(dropped: int) -> bytes:
    return b"dropped %023d\n" % dropped


def _dropped(header: bytes) -> int:
    digits = header.removeprefix(b"dropped ").removesuffix(b"\n")
    return int(digits) if header == b"dropped %b\n" % digits and digits.isdigit() else 0


def _line(totals: Totals) -> bytes:
    (delivered, rejected, lost, _) = totals.settled
    words = [str(number) for number in (totals.sequence, delivered, rejected, lost, totals.in_memory)]
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
        sequence, delivered, rejected, lost, in_memory, *names = text.decode("ascii").split(" ")
        settled = Settlement(int(delivered), int(rejected), int(lost))
        return Totals(int(sequence), settled, int(in_memory), frozenset(names))
    except ValueError:
        return Totals()
