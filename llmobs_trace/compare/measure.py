"""Turns the outcomes of one label on both sides into comparable pairs of numbers. Pure.

What is compared of a label:

    score                     the numbers
    boolean                   the share of true
    boolean with assessments  the share of pass
    category, JSON            the share of pass where there are assessments; else which category, and none is
                              better

A row that ran several times counts once: as the mean of its repeats, or the category that most of them have.

Which of these is better, `direction` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, get_args

from msgspec import Struct

from llmobs_trace.compare.categories import commonest
from llmobs_trace.compare.direction import NEITHER, Direction, Recorded, Told, direction
from llmobs_trace.compare.pairs import Outcome, RowPair, Side
from llmobs_trace.compare.results import Better, Kind, Spread
from llmobs_trace.compare.spread import Votes, spread

State = Literal["scored", "failed", "missing", "not applicable"]
_STATES: Final[Sequence[State]] = get_args(State)
_Read = Callable[[Outcome], "float | None"]


class Pair(Struct, frozen=True, gc=False):
    """One row of the dataset on both sides. A number is the mean of those of its repeats that were scored,
    None where its state isn't `scored`.
    """

    row: str
    a: float | None
    b: float | None
    state_a: State = "scored"
    state_b: State = "scored"
    # Which share of its repeats was scored, of those that are.
    known_a: float = 1.0
    known_b: float = 1.0

    @property
    def is_open(self) -> bool:
        """Whether a side that could have had a score lacks one, or a part of it."""
        if self.a is None or self.b is None:
            return self.a is not self.b
        return self.known_a < 1 or self.known_b < 1


# How many rows x repeats of a side came to what.
Tally = dict[State, int]


def new_tally() -> Tally:
    return dict.fromkeys(_STATES, 0)


class Measured(Struct, frozen=True):
    """What there is to compare of one label."""

    label: str
    kind: Kind
    direction: Direction
    lowest: float  # the scale, on which a failed row could have come anywhere
    highest: float
    pairs: list[Pair]
    categories: Sequence[tuple[str, str]] = ()  # of the pairs scored on both sides
    passed_a: int | None = None
    passed_b: int | None = None
    builtin: bool = False
    tallies: tuple[Tally, Tally] | None = None  # None where each row ran once
    spreads: tuple[Spread | None, Spread | None] = (None, None)


class Units(Struct, frozen=True):
    """One number a side for each row of the dataset: the mean of its repeats."""

    a: list[float]
    b: list[float]

    @property
    def differences(self) -> list[float]:
        return [b - a for a, b in zip(self.a, self.b, strict=True)]

    @property
    def two_outcomes(self) -> bool:
        return all(each in (0.0, 1.0) for each in self.a) and all(each in (0.0, 1.0) for each in self.b)


def kind_of(types: Mapping[str, int], has_numbers: bool, assessed: int, scored: int) -> Kind:
    """What a label is compared by, from the types of its metrics and how many rows were assessed."""
    if types.get("score") and has_numbers:
        return "score"
    if types.get("boolean") and has_numbers:
        return "assessment" if assessed == scored else "boolean"
    if assessed:
        return "assessment"
    if types.get("categorical", 0) >= types.get("json", 0) and types.get("categorical"):
        return "category"
    return "json" if types.get("json") else "score"


def measure(label: str, rows: Sequence[RowPair], a: Side, b: Side, told: Told | None = None) -> Measured:
    """One label over the rows that both experiments have; `told` is what whoever asks says is better."""
    of_a, of_b = a.outcomes.get(label, {}), b.outcomes.get(label, {})
    both = [
        (row.dataset_row, [of_a.get(each.key) for each in row.a], [of_b.get(each.key) for each in row.b])
        for row in rows
    ]
    found = [
        each
        for _, *sides in both
        for side in sides
        for each in side
        if each is not None and not each.failed and each.says_something
    ]
    types: dict[str, int] = {}
    for side in (a, b):
        for name, count in side.types.get(label, {}).items():
            types[name] = types.get(name, 0) + count
    assessed = sum(outcome.assessed > 0 for outcome in found)
    kind = kind_of(types, any(outcome.numbers for outcome in found), assessed, len(found))
    of_records = [side.directions.get(label, Recorded()) for side in (a, b)]
    is_told = told in ("higher", "lower") or any(each.lower or each.higher for each in of_records)
    if kind == "assessment" and is_told and any(outcome.numbers for outcome in found):
        kind = "boolean"  # told what to make of the values
    read = _READERS[kind]
    tallies = (new_tally(), new_tally())
    read_rows = [
        (name, _repeats(side_a, read, tallies[0]), _repeats(side_b, read, tallies[1]))
        for name, side_a, side_b in both
    ]
    numbers = [number for _, *sides in read_rows for side in sides for number in side.numbers]
    lowest, highest = _scale(numbers) if kind == "score" else (0.0, 1.0)
    return Measured(
        label=label,
        kind=kind,
        direction=_direction(label, kind, told, of_records, found),
        lowest=lowest,
        highest=highest,
        pairs=[pair_of(name, of_a, of_b) for name, of_a, of_b in read_rows],
        categories=list(_categories(both)) if kind == "category" else [],
        passed_a=_passed(each for _, side, _ in both for each in side) if assessed else None,
        passed_b=_passed(each for _, _, side in both for each in side) if assessed else None,
        tallies=tallies,
        spreads=(
            _spread(kind, [side for _, side, _ in both], read, a.votes.get(label, [])),
            _spread(kind, [side for _, _, side in both], read, b.votes.get(label, [])),
        ),
    )


def units(pairs: Sequence[Pair], fill_a: float | None = None, fill_b: float | None = None) -> Units:
    """The pairs scored on both sides; with fillings, also those scored on one, and every repeat that lacks a
    score filled in.
    """
    filled = [
        (_filled(pair.a, pair.known_a, fill_a), _filled(pair.b, pair.known_b, fill_b))
        for pair in pairs
        if pair.a is not None or pair.b is not None
    ]
    both = [(a, b) for a, b in filled if a is not None and b is not None]
    return Units([a for a, _ in both], [b for _, b in both])


def _filled(number: float | None, known: float, fill: float | None) -> float | None:
    if number is None or fill is None or known == 1:
        return fill if number is None else number
    return number * known + fill * (1 - known)


class Repeats(NamedTuple):
    """What a row's repeats on one side came to."""

    numbers: Sequence[float]  # of those that were scored
    number: float | None  # their mean
    known: float  # the share of the repeats that was scored, where any was
    state: State  # of the row


