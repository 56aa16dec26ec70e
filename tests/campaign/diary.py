"""What a traced program says of itself through a named pipe, and how that is read: lines, each in one write.

    begun|ended   pid  S|M  identity          a span by its id, a metric by its label
    stats         pid  recorded delivered pending rejected dropped
    removed                                   the store, with all that was delivered to it
    fork|clock|disk|handled …                 what was done to it

A pipe outlives its writer, no limit on files reaches it, and a line of less than 4 kB is written whole or not
at all. Each process opens it for itself, so its end is seen once the last of them is gone.
"""

from __future__ import annotations

import itertools
import os
import select
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

VARIABLE = "CAMPAIGN_DIARY"


class Writer:
    """The program's side; nothing at all where no pipe is named. Any thread, forked children too."""

    def __init__(self) -> None:
        path = os.environ.get(VARIABLE)
        self._file = os.open(path, os.O_WRONLY) if path else -1
        self._ends = itertools.count(1)
        self._pid = os.getpid()
        self.at_end: Callable[[int], None] = lambda number: None

    def write(self, *words: object) -> None:
        if self._file >= 0:
            os.write(self._file, (" ".join(map(str, words)) + "\n").encode())

    def begun(self, kind: str, identity: str) -> None:
        """It may be recorded from now on."""
        self.write("begun", os.getpid(), kind, identity)

    def ended(self, kind: str, identity: str) -> None:
        """Its block has ended, or its call returned: from now on it must not get lost."""
        pid = os.getpid()
        self.write("ended", pid, kind, identity)
        if self._file >= 0 and pid == self._pid:
            self.at_end(next(self._ends))


class Reader(threading.Thread):
    """Reads until every writer is gone. `ends` counts what ended so far, for whom waits for so many."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        os.mkfifo(path, 0o600)
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.changed = threading.Condition()
        self.ends = 0
        self.is_over = False
        self.lines: list[list[str]] = []

    def run(self) -> None:
        rest = b""
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        while True:
            poll.poll()
            # A hang-up before the first writer came would be an end too: the program is waited for first.
            chunk = os.read(self._file, 1 << 16)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            words = [line.decode().split(" ") for line in lines]
            with self.changed:
                self.lines += words
                self.ends += sum(line[0] == "ended" for line in words)
                self.changed.notify_all()
        os.close(self._file)
        with self.changed:
            self.is_over = True
            self.changed.notify_all()

    def wait_for_ends(self, count: int, timeout_seconds: float) -> bool:
        """Until so much has ended, or all is over; False where the time was over first."""
        with self.changed:
            return self.changed.wait_for(lambda: self.ends >= count or self.is_over, timeout_seconds)


class Diary:
    """What was said, sorted."""

    def __init__(self, lines: list[list[str]]) -> None:
        self.begun: set[tuple[str, str]] = set()
        self.ended: set[tuple[str, str]] = set()
        self.ended_by: Counter[int] = Counter()
        self.ended_of: dict[int, set[tuple[str, str]]] = {}
        self.begun_by: Counter[int] = Counter()
        # What may be gone with a store that somebody removed: begun before that.
        self.removed: set[tuple[str, str]] = set()
        self.stats: list[tuple[int, ...]] = []
        self.done: Counter[str] = Counter()
        for what, *words in lines:
            if what in ("begun", "ended"):
                pid, kind, identity = words
                (self.begun if what == "begun" else self.ended).add((kind, identity))
                (self.begun_by if what == "begun" else self.ended_by)[int(pid)] += 1
                if what == "ended":
                    self.ended_of.setdefault(int(pid), set()).add((kind, identity))
            elif what == "removed":
                self.removed |= self.begun
            elif what == "stats":
                self.stats.append(tuple(map(int, words)))
            else:
                self.done[" ".join([what, *words])] += 1

    @property
    def done_kills(self) -> int:
        """How many children were killed."""
        return self.done["child killed"] + self.done["child killed-by-its-parent"]
