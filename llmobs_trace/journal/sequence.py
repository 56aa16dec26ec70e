"""Reads and settles segments in order: the sender's side of a queue. The counts are for any thread.

A segment's number is its place in a list that only grows: `list.append` is what gives numbers out, so there
are no gaps, and whoever publishes a segment has published all of it. A segment that is done with leaves its
counts in its place; the counts at the front are added up into one, `_folded`, and their places become None.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import NamedTuple

from .compact import records_from
from .record import Counts, Outcome, Position, Record, Settlement
from .records import Records, split
from .segment import Segment, SegmentDamaged
from .shelf import Shelf

# Why records are lost whose file isn't what it was.
DAMAGED = "the journal's files were removed, or cut short"
# What keeps a file from being read for a moment only: reading is to be tried again, not left out.
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR})


class Folded(NamedTuple):
    """The counts of all segments before a number."""

    upto: int
    settled: Settlement


class SegmentSequence:
    """Reads and settles; `Journal` adds appending, `AdoptedJournal` the lock of an ended process."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._segments: list[Segment | Settlement | None] = []
        self._folded = Folded(0, Settlement())
        self._reason = ""

    def start(self) -> Position:
        """A position that no pending record is before."""
        return Position(self._folded.upto, 0)

    def end(self) -> Position:
        """A position between what was appended before the call and what is appended after it. Any thread."""
        number = len(self._segments) - 1
        # A write that was on its way to an older one when the newest was published must not end up before it.
        for older, segment in self._live():
            if older < number and not segment.is_sealed:
                segment.seal()
        newest = self._segments[number] if number >= 0 else None
        if isinstance(newest, Segment):
            return Position(number, newest.stop())
        return Position(number + 1, 0)

    def read(self, at: Position, max_bytes: int) -> tuple[Records, Position]:
        """Pending records from `at` on, at most `max_bytes` or one larger, and where to go on."""
        records = Records([], [], [])
        room_bytes = max_bytes
        at = max(at, self.start())
        number, offset = at.segment, at.offset
        while number < len(self._segments):
            segment = self._segments[number]
            if not isinstance(segment, Segment):
                number, offset = number + 1, 0
                continue
            is_newest = number == len(self._segments) - 1
            # Only the newest is appended to. An older one is sealed before it is left, or a write that was
            # on its way when the next one took over could end up behind us.
            stop = segment.stop() if is_newest else segment.seal()
            if offset >= stop:
                if is_newest:
                    break
                number, offset = number + 1, 0
                continue
            try:
                at = Position(number, offset)
                found, read_bytes = _records_of(segment, at, stop, room_bytes, at_least_one=not records)
            except SegmentDamaged:
                self._reason = DAMAGED
                self._write_off(number, segment)
                number, offset = number + 1, 0
                continue
            except OSError as error:
                if error.errno in _PASSING:
                    raise
                # What can't be read stays pending, for a later run, and keeps nothing else back.
                self._refused_by_disk(error)
                number, offset = number + 1, 0
                continue
            records.extend(found)
            room_bytes -= sum(map(len, found.lines)) + len(found)
            offset += read_bytes
            if not read_bytes or room_bytes <= 0:
                break
        return records, Position(number, offset)

    def acknowledge(self, records: Sequence[Record], outcome: Outcome = "delivered") -> None:
        """Note on disk that these are done with, and how; in any order. Frees segments that are done with."""
        columns = Records.of(records)
        for number, part in columns.grouped(columns.segments).items():
            segment = self._segments[number]
            if isinstance(segment, Segment):
                try:
                    segment.settle(part, outcome)
                except SegmentDamaged:
                    self._damaged(number, segment)
                except OSError as error:
                    self._refused_by_disk(error)
                self._free(number, segment)
        self._fold()

    def counts(self) -> Counts:
        """The ledger now, all of one moment. Any thread."""
        while True:
            upto, (delivered, rejected, lost, _) = self._folded
            pending = pending_bytes = 0
            for entry in self._segments[upto:]:
                if entry is None:
                    break  # folded while we looked
                if isinstance(entry, Segment):
                    records, size_bytes, entry = entry.remaining()
                    pending += records
                    pending_bytes += size_bytes
                delivered += entry.delivered
                rejected += entry.rejected
                lost += entry.lost
            else:
                return Counts(delivered, pending, rejected, lost + self._refused(), pending_bytes)

    def pending(self) -> tuple[int, int]:
        """How many records are not done with, and their bytes. Any thread."""
        counts = self.counts()
        return counts.pending, counts.pending_bytes

    def recorded(self) -> int:
        """How many records were ever appended, the dropped ones included. Any thread."""
        return self.counts().recorded

    def dropped(self) -> int:
        """How many records were refused, or lost with their file. Any thread."""
        return self.counts().dropped

    def _refused(self) -> int:
        """How many were never stored."""
        return 0

    def _refused_by_disk(self, error: OSError) -> None:
        """Something could not be read or written, and is held in memory or left for a later run."""

    def _damaged(self, number: int, segment: Segment) -> None:
        """Its file isn't what it was."""
        self._write_off(number, segment)

    def _pay(self, number: int, segment: Segment) -> None:
        """Bring the marks to the disk that it refused before."""
        try:
            segment.pay()
        except SegmentDamaged:
            self._damaged(number, segment)
        except OSError as error:
            self._refused_by_disk(error)

    def _live(self) -> list[tuple[int, Segment]]:
        """The segments that aren't done with, oldest first."""
        upto = self._folded.upto
        entries = enumerate(self._segments[upto:], upto)
        return [(number, entry) for number, entry in entries if isinstance(entry, Segment)]

    def _free(self, number: int, segment: Segment) -> None:
        """Remove a segment if nobody appends to it and nothing in it is pending."""
        is_there = self._segments[number] is segment
        if is_there and segment.is_sealed and not segment.remaining()[0]:
            self._segments[number] = segment.settled
            if not self._shelf.settled(segment):
                self._segments[number] = segment

    def _fold(self) -> None:
        """Add the counts at the front up. The sum is in place before what went into it is gone."""
        upto, settled = start = self._folded
        while upto < len(self._segments) and isinstance(entry := self._segments[upto], Settlement):
            settled = settled.plus(entry)
            upto += 1
        self._folded = Folded(upto, settled)
        for number in range(start.upto, upto):
            self._segments[number] = None

    def _write_off(self, number: int, segment: Segment) -> None:
        """Count what can't be read or kept any more as lost."""
        segment.seal()
        pending, size_bytes, settled = segment.remaining()
        segment.settled = settled.plus(Settlement(lost=pending, size_bytes=size_bytes))
        self._free(number, segment)
        self._fold()


def _records_of(
    segment: Segment, at: Position, stop: int, room_bytes: int, *, at_least_one: bool
) -> tuple[Records, int]:
    """The pending records from `at` that fit into the room, and how many bytes of the segment they cover."""
    if segment.places is not None:
        return records_from(segment, at, stop, room_bytes, at_least_one=at_least_one)
    end = min(stop, at.offset + max(room_bytes, 1))
    chunk = segment.read(at.offset, end)
    covered = chunk.rfind(b"\n") + 1
    while not covered and at_least_one and end < stop:
        end = min(stop, end + 2 * len(chunk))
        chunk = segment.read(at.offset, end)
        covered = chunk.find(b"\n") + 1
    if not covered and at_least_one:
        raise SegmentDamaged("a segment's data doesn't end with a record")
    found = split(chunk[:covered], at)
    if segment.owed:
        found = found.chosen([offset not in segment.owed for offset in found.offsets])
    return found, covered
