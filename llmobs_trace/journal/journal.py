"""Queues this process's events: capture's threads append, the sender's thread empties.

An append is one C call on the newest segment's map. When that segment is full the call raises ValueError,
and the slow path is taken. It never waits and never holds a lock: whoever is first in `_turns` puts the next
segment in place; whoever comes meanwhile (another thread, or a signal handler or a finalizer on top of the
first) stores its record in a file of its own. So a record is stored when its append returns, whatever the
append interrupted.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable

from .compact import compact, is_worth_it
from .memory import MemoryShelf
from .queue import Storage
from .record import Settlement
from .room import Room
from .segment import Segment, SegmentDamaged
from .sequence import DAMAGED, Folded, SegmentSequence
from .shelf import Shelf

# Memory for records that the disk refuses, or that are not copied to it yet. The disk may hold far more than
# a process should.
_SPILL_BYTES = 16 << 20
_REWRITTEN_AT_ONCE = 8
# How much stays mapped behind the newest segment. The sender comes soon, mostly, and marks a record in a map
# with one store; in a file it takes two system calls, each with a wait for the interpreter lock.
_MAPPED_BYTES = 16 << 20


class Journal(SegmentSequence):
    """Appended to by any thread; read, settled and kept in order by the sender's."""

    def __init__(self, shelf: Shelf, *, segment_bytes: int, max_bytes: int, reason: str = "") -> None:
        """A queue over a shelf; where the disk refuses the first segment, it begins in memory."""
        super().__init__(shelf)
        shelf.in_memory = self._in_memory
        if shelf.most_bytes is not None:
            max_bytes = min(max_bytes, max(shelf.most_bytes, 2 * segment_bytes))
        self.armed = False
        self.wake: Callable[[], None] = _nobody
        self._reason = reason
        self._segment_bytes = max(1, min(segment_bytes, max_bytes // 2))
        # A map of a sealed segment, not of what the sender is about to copy to a file.
        is_mapped = shelf.storage == "mapped"
        self._most_mapped = min(_MAPPED_BYTES, max_bytes // 8) // self._segment_bytes if is_mapped else 0
        self._spill = MemoryShelf()
        self._spare: list[Segment] = []
        self._turns: list[object] = []
        self._refusals = itertools.count()
        self._spills = itertools.count()
        self._is_closed = False
        self._room = Room(max_bytes, shelf.taken_by_others)
        self._write: Callable[[bytes], object] = _closed
        # Where the disk refuses, the ledger is there and counts what is in memory.
        first = self._made(self._segment_bytes) if self._has_room(self._segment_bytes) else None
        if first is not None:
            self._segments.append(first)
            self._write = self._writer(first)

    @property
    def storage(self) -> Storage:
        """Where records are kept."""
        return self._shelf.storage

    @property
    def max_bytes(self) -> int:
        """What it holds at most."""
        return self._room.max_bytes

    @property
    def reason(self) -> str:
        """Why records are not stored as was asked for, for a log line; else empty. It may change."""
        return self._reason or (self._room.reason if self._refused() else "")

    def append(self, line: bytes) -> None:
        """Store one record, newline included; never raises or waits. Any thread, handler, finalizer."""
        # The hot path: a slot, one C call that copies (some 100 ns for 600 bytes), and a flag (10 ns).
        try:
            self._write(line)
        except ValueError:
            self._append_slowly(line)
        if self.armed:
            self._ring()

    def _ring(self) -> None:
        self.armed = False
        with contextlib.suppress(Exception):
            self.wake()

    def _append_slowly(self, line: bytes) -> None:
        """Store a record for which the newest segment has no room."""
        # An outage that outlasts the bound comes here for every record: some 0.5 µs to count it.
        if self._is_full_for(len(line)):
            self._refuse()
            return
        is_stored = False
        try:
            is_stored = not self._is_closed and self._store(line)
        except Exception as error:
            self._reason = f"a record could not be stored: {error!r}"
        except BaseException:
            # A handler's interrupt passes, but not at the record's cost. Where it came just after the record
            # was stored, it is stored twice, which is harmless.
            is_stored = not self._is_closed and self._store_apart(line)
            raise
        finally:
            if not is_stored:
                self._refuse()

    def _is_full_for(self, needed_bytes: int) -> bool:
        """Whether a roll-over is known to find no room, and nobody is in the middle of one."""
        if self._spare or self._turns:
            return False
        return self._room.is_known_to_be_none(max(self._segment_bytes, needed_bytes))

    def _refuse(self) -> None:
        try:
            _count_one(self._refusals, self._shelf.dropped)
        except Exception:
            self._reason = "a dropped record could not be written down"

    def _spilled(self) -> None:
        # A kill may come before the sender's next turn, an hour away perhaps: what it takes is counted now.
        try:
            _count_one(self._spills, self._shelf.spilled)
        except Exception:
            self._reason = "a record in memory could not be counted on disk"

    def _store(self, line: bytes) -> bool:
        turns, turn = self._turns, object()
        try:
            turns.append(turn)
            if turns[0] is turn:
                return self._roll_over(line)
        finally:
            # A lock would need two steps, finding out whether it is ours and giving it up, and an interrupt
            # between them would leave it held for good.
            turns.remove(turn)
        return self._store_apart(line)

    def _roll_over(self, line: bytes) -> bool:
        """Put the next segment in place, the record already in it. Only by whose turn it is."""
        if self._try_write(line):
            return True  # somebody else had the turn between our attempt and now
        segment = self._next_segment(len(line))
        if segment is None:
            return False
        write = self._writer(segment)
        write(line)
        self._segments.append(segment)
        self._write = write
        if self._is_closed:
            segment.seal()
        self._ring()  # for the next spare
        return True

    def _writer(self, segment: Segment) -> Callable[[bytes], object]:
        """What appends to it; where the disk refused it a file, the record is counted on disk as well."""
        write = segment.writer()
        if segment.path is not None or self.storage == "memory":
            return write

        def counted(line: bytes) -> None:
            write(line)
            self._spilled()

        return counted

    def _next_segment(self, needed_bytes: int) -> Segment | None:
        """The spare, or a fresh segment; in memory where the disk refuses; None where a bound is reached."""
        if self._spare and needed_bytes <= self._segment_bytes:
            with contextlib.suppress(IndexError):
                return self._spare.pop()
        size_bytes = max(self._segment_bytes, needed_bytes)
        if not self._has_room(size_bytes):
            return None
        if self.storage == "mirrored" and not self._has_memory(size_bytes):
            return None
        return self._made(size_bytes)

    def _made(self, size_bytes: int) -> Segment | None:
        """A fresh segment, in memory where the disk refuses; None where there is no memory either."""
        segment = self._on_disk_or_in_memory(size_bytes, lambda shelf: shelf.make(size_bytes))
        if segment is None:
            self._room.has_none_at_all()
        return segment

    def _on_disk_or_in_memory(self, size_bytes: int, make: Callable[[Shelf], Segment]) -> Segment | None:
        if self._room.has_files:
            try:
                return make(self._shelf)
            except OSError as error:
                self._refused_a_file(error)
        if self._has_memory(size_bytes):
            with contextlib.suppress(OSError):
                return make(self._spill)
        return None

    def _store_apart(self, line: bytes) -> bool:
        """Store a record in a segment of its own, since somebody is in the middle of a roll-over."""
        if not self._has_room(len(line)):
            return False
        segment = self._on_disk_or_in_memory(len(line), lambda shelf: shelf.make_loose(line))
        if segment is None:
            return False
        # The roll-over may be done by now. Then the record goes there: a segment published after the new one
        # would end that one's turn as the newest.
        if self._try_write(line):
            segment.discard()
        else:
            self._shelf.place(segment)
            self._segments.append(segment)
            if segment.path is None:
                self._spilled()
        return True

    def _try_write(self, line: bytes) -> bool:
        try:
            self._write(line)
        except ValueError:
            return False
        return True

    def _has_room(self, size_bytes: int) -> bool:
        """Whether the bound on everything held allows for another segment of this size."""
        return self._room.has(size_bytes, self._held)

    def _held(self) -> list[int]:
        held = [segment.size_bytes for _, segment in self._live()]
        return held + [segment.size_bytes for segment in self._spare.copy()]

    def _has_memory(self, size_bytes: int) -> bool:
        """Whether the bound on what is held in memory, for want of a file, allows for another segment."""
        held_bytes = sum(segment.memory_bytes for _, segment in self._live())
        return held_bytes + size_bytes <= max(_SPILL_BYTES, 2 * self._segment_bytes)

    def _refused_by_disk(self, error: OSError) -> None:
        self._reason = f"the journal's disk refuses: {error.strerror or error}"

    def _refused_a_file(self, error: OSError) -> None:
        self._refused_by_disk(error)
        self._room.refused_a_file()

    def _refused(self) -> int:
        return _taken(self._refusals)

    def _in_memory(self) -> tuple[Settlement, int, int]:
        """What is settled and how much is pending that no file has, and how many were spilled."""
        # The last first: what comes meanwhile may be counted twice until the next look, and never not at all.
        settled, pending, spilled = Settlement(), 0, _taken(self._spills)
        for _, segment in self._live():
            records, its = segment.apart()
            settled, pending = settled.plus(its), pending + records
        return settled, pending, spilled

    def in_memory(self) -> int:
        """How many pending records would die with the process. Any thread."""
        return self._in_memory()[1]

    def prepare(self) -> None:
        """The sender's housekeeping: the spare segment, unmapping, copying to files."""
        for number, segment in self._live():
            self._look_after(number, segment)
            self._free(number, segment)
        self._fold()
        self._make_room()
        if self._spare and not self._spare[0].is_there():
            with contextlib.suppress(IndexError):
                self._spare.pop().discard()
        if not self._spare and not self._is_closed and self._room.may_make_a_file():
            self._make_spare()
        self._shelf.save()
        self._shelf.save_dropped(self._refused())

    def _look_after(self, number: int, segment: Segment) -> None:
        try:
            # Not only what is in memory still: a ledger must not count on files that somebody removed.
            if not segment.is_there():
                self._damaged(number, segment)
                segment.release()  # what is settled from now on is to be marked in the new file
                return
            segment.mirror()
            newest = len(self._segments) - 1
            if number < newest:
                segment.seal()
            if number < newest - self._most_mapped:
                segment.release()
        except SegmentDamaged:
            self._damaged(number, segment)
        except OSError as error:
            self._refused_by_disk(error)
        self._pay(number, segment)

    def _damaged(self, number: int, segment: Segment) -> None:
        self._reason = DAMAGED
        if segment.is_in_memory:
            self._save_from_memory(segment)
        else:
            self._write_off(number, segment)

    def _make_room(self) -> None:
        """Near the bound, rewrite what is kept for a few records' sake; a little at each turn."""
        live = self._live()
        if 2 * sum(segment.size_bytes for _, segment in live) < self._room.own_bytes:
            return
        worthy = [(number, segment) for number, segment in live if is_worth_it(segment)]
        for number, segment in worthy[:_REWRITTEN_AT_ONCE]:
            try:
                compact(segment, self._shelf)
            except SegmentDamaged:
                self._write_off(number, segment)
            except OSError as error:
                self._refused_by_disk(error)
                return
            self._room.freed_one()

    def _save_from_memory(self, segment: Segment) -> None:
        """Its file was removed: what is in memory goes to another, or stays there where that can't be."""
        segment.seal()
        try:
            fresh = self._shelf.make_loose(segment.content())
            self._shelf.place(fresh)
            segment.move_to(fresh.path)
        except OSError as error:
            segment.move_to(None)
            self._refused_by_disk(error)

    def _make_spare(self) -> None:
        self._room.count_others()
        if not self._has_room(self._segment_bytes):
            return
        try:
            spare = self._shelf.make(self._segment_bytes)
        except OSError as error:
            self._refused_a_file(error)
            return
        self._room.made_a_file()
        spare.touch()
        if not self._put_by(spare):
            spare.discard()

    def _put_by(self, spare: Segment) -> bool:
        """Have the next roll-over find it, where it still is within the bound: making it took its time, and a
        roll-over meanwhile made a segment of its own.
        """
        turns, turn = self._turns, object()
        try:
            turns.append(turn)
            if turns[0] is turn and self._has_room(spare.size_bytes):
                self._spare.append(spare)
                return True
        finally:
            turns.remove(turn)
        return False

    def _free(self, number: int, segment: Segment) -> None:
        super()._free(number, segment)
        if self._segments[number] is not segment:
            self._room.freed_one()

    def close(self, keep: bool) -> None:
        """Let go of it: with `keep`, pending records stay on disk, else they are dropped."""
        if self._is_closed:
            return
        self._is_closed = True
        self._write = _closed
        while self._spare:
            self._spare.pop().discard()
        for number, segment in self._live():
            segment.seal()
            self._free(number, segment)
            if not (keep and self._put_away(segment)):
                self._write_off(number, segment)
        self._fold()
        self._shelf.save()
        self._shelf.save_dropped(self._refused())
        self._shelf.close(remove=not self.recorded())

    def _put_away(self, segment: Segment) -> bool:
        """Unmap a sealed segment, its file complete; False where it has none and gets none."""
        segment.total()
        try:
            if segment.is_in_memory and not segment.is_there():
                self._save_from_memory(segment)
            if segment.path is None:
                if self.storage == "memory":
                    return False
                fresh = self._shelf.make_loose(segment.content())
                self._shelf.place(fresh)
                segment.move_to(fresh.path)
            segment.mirror()
            segment.pay()
        except SegmentDamaged:
            if segment.is_in_memory:
                self._save_from_memory(segment)
            if not segment.is_in_memory or segment.path is None:
                return False
        except OSError as error:
            self._refused_by_disk(error)
            if segment.path is None:
                return False
            self._shelf.settled_without_file(segment.give_up_rest())
        with contextlib.suppress(OSError, SegmentDamaged):
            segment.trim()
        return True

    def after_fork_in_child(self) -> None:
        """Let go of what was inherited without unlocking or deleting anything of the parent's."""
        self._is_closed = True
        self._write = _closed
        inherited = [*(segment for _, segment in self._live()), *self._spare]
        self._segments, self._folded, self._spare, self._turns = [], Folded(0, Settlement()), [], []
        self._refusals, self._spills = itertools.count(), itertools.count()
        for segment in inherited:
            segment.forget_in_child()
        self._shelf.forget()


def _count_one(numbers: itertools.count[int], write_down: Callable[[int], None]) -> None:
    """Take a number and write down how many were taken: where threads cross, the last has the latest."""
    next(numbers)
    written = -1
    while written != (taken := _taken(numbers)):
        write_down(taken)
        written = taken


def _taken(numbers: itertools.count[int]) -> int:
    # An exact count without a lock: `next` is one C call, and this looks without taking one.
    return int(repr(numbers)[6:-1])


def _nobody() -> None:
    """There is no sender yet."""


def _closed(line: bytes) -> object:
    raise ValueError("the journal is closed")
