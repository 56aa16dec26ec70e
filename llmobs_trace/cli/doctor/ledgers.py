"""Reads the ledger of each process, living or ended, from a directory of journals; on the main thread.

Changes nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, structs

from llmobs_trace.deliver.rejected import file_under
from llmobs_trace.journal import JournalReport, Storage, storage_at, survey, unkept
from llmobs_trace.journal.ownership import this_host

# What a kill takes, by where records are between append and delivery.
_LOST_TO_A_KILL: Final[dict[Storage, str]] = {
    "mapped": "a kill loses no event whose call has returned, at most the one that was being written",
    "mirrored": "in memory first, copied to a file within some 50 ms: a kill loses what was not copied yet",
    "memory": "no file: a kill loses everything that was not delivered yet",
}


class ProcessLedger(Struct, frozen=True, kw_only=True):
    """One process's account. `state` is living, ended, `another host`'s, or unknown.

    `balances` is whether all of it could be read, and recorded is the sum of the other four.
    """

    home: str
    state: str
    pid: int | None
    destination: str | None
    experiment_id: str | None
    experiment_name: str | None
    started_ns: int | None
    recorded: int
    delivered: int
    pending: int
    rejected: int
    dropped: int
    pending_bytes: int
    pending_in_memory: int
    disk_bytes: int = 0
    balances: bool
    problem: str


class Waiting(Struct, frozen=True, kw_only=True):
    """What all that waits for one destination takes of the disk; `is_full`: no process gets more."""

    destination: str
    disk_bytes: int
    max_journal_bytes: int
    is_full: bool


class WithoutLedger(Struct, frozen=True, kw_only=True):
    """A process that recorded and could make no journal: nothing else is known of it. `state` is living, or
    unknown.
    """

    pid: int
    started_ns: int
    state: str
    reason: str


class Journals(Struct, frozen=True, kw_only=True):
    """What is under one directory; `problem` says why that can't be told. `is_there` is whether there was
    such a directory before anybody looked; `of_other_users` is how many journals there are another user's.
    """

    directory: str | None
    storage: str
    lost_to_a_kill: str
    ledgers: list[ProcessLedger]
    problem: str
    rejected_file: str | None = None
    without_ledger: list[WithoutLedger] = []
    is_there: bool = True
    of_other_users: int = 0
    waiting: list[Waiting] = []

    def total(self, count: str) -> int:
        return sum(getattr(ledger, count) for ledger in self.ledgers)


def read(directory: Path | None, *, can_be_written: bool = True) -> Journals:
    """Everything that is to be known of the journals under a directory; None is memory."""
    if directory is None:
        return _none(
            None, "memory", "events are kept in memory alone, and their ledger ends with the process"
        )
    storage = storage_at(directory)
    try:
        os.listdir(directory)
    except FileNotFoundError:
        return structs.replace(_none(directory, storage, ""), is_there=False)
    except OSError as error:
        return _none(directory, storage, f"{directory} can't be read: {error.strerror or error}")
    rejected = file_under(directory)
    reports = survey(directory)
    return Journals(
        directory=str(directory),
        storage=storage,
        lost_to_a_kill=_LOST_TO_A_KILL[storage],
        ledgers=[_ledger(report) for report in reports if not report.is_anothers],
        problem=""
        if can_be_written
        else f"{directory} can't be written: programs that begin now can keep no ledger there",
        rejected_file=None if rejected is None else str(rejected),
        without_ledger=[
            WithoutLedger(
                pid=one.pid,
                started_ns=one.started_ns,
                state="living" if one.is_held else "unknown",
                reason=one.reason,
            )
            for one in unkept(directory)
        ],
        of_other_users=sum(report.is_anothers for report in reports),
    )


def waiting(journals: Journals, max_journal_bytes: int, segment_bytes: int) -> list[Waiting]:
    """For each destination for which anything waits on disk, how much of its bound that takes."""
    taken: Counter[str] = Counter()
    for ledger in journals.ledgers:
        taken[ledger.destination or ""] += ledger.disk_bytes
    return [
        Waiting(
            destination=destination,
            disk_bytes=disk_bytes,
            max_journal_bytes=max_journal_bytes,
            is_full=disk_bytes + segment_bytes > max_journal_bytes,
        )
        for destination, disk_bytes in sorted(taken.items())
        if destination and disk_bytes
    ]


def _none(directory: Path | None, storage: Storage, problem: str) -> Journals:
    return Journals(
        directory=None if directory is None else str(directory),
        storage=storage,
        lost_to_a_kill=_LOST_TO_A_KILL[storage],
        ledgers=[],
        problem=problem,
    )


# What a file says of whose a journal is; nothing where it says nothing.
_OF_ITS_OWNER: Final = ("pid", "destination", "experiment_id", "experiment_name", "started_ns")


def _ledger(report: JournalReport) -> ProcessLedger:
    whose: dict[str, Any] = {name: getattr(report.owner, name, None) for name in _OF_ITS_OWNER}
    return ProcessLedger(
        home=str(report.home),
        state=_state(report),
        **whose,
        **report.counts._asdict(),
        recorded=report.counts.recorded,
        pending_in_memory=report.in_memory if report.is_held else 0,
        disk_bytes=report.disk_bytes,
        balances=not report.problem,
        problem=report.problem,
    )


def _state(report: JournalReport) -> str:
    if report.owner is None:
        return "living" if report.is_held else "unknown"
    # Its lock is held on its own host, where it is seen; here is a copy, or a directory that both share.
    if report.owner.host != this_host():
        return "another host"
    return "living" if report.is_held else "ended"
