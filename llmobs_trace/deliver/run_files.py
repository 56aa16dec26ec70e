"""Keeps what was found or made for a run, and how it ended, in files beside the journals, and sees to it that
one process at a time asks for more. Sender's thread; an ending is kept on any.

All processes of a run, its successors and `resend` have the same files, so that none of them makes a second
experiment, and one of them says how a run ended whose own processes could not. They are removed once no
journal of the run is left. Without a journal's directory nothing is kept, and nobody waits for another.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar
from zlib import crc32

import msgspec

from llmobs_trace.catalog.catalog import Status
from llmobs_trace.journal import ended_runs, files, lock, ownership

DIRECTORY: Final = "runs"
_FOUND, _ENDING, _LOCK, _NEW = ".json", ".end", ".lock", ".new"
# How long is waited for another process: it asks one thing of a server.
_TRIES, _BETWEEN_SECONDS = 20, 0.025
_WITHOUT_A_WORD: Final = "its process ended without a word"


class Found(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was found or made for a run so far, at one destination; empty is what was not."""

    destination: str
    mark: str
    project_id: str = ""
    dataset_id: str = ""
    experiment_id: str = ""
    version: int = 1


class Ending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a run came to its end, to be said of its experiment; and whether it was."""

    mark: str
    status: Status
    error: str | None = None
    is_told: bool = False


_Kept = TypeVar("_Kept", Found, Ending)


class Busy(Exception):
    """Another process is at it."""


class RunFiles:
    """Those of one destination, in `runs/` under the journals' directory."""

    def __init__(self, root: Path | None, destination: str) -> None:
        self._root = root if root is not None and lock.is_possible() else None
        self._destination = destination
        self._locked = -1

    @contextmanager
    def locked(self, mark: str) -> Iterator[None]:
        """Be the only one who asks for what this run lacks, while the block runs; raises `Busy`."""
        self._locked = self._lock(mark)
        try:
            yield
        finally:
            file, self._locked = self._locked, -1
            if file >= 0:
                lock.unlock(file)  # a child that was forked meanwhile has a copy
                os.close(file)

    def after_fork_in_child(self) -> None:
        """The lock stays the parent's."""
        file, self._locked = self._locked, -1
        if file >= 0:
            os.close(file)

    def read(self, mark: str) -> Found | None:
        """What is known of a run; None where nothing is, or nothing that can be read."""
        found = self._read(mark, _FOUND, Found)
        return found if found is not None and found.destination == self._destination else None

    def keep(self, found: Found) -> None:
        """Write it down, at once or not at all. Where the disk refuses it, it is looked for another time."""
        self._write(found, _FOUND)

    def keep_ending(self, ending: Ending) -> None:
        """The same for how a run ended."""
        self._write(ending, _ENDING)

    def untold(self) -> Iterator[tuple[Found, Ending]]:
        """The runs that were begun here and of which no process is left, whose experiments were made and
        don't know how they ended: as they said, or else by a death without a word.
        """
        if self._root is None:
            return
        for mark in ended_runs(self._root, self._destination):
            found = self.read(mark)
            ending = self._read(mark, _ENDING, Ending)
            if found is not None and found.experiment_id and (ending is None or not ending.is_told):
                yield found, ending or Ending(mark=mark, status="interrupted", error=_WITHOUT_A_WORD)

    def _read(self, mark: str, suffix: str, kind: type[_Kept]) -> _Kept | None:
        if self._root is None:
            return None
        try:
            file = files.open_ours(self._path(mark, suffix), os.O_RDONLY)
        except OSError:
            return None
        try:
            kept = msgspec.json.decode(os.read(file, 1 << 16), type=kind)
        except (OSError, msgspec.DecodeError, UnicodeError):
            return None
        finally:
            os.close(file)
        return kept if kept.mark == mark else None

    def _write(self, kept: Found | Ending, suffix: str) -> None:
        if self._root is None:
            return
        with contextlib.suppress(OSError, ValueError):
            path = self._path(kept.mark, suffix)
            is_new = not path.exists()
            new = path.with_name(f"{path.stem}-{secrets.token_hex(4)}{_NEW}")
            file = files.create(new)
            try:
                files.write_at(file, msgspec.json.encode(kept) + b"\n", 0)
            finally:
                os.close(file)
            os.replace(new, path)
            if is_new:
                self._remove_old(path.parent, kept.mark)

    def _lock(self, mark: str) -> int:
        """The descriptor that has the lock; -1 where none can be had here."""
        if self._root is None:
            return -1
        for _ in range(_TRIES):
            try:
                path = self._path(mark, _LOCK)
                file = _open(path)
            except OSError:
                return -1  # the disk refuses: what is made is found again by its mark
            try:
                lock.exclusive(file)
                if files.identity_of(file) == files.identity(path):
                    return file
            except OSError:
                time.sleep(_BETWEEN_SECONDS)
            os.close(file)
        raise Busy

    def _path(self, mark: str, suffix: str) -> Path:
        """Where something of a run is; makes the directory. Raises OSError."""
        assert self._root is not None
        directory = files.our_directory(self._root, DIRECTORY)
        return directory / f"{mark}-{crc32(self._destination.encode(errors='replace')):08x}{suffix}"

    def _remove_old(self, directory: Path, but: str) -> None:
        """Remove what is kept of runs of which no journal is left, but for what somebody is at."""
        assert self._root is not None
        owners = map(ownership.read_owner, ownership.homes(self._root))
        marks = {run.mark for owner in owners if owner is not None for run in owner.runs} | {but}
        for name in files.list_names(directory):
            if name.partition("-")[0] not in marks:
                _remove_unless_locked(directory / name)


def _open(path: Path) -> int:
    with contextlib.suppress(FileExistsError):
        return files.create(path)
    return files.open_ours(path, os.O_RDWR)


def _remove_unless_locked(path: Path) -> None:
    with contextlib.suppress(OSError):
        file = files.open_ours(path, os.O_RDWR)
        try:
            lock.exclusive(file)
            files.remove(path)
        finally:
            os.close(file)
