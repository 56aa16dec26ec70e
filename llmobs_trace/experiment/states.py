"""Reads from a run's steps how far each row has come. The thread that takes a run up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from msgspec import Struct

from llmobs_trace.experiment.counts import Counts
from llmobs_trace.experiment.steps import (
    Begin,
    Ended,
    Evaluated,
    Finished,
    Sent,
    Started,
    Step,
    Stopped,
    Summarised,
    Tried,
)

Unit: TypeAlias = tuple[str, int]  # a row's id and a repeat, from 1

# A row that was in flight at so many deaths of the process is not tried again.
MOST_DEATHS = 3


class State(Struct):
    """How far one row and repeat have come. Of whole ones nothing else is kept in memory.

    `is_counted`: what its evaluators said is among the counts.
    """

    begun: int = 0  # the number of the last attempt
    is_open: bool = False  # that attempt has not come to an end
    deaths: int = 0
    tried: list[Tried] = []
    ended: Ended | None = None
    evaluated: dict[str, Evaluated] = {}
    is_sent: bool = False
    is_counted: bool = False

    def is_whole(self, evaluators: Iterable[str], failed_too: Iterable[str]) -> bool:
        """Whether nothing is left to be done: of a row that failed only the evaluators that ask for
        errors.
        """
        if self.ended is None or not self.is_sent:
            return False
        wanted = failed_too if self.ended.error is not None else evaluators
        return all(name in self.evaluated for name in wanted)

    def count(self, counts: Counts) -> None:
        """Have what its evaluators said among the counts, once."""
        if not self.is_counted:
            self.is_counted = True
            for evaluated in self.evaluated.values():
                counts.evaluator(evaluated)


@dataclass
class Progress:
    """How far a run has come: rows that are not whole by unit, whole ones by name alone."""

    unfinished: dict[Unit, State] = field(default_factory=dict)
    whole: set[Unit] = field(default_factory=set)
    summarised: Summarised | None = None
    finished: Finished | None = None


def read(
    steps: Iterable[Step], to: str, counts: Counts, evaluators: Iterable[str], failed_too: Iterable[str]
) -> Progress:
    """Go through all steps. `to` is where events go now: what was sent elsewhere is to be sent again. What
    evaluators said is counted of whole rows; of the others when they end, since what comes may change it.
    """
    evaluators, failed_too = list(evaluators), list(failed_too)
    states: dict[Unit, State] = {}
    progress = Progress()
    sent_to = ""

    def settle(unit: Unit, state: State) -> None:
        """Keep nothing of what is whole but that it is."""
        if state.is_whole(evaluators, failed_too):
            state.count(counts)
            del states[unit]
            progress.whole.add(unit)

    for step in steps:
        if isinstance(step, Started):
            sent_to = step.to
            _died(states)
        elif isinstance(step, Stopped):
            for state in states.values():
                state.is_open = False
        elif isinstance(step, Summarised):
            progress.summarised = step
        elif isinstance(step, Finished):
            progress.finished = step
        else:
            unit = (step.row, step.repeat)
            if unit in progress.whole:
                continue
            state = states.setdefault(unit, State())
            if isinstance(step, Begin):
                state.begun, state.is_open = step.attempt, True
            elif isinstance(step, Tried):
                state.is_open = False
                state.tried.append(step)
            elif isinstance(step, Ended):
                state.is_open = False
                state.ended = step
                counts.task(step)
            elif isinstance(step, Evaluated):
                state.evaluated[step.evaluator] = step
            elif isinstance(step, Sent):
                state.is_sent = step.durably and sent_to == to
                settle(unit, state)
    _died(states)
    progress.unfinished = states
    return progress


def _died(states: dict[Unit, State]) -> None:
    """The process before this one ended without a word: it died in what was open."""
    for state in states.values():
        if state.is_open:
            state.is_open = False
            state.deaths += 1
