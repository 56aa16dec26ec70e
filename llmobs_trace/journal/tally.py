"""The counts of a journal that outlive its segments: the file `tally`. The sender writes; any thread drops.

A header holds how many records were dropped. Each line after it says of one segment how its records were
settled, and is written before that segment is removed: where both are there, a kill came in between, and it
counts once. So after a kill at any moment, what was recorded is the lines, plus the dropped, plus the
records in the segments that have no line.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from pathlib import Path

from .record import Settlement
from .segment import CREATE_FLAGS

__all__ = ["TALLY_FILE", "Tally", "read_tally"]

TALLY_FILE = "tally"
_HEADER_BYTES = 32
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


class Tally:
    """The open file; `mapped` where a store into it is safe, which spares a dropped record a system call."""

    def __init__(self, file: int, end: int, *, mapped: bool) -> None:
        self._file = file
        self._end = end  # only the sender's thread appends
        self._unsaved = b""
        self._header = mmap.mmap(file, _HEADER_BYTES) if mapped else None

    @classmethod
    def create(cls, home: Path, *, mapped: bool) -> Tally:
        """Make the file; raises OSError where it can't."""
        file = os.open(home / TALLY_FILE, CREATE_FLAGS, 0o600)
        try:
            os.pwrite(file, _header(0), 0)
            return cls(file, _HEADER_BYTES, mapped=mapped)
        except BaseException:
            os.close(file)
            raise

    @classmethod
    def reopen(cls, home: Path) -> Tally:
        """Open an ended process's file, to add to it; its torn last line, if any, is overwritten."""
        try:
            file = os.open(home / TALLY_FILE, os.O_RDWR | _NO_FOLLOW)
        except FileNotFoundError:
            return cls.create(home, mapped=False)
        data = _read_all(file)
        end = max(_HEADER_BYTES, data.rfind(b"\n") + 1)
        if len(data) < _HEADER_BYTES:
            os.pwrite(file, _header(0), 0)
        os.ftruncate(file, end)
        return cls(file, end, mapped=False)

    def settled(self, segment: str, settlement: Settlement) -> None:
        """Write one segment's line; where the disk refuses, it is kept and written with the next."""
        line = f"{segment} {settlement.delivered} {settlement.rejected} {settlement.lost}\n"
        self._unsaved += line.encode("ascii")
        with contextlib.suppress(OSError):
            written = os.pwrite(self._file, self._unsaved, self._end)
            if written == len(self._unsaved):
                self._end += written
                self._unsaved = b""

    def dropped(self, count: int) -> None:
        """Note how many were dropped so far, where the header is mapped: one C call, safe from any thread."""
        with contextlib.suppress(OSError, ValueError):
            if self._header is not None:
                self._header[:_HEADER_BYTES] = _header(count)

    def save_dropped(self, count: int) -> None:
        """The same where it isn't mapped, and once more where threads crossed. Sender's thread."""
        self.dropped(count)
        if self._header is None:
            with contextlib.suppress(OSError):
                os.pwrite(self._file, _header(count), 0)

    def close(self) -> None:
        """Let go of the file."""
        if self._header is not None:
            self._header.close()
            self._header = None
        # The number may be another file's by the time that somebody still comes with a count.
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def read_tally(home: Path) -> tuple[int, dict[str, Settlement]]:
    """How many records were dropped, and how those of each removed segment were settled."""
    try:
        file = os.open(home / TALLY_FILE, os.O_RDONLY | _NO_FOLLOW)
    except OSError:
        return 0, {}
    try:
        data = _read_all(file)
    finally:
        os.close(file)
    header, lines = data[:_HEADER_BYTES], data[_HEADER_BYTES:]
    dropped = 0
    with contextlib.suppress(ValueError, IndexError):
        dropped = int(header.split()[1])
    settled: dict[str, Settlement] = {}
    for line in lines[: lines.rfind(b"\n") + 1].splitlines():
        with contextlib.suppress(ValueError):
            name, delivered, rejected, lost = line.decode("ascii").split()
            settled[name] = Settlement(int(delivered), int(rejected), int(lost))
    return dropped, settled


def _header(dropped: int) -> bytes:
    return f"dropped {dropped:023d}\n".encode("ascii")


def _read_all(file: int) -> bytes:
    chunks = []
    offset = 0
    while chunk := os.pread(file, 1 << 20, offset):
        chunks.append(chunk)
        offset += len(chunk)
    return b"".join(chunks)
