"""Measures how much of a disk the journals take that wait for one destination, whosever they are. Any thread.

Each process keeps to the bound by itself; but in an outage every short run leaves a journal, and so does each
of many workers. So what others left, or keep, is counted against it as well.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from . import files, ownership
from .segment import SEGMENT_SUFFIX

_BLOCK_BYTES = 4096
# What a living process has made room for and may not need: its newest segment and its spare.
_READY = 2


def of_others(root: Path, destination: str, own: Path, enough_bytes: int) -> int:
    """What all journals but one's own take that wait for a destination; counted until it is enough."""
    found_bytes = 0
    for home in ownership.homes(root):
        if found_bytes >= enough_bytes:
            break
        if home != own and (taken := taken_bytes(home)):
            owner = ownership.read_owner(home)
            if owner is not None and owner.destination == destination:
                found_bytes += taken
    return found_bytes


def taken_bytes(home: Path) -> int:
    """What a journal takes, its ledger included, as long as records wait in it; else 0."""
    names = files.list_names(home)
    newest = [name for name in names if name.endswith(SEGMENT_SUFFIX)][-_READY:]
    if not newest or ownership.problem(home):
        return 0
    if _has_room_left(home / newest[-1]) and _is_held(home):
        names = [name for name in names if name not in newest]
    return _BLOCK_BYTES + sum(_allocated(f"{home}/{name}") for name in names)


def _allocated(path: str) -> int:
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    return found.st_blocks * 512 if hasattr(found, "st_blocks") else found.st_size


def _has_room_left(path: Path) -> bool:
    """Whether a file was made for more than came: it is cut when its process ends, or is taken over."""
    with suppress(OSError):
        file = files.open_ours(path, os.O_RDONLY)
        try:
            return os.pread(file, 1, max(0, os.fstat(file).st_size - 1)) == b"\0"
        finally:
            os.close(file)
    return False


def _is_held(home: Path) -> bool:
    lock = ownership.try_lock(home, to_look=True)
    if lock is not None:
        lock.forget()
    return lock is None
