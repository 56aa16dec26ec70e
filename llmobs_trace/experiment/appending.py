"""Appends to a file through a map of its end. Any thread; whoever calls holds a lock.

A `write` to the file would let another thread have the interpreter's turn: of eight that run short rows, each
would wait for it some six times a row, which took more than all else that a row costs. A store into a map is
as safe from the death of the process. What a killed process leaves behind its last line is zeros, which
whoever goes on cuts off with what else is no whole line.
"""

from __future__ import annotations

import mmap
import os

# What is made room for at a time, and so the most zeros that may stand behind the last line.
ROOM_BYTES = 1 << 20


class Appending:
    """The end of an open file, which stays its owner's to close. Raises OSError where the disk refuses."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._end = os.fstat(file).st_size
        self._map: mmap.mmap | None = None
        # Without it a full disk would be known by a signal that ends the process.
        self._can_map = hasattr(os, "posix_fallocate")

    def write(self, data: bytes) -> None:
        """Append; it is there whatever becomes of the process."""
        here = self._map
        if here is None or here.tell() + len(data) > len(here):
            here = self._make_room(len(data))
        if here is None:
            written = os.write(self._file, data)
            while written < len(data):  # a disk that is nearly full takes a part
                written += os.write(self._file, data[written:])
        else:
            here.write(data)
        self._end += len(data)

    def close(self) -> None:
        """Leave the file as long as what is in it."""
        if self._map is not None:
            self.let_go()
            os.ftruncate(self._file, self._end)

    def let_go(self) -> None:
        """Leave the file as it is: in a forked child it is still its parent's."""
        if self._map is not None:
            self._map.close()
            self._map = None

    def _make_room(self, wanted_bytes: int) -> mmap.mmap | None:
        """A map of what follows; None where the file is written to instead."""
        self.close()
        if not self._can_map:
            return None
        begin = self._end - self._end % mmap.ALLOCATIONGRANULARITY
        most = self._end + max(wanted_bytes, ROOM_BYTES)
        try:
            os.posix_fallocate(self._file, self._end, most - self._end)
            made = mmap.mmap(self._file, most - begin, offset=begin)
        # A full disk, or a file system without maps: `write` will tell. Or a system that reserves no room.
        except (OSError, ValueError, AttributeError):
            self._can_map = False
            os.ftruncate(self._file, self._end)
            return None
        made.seek(self._end - begin)
        self._map = made
        return made
