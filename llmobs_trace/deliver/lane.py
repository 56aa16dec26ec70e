"""Tracks one experiment's delivery: when it may be tried next, and what failures and recoveries do to that.

Sender's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Final

from llmobs_trace.deliver.answers import (
    ACTIONS,
    CONCERN_ALL,
    Action,
    Answer,
    Verdict,
    advice,
    what_was_said,
)
from llmobs_trace.deliver.destination import Destination
from llmobs_trace.deliver.fork_gate import Gate
from llmobs_trace.deliver.ledger import Ledger
from llmobs_trace.deliver.named_experiments import NamedExperiments
from llmobs_trace.deliver.notices import Notices
from llmobs_trace.deliver.poison import Search, SizeLimit
from llmobs_trace.deliver.rejected import Rejected
from llmobs_trace.deliver.run_files import Ending
from llmobs_trace.http_client.backoff import Pace, asked_delay, pause_delay, retry_delay
from llmobs_trace.http_client.clock import Clock
from llmobs_trace.journal.record import Position

MAX_BATCH_EVENTS: Final = 1000

# The user's `random` is left alone, and a forked child does not repeat its parent's delays.
_chance = SystemRandom().random

# What every experiment's failed requests are together, in the log.
_OUTAGE = ("outage",)
# What is over for all experiments once it is for one.
_ENDS_FOR_ALL = frozenset({Verdict.BROKEN, Verdict.HINDERED, Verdict.NOT_ACCEPTED})


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
    rejected: Rejected = field(default_factory=Rejected)
    limit: SizeLimit = field(default_factory=SizeLimit)
    # What was found or made for the made-up ids that events have.
    named: NamedExperiments = field(default_factory=NamedExperiments)
    # Whether an experiment is known from trace headers alone, and what such may hold when they are refused.
    is_hearsay: Callable[[str], bool] = lambda experiment_id: False
    max_hearsay_bytes: int = 0
    clock: Callable[[], float] = Clock.now
    chance: Callable[[], float] = _chance

    def say_how_it_ended(self, ending: Ending, timeout_seconds: float) -> None:
        """Where its experiment is known, and as far as that can be within the time."""
        self._ask_of_names(lambda: self.named.end(ending, timeout_seconds))

    def say_how_the_dead_ended(self, timeout_seconds: float) -> None:
        """The same of runs of which no process is left."""
        self._ask_of_names(lambda: self.named.end_the_dead(timeout_seconds))

    def _ask_of_names(self, ask: Callable[[], None]) -> None:
        with self.gate.importing():
            self.named.open()
        with self.gate.open_for_forks():
            ask()


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
    search: Search = field(default_factory=Search)  # for the event at fault
    # Where `experiment_id` is made up: what was made for it, once that is known, and its name.
    real_id: str = ""
    called: str = ""

    @property
    def id_there(self) -> str:
        """What the destination knows it by."""
        return self.real_id or self.experiment_id

    def hasten(self, pace: Pace) -> None:
        """Somebody waits: try again soon, unless the server asked to be left alone or somebody must act."""
        if self.verdict is not None and ACTIONS[self.verdict] is Action.RETRY and not self.asked:
            # Not more often than at the shortest delay, or a program that flushes in a loop would hammer.
            self.not_before = min(self.not_before, self.tried_at + pace.base_seconds)
            self.step = 0

    def failed(self, answer: Answer, verdict: Verdict, sending: Sending) -> None:
        """A request failed for a reason that is no single event's: wait, or pause."""
        paused = ACTIONS[verdict] is Action.PAUSE
        if verdict is not self.verdict:
            self.step = 0
        self.failures += 1
        self.step += 1
        self.verdict = verdict
        self.tried_at = now = sending.clock()
        self.asked = answer.retry_after_seconds is not None
        chance = sending.chance()
        delay = (pause_delay if paused else retry_delay)(self.step, chance, sending.pace)
        if answer.retry_after_seconds is not None:
            delay = max(delay if paused else 0.0, asked_delay(answer.retry_after_seconds, chance))
        self.not_before = now + delay
        sending.ledger.last_error = what = what_was_said(answer)
        # A refusal concerns one experiment; an outage all, however many of them notice it.
        self.trouble = _OUTAGE if verdict in CONCERN_ALL else self.experiment_id
        # In an environment one thing after the other may turn out to be wrong.
        cause = (verdict, answer.about, answer.detail if verdict is Verdict.HINDERED else answer.status)
        subject = self._subject(sending)
        if paused:
            hint = advice(answer, self.id_there)
            text = f"{subject} is paused, its events are kept: {what}" + (f"; {hint}" if hint else "")
            sending.notices.happened(self.trouble, text, kind=self._kind(), cause=cause, once=True)
        else:
            # A connection that breaks once and works at the next try is no news.
            quiet = self.failures == 1
            does = "waits" if verdict is Verdict.AWAITED else "fails"
            sending.notices.happened(
                self.trouble, f"{subject} {does}, events are kept: {what}", cause=cause, quiet=quiet
            )

    def recovered(self, others: Iterable[Lane], sending: Sending) -> None:
        """Something was accepted; `others` are all lanes of the source."""
        if not self.failures:
            return
        trouble, subject, kind = self.trouble, self._subject(sending), self._kind()
        self.failures = self.step = 0
        self.verdict = self.trouble = None
        self.asked = False
        failing = [other for other in others if other.failures]
        if all(other.trouble != trouble for other in failing):
            sending.notices.over(trouble, f"{subject} works again", kind=kind)
        for other in failing:
            # The way there is open again: no need for the others to wait until they find that out.
            if other.verdict in _ENDS_FOR_ALL:
                other.not_before = 0.0

    def _kind(self) -> Hashable:
        """What the log takes together: thousands of experiments may be refused for one reason."""
        return None if self.trouble == _OUTAGE else "experiment"

    def _subject(self, sending: Sending) -> str:
        of = "" if self.trouble == _OUTAGE else f" of experiment {(self.called or self.id_there)!r}"
        return f"delivery{of} to {sending.destination.name}"
