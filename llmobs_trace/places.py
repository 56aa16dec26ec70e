"""Where files go: environment in, directories of the user's out, and whether they are writable; set-up only.

Whether a place can be written is found by writing: permissions alone say yes to root on read-only disks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

DATABASE_NAME = "experiments.db"


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
    return Path(home, ".local", "state", "llmobs-trace")


def working_database() -> Path:
    """The database in the working directory; a relative path, so not writable, where that is gone."""
    try:
        return Path.cwd() / ".llmobs" / DATABASE_NAME
    except OSError:
        return Path(".llmobs", DATABASE_NAME)


def default_journal(environ: Mapping[str, str]) -> Path | None:
    """Where journals are kept when nobody says."""
    state = state_directory(environ)
    return None if state is None else state / "journal"


def default_databases(environ: Mapping[str, str]) -> list[Path]:
    """Where the local store may be when nobody says, the best place first."""
    state = state_directory(environ)
    return [working_database()] + ([] if state is None else [state / DATABASE_NAME])


def directory_problem(directory: Path) -> str | None:
    """Make a directory, for this user alone, and write into it once; says why that failed, or None."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
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