def repeats(states: Sequence[tuple[State, float | None]], tally: Tally) -> Repeats:
    """A row's repeats on one side, which are added to the tally of the side."""
    if len(states) == 1:  # as of most rows
        ((state, number),) = states
        tally[state] += 1
        return Repeats(() if number is None else (number,), number, 1.0, state)
    for state, _ in states:
        tally[state] += 1
    numbers = [number for _, number in states if number is not None]
    count = len(numbers)
    # In shares, so that a sum of large numbers is not infinite where their mean is a number.
    mean = math.fsum(number / count for number in numbers) if count else None
    state = min((state for state, _ in states), key=_STATES.index)
    return Repeats(numbers, mean, count / len(states) if count else 1.0, state)


def pair_of(name: str, a: Repeats, b: Repeats) -> Pair:
    """A row on both sides."""
    return Pair(name, a.number, b.number, a.state, b.state, a.known, b.known)


def _repeats(outcomes: Sequence[Outcome | None], read: _Read, tally: Tally) -> Repeats:
    return repeats([_state(outcome, read) for outcome in outcomes], tally)


def _state(outcome: Outcome | None, read: _Read) -> tuple[State, float | None]:
    if outcome is None:
        return "missing", None
    if outcome.failed:
        return "failed", None
    number = read(outcome)
    if number is not None:
        return "scored", number
    return ("missing" if outcome.says_something or not outcome.not_applicable else "not applicable"), None


def _spread(
    kind: Kind, rows: Sequence[Sequence[Outcome | None]], read: _Read, votes: Sequence[Votes]
) -> Spread | None:
    if not votes and all(len(row) == 1 for row in rows):
        return None
    there = [[each for each in row if each is not None and not each.failed] for row in rows]
    if kind == "category":
        return spread([], [[name for each in row if (name := each.category)] for row in there], votes)
    if kind == "json":
        return None
    return spread([[n for each in row if (n := read(each)) is not None] for row in there], [], votes)


_READERS: Final[dict[Kind, _Read]] = {
    "score": lambda outcome: outcome.number,
    "boolean": lambda outcome: outcome.number,
    "assessment": lambda outcome: outcome.pass_share,
    # Scored or not: which one it is, is not a number.
    "category": lambda outcome: 1.0 if outcome.categories else None,
    "json": lambda outcome: 1.0 if outcome.others else None,
}


def _scale(numbers: Sequence[float]) -> tuple[float, float]:
    """0 to 1 where all are within; else from the lowest to the highest that was seen."""
    lowest, highest = min(numbers, default=0.0), max(numbers, default=1.0)
    if lowest >= 0 and highest <= 1:
        return 0.0, 1.0
    # All the same: a scale from zero.
    return (lowest, highest) if lowest < highest else (min(lowest, 0.0), max(highest, 0.0))


def _direction(
    label: str, kind: Kind, told: Told | None, of_records: Sequence[Recorded], outcomes: Sequence[Outcome]
) -> Direction:
    if kind in ("score", "boolean"):
        of_a, of_b = of_records
        return direction(label, told, of_a, of_b, _passing(outcomes) if kind == "score" else None)
    if kind != "assessment":
        return NEITHER
    return direction(label, told, Recorded(), Recorded(), "higher")  # the share of pass


def _passing(outcomes: Sequence[Outcome]) -> Better | None:
    """Where all that passed are on one side of all that failed, which."""
    passing = [
        outcome.number for outcome in outcomes if outcome.pass_share == 1 and outcome.number is not None
    ]
    failing = [
        outcome.number for outcome in outcomes if outcome.pass_share == 0 and outcome.number is not None
    ]
    if not passing or not failing:
        return None
    return "lower" if max(passing) < min(failing) else "higher" if max(failing) < min(passing) else None


def _passed(outcomes: Iterable[Outcome | None]) -> int:
    return sum(each is not None and not each.failed and each.pass_share == 1 for each in outcomes)


def _categories(
    both: Iterable[tuple[str, Sequence[Outcome | None], Sequence[Outcome | None]]],
) -> Iterator[tuple[str, str]]:
    for _, *sides in both:
        a, b = (
            commonest(
                [name for each in side if each is not None and not each.failed and (name := each.category)]
            )
            for side in sides
        )
        if a is not None and b is not None:
            yield a, b
