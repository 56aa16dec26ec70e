"""Reads which commit is checked out, from git's own files: no process is started. The calling thread."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def commit(directory: Path) -> str | None:
    """The commit of the checkout that a directory is in; None outside any, and where there is none yet."""
    with suppress(OSError, UnicodeDecodeError):
        for parent in (directory, *directory.parents):
            found = parent / ".git"
            if found.exists():
                return _resolved(_git_directory(found))
    return None


def _git_directory(found: Path) -> Path:
    """A worktree and a submodule have a file that names theirs."""
    if found.is_dir():
        return found
    return (found.parent / found.read_text().removeprefix("gitdir:").strip()).resolve()


def _resolved(git: Path) -> str | None:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head if _COMMIT.fullmatch(head) else None
    name = head.removeprefix("ref:").strip()
    common = git / "commondir"  # where a worktree's branches are
    places = [git, (git / common.read_text().strip()).resolve()] if common.is_file() else [git]
    for place in places:
        if (place / name).is_file():
            return (place / name).read_text().strip() or None
    packed = places[-1] / "packed-refs"
    for line in packed.read_text().splitlines() if packed.is_file() else ():
        commit, _, of = line.partition(" ")
        if of == name and _COMMIT.fullmatch(commit):
            return commit
    return None
