"""Declares what the sender may ask of a queue, and what capture may: two protocols, no code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from .record import Counts, Outcome, Position, Record
from .records import Records

# Where records are between append and acknowledgement: in a mapped file; in memory that the sender copies to
# a file; in memory alone.
Storage = Literal["mapped", "mirrored", "memory"]


class Source(Protocol):
    """Records to deliver. For the sender's thread, except where it says otherwise."""

    def start(self) -> Position:
        """A position that no pending record is before."""

    def end(self) -> Position:
        """A position between what was appended before the call and what is appended after it. Any thread."""

    def read(self, at: Position, max_bytes: int) -> tuple[Records, Position]:
        """Pending records from `at` on, at most `max_bytes` or one larger, and where to go on.

        None at all means that there is nothing more for now.
        """

    def acknowledge(self, records: Sequence[Record], outcome: Outcome = "delivered") -> None:
        """Note on disk that these are done with, and how; in any order. Frees segments that are done with."""

    def counts(self) -> Counts:
        """The ledger now, all of one moment. Any thread."""

    def pending(self) -> tuple[int, int]:
        """How many records are not done with, and their bytes. Any thread."""

    def recorded(self) -> int:
        """How many records were ever appended, the dropped ones included. Any thread."""

    def dropped(self) -> int:
        """How many records were refused, or lost with their file. Any thread."""

    def close(self, keep: bool) -> None:
        """Let go of it: with `keep`, pending records stay on disk for a later run, else they are dropped.

        The ledger stays on disk either way, unless nothing was recorded at all.
        """


class Queue(Source, Protocol):
    """A source that this process appends to."""

    armed: bool
    wake: Callable[[], None]

    @property
    def storage(self) -> Storage:
        """Where records are kept."""

    @property
    def reason(self) -> str:
        """Why records are not stored as was asked for, for a log line; else empty. It may change."""

    @property
    def max_bytes(self) -> int:
        """What it holds at most."""

    def in_memory(self) -> int:
        """How many pending records would die with the process, for want of a file. Any thread."""

    def append(self, line: bytes) -> None:
        """Store one record, newline included; never raises or waits. Any thread, handler, finalizer."""

    def prepare(self) -> None:
        """The sender's housekeeping: the spare segment, unmapping, copying to files.

        To be called whenever the sender wakes; where `storage` is `mirrored`, within some 50 ms of an append,
        since a kill before that loses the record.
        """

    def after_fork_in_child(self) -> None:
        """Let go of what was inherited without unlocking or deleting anything of the parent's."""
