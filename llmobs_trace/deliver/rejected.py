"""Keeps refused events with the server's words in a bounded file of JSON lines, their dead letter queue.

Sender's thread; other processes append to the same file. A line is

    {"rejected_at":…,"destination":…,"experiment":…,"status":400,"words":…,"sent":…,"span":{…}}

`sent` says whether the event's degraded form was accepted; `span` (or `metric`) is the event as it was
recorded. A line may be empty. At its bound the file takes the place of the one before it, whose events are
given up. Where users share the journal's directory each has a directory for it; where none can be had, the
newest few are kept in memory.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Raw, Struct

from llmobs_trace.deliver.answers import Answer, what_was_said
from llmobs_trace.journal import files, lock

DIRECTORY: Final = "rejected"
FILE: Final = "rejected.jsonl"
FILE_BEFORE: Final = "rejected.before.jsonl"
# Of each of the two files; an event that takes more than half of it is named there without its values.
MAX_FILE_BYTES: Final = 32 << 20
MAX_MEMORY_BYTES: Final = 4 << 20

_APPEND_FLAGS = (
    os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)


class Rejection(Struct, frozen=True, kw_only=True):
    """One event that was refused for good; `sent` is whether its degraded form was accepted."""

    destination: str
    experiment_id: str
    is_span: bool
    event: bytes
    answer: Answer
    sent: bool


class Rejected:
    """Where rejected events are kept: `rejected/` under `root`, or without a root in memory.

    `directory` is that, or this user's own beside it where it turned out to be another's; None is memory.
    """

    def __init__(self, root: Path | None = None, *, max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self.directory = None if root is None else root.absolute() / DIRECTORY
        self._max_file_bytes = max_file_bytes
        self._memory: deque[bytes] = deque()
        self._memory_bytes = 0

    def keep(self, rejection: Rejection) -> str:
        """Write one event down and say where it is, for a log line. Never raises for the disk's sake."""
        with contextlib.suppress(OSError):
            return str(self.write(rejection))
        self._remember(self._line(rejection))
        return "memory, since no file could be written"

    def write(self, rejection: Rejection) -> Path:
        """Write one event down in the file, or raise OSError: the file."""
        if self.directory is None:
            raise FileNotFoundError("there is no directory for it")
        line = self._line(rejection)
        self.directory = files.our_directory(self.directory.parent, DIRECTORY)
        return self._append(self.directory, line)

    def where(self) -> str:
        """Where those are that were kept so far, in words for a log line."""
        if self._memory or self.directory is None:
            return "not kept, since no file could be written"
        return f"kept in {self.directory}"

    def _line(self, rejection: Rejection) -> bytes:
        line = _line(rejection)
        return line if len(line) <= self._max_file_bytes // 2 else _line(rejection, with_event=False)

    def remembered(self) -> list[bytes]:
        """The lines that are in memory, oldest first."""
        return list(self._memory)

    def _append(self, directory: Path, line: bytes) -> Path:
        path = directory / FILE
        if _size_of(path) + len(line) > self._max_file_bytes:
            self._turn_over(path, len(line))
        with _opened(path) as file:
            size_bytes = os.fstat(file).st_size
            # What a full disk or a kill cut short must not spoil the next line.
            if size_bytes:
                os.lseek(file, size_bytes - 1, os.SEEK_SET)  # it is written to at its end wherever that is
                if os.read(file, 1) != b"\n":
                    line = b"\n" + line
            if os.write(file, line) != len(line):
                raise OSError("the disk is full")
        return path

    def _turn_over(self, path: Path, needed_bytes: int) -> None:
        """Begin a new file; of several processes that want to, one does."""
        if not lock.is_possible():
            path.replace(path.with_name(FILE_BEFORE))
            return
        with _opened(path) as file:
            try:
                lock.exclusive(file)
            except OSError:
                return
            held, there = os.fstat(file), os.lstat(path)
            if held.st_ino == there.st_ino and there.st_size + needed_bytes > self._max_file_bytes:
                path.replace(path.with_name(FILE_BEFORE))

    def _remember(self, line: bytes) -> None:
        self._memory.append(line)
        self._memory_bytes += len(line)
        while self._memory_bytes > MAX_MEMORY_BYTES:
            self._memory_bytes -= len(self._memory.popleft())


def file_under(root: Path) -> Path | None:
    """This user's file of rejected events under a directory of journals, where there is one."""
    for directory in (root / DIRECTORY, files.of_this_user(root, DIRECTORY)):
        with contextlib.suppress(OSError):
            if files.is_our_directory(directory) and (directory / FILE).is_file():
                return directory / FILE
    return None


def _line(rejection: Rejection, *, with_event: bool = True) -> bytes:
    answer = rejection.answer
    said: dict[str, object] = {
        "rejected_at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "destination": _as_text(rejection.destination),
        "experiment": rejection.experiment_id,
        "status": answer.status,
        "words": _as_text(answer.detail or what_was_said(answer)),
        "sent": "without its values" if rejection.sent else "no",
    }
    if with_event:
        said["span" if rejection.is_span else "metric"] = _as_json(rejection.event)
    else:
        said["event_bytes"] = len(rejection.event)
    return msgspec.json.encode(said) + b"\n"


def _as_text(words: str) -> str:
    """A path may be none, as under a directory whose name is not UTF-8."""
    return words.encode("utf-8", "backslashreplace").decode()


def _as_json(event: bytes) -> Raw | str:
    """An event goes in as it is; what is no JSON, as text."""
    try:
        msgspec.json.decode(event)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return event.decode("utf-8", "replace")
    return Raw(event)


def _size_of(path: Path) -> int:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    file = files.out_of_the_way(os.open(path, _APPEND_FLAGS, 0o600), path)
    try:
        yield file
    finally:
        os.close(file)
