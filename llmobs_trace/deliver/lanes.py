"""One source's records in, batches sent and records settled: one lane for each experiment. Sender's thread.

An experiment whose delivery fails must not hold others up, so each has a lane of its own: when it may be
tried next, and how often it failed. A lane keeps no records in memory, only the position that none of its
records is before; when it is due, the source is read again from there.

    start ──settled──┬── lane a's first ──┬── lane b's first ──┬── frontier ── end
                     │                    │                    └ never read until now
                     └ read again when a lane is due; settled records and other lanes are passed over
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from random import SystemRandom
from typing import Final, Generic, TypeVar

from llmobs_trace.deliver.answers import RESPONSES, Answer, Response, Verdict, advice, verdict_of
from llmobs_trace.deliver.backoff import Pace, asked_delay, pause_delay, retry_delay
from llmobs_trace.deliver.batch import Batch, Event, batches, read_id, take_apart
from llmobs_trace.deliver.destination import Destination
from llmobs_trace.deliver.gate import Closed, Gate
from llmobs_trace.deliver.ledger import Ledger
from llmobs_trace.deliver.notices import Notices
from llmobs_trace.journal.queue import Source
from llmobs_trace.journal.record import Position, Record

MAX_BATCH_EVENTS: Final = 1000

S = TypeVar("S", bound=Source)

# The user's `random` is left alone, and a forked child does not repeat its parent's delays.
_chance = SystemRandom().random

# What every experiment's failed requests are together, in the log.
_OUTAGE = ("outage",)


@dataclass
class Lane:
    """One experiment's delivery; times are the monotonic clock's."""

    experiment_id: str
    since: Position
    not_before: float = 0.0
    failures: int = 0  # in a row
    step: int = 0  # how far the delays have grown; a flush begins anew
    tried_at: float = 0.0
    asked: bool = False  # whether the server named `not_before`
    trouble: Hashable = None  # what the log calls it
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Sending:
    """What all sources of one worker share."""

    destination: Destination
    gate: Gate
    ledger: Ledger
    notices: Notices
    request_timeout_seconds: float
    max_batch_bytes: int
    max_batch_events: int
    pace: Pace
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = _chance


class Lanes(Generic[S]):
    """Delivers one source; `deliver` is one pass over what is due and what is new."""

    def __init__(self, source: S, sending: Sending) -> None:
        self.source = source
        self._sending = sending
        self._lanes: dict[bytes, Lane] = {}
        self._frontier = source.start()
        self._swept = self._frontier
        # Whether this pass has got anywhere: interruptions that come all the time must not stop everything.
        self._is_begun = False
        # Before this moment of the clock every request must be over; a flush in its caller's thread sets it.
        self.deadline: float | None = None

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

    def hasten(self) -> None:
        """Somebody waits: try again soon, unless the server asked to be left alone or somebody must act."""
        sending = self._sending
        for lane in self._lanes.values():
            if lane.verdict is not None and RESPONSES[lane.verdict] is Response.RETRY and not lane.asked:
                # Not more often than at the shortest delay, or a program that flushes in a loop would hammer.
                lane.not_before = min(lane.not_before, lane.tried_at + sending.pace.base_seconds)
                lane.step = 0

    def start_over(self) -> None:
        """Forget every position, as after an exception in mid-pass; delays stay."""
        self._frontier = self._swept = start = self.source.start()
        for lane in self._lanes.values():
            lane.since = start

    # -- one pass --------------------------------------------------------------------------------------------

    def deliver(self, interrupted: Callable[[], bool]) -> bool:
        """Send what is due and new; False where `interrupted`, asked after each request, ended it before."""
        end = self.source.end()
        at = self._begin()
        self._is_begun = False
        while not (self._is_begun and interrupted()):
            records, after = self.source.read(at, self._sending.max_batch_bytes)
            if not records:
                self._frontier = max(self._frontier, after)
                self._finish(at)
                self._swept = max(self._swept, end)
                return True
            if not self._deliver_chunk(records, at, after, interrupted):
                break
            self._frontier = max(self._frontier, after)
            self._is_begun = True
            at = self._next(after)
        return False

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

    def _deliver_chunk(
        self, records: list[Record], at: Position, after: Position, interrupted: Callable[[], bool]
    ) -> bool:
        """Offer each experiment's part; False where it was interrupted."""
        groups: dict[bytes, list[tuple[Record, Event]]] = {}
        unreadable: list[Record] = []
        for record in records:
            event = take_apart(record.line)
            if event is None or not self._lane_of(event.encoded_id, record.at):
                unreadable.append(record)
            else:
                groups.setdefault(event.encoded_id, []).append((record, event))
        if unreadable:
            self._sending.notices.happened(
                "unreadable", f"{len(unreadable)} records of the queue can't be read and are left out"
            )
            self.source.acknowledge(unreadable, "rejected")
        for key, lane in self._lanes.items():
            if lane.since >= at and key not in groups:
                lane.since = max(lane.since, after)
        # Those that failed least come first, so that a silent server for one is not what the others wait for.
        whole = True
        for key in sorted(groups, key=lambda key: self._lanes[key].failures):
            lane = self._lanes[key]
            left = self._offer(lane, groups[key], interrupted)
            if lane.since >= at:
                lane.since = after if left is None else left
            whole = whole and not (left is not None and self._is_begun and interrupted())
        return whole

    def _lane_of(self, key: bytes, at: Position) -> Lane | None:
        lane = self._lanes.get(key)
        if lane is None:
            experiment_id = read_id(key)
            if experiment_id is None:
                return None
            lane = self._lanes[key] = Lane(experiment_id, at)
        return lane

    def _offer(
        self, lane: Lane, events: list[tuple[Record, Event]], interrupted: Callable[[], bool]
    ) -> Position | None:
        """Send these one batch after the other while it works; where it stopped, None if all are settled."""
        sending = self._sending
        for batch in batches(lane.experiment_id, events, sending.max_batch_bytes, sending.max_batch_events):
            is_late = self._is_begun and interrupted()
            if is_late or lane.not_before > sending.clock() or not self._send(lane, batch):
                return batch.records[0].at
        return None

    # -- one request -----------------------------------------------------------------------------------------

    def _send(self, lane: Lane, batch: Batch) -> bool:
        sending = self._sending
        self._is_begun = True
        sending.ledger.retried += bool(lane.failures)
        answer = self._answer(batch)
        verdict = verdict_of(answer)
        if RESPONSES[verdict] is Response.SETTLE:
            self.source.acknowledge(batch.records)
            self._recovered(lane)
            return True
        self._failed(lane, answer, verdict)
        return False

    def _answer(self, batch: Batch) -> Answer:
        sending = self._sending
        timeout_seconds = sending.request_timeout_seconds
        if self.deadline is not None:
            timeout_seconds = max(0.01, min(timeout_seconds, self.deadline - sending.clock()))
        destination = sending.destination
        try:
            destination.open()
            if destination.fork_while_sending:
                with sending.gate.open_for_forks():
                    return destination.send(batch, timeout_seconds)
            answer = destination.send(batch, timeout_seconds)
            sending.gate.check()
            return answer
        except Closed:
            raise
        except Exception as error:
            # A destination answers and doesn't raise; one that does must not stop the others' delivery.
            sending.ledger.sender_faults += 1
            return Answer(detail=f"{type(error).__name__} inside the sender")

    def _recovered(self, lane: Lane) -> None:
        if not lane.failures:
            return
        trouble = lane.trouble
        lane.failures = lane.step = 0
        lane.verdict = lane.trouble = None
        lane.asked = False
        others = [other for other in self._lanes.values() if other.failures]
        if all(other.trouble != trouble for other in others):
            self._sending.notices.over(trouble, f"{self._subject(lane, trouble != _OUTAGE)} works again")
        for other in others:
            # There are answers again: no need for the others to wait for theirs.
            if other.verdict is Verdict.BROKEN:
                other.not_before = 0.0

    def _failed(self, lane: Lane, answer: Answer, verdict: Verdict) -> None:
        sending = self._sending
        paused = RESPONSES[verdict] is Response.PAUSE
        if verdict is not lane.verdict:
            lane.step = 0
        lane.failures += 1
        lane.step += 1
        lane.verdict = verdict
        lane.tried_at = now = sending.clock()
        lane.asked = answer.retry_after_seconds is not None
        chance = sending.chance()
        delay = (pause_delay if paused else retry_delay)(lane.step, chance, sending.pace)
        if answer.retry_after_seconds is not None:
            delay = max(delay if paused else 0.0, asked_delay(answer.retry_after_seconds, chance))
        lane.not_before = now + delay
        words = answer.detail or verdict.value
        what = words if answer.status is None else f"HTTP {answer.status}: {words}"
        sending.ledger.last_error = what
        # A refusal concerns one experiment; an outage all, however many of them notice it.
        lane.trouble = lane.experiment_id if paused else _OUTAGE
        cause = (verdict, answer.status)
        subject = self._subject(lane, paused)
        if paused:
            hint = advice(answer, lane.experiment_id)
            text = f"{subject} is paused, its events are kept: {what}" + (f"; {hint}" if hint else "")
            sending.notices.happened(lane.trouble, text, cause=cause, once=True)
        else:
            # A connection that breaks once and works at the next try is no news.
            quiet = lane.failures == 1
            sending.notices.happened(
                lane.trouble, f"{subject} fails, events are kept: {what}", cause=cause, quiet=quiet
            )

    def _subject(self, lane: Lane, paused: bool) -> str:
        name = self._sending.destination.name
        return f"delivery of experiment {lane.experiment_id!r} to {name}" if paused else f"delivery to {name}"
