"""Opens files in a directory that somebody may tamper with only where they are ours, and writes them whole.
Any thread.

Nothing here follows a link, waits for the other end of a pipe, or reads what another user put there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import sys
from pathlib import Path

from llmobs_trace import directories

try:
    import fcntl
    import resource
except ImportError:  # Windows has neither
    fcntl = resource = None  # type: ignore[assignment]

_NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
# Opening a pipe to read it waits for a writer, for ever if need be; with this flag it doesn't.
_NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)
# Linux: to get and to set a file's attributes, and that which has btrfs write it where it is.
_GET_ATTRIBUTES, _SET_ATTRIBUTES, _IN_PLACE = 0x80086601, 0x40086602, 0x00800000
_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)
STANDARD_ERROR = 2

# What tells a file from all others: its device and inode.
Identity = tuple[int, int]


class NotOurs(PermissionError):
    """Another user's file, or what is no regular file."""


def open_ours(path: Path, flags: int) -> int:
    """Open a regular file of this user's: its descriptor; raises OSError where it is anything else."""
    file = out_of_the_way(os.open(path, flags | _NO_FOLLOW | _NO_WAIT), path)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or not is_of_this_user(found):
            raise NotOurs(errno.EPERM, "not a regular file of this user", str(path))
    except BaseException:
        os.close(file)
        raise
    return file


def create(path: Path) -> int:
    """Make a file that wasn't there, for its user alone: its descriptor; raises OSError."""
    return out_of_the_way(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600), path)


def out_of_the_way(file: int, path: Path) -> int:
    """The file that was just opened at a path, at a number that no other file will have; raises OSError.

    The system gives the lowest free number. A program that becomes a daemon closes every descriptor that it
    finds, and what it opens next gets the number that a thread of ours is about to write to or to close. And
    in a program that was started without its standard streams, a C library's messages, which go to number 2,
    would end up in what is opened first.
    """
    if fcntl is None:
        return file
    try:
        moved = at_least(file, _out_of_the_way())
    except OSError:  # none is left up there
        if file <= STANDARD_ERROR:
            os.close(file)
            raise
        moved = file
    found = identity_of(moved)
    if found is None or found != identity(path):
        # The program was that fast: the first number is of a file of its own, or the path is.
        if moved != file:
            os.close(moved)
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
    if moved != file and identity_of(file) == found:
        os.close(file)
    return moved


def _out_of_the_way() -> int:
    """Far above what most programs have open, and below what this one may have."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(STANDARD_ERROR + 1, min(512, limit // 2) if limit >= 0 else 512)


def at_least(file: int, number: int) -> int:
    """Copy a descriptor to the first number from this one on that is nobody's; raises OSError."""
    return fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, number)


def is_of_this_user(found: os.stat_result) -> bool:
    """Whether a file or a directory belongs to the user whose rights this process has."""
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()


def is_our_directory(path: Path) -> bool:
    """Whether a directory of this user's is at a path, and no link; raises OSError where nothing is."""
    found = os.lstat(path)
    return stat.S_ISDIR(found.st_mode) and is_of_this_user(found)


def our_directory(root: Path, name: str) -> Path:
    """Make a directory under one that users may share: this user's own where the first is another's; raises
    OSError.
    """
    for directory in (root / name, of_this_user(root, name)):
        directories.make(directory)
        if is_our_directory(directory):
            return directory
    raise NotOurs(errno.EPERM, "somebody else's, or a link", str(directory))


def of_this_user(root: Path, name: str) -> Path:
    """Where that is for a user who shares `root` with the one who came first."""
    return root / f"{name}-{os.geteuid() if hasattr(os, 'geteuid') else 0}"


def write_at(file: int, data: bytes, offset: int) -> None:
    """Write all of it at that place; raises OSError, with some of it written perhaps."""
    check_limit(offset + len(data))
    while data:
        written = os.pwrite(file, data, offset)
        offset += written
        data = data[written:]


def write_in_place(file: int) -> None:
    """Have an empty file changed where it is, if its filesystem would copy on write and can be told not to.

    Elsewhere on a full copy-on-write filesystem no byte can be changed, for want of a fresh block.
    """
    if sys.platform == "linux" and fcntl is not None:
        with contextlib.suppress(OSError):
            (attributes,) = struct.unpack(
                "@l", fcntl.ioctl(file, _GET_ATTRIBUTES, bytes(struct.calcsize("@l")))
            )
            fcntl.ioctl(file, _SET_ATTRIBUTES, struct.pack("@l", attributes | _IN_PLACE))


def check_limit(size_bytes: int) -> None:
    """Raise where a file of that size would kill by SIGXFSZ, or fail in the middle."""
    if resource is not None:
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit != resource.RLIM_INFINITY and size_bytes > limit:
            raise OSError(errno.EFBIG, "larger than the limit on the size of files (ulimit -f)")


def identity(path: Path) -> Identity | None:
    """Which file is at a path, a link not followed; None where none is."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def identity_of(file: int) -> Identity | None:
    """Which file a descriptor's number stands for now; None where it is closed.

    A program that becomes a daemon closes every descriptor that it finds, and then has the same numbers
    again for files of its own: before a number that was kept is used, it is to be asked about.
    """
    try:
        found = os.fstat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove(path: Path) -> bool:
    """Remove a file or a link; whether none is there any more."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return True


def list_names(directory: Path, suffix: str = "") -> list[str]:
    """The names in a directory that end so, in order; none where it can't be read."""
    try:
        return sorted(name for name in os.listdir(directory) if name.endswith(suffix))
    except OSError:
        return []


def remove_directory(directory: Path) -> None:
    """Remove a directory of this user's and the files in it, as far as that goes; never through a link."""
    with contextlib.suppress(OSError):
        opened = out_of_the_way(os.open(directory, os.O_RDONLY | _DIRECTORY | _NO_FOLLOW), directory)
        try:
            if is_of_this_user(os.fstat(opened)):
                for name in os.listdir(opened):
                    with contextlib.suppress(OSError):
                        os.unlink(name, dir_fd=opened)
        finally:
            os.close(opened)
        os.rmdir(directory)
