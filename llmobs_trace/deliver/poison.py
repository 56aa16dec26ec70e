"""Decides about refused bodies: what to send next, whose fault it was, and when everything is refused. Pure.

A body that is refused is cut in two, and each half is sent; so one bad event among n costs at most
2·log2(n) requests more, rounded up, and one or two for itself. To be sure that it is the event and not a
server that refuses everything for a while, a refusal alone counts where something was accepted before it
and something after it, its own form without values perhaps. What is too large says so itself.

    refused, many       cut in two, first half next
    refused, alone      nothing was accepted yet → a suspect; next is the body of any other event
                        else → without its values → accepted: guilty
                                                  → refused:  a suspect, as above
    accepted            suspects that were refused after an acceptance are guilty; the others are sent again
    suspects in a row   the witness, an event that was accepted since the trouble began, is sent once more
                        (a repeat is harmless) → accepted: as above
                                               → refused:  the fault is not the events'
                        there is none: the last suspect is sent without its values, with the same outcomes
    nothing else left   the same, but without a witness all suspects are tried without their values

`Search.next` says what to do, the settler does it, `Search.heard` is told the answer. Only positions are kept
of what was cut: a search goes on where it was, whatever interrupts it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

from llmobs_trace.deliver.answers import ACTIONS, Action, Answer, Verdict, verdict_of
from llmobs_trace.deliver.batch import Entries, Event, bodies
from llmobs_trace.deliver.without_values import without_values
from llmobs_trace.journal.record import Position

# So many in a row are not the fault of each.
SUSPECTS_IN_A_ROW: Final = 3


@dataclass
class Suspect:
    """An event that was refused alone, and what was said of it."""

    alone: Entries
    answer: Answer
    is_sure: bool  # something was accepted before, or it is too large
    without_values: Entries | None  # None where that is no less than it is
    was_tried: bool = False  # without its values, which were refused too

    @property
    def is_hopeless(self) -> bool:
        return self.was_tried or self.without_values is None


@dataclass(frozen=True)
class Send:
    """The next body: of the plan, or a suspect without its values, or the witness once more."""

    body: Entries
    suspect: Suspect | None = None
    is_witness: bool = False

    @property
    def is_of_plan(self) -> bool:
        return self.suspect is None and not self.is_witness


@dataclass(frozen=True)
class Pause:
    """Nothing is accepted, of however many: the fault is not the events'."""

    answer: Answer


class Reject(NamedTuple):
    """An event whose fault it was, and whether it was sent without its values."""

    suspect: Suspect
    sent: bool


