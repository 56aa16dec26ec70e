"""What a queue holds and how it is counted: values only, any thread.

A record is one line of compact JSON. JSON written compactly holds no NUL and no raw newline, and segments
start as zeros, so a line is whole exactly when it ends with a newline and has no NUL in it. Its first byte
is `{` until it is settled; then that one byte says how, so that a later reader skips it and can still count
it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = [
    "MARKS",
    "Counts",
    "Outcome",
    "Position",
    "Record",
    "Settlement",
    "is_settled",
    "split",
    "tally",
    "whole",
]

Outcome = Literal["delivered", "rejected"]

# What the first byte of a settled record becomes. Neither can begin a JSON object.
MARKS: dict[Outcome, int] = {"delivered": ord("+"), "rejected": ord("!")}
_SETTLED = frozenset(MARKS.values())


class Position(NamedTuple):
    """A place between two records of one queue; places compare in the order in which the queue is read."""

    segment: int
    offset: int


class Record(NamedTuple):
    """One event in the queue: where it begins, and its bytes without the newline."""

    at: Position
    line: bytes


class Settlement(NamedTuple):
    """How many records of a segment are done with, how, and the bytes they take there."""

    delivered: int = 0
    rejected: int = 0
    lost: int = 0
    size_bytes: int = 0

    @property
    def records(self) -> int:
        """How many are done with, in whatever way."""
        return self.delivered + self.rejected + self.lost

    def plus(self, other: Settlement) -> Settlement:
        """Both together."""
        return Settlement(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Counts(NamedTuple):
    """A queue's ledger at one moment; it balances because `recorded` is the sum of the others."""

    delivered: int = 0
    pending: int = 0
    rejected: int = 0
    dropped: int = 0
    pending_bytes: int = 0

    @property
    def recorded(self) -> int:
        """How many events were ever appended, the dropped ones included."""
        return self.delivered + self.pending + self.rejected + self.dropped


def is_settled(first_byte: int) -> bool:
    """Whether a record that begins with this byte is done with."""
    return first_byte in _SETTLED


def split(chunk: bytes, at: Position) -> list[Record]:
    """The whole, unsettled records in a stretch of a segment that begins at `at`, at a record's beginning."""
    records = []
    segment, offset = at
    begin = 0
    while (end := chunk.find(b"\n", begin)) >= 0:
        if end > begin and chunk[begin] not in _SETTLED:
            records.append(Record(Position(segment, offset + begin), chunk[begin:end]))
        begin = end + 1
    return records


def tally(data: bytes) -> tuple[int, Settlement]:
    """How many records a segment's data holds, and how many of them are settled."""
    records = delivered = rejected = size_bytes = 0
    begin = 0
    while (end := data.find(b"\n", begin)) >= 0:
        records += 1
        if data[begin] == MARKS["delivered"]:
            delivered += 1
            size_bytes += end + 1 - begin
        elif data[begin] == MARKS["rejected"]:
            rejected += 1
            size_bytes += end + 1 - begin
        begin = end + 1
    return records, Settlement(delivered, rejected, 0, size_bytes)


def whole(data: bytes) -> bytes:
    """A segment's data up to the end of its last whole record: zeros and a record torn by a kill left out."""
    end = data.find(b"\0")
    if end >= 0:
        data = data[:end]
    return data[: data.rfind(b"\n") + 1]
