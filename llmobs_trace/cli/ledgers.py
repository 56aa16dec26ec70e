"""A directory of journals in, the ledger of each process out, living or ended; the main thread.

Changes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

if TYPE_CHECKING:
    from llmobs_trace.journal import JournalReport, Storage

# What a kill takes, by where records are between append and delivery.
_LOST_TO_A_KILL: Final[dict[Storage, str]] = {
    "mapped": "a kill loses nothing whose call has returned, at most one event that was just being written",
    "mirrored": "in memory first, copied to a file within some 50 ms: a kill loses what was not copied yet",
    "memory": "no file: a kill loses everything that was not delivered yet",
}


class Ledger(Struct, frozen=True, kw_only=True):
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
    balances: bool
    problem: str


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
    such a directory before anybody looked.
    """

    directory: str | None
    storage: str
    lost_to_a_kill: str
    ledgers: list[Ledger]
    problem: str
    rejected_file: str | None = None
    without_ledger: list[WithoutLedger] = []
    is_there: bool = True

    def total(self, count: str) -> int:
        return sum(getattr(ledger, count) for ledger in self.ledgers)


def read(directory: Path | None, *, can_be_written: bool = True) -> Journals:
    """Everything that is to be known of the journals under a directory; None is memory."""
    from llmobs_trace.journal import storage_at, survey, unkept

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
    return Journals(
        directory=str(directory),
        storage=storage,
        lost_to_a_kill=_LOST_TO_A_KILL[storage],
        ledgers=[_ledger(report) for report in survey(directory)],
        problem=""
        if can_be_written
        else f"{directory} can't be written: programs that begin now leave no word",
        rejected_file=_rejected_file(directory),
        without_ledger=[
            WithoutLedger(
                pid=one.pid,
                started_ns=one.started_ns,
                state="living" if one.is_held else "unknown",
                reason=one.reason,
            )
            for one in unkept(directory)
        ],
    )


def _none(directory: Path | None, storage: Storage, problem: str) -> Journals:
    return Journals(
        directory=None if directory is None else str(directory),
        storage=storage,
        lost_to_a_kill=_LOST_TO_A_KILL[storage],
        ledgers=[],
        problem=problem,
    )


def _ledger(report: JournalReport) -> Ledger:
    owner, counts = report.owner, report.counts
    adds_up = counts.recorded == counts.delivered + counts.pending + counts.rejected + counts.dropped
    return Ledger(
        home=str(report.home),
        state=_state(report),
        pid=owner.pid if owner else None,
        destination=owner.destination if owner else None,
        experiment_id=owner.experiment_id if owner else None,
        experiment_name=owner.experiment_name if owner else None,
        started_ns=owner.started_ns if owner else None,
        recorded=counts.recorded,
        delivered=counts.delivered,
        pending=counts.pending,
        rejected=counts.rejected,
        dropped=counts.dropped,
        pending_bytes=counts.pending_bytes,
        pending_in_memory=report.in_memory if report.is_held else 0,
        balances=adds_up and not report.problem,
        problem=report.problem,
    )


def _state(report: JournalReport) -> str:
    from llmobs_trace.journal.ownership import this_host

    if report.owner is None:
        return "living" if report.is_held else "unknown"
    # Its lock is held on its own host, where it is seen; here is a copy, or a directory that both share.
    if report.owner.host != this_host():
        return "another host"
    return "living" if report.is_held else "ended"


def _rejected_file(directory: Path) -> str | None:
    from llmobs_trace.deliver.rejected import DIRECTORY, FILE

    path = directory / DIRECTORY / FILE
    return str(path) if path.is_file() else None
