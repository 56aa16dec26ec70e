"""Tells whose a journal is, and locks its directory: our own, or an ended process's. Any thread.

The lock is `flock` on the file `owner`. `fcntl` locks vanish when any descriptor of the file is closed, and
pids come again: a restarted container is pid 1 once more. The directory is made under a temporary name,
locked, and only then renamed to where others look, so there is no moment at which a live journal is there
unlocked.

Whoever only looks shares the lock: two may look at once, and whoever comes to take the journal over waits a
little for them, and for nobody else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from pathlib import Path
from typing import Any

import msgspec

from llmobs_trace import directories

from . import files, lock
from .lock import Lock

OWNER_FILE = "owner"
# What the file `owner` says, once more: that one is open for as long as its process lives, and a process that
# closes and opens descriptors may come to write to it. This one never is.
COPY_FILE = "owner.copy"
SUFFIX = ".journal"
_NEW = ".new-"
_GONE = ".gone-"
# How long a journal's taker waits for those who only look: a look takes milliseconds, unless much is pending.
_TRIES, _BETWEEN_SECONDS = 10, 0.02
# A directory under a temporary name is left by a process killed while it made it: a matter of milliseconds.
_STALE_SECONDS = 86_400.0
# So often a directory is begun, where it is gone before it is locked.
_CLAIMS = 3


class NamedRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run whose experiment is made where it is delivered, in a project and a dataset that are known by
    their ids, or found or made there by their names. Its events have ids that hold its `mark` until then.
    `is_begun_here` where its first process has this journal, and not only a worker of it.
    """

    mark: str
    experiment_name: str
    project_name: str = ""
    project_id: str = ""
    dataset_name: str = ""
    dataset_id: str = ""
    is_begun_here: bool = False


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who made a journal, and where it is to be delivered: the file `owner`, as JSON. Never holds a key."""

    destination: str
    experiment_id: str = ""
    experiment_name: str = ""
    # Whose made-up ids may be in its events: with what they say, anybody delivers to the same experiment.
    runs: tuple[NamedRun, ...] = ()
    pid: int = 0
    host: str = ""
    boot: str = ""
    started_ns: int = 0
    version: int = 1


def this_process(
    destination: str, experiment_id: str = "", experiment_name: str = "", runs: tuple[NamedRun, ...] = ()
) -> Owner:
    """An owner for a journal of this process. `destination` is the database's path or the base URL."""
    return Owner(
        destination=destination,
        experiment_id=experiment_id,
        experiment_name=experiment_name,
        runs=runs,
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
    return os.uname().nodename if hasattr(os, "uname") else ""


def this_boot() -> str:
    """What tells this run of the kernel from others; empty where the system doesn't say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def claim(root: Path, owner: Owner) -> tuple[Path, Lock]:
    """Make and lock a directory under `root`: its path and the lock; raises OSError."""
    if not lock.is_possible():
        raise OSError("journals need flock, which this system doesn't have")
    directories.make(root)  # where it is there, it may be a link: the user's
    for _ in range(_CLAIMS - 1):
        # Before it is locked it may be taken for one that was left: where the clock was set in between.
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            return _claimed(root, owner)
    return _claimed(root, owner)


def _claimed(root: Path, owner: Owner) -> tuple[Path, Lock]:
    name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}"
    new, home = root / f"{_NEW}{name}", root / f"{name}{SUFFIX}"
    os.mkdir(new, 0o700)
    file = -1
    try:
        file = files.create(new / OWNER_FILE)
        lock.exclusive(file)
        files.write_at(file, _written(owner), 0)
        copy = files.create(new / COPY_FILE)
        try:
            files.write_at(copy, _written(owner), 0)
        finally:
            os.close(copy)
        os.rename(new, home)
        if files.identity(home / OWNER_FILE) != files.identity_of(file):
            raise FileNotFoundError(errno.ENOENT, "the journal was removed while it was made", str(home))
    except BaseException:
        if file >= 0:
            os.close(file)
        for left in (new, home):
            files.remove_directory(left)
        raise
    return home, Lock(home / OWNER_FILE, file)


def problem(home: Path) -> str:
    """Why a journal's directory is never taken, in words for the user; empty where it may be."""
    try:
        directory = os.lstat(home)
        if not stat.S_ISDIR(directory.st_mode):
            return "it is no directory, or a link to one"
        if not files.is_of_this_user(directory):
            return f"it belongs to another user ({directory.st_uid})"
        owner = os.lstat(home / OWNER_FILE)
    except OSError as error:
        return f"it can't be looked into: {error.strerror or error}"
    if directory.st_mode & stat.S_IWOTH:
        return f"others can write to it; if what is in it is yours: chmod o-w {home}"
    if not stat.S_ISREG(owner.st_mode) or not files.is_of_this_user(owner):
        return f"its file {OWNER_FILE!r} is no file of yours"
    return ""


def is_anothers(home: Path) -> bool:
    """Whether a journal's directory belongs to another user; where that can't be known, it doesn't."""
    try:
        return not files.is_of_this_user(os.lstat(home))
    except OSError:
        return False


def try_lock(home: Path, *, to_look: bool = False) -> Lock | None:
    """Lock a directory whose process has ended: the lock, or None where it isn't for us to take.

    With `to_look` the lock is shared with others who look. One to keep is waited for, for a fraction of a
    second, where nobody but such has it.

    The lock may be on a file that another recoverer has removed meanwhile, so the file that is there now is
    compared with the one locked. Directories and files of another user, and links, are never taken.
    """
    if not lock.is_possible() or problem(home):
        return None
    try:
        file = _open_to_lock(home / OWNER_FILE)
    except OSError:
        return None
    try:
        lock.shared(file) if to_look else _take(file)
        if files.identity_of(file) == files.identity(home / OWNER_FILE):
            return Lock(home / OWNER_FILE, file)
    except OSError:
        pass
    os.close(file)
    return None


def _take(file: int) -> None:
    """Lock it for us alone; raises OSError at once where its process or another taker has it."""
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            return lock.exclusive(file)
        lock.shared(file)
        lock.unlock(file)
        time.sleep(_BETWEEN_SECONDS)
    raise BlockingIOError(errno.EAGAIN, "another process has been reading it for long")


def _open_to_lock(file: Path) -> int:
    """Writable, as network filesystems want it for a lock; a copy that can only be read is looked at too."""
    try:
        return files.open_ours(file, os.O_RDWR)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES):
            raise
        return files.open_ours(file, os.O_RDONLY)


