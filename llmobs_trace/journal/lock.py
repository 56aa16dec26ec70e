"""Locks a file as long as this process lives: `flock`, and what keeps it where descriptors are closed. Any
thread.

`flock` belongs to the open file, and goes with the last that refers to it. A program that becomes a daemon
closes every descriptor that it finds, and others would take its journal for an ended process's. So a map of
the file refers to it as well, where a map does. Elsewhere (an overlay's map refers to the file below) the
sender takes the lock again.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import sys
from pathlib import Path

from . import files, maps

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def is_possible() -> bool:
    """Whether this system has such locks."""
    return fcntl is not None


def exclusive(file: int) -> None:
    """Lock an open file for us alone; raises OSError at once where somebody else has it."""
    _flock(file, "LOCK_EX")


def shared(file: int) -> None:
    """Lock it together with others who share it; raises OSError at once where somebody has it alone."""
    _flock(file, "LOCK_SH")


def unlock(file: int) -> None:
    """Give it up, for every copy of the descriptor."""
    with contextlib.suppress(OSError):
        _flock(file, "LOCK_UN")


def _flock(file: int, operation: str) -> None:
    if fcntl is None:
        raise OSError(errno.ENOSYS, "this system has no flock")
    fcntl.flock(file, getattr(fcntl, operation) | fcntl.LOCK_NB)


class Lock:
    """A file that this process has locked. Made of its path and of the descriptor that has the lock."""

    def __init__(self, path: Path, file: int) -> None:
        self._path = path
        self._file = file
        self._identity = files.identity_of(file)
        self._map: mmap.mmap | None = None

    def pin(self) -> None:
        """Have a map keep the lock as well; only where a map refers to the file that is locked."""
        if sys.platform == "linux" and self._map is None:
            with contextlib.suppress(OSError, ValueError):  # ValueError: the file is empty
                self._map = maps.of_file(self._file, 0, writable=False)

    def keep(self) -> None:
        """Take it again where the program closed the descriptor. Sender's thread."""
        if self._map is not None or self._is_open() or self._identity is None:
            return
        self._file = -1  # it is somebody else's by now
        with contextlib.suppress(OSError):
            file = files.open_ours(self._path, os.O_RDWR)
            try:
                if files.identity_of(file) != self._identity:
                    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
                exclusive(file)
            except OSError:
                os.close(file)
                raise
            self._file = file

    def give_up(self) -> None:
        """Unlock it, for every copy of the descriptor."""
        if self._is_open():
            unlock(self._file)
        self.forget()

    def forget(self) -> None:
        """Let go of it: in a forked child the lock stays the parent's."""
        if self._is_open():
            os.close(self._file)
        self._file = -1
        memory, self._map = self._map, None
        if memory is not None:
            maps.close(memory)

    def _is_open(self) -> bool:
        return self._file >= 0 and files.identity_of(self._file) == self._identity
