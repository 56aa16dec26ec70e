"""Finds and makes a store's files, and tells when others are in their place. Any thread.

SQLite writes to the files that it has open, and never looks whether their names still lead to them. Whoever
removes a store, or puts another in its place, leaves it writing where nobody will ever read: hence device
and inode, looked at with every batch. No other file is given the number of one that is open.

    x.db        the database
    x.db-wal    the log: what was committed since it was last copied into the database
    x.db-shm    the log's index, and the locks by which processes share it
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from llmobs_trace import directories
from llmobs_trace.errors import StoreError

# What SQLite may have beside a database.
_BESIDE: Final = ("-wal", "-shm", "-journal")
# How long another process that makes a store in the same directory is waited for.
_TURN_SECONDS: Final = 2.0

Identity = tuple[int, int]


class Files(NamedTuple):
    """Device and inode of each file, None where there is none; and which of them are of no size."""

    database: Identity | None
    log: Identity | None
    log_index: Identity | None
    is_emptied: bool
    log_is_empty: bool

    def are(self, opened: Files) -> bool:
        """Whether they are still those that were opened. A database that was has a size."""
        return self[:3] == opened[:3] and not self.is_emptied

    def leave_the_log_to(self, opened: Files) -> bool:
        """Whether what was committed to the log that was opened is still to be copied into its database.

        Not where others have gone on from the database as it is: ours would be written over theirs.
        """
        if self.database != opened.database:
            return True  # it was moved, or is nobody's any more
        if self.log == opened.log:
            return self.log_index in (opened.log_index, None)
        return self.log is None or self.log_is_empty


def files_at(path: Path, target: str) -> Files:
    """The files of a store as they are now; `target` is what its path led to, links followed, when opened."""
    database, log, index = map(_status, (str(path), f"{target}-wal", f"{target}-shm"))
    return Files(
        _identity(database),
        _identity(log),
        _identity(index),
        database is not None and database.st_size == 0,
        log is not None and log.st_size == 0,
    )


def numbers_of(opened: Files) -> dict[int, Identity]:
    """The descriptors of a store's files that this process has, by number; none where that can't be known."""
    for directory in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            found = {int(name): _identity(_status(int(name))) for name in os.listdir(directory)}
            return {number: each for number, each in found.items() if each is not None and each in opened[:3]}
    return {}


def are_open(numbers: dict[int, Identity]) -> bool:
    """Whether each of the files still has one of its descriptors.

    A program that becomes a daemon closes every descriptor that it finds, and then has the same numbers again
    for files of its own. SQLite would go on writing to those, and close them in the end.
    """
    there = {each for number, each in numbers.items() if _identity(_status(number)) == each}
    return there == set(numbers.values())


def database_at(path: Path) -> Identity | None:
    """The database alone."""
    return _identity(_status(str(path)))


def owners(path: Path) -> frozenset[int]:
    """Whose the database is, and a link that leads to it; nobody's where there is none."""
    found: set[int] = set()
    for status in (os.stat, os.lstat):
        with suppress(OSError):
            found.add(status(path).st_uid)
    return frozenset(found)


def this_user() -> frozenset[int]:
    """Who this process is to the filesystem; nobody where it knows no users."""
    return frozenset({os.geteuid()} if hasattr(os, "geteuid") else ())


def make(path: Path) -> None:
    """Make an empty file for this user alone, before SQLite would make one for all, if there is none.

    Closing any descriptor of a SQLite file drops the locks that the process holds on it: only a file that
    isn't there yet is opened here. The caller sees to it that nobody in this process opens it meanwhile.
    """
    try:
        directories.make(path.parent)
        target = os.path.realpath(path)
        if not os.path.lexists(target) and _make(target) and path.parent.name == ".llmobs":
            # Inputs and outputs are not for the user's repository.
            (path.parent / ".gitignore").write_text("*\n")
    except (OSError, ValueError) as error:
        raise StoreError(
            f"can't make a store at {path}: {getattr(error, 'strerror', None) or error}"
        ) from error


def _make(target: str) -> bool:
    """Whether it was this call that made it."""
    with _alone_in(os.path.dirname(target)):
        if os.path.lexists(target):
            return False
        # Of a database that was removed: SQLite would take them for this one's.
        for suffix in _BESIDE:
            with suppress(FileNotFoundError):
                os.unlink(target + suffix)
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True


def clear(path: Path, opened: Files) -> None:
    """Remove what is left at its path of a store that was opened, before another is opened there.

    That is a database that somebody cut to nothing; and, beside another's database, the log and the index:
    SQLite would take them for that one's.
    """
    target = os.path.realpath(path)
    with suppress(OSError), _alone_in(os.path.dirname(target)):
        found = files_at(path, target)
        if found.database == opened.database:
            left = [target] if found.is_emptied else []
        else:
            left = [f"{target}-wal"] if found.log == opened.log is not None else []
            left += [f"{target}-shm"] if found.log_index == opened.log_index is not None else []
        for file in left:
            os.unlink(file)


@contextmanager
def _alone_in(directory: str) -> Iterator[None]:
    """Within the block no other process makes a store in the directory, where it can be kept from that."""
    descriptor = None
    try:
        with suppress(ImportError, OSError):
            import fcntl

            descriptor = os.open(directory, os.O_RDONLY)
            until = time.monotonic() + _TURN_SECONDS
            while time.monotonic() < until:
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(0.005)
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                # Not left to the closing: a child that was forked meanwhile has the descriptor too.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _status(path: str | int) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def _identity(status: os.stat_result | None) -> Identity | None:
    return None if status is None else (status.st_dev, status.st_ino)