def read_owner(home: Path) -> Owner | None:
    """Who made a journal; None where neither file is there and says something."""
    return _read(home / OWNER_FILE) or _read(home / COPY_FILE)


def _read(path: Path) -> Owner | None:
    try:
        file = files.open_ours(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return _parsed(os.read(file, 1 << 16))
    except (OSError, ValueError, RecursionError):
        return None
    finally:
        os.close(file)


def _written(owner: Owner) -> bytes:
    """As JSON; in Python's way where a path is no text, as under a directory whose name is not UTF-8."""
    try:
        return msgspec.json.encode(owner) + b"\n"
    except UnicodeEncodeError:
        import json

        return json.dumps(msgspec.to_builtins(owner)).encode("ascii") + b"\n"


def _parsed(data: bytes) -> Owner:
    """The same read; raises ValueError."""
    try:
        return msgspec.json.decode(data, type=Owner)
    except msgspec.DecodeError:
        import json

        found: Any = json.loads(data)
        try:
            return msgspec.convert(found, Owner)
        except msgspec.ValidationError as error:  # no ValueError before msgspec 0.20
            raise ValueError(str(error)) from error


def homes(root: Path) -> list[Path]:
    """The journals under a root, oldest first, live ones included."""
    return [root / name for name in files.list_names(root, SUFFIX)]


def remove(home: Path) -> None:
    """Remove a journal that we have locked. A kill in the middle leaves nothing that looks like one."""
    gone = home.with_name(f"{_GONE}{home.stem}")
    with contextlib.suppress(OSError):
        os.rename(home, gone)
        files.remove_directory(gone)


def sweep(root: Path) -> None:
    """Remove what processes killed while they made or removed a journal left behind."""
    for name in files.list_names(root):
        path = root / name
        is_old = name.startswith(_NEW) and age_seconds(path) > _STALE_SECONDS
        if name.startswith(_GONE) or (is_old and not _is_being_made(path)):
            files.remove_directory(path)


def _is_being_made(new: Path) -> bool:
    """Whether a living process has it: a clock that is set makes what was made just now look old."""
    try:
        file = _open_to_lock(new / OWNER_FILE)
    except OSError:
        return False
    try:
        lock.shared(file)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def age_seconds(path: Path) -> float:
    """How long ago a directory's content last changed, or a file's; 0 where that can't be known."""
    try:
        return time.time() - os.lstat(path).st_mtime
    except OSError:
        return 0.0
