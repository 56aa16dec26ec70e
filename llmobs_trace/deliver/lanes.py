"""Delivers one source, with a lane for each experiment in it: one's failure holds up no other. Sender's
thread.

An experiment whose delivery fails must not hold others up, so each has a lane of its own: when it may be
tried next, and how often it failed. A lane keeps no records in memory, only the position that none of its
records is before; when it is due, the source is read again from there.

    start ──settled──┬── lane a's first ──┬── lane b's first ──┬── frontier ── end
                     │                    │                    └ never read until now
                     └ read again when a lane is due; settled records and other lanes are passed over
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from llmobs_trace.deliver.answers import CONCERN_ALL, Answer
from llmobs_trace.deliver.batch import Event, by_experiment, read_id
from llmobs_trace.deliver.header_experiments import Hearsay
from llmobs_trace.deliver.lane import Lane, Sending
from llmobs_trace.deliver.settler import Settler
from llmobs_trace.journal.queue import Source
from llmobs_trace.journal.record import Position
from llmobs_trace.journal.records import Records

S = TypeVar("S", bound=Source)

_UNREADABLE = Answer(detail="not a record that can be read")


class Lanes(Generic[S]):
    """Delivers one source; `deliver` is one pass over what is due and what is new."""

    def __init__(self, source: S, sending: Sending) -> None:
        self.source = source
        self._sending = sending
        self._lanes: dict[bytes, Lane] = {}
        self._frontier = source.start()
        self._swept = self._frontier
        self._settler = Settler(source, sending, self._lanes)
        self._hearsay = Hearsay(sending.is_hearsay, sending.max_hearsay_bytes)
        self._requests_before: int | None = 0  # this pass; None once a chunk of it is done

    # -- what the worker asks --------------------------------------------------------------------------------

    def has_new(self) -> bool:
        """Whether anything was appended since the last whole pass."""
        return self.source.end() > self._swept

    def settled_to(self) -> Position:
        """The position that no pending record is before."""
        return min([max(self._swept, self._frontier), *(lane.since for lane in self._lanes.values())])

    def next_due(self, before: Position | None = None) -> float | None:
        """When the next lane with records before `before` may be tried; None where there is none."""
        return min(
            (lane.not_before for lane in self._lanes.values() if before is None or lane.since < before),
            default=None,
        )

    def is_due(self, now: float) -> bool:
        """Whether a lane may be tried."""
        return any(lane.not_before <= now for lane in self._lanes.values())

    def is_refused(self) -> bool:
        """Whether what fails is refused by itself, and not by an outage, which concerns others as well."""
        return all(lane.verdict not in CONCERN_ALL for lane in self._lanes.values())

    def hasten(self) -> None:
        """Somebody waits."""
        for lane in self._lanes.values():
            lane.hasten(self._sending.pace)

    def finish_by(self, deadline: float | None) -> None:
        """Every request must be over before this moment of the clock."""
        self._settler.deadline = deadline

    def start_over(self) -> None:
        """Forget every position, as after an exception in mid-pass; delays stay."""
        self._frontier = self._swept = start = self.source.start()
        self._hearsay.forget_all()
        for lane in self._lanes.values():
            lane.since = start

    # -- one pass --------------------------------------------------------------------------------------------

    def deliver(self, interrupted: Callable[[], bool]) -> bool:
        """Send what is due and new; False where `interrupted`, asked after each request, ended it before."""
        end = self.source.end()
        at = self._begin()
        self._requests_before = self._settler.requests
        while not (self._is_begun() and interrupted()):
            records, after = self.source.read(at, self._sending.max_batch_bytes)
            if not records:
                self._frontier = max(self._frontier, after)
                for lane in self._lanes.values():
                    if lane.search.suspects:
                        self._settler.judge(lane)
                self._finish(at)
                self._swept = max(self._swept, end)
                return True
            if not self._deliver_chunk(records, at, after, interrupted):
                break
            self._frontier = max(self._frontier, after)
            self._requests_before = None
            at = self._next(after)
        return False

    def _is_begun(self) -> bool:
        """Whether this pass has got anywhere: interruptions that come all the time must not stop all."""
        return self._settler.requests != self._requests_before

    def _begin(self) -> Position:
        now = self._sending.clock()
        return min([self._frontier, *(lane.since for lane in self._lanes.values() if lane.not_before <= now)])

    def _next(self, at: Position) -> Position:
        """Where to read on: nobody wants what is before the frontier and before every lane that is due."""
        now = self._sending.clock()
        due = (lane.since for lane in self._lanes.values() if lane.not_before <= now and lane.since >= at)
        return max(at, min([self._frontier, *due]))

    def _finish(self, at: Position) -> None:
        """Everything from `at` on has been read: forget lanes that want nothing any more."""
        for key, lane in list(self._lanes.items()):
            if lane.since >= at:
                del self._lanes[key]
                self._hearsay.forget(lane)

    def _deliver_chunk(
        self, records: Records, at: Position, after: Position, interrupted: Callable[[], bool]
    ) -> bool:
        """Offer each experiment's part; False where it was interrupted."""
        groups, unreadable = by_experiment(records)
        for key in list(groups):
            if not self._lane_of(key, groups[key].records[0].at):
                unreadable.extend(groups.pop(key).records)
        if unreadable:
            self._sending.notices.happened(
                "unreadable", f"{len(unreadable)} records of the queue can't be read and are left out"
            )
            for record in unreadable:
                self._settler.keep("", record, Event(True, record.line), _UNREADABLE, sent=False)
        for key, lane in self._lanes.items():
            if lane.since >= at and key not in groups:
                lane.since = max(lane.since, after)
        # Those that failed least come first, so that a silent server for one is not what the others wait for.
        whole = True
        for key in sorted(groups, key=lambda key: self._lanes[key].failures):
            lane = self._lanes[key]
            left = self._settler.offer(lane, groups[key], lambda: self._is_begun() and interrupted())
            if lane.since >= at:
                lane.since = after if left is None else left
            beyond = self._hearsay.beyond(lane, groups[key], self._frontier, left)
            if beyond is not None:
                self._settler.give_up(lane.experiment_id, beyond)
            whole = whole and not (left is not None and self._is_begun() and interrupted())
        return whole

    def _lane_of(self, key: bytes, at: Position) -> Lane | None:
        lane = self._lanes.get(key)
        if lane is None:
            experiment_id = read_id(key)
            if experiment_id is None:
                return None
            lane = self._lanes[key] = Lane(experiment_id, at)
        return lane
