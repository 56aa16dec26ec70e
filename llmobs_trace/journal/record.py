"""Defines what a queue holds and how it is counted: values only, any thread.

A record is one line of compact JSON. JSON written compactly holds no NUL and no raw newline, and segments
start as zeros, so a line is whole exactly when it ends with a newline and has no NUL in it. Its first byte
is `{` until it is settled; then that one byte says how, so that a later reader skips it and can still count
it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct

Outcome = Literal["delivered", "rejected", "lost"]

# What the first byte of a settled record becomes. None of them can begin a JSON object.
MARKS: dict[Outcome, int] = {"delivered": ord("+"), "rejected": ord("!"), "lost": ord("-")}
_DELIVERED, _REJECTED = MARKS["delivered"], MARKS["rejected"]
_OUTCOMES: dict[int, Outcome] = {mark: outcome for outcome, mark in MARKS.items()}
SETTLED = frozenset(MARKS.values())
_PENDING = ord("{")
_HEAD = ord("=")
_KNOWN = frozenset({_PENDING, _DELIVERED, _REJECTED})


# Thousands of these two are there at a time. In the garbage collector's care, they would make it look through
# all of the program's memory again and again.
class Position(Struct, frozen=True, order=True, gc=False):
    """A place between two records of one queue; places compare in the order in which the queue is read."""

    segment: int
    offset: int


class Record(Struct, frozen=True, gc=False):
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
    return first_byte in SETTLED


def outcome_of(mark: int) -> Outcome:
    """How a record is done with that begins with this byte."""
    return _OUTCOMES[mark]


def head(settled: Settlement) -> bytes:
    """The first line of a file that leaves out what is settled: the counts of that."""
    return b"=%d %d %d\n" % (settled.delivered, settled.rejected, settled.lost)


def _read_head(line: bytes) -> Settlement | None:
    try:
        delivered, rejected, lost = map(int, line[1:].split())
    except ValueError:
        return None
    settled = Settlement(delivered, rejected, lost)
    return settled if head(settled) == line and min(settled) >= 0 else None


class Scan:
    """Counts a segment's lines as its data is fed to it in pieces, up to the first NUL.

    A line that begins like no record was damaged by somebody, and counts as lost. So does what was being
    written at a kill: a line without its end.
    """

    def __init__(self) -> None:
        self.settled = Settlement()
        self.records = 0
        self.length_bytes = 0  # up to the end of the last line
        self.read_bytes = 0
        self._first: int | None = None  # of the line that has begun
        self._begun_bytes = 0

    def feed(self, data: bytes) -> bool:
        """Count on; False where a NUL ended it."""
        self.read_bytes += len(data)
        stop = data.find(b"\0")
        end_of_data = len(data) if stop < 0 else stop
        delivered = rejected = lost = size_bytes = 0
        begin = 0
        while (end := data.find(b"\n", begin, end_of_data)) >= 0:
            first = data[begin] if self._first is None else self._first
            line_bytes = self._begun_bytes + end + 1 - begin
            counted = _read_head(data[begin : end + 1]) if first == _HEAD and not self.length_bytes else None
            self.length_bytes += line_bytes
            if first != _PENDING:
                size_bytes += line_bytes
            if counted is not None:
                self.records += counted.records
                self.settled = self.settled.plus(counted)
            else:
                self.records += 1
                delivered += first == _DELIVERED
                rejected += first == _REJECTED
                lost += first not in _KNOWN
            self._first, self._begun_bytes = None, 0
            begin = end + 1
        if begin < end_of_data and self._first is None:
            self._first = data[begin]
        self._begun_bytes += end_of_data - begin
        if stop >= 0 and data[stop:].strip(b"\0") and not self._begun_bytes:
            self._begun_bytes = 1  # bytes aren't copied in their order: the beginning may be missing
        self.settled = self.settled.plus(Settlement(delivered, rejected, lost, size_bytes))
        return stop < 0

    @property
    def begun_bytes(self) -> int:
        """How much of a line without its end there is so far."""
        return self._begun_bytes

    def count_torn(self) -> None:
        """There is no more: what has begun was torn, and is lost."""
        if self._begun_bytes:
            self.records += 1
            self.settled = self.settled.plus(Settlement(lost=1))
            self._begun_bytes = 0


def scan(data: bytes) -> Scan:
    """What a segment's data holds."""
    found = Scan()
    found.feed(data)
    return found
