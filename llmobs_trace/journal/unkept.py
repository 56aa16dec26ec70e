"""Leaves word of a process that could make no journal: an empty file, whose name says whose and why. Any
thread.

A ledger needs a block of the disk, and the disk may have none left. An empty file needs only its entry in the
directory, so it can mostly still be made on a full disk, and under a limit on the size of files. It says that
somebody recorded here whose events are counted nowhere, and is removed where none of them was lost after all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from pathlib import Path
from typing import NamedTuple

from . import files, lock, ownership
from .lock import Lock

_SUFFIX = ".unkept"
_NAME = re.compile(rf"(\d{{20}})-(\d{{1,10}})-[0-9a-f]{{8}}-(\w{{1,20}}){re.escape(_SUFFIX)}")
# As long as a ledger that lost something is kept.
_KEPT_SECONDS = 7 * 86_400.0
# One is enough for the doctor to claim nothing: a server that forks workers on a full disk stops at some.
_MOST = 256


class Unkept(NamedTuple):
    """A process without a journal. `is_held` is whether it is seen to live; where it is not, it may."""

    pid: int
    started_ns: int
    is_held: bool
    reason: str


class UnkeptJournal:
    """This process's own word; without a `lock` where there was no descriptor to spare for one."""

    def __init__(self, path: Path, lock: Lock | None) -> None:
        self._path = path
        self._lock = lock

    @classmethod
    def leave(cls, root: Path, error: OSError) -> UnkeptJournal | None:
        """Say under `root` that no journal could be made, and why; None where not even that can be, or many
        have said so.
        """
        if len(files.list_names(root, _SUFFIX)) >= _MOST:
            return None
        why = errno.errorcode.get(error.errno or 0, "unknown")
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}-{why}{_SUFFIX}"
        try:
            return cls(root / name, _made(root / name))
        except (OSError, AttributeError):  # no `mknod` on this system
            return None

    def close(self, *, remove: bool) -> None:
        """Let go of it; with `remove`, nothing was lost."""
        if remove:
            files.remove(self._path)
        self.forget()

    def forget(self) -> None:
        """Close the descriptor: in a forked child it is a copy, and the parent's lock stays."""
        if self._lock is not None:
            self._lock.forget()


def _made(path: Path) -> Lock | None:
    """Make the file and lock it: the lock, or None; raises OSError where the file can't be made."""
    try:
        file = files.create(path)
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        os.mknod(path, stat.S_IFREG | 0o600)
        return None
    with contextlib.suppress(OSError):
        lock.exclusive(file)
    return Lock(path, file)


def unkept(root: Path) -> list[Unkept]:
    """Everybody who left such a word under a root, oldest first; another user's, and links, left out."""
    found = []
    for name in files.list_names(root, _SUFFIX):
        match = _NAME.fullmatch(name)
        if match is not None and _is_ours(root / name):
            code: int | None = getattr(errno, match[3], None)
            reason = os.strerror(code) if isinstance(code, int) else "for a reason that has no name"
            found.append(Unkept(int(match[2]), int(match[1]), _is_held(root / name), reason))
    return found


def drop_old_unkept(root: Path) -> None:
    """Remove what is older than a week, of those who are not seen to live."""
    for name in files.list_names(root, _SUFFIX):
        path = root / name
        if ownership.age_seconds(path) > _KEPT_SECONDS and _is_ours(path) and not _is_held(path):
            files.remove(path)


def _is_ours(path: Path) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and files.is_of_this_user(found)


def _is_held(path: Path) -> bool:
    try:
        file = files.open_ours(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        lock.shared(file)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False
