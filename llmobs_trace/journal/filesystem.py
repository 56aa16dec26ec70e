"""Tells, from the table of mounts, where a store into a mapped file is safe. Any thread.

A store into a page that the disk can't back is a SIGBUS, which no Python handler survives. On filesystems
that write in place, a page that was written once stays backed. Copy-on-write ones (btrfs, zfs, APFS) need a
fresh block for every page that goes out, so they can run out under an old page; on network and user-space
ones anything can happen. A filesystem that isn't known is taken for one of those.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

_IN_PLACE = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs"})
# Mounted by one kernel at a time: a lock there is seen by every process that could hold the journal.
_LOCAL = _IN_PLACE | {"overlay", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "apfs", "ramfs"}
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")


def of(directory: Path) -> str:
    """The kind of filesystem that a directory is on; empty where that can't be known."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        return kind_of(os.path.realpath(directory), mounts)
    except OSError:
        return ""


def kind_of(path: str, mounts: str, is_visible: Callable[[str], bool] = os.path.isdir) -> str:
    """The kind of filesystem at an absolute path without links; an overlay counts as what lies under it.

    A container sees its own layers as an overlay whose upper directory is outside of what it can see: then
    the answer is `overlay`.
    """
    kind, options = _mount_of(path, mounts)
    if kind == "overlay":
        upper = next((o[9:] for o in options.split(",") if o.startswith("upperdir=")), "")
        upper = _unescape(upper)
        if upper.startswith("/") and is_visible(upper):
            under, _ = _mount_of(upper, mounts)
            return under
    return kind


def is_mappable(kind: str) -> bool:
    """Whether a store into a file that was written to its full length can't fail there."""
    return kind in _IN_PLACE or kind == "overlay"


def is_local(kind: str) -> bool:
    """Whether only this kernel can have it mounted, so that a lock there answers for all its users."""
    return kind in _LOCAL


def maps_what_is_locked(kind: str) -> bool:
    """Whether a map of a file refers to that very file; an overlay's refers to the one below."""
    return kind in _LOCAL and kind != "overlay"


def _mount_of(path: str, mounts: str) -> tuple[str, str]:
    """The kind and the super options of the mount that a path is on: of the longest mount point, the last."""
    best, kind, options = -1, "", ""
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = _unescape(fields[4]).rstrip("/")
        if len(point) >= best and (path == point or path.startswith(point + "/")):
            best, kind, options = len(point), rest[0], rest[2] if len(rest) > 2 else ""
    return kind, options


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
