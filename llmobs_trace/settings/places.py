"""Finds the user's directories for files, and whether they are writable; set-up only.

Whether a place can be written is found by writing: permissions alone say yes to root on read-only disks.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from llmobs_trace import directories

DATABASE_NAME = "experiments.db"
# What SQLite has beside a database, and reads with it.
_BESIDE = ("-wal", "-shm", "-journal")
# Where nothing can be made: what has no place of its own waits, rather than go to somebody else's.
NOWHERE = Path(os.devnull) / DATABASE_NAME


def state_directory(environ: Mapping[str, str], platform: str = sys.platform) -> Path | None:
    """The per-user directory for what outlives a program; None where the user has no home."""
    # XDG: a relative path in the variable is to be ignored.
    named = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(named):
        return Path(named, "llmobs-trace")
    home = environ.get("HOME") or os.path.expanduser("~")
    if not os.path.isabs(home):
        return None
    if platform == "darwin":
        return Path(home, "Library", "Application Support", "llmobs-trace")
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path(home, "AppData", "Local"), "llmobs-trace")
    return Path(home, ".local", "state", "llmobs-trace")


def working_database() -> Path:
    """The database in the working directory; a relative path, so not writable, where that is gone."""
    try:
        return Path.cwd() / ".llmobs" / DATABASE_NAME
    except OSError:
        return Path(".llmobs", DATABASE_NAME)


def has_journals() -> bool:
    """Whether a journal can be kept on this system; on Windows not, for want of the lock it needs."""
    try:
        import fcntl  # noqa: F401
    except ImportError:
        return False
    return True


def default_journal(environ: Mapping[str, str]) -> Path | None:
    """Where journals are kept when nobody says; None is memory."""
    state = state_directory(environ)
    return None if state is None or not has_journals() else state / "journal"


def default_databases(environ: Mapping[str, str]) -> list[Path]:
    """Where the local store may be when nobody says, the best place first; no place that is not ours."""
    state = state_directory(environ)
    working = working_database()
    return [working] * (not_ours(working) is None) + ([] if state is None else [state / DATABASE_NAME])


def not_ours(database: Path) -> str | None:
    """Say why a database that nobody named may be read or replaced by others, or None; touches nothing.

    A working directory may be shared, or come from an archive: whoever makes the store's directory first, or
    has it lead elsewhere, would get what others record there.
    """
    user = getattr(os, "geteuid", lambda: None)()
    for path in (database.parent, database, *(Path(f"{database}{suffix}") for suffix in _BESIDE)):
        try:
            found = os.lstat(path)
        except (OSError, ValueError):
            continue  # not there, or to be found out where it is made
        if stat.S_ISLNK(found.st_mode):
            return f"{path} is a symbolic link"
        if user is not None and found.st_uid != user:
            return f"{path} belongs to {_name_of(found.st_uid)}"
        if stat.S_ISDIR(found.st_mode) and user is not None and found.st_mode & stat.S_IWOTH:
            return f"every user may write in {path}"
    return None


def _name_of(user: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(user).pw_name
    except (ImportError, KeyError):
        return f"user {user}"


def directory_problem(directory: Path) -> str | None:
    """Make a directory, for this user alone, and write into it once; says why that failed, or None."""
    try:
        directories.make(directory)
        probe = directory / f".probe-{os.getpid()}-{os.urandom(4).hex()}"
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        probe.unlink()
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or type(error).__name__
    return None


def file_problem(file: Path) -> str | None:
    """Say why a database can't be made or changed at this path, or None; makes its directory."""
    # SQLite writes its log beside the database, so the directory must be writable either way.
    problem = directory_problem(file.parent)
    if problem is not None:
        return problem
    try:
        # Never opened here: closing any descriptor of a SQLite file drops the locks this process holds on it.
        if file.is_dir():
            return "Is a directory"
        if file.exists() and not file.is_file():
            return "Is no regular file"
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            return "Permission denied"
        os.lstat(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.strerror or type(error).__name__
    return None
