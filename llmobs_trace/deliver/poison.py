"""Halving a refused body down to the event at fault: what to send next, and whose fault it is. Pure.

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

Only positions are kept of what was cut: a search goes on where it was, whatever interrupts it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from llmobs_trace.deliver.answers import Answer, Verdict, verdict_of
from llmobs_trace.deliver.batch import Entries, bodies
from llmobs_trace.journal.record import Position

# So many in a row are not the fault of each.
SUSPECTS_IN_A_ROW: Final = 3


@dataclass
class Suspect:
    """An event that was refused alone, and what was said of it."""

    alone: Entries
    answer: Answer
    is_sure: bool  # something was accepted before, or it is too large
    is_hopeless: bool = False  # refused without its values too, or there is no such form of it


class Search:
    """What one lane knows of its refused bodies; nothing, as long as there are none."""

    __slots__ = ("cuts", "suspects", "witness")

    def __init__(self) -> None:
        self.cuts: list[Position] = []  # in order; no body goes on over one
        self.suspects: dict[Position, Suspect] = {}
        self.witness: Entries | None = None

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

    def suspect(self, alone: Entries, answer: Answer) -> Suspect:
        """An event was refused alone."""
        is_sure = self.witness is not None or verdict_of(answer) is Verdict.TOO_LARGE or answer.is_certain
        suspect = self.suspects[alone.records[0].at] = Suspect(alone, answer, is_sure)
        return suspect

    def to_try(self, *, all_of_them: bool) -> list[Suspect]:
        """Whom to send without values: those that were refused for sure, or all, and were not sent so yet."""
        return [one for one in self.suspects.values() if not one.is_hopeless and (one.is_sure or all_of_them)]

    def accepted(self, body: Entries) -> tuple[list[Suspect], list[Entries]]:
        """A body was accepted: who is guilty then, and which bodies to send again."""
        if not self.is_on:
            return [], []
        if body and self.witness is None:
            sizes = body.sizes()
            smallest = sizes.index(min(sizes))
            self.witness = body[smallest : smallest + 1]
        guilty = [one for one in self.suspects.values() if one.is_sure and one.is_hopeless]
        again = [one.alone for one in self.suspects.values() if not one.is_sure]
        for alone in again:
            del self.suspects[alone.records[0].at]
        return guilty, again

    def is_in_doubt(self) -> bool:
        """Whether so many in a row are suspects that everything may be refused."""
        return len(self.suspects) >= SUSPECTS_IN_A_ROW


def somebody_else_last(plan: list[Entries], chance: float) -> None:
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
    total, before = sum(sizes), 0
    best, smallest = 1, total + 1
    for index, size_bytes in enumerate(sizes[:-1], 1):
        before += size_bytes
        difference = abs(total - 2 * before)
        if difference < smallest:
            best, smallest = index, difference
    return best
