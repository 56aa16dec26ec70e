"""Keeps encoded events from the user's thread until the sender, or the next process, has delivered them.

The nouns of this room:

- a **record** is one event, a line of JSON (`record`); many of them are columns (`records`);
- a **segment** is a stretch of the queue, usually a mapped file (`segment`);
- a **shelf** is where segments are kept: a locked directory (`shelf`), or memory (`memory`);
- the **owner** is the process whose directory it is (`ownership`), as long as it holds the lock (`lock`);
- the **tally** has the counts of segments that are gone (`tally`);
- the **journal** is the queue of this process (`journal`), the sequence of its segments (`sequence`), within
  `room`; `queue` is what others may ask of it;
- an **adopted journal** is what an ended process left (`leftovers`);
- an **unkept journal** is the word of a process that could make none (`unkept`).

A segment may also be in memory and copied to a file (`mirrored`), or rewritten once most of it is settled
(`compact`). `files` and `maps` open what somebody else may tamper with; `disk_use` and `memory_left` say how
much there is.

What is promised: a record whose append has returned survives the death of the process, on the filesystems
where a mapped store is safe (`filesystem`); elsewhere it does as soon as the sender has copied it to its
file. It doesn't survive the kernel's or the machine's. What the bound or the disk refuses is counted as
dropped.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from .journal import Journal
from .leftovers import (
    AdoptedJournal,
    JournalReport,
    adoptable,
    drop_old_ledgers,
    ended_runs,
    passed_over,
    survey,
)
from .memory import MemoryShelf
from .ownership import NamedRun, Owner, this_process
from .queue import Queue, Source, Storage
from .record import Counts, Outcome, Position, Record
from .records import Records
from .shelf import DiskShelf, storage_at
from .unkept import Unkept, UnkeptJournal, drop_old_unkept, unkept

__all__ = [
    "AdoptedJournal",
    "Counts",
    "JournalReport",
    "NamedRun",
    "Outcome",
    "Owner",
    "Position",
    "Queue",
    "Record",
    "Records",
    "Source",
    "Storage",
    "Unkept",
    "adoptable",
    "ended_runs",
    "open_journal",
    "passed_over",
    "storage_at",
    "survey",
    "this_process",
    "unkept",
]


def open_journal(
    directory: Path | None,
    *,
    owner: Owner,
    segment_bytes: int = 2 << 20,
    max_bytes: int = 512 << 20,
    memory_bytes: int = 64 << 20,
) -> Queue:
    """A queue in a directory of its own under `directory`; in memory where that is None or unwritable.

    `segment_bytes` should be at least twice the largest event. `max_bytes` bounds the files, `memory_bytes`
    what a queue in memory holds; both are reached in steps of a segment. Never raises for the disk's sake:
    the queue's `reason` then says why it is in memory, and so does an empty file under `directory`, if there
    can be one. Drops the ledgers of processes long ended.
    """
    reason, word = "", None
    if directory is not None:
        try:
            directory = directory.absolute()  # the working directory may change later
            shelf = DiskShelf.claim(directory, owner)
            try:
                queue = Journal(shelf, segment_bytes=segment_bytes, max_bytes=max_bytes)
            except BaseException:
                shelf.close(remove=True)
                raise
            with contextlib.suppress(OSError):
                drop_old_ledgers(directory)
                drop_old_unkept(directory)
            return queue
        except (OSError, ValueError) as error:  # ValueError: a path that can't be one
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            reason = f"no journal can be kept in {directory}: {why}"
            if isinstance(error, OSError):
                word = UnkeptJournal.leave(directory, error)
    memory_bytes = min(memory_bytes, max_bytes)
    return Journal(MemoryShelf(word), segment_bytes=segment_bytes, max_bytes=memory_bytes, reason=reason)
