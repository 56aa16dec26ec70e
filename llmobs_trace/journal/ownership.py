"""Whose a journal is: from a root to a locked directory in it, our own or an ended process's. Any thread.

The lock is `flock` on the file `owner`. `fcntl` locks vanish when any descriptor of the file is closed, and
pids come again: a restarted container is pid 1 once more. The directory is made under a temporary name,
locked, and only then renamed to where others look, so there is no moment at which a live journal is there
unlocked.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
import time
from pathlib import Path

import msgspec

if sys.platform != "win32":
    import fcntl

__all__ = ["Owner", "claim", "homes", "this_boot", "this_host", "this_process", "try_lock"]

OWNER_FILE = "owner"
SUFFIX = ".journal"
_NEW = ".new-"
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
# A directory under a temporary name is left by a process killed while it made it: a matter of milliseconds.
_STALE_SECONDS = 86_400.0


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who made a journal, and where it is to be delivered: the file `owner`, as JSON. Never holds a key."""

    destination: str
    experiment_id: str = ""
    experiment_name: str = ""
    pid: int = 0
    host: str = ""
    boot: str = ""
    started_ns: int = 0
    version: int = 1


def this_process(destination: str, experiment_id: str = "", experiment_name: str = "") -> Owner:
    """An owner for a journal of this process. `destination` is the database's path or the base URL."""
    return Owner(
        destination=destination,
        experiment_id=experiment_id,
        experiment_name=experiment_name,
        pid=os.getpid(),
        host=this_host(),
        boot=this_boot(),
        started_ns=time.time_ns(),
    )


def this_host() -> str:
    """What tells this machine from others: its machine id, or where there is none its name."""
    with contextlib.suppress(OSError):
        identity = Path("/etc/machine-id").read_text(encoding="ascii", errors="replace").strip()
        if identity:
            return identity
    return os.uname().nodename if sys.platform != "win32" else ""


def this_boot() -> str:
    """What tells this run of the kernel from others; empty where the system doesn't say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def claim(root: Path, owner: Owner) -> tuple[Path, int]:
    """Make and lock a directory under `root`: its path and the lock's descriptor; raises OSError."""
    if sys.platform == "win32":
        raise OSError("journals need flock, which this system doesn't have")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}"
    new, home = root / f"{_NEW}{name}", root / f"{name}{SUFFIX}"
    new.mkdir(mode=0o700)
    lock = -1
    try:
        lock = os.open(new / OWNER_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(lock, msgspec.json.encode(owner) + b"\n")
        new.rename(home)
    except BaseException:
        if lock >= 0:
            os.close(lock)
        remove(new)
        raise
    return home, lock


def try_lock(home: Path) -> int | None:
    """Lock a directory whose process has ended: the lock's descriptor, or None where it isn't for us to take.

    The lock may be on a file that another recoverer has removed meanwhile, so the file that is there now is
    compared with the one locked. Directories and files of another user, and links, are never taken.
    """
    if sys.platform == "win32":
        return None
    try:
        directory = os.lstat(home)
        if not stat.S_ISDIR(directory.st_mode) or directory.st_uid != os.geteuid():
            return None
        lock = os.open(home / OWNER_FILE, os.O_RDWR | _NO_FOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held, there = os.fstat(lock), os.stat(home / OWNER_FILE, follow_symlinks=False)
        if held.st_uid == os.geteuid() and (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino):
            return lock
    except OSError:
        pass
    os.close(lock)
    return None


def unlock(lock: int) -> None:
    """Give a lock up, for every copy of its descriptor."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def read_owner(home: Path) -> Owner | None:
    """Who made a journal; None where the file isn't there or says nothing."""
    try:
        file = os.open(home / OWNER_FILE, os.O_RDONLY | _NO_FOLLOW)
    except OSError:
        return None
    try:
        return msgspec.json.decode(os.read(file, 1 << 16), type=Owner)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    finally:
        os.close(file)


def homes(root: Path) -> list[Path]:
    """The journals under a root, oldest first, live ones included."""
    try:
        return sorted(root / name for name in os.listdir(root) if name.endswith(SUFFIX))
    except OSError:
        return []


def sweep(root: Path) -> None:
    """Remove what processes killed while they made a journal left behind."""
    with contextlib.suppress(OSError):
        for name in os.listdir(root):
            if name.startswith(_NEW) and _age_seconds(root / name) > _STALE_SECONDS:
                remove(root / name)


def _age_seconds(path: Path) -> float:
    try:
        return time.time() - os.lstat(path).st_mtime
    except OSError:
        return 0.0


def remove(home: Path) -> None:
    """Remove a journal's directory and the files in it, as far as that goes; it holds no directories."""
    with contextlib.suppress(OSError):
        for name in os.listdir(home):
            with contextlib.suppress(OSError):
                os.unlink(home / name)
        os.rmdir(home)