class Search:
    """What one lane knows of its refused bodies; nothing, as long as there are none."""

    __slots__ = ("_witness_was_refused", "cuts", "suspects", "witness")

    def __init__(self) -> None:
        self.cuts: list[Position] = []  # in order; no body goes on over one
        self.suspects: dict[Position, Suspect] = {}
        self.witness: Entries | None = None
        self._witness_was_refused = False

    @property
    def is_on(self) -> bool:
        """Whether something was refused, and not all is settled since."""
        return bool(self.cuts or self.suspects)

    def plan(self, events: Entries, max_bytes: int, max_events: int) -> list[Entries]:
        """The bodies to send, the next one last; suspects are left out."""
        if self.suspects:
            events = events.without(self.suspects)
        return list(bodies(events, max_bytes, max_events, self.cuts))[::-1]

    def halve(self, body: Entries, *, by_bytes: bool) -> list[Entries]:
        """Cut a refused body of two or more in two: what to send instead, the next one last."""
        middle = _middle_of_bytes(body) if by_bytes else len(body) // 2
        records = body.records
        last = records[-1].at
        for cut in (records[0].at, records[middle].at, Position(last.segment, last.offset + 1)):
            index = bisect_left(self.cuts, cut)
            if self.cuts[index : index + 1] != [cut]:
                self.cuts.insert(index, cut)
        return [body[middle:], body[:middle]]

    def next(self, plan: list[Entries], *, is_last: bool) -> Send | Pause | None:
        """What to do next; None where others have to speak first. `is_last`: there are no others."""
        suspects = self.suspects.values()
        for suspect in suspects:
            if suspect.is_sure and not suspect.is_hopeless:
                return _without_values(suspect)
        is_in_doubt = self._is_in_doubt()
        if plan and not is_in_doubt:
            return Send(plan[-1])
        if not suspects:
            return None
        if self.witness is not None and not self._witness_was_refused:
            return Send(self.witness, is_witness=True)
        if not is_last and not is_in_doubt:
            return None
        left = [suspect for suspect in suspects if not suspect.is_hopeless]
        was_one_tried = any(suspect.was_tried for suspect in suspects)
        if self._witness_was_refused or not left or (is_in_doubt and was_one_tried):
            *_, last = suspects
            return Pause(last.answer)
        return _without_values(left[-1] if is_in_doubt else left[0])

    def heard(
        self, step: Send, plan: list[Entries], answer: Answer, chance: Callable[[], float]
    ) -> list[Reject]:
        """A body was accepted, or refused for what is in it. Changes the plan; says whose fault is clear now.

        `chance` gives a number from [0, 1): whose body comes next after one that is a suspect.
        """
        verdict = verdict_of(answer)
        if step.is_of_plan:
            plan.pop()
        if ACTIONS[verdict] is Action.SETTLE:
            return self._accepted(step, plan)
        if step.is_witness:
            self._witness_was_refused = True
        elif step.suspect is not None:
            step.suspect.was_tried = True
            return self._undecided(step.suspect, plan, chance)
        elif len(step.body) > 1:
            plan += self.halve(step.body, by_bytes=verdict is Verdict.TOO_LARGE)
        else:
            is_sure = self.witness is not None or verdict is Verdict.TOO_LARGE or answer.is_certain
            suspect = Suspect(step.body, answer, is_sure, _degraded(step.body, answer))
            self.suspects[step.body.records[0].at] = suspect
            if not is_sure or suspect.is_hopeless:
                return self._undecided(suspect, plan, chance)
        return []

    def _accepted(self, step: Send, plan: list[Entries]) -> list[Reject]:
        guilty = [] if step.suspect is None else [self._guilty(step.suspect, sent=True)]
        if not self.is_on and not guilty:
            return []
        self._witness_was_refused = False  # not everything is refused any more
        if self.witness is None:
            sizes = step.body.sizes()
            smallest = sizes.index(min(sizes))
            self.witness = step.body[smallest : smallest + 1]
        for suspect in list(self.suspects.values()):
            if not suspect.is_sure:
                del self.suspects[suspect.alone.records[0].at]
                plan.append(suspect.alone)
            elif suspect.is_hopeless:
                guilty.append(self._guilty(suspect, sent=False))
        return guilty

    def _undecided(self, suspect: Suspect, plan: list[Entries], chance: Callable[[], float]) -> list[Reject]:
        """It may be its own fault, or no event's."""
        if suspect.is_hopeless and suspect.answer.is_certain:
            return [self._guilty(suspect, sent=False)]
        if not self._is_in_doubt():
            _somebody_else_next(plan, chance())
        return []

    def _guilty(self, suspect: Suspect, *, sent: bool) -> Reject:
        del self.suspects[suspect.alone.records[0].at]
        return Reject(suspect, sent)

    def _is_in_doubt(self) -> bool:
        """Whether so many in a row are suspects that everything may be refused."""
        return len(self.suspects) >= SUSPECTS_IN_A_ROW


def _without_values(suspect: Suspect) -> Send:
    assert suspect.without_values is not None
    return Send(suspect.without_values, suspect)


def _degraded(alone: Entries, answer: Answer) -> Entries | None:
    """An event without its values, the reason in their place; the server's words might quote them."""
    [(_, event)] = alone
    reason = verdict_of(answer).value if answer.status is None else f"HTTP {answer.status}"
    note = f"[left out: the event was refused ({reason})]"
    degraded = without_values(event.json, is_span=event.is_span, note=note)
    return None if degraded is None else alone.replaced(Event(event.is_span, degraded))


def _somebody_else_next(plan: list[Entries], chance: float) -> None:
    """Let the body of an event by chance, `chance` from [0, 1), be the next one.

    By chance, since the next search must not meet the same suspects before everybody else.
    """
    at = int(chance * sum(map(len, plan)))
    for index, body in enumerate(plan):
        at -= len(body)
        if at < 0:
            plan.append(plan.pop(index))
            return


class SizeLimit:
    """What a destination's refusals of bodies as too large teach for later ones."""

    def __init__(self) -> None:
        self._refused_bytes: int | None = None

    def refused(self, size_bytes: int) -> None:
        """A body of this size was too large."""
        if self._refused_bytes is None or size_bytes < self._refused_bytes:
            self._refused_bytes = size_bytes

    def accepted(self, size_bytes: int) -> None:
        """A body of this size was not."""
        if self._refused_bytes is not None and size_bytes >= self._refused_bytes:
            self._refused_bytes = None

    def forget(self) -> None:
        """Everything is refused as too large: that is no size."""
        self._refused_bytes = None

    def bound(self, max_bytes: int) -> int:
        """How large to make a body: half of what was refused, so that few refusals find the limit."""
        return max_bytes if self._refused_bytes is None else max(1, min(max_bytes, self._refused_bytes // 2))


def _middle_of_bytes(body: Entries) -> int:
    """Where both parts are most nearly of one size; neither is empty."""
    sizes = body.sizes()
    total = sum(sizes)
    apart = [abs(total - 2 * before) for before in accumulate(sizes[:-1])]
    return 1 + apart.index(min(apart))
