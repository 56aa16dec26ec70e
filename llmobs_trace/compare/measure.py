"""Turns the outcomes of one label on both sides into comparable pairs of numbers. Pure.

What is compared of a label:

    score                     the numbers
    boolean                   the share of true
    boolean with assessments  the share of pass
    category, JSON            the share of pass where there are assessments; else which category, and none is
                              better

Which of these is better, `direction` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from llmobs_trace.compare.direction import NEITHER, Direction, Recorded, Told, direction
from llmobs_trace.compare.pairs import Outcome, RowPair, Side
from llmobs_trace.compare.results import Better, Kind

State = Literal["scored", "failed", "missing"]
_Read = Callable[[Outcome], "float | None"]


class Pair(Struct, frozen=True, gc=False):
    """One row on both sides. A number is None where its state isn't `scored`."""

    row: str  # of the dataset: repeats share it
    a: float | None
    b: float | None
    state_a: State = "scored"
    state_b: State = "scored"


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
    both = [(row.dataset_row, of_a.get(row.a.key), of_b.get(row.b.key)) for row in rows]
    found = [each for _, *sides in both for each in sides if each is not None and not each.failed]
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
    pairs = [_pair(name, outcome_a, outcome_b, read) for name, outcome_a, outcome_b in both]
    numbers = [each for pair in pairs for each in (pair.a, pair.b) if each is not None]
    lowest, highest = _scale(numbers) if kind == "score" else (0.0, 1.0)
    return Measured(
        label=label,
        kind=kind,
        direction=_direction(label, kind, told, of_records, found),
        lowest=lowest,
        highest=highest,
        pairs=pairs,
        categories=list(_categories(both)) if kind == "category" else [],
        passed_a=_passed(outcome for _, outcome, _ in both) if assessed else None,
        passed_b=_passed(outcome for _, _, outcome in both) if assessed else None,
    )


def units(pairs: Sequence[Pair], fill_a: float | None = None, fill_b: float | None = None) -> Units:
    """The pairs scored on both sides; with fillings, also those scored on one, the other filled in."""
    filled: dict[str, list[tuple[float, float]]] = {}
    for pair in pairs:
        if pair.a is None and pair.b is None:
            continue
        a = pair.a if pair.a is not None else fill_a
        b = pair.b if pair.b is not None else fill_b
        if a is not None and b is not None:
            filled.setdefault(pair.row, []).append((a, b))
    repeats = filled.values()
    if len(filled) == sum(map(len, repeats)):
        return Units([a for ((a, _),) in repeats], [b for ((_, b),) in repeats])
    return Units(
        [_mean([a for a, _ in each]) for each in repeats], [_mean([b for _, b in each]) for each in repeats]
    )


def _mean(numbers: Sequence[float]) -> float:
    # In shares, so that a sum of large numbers is not infinite where their mean is a number.
    return math.fsum(number / len(numbers) for number in numbers)


def _pair(name: str, a: Outcome | None, b: Outcome | None, read: _Read) -> Pair:
    (state_a, number_a), (state_b, number_b) = _state(a, read), _state(b, read)
    return Pair(name, number_a, number_b, state_a, state_b)


def _state(outcome: Outcome | None, read: _Read) -> tuple[State, float | None]:
    if outcome is None:
        return "missing", None
    if outcome.failed:
        return "failed", None
    number = read(outcome)
    return ("missing", None) if number is None else ("scored", number)


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


def _categories(both: Iterable[tuple[str, Outcome | None, Outcome | None]]) -> Iterator[tuple[str, str]]:
    for _, a, b in both:
        if a is None or b is None or a.failed or b.failed:
            continue
        category_a, category_b = a.category, b.category
        if category_a is not None and category_b is not None:
            yield category_a, category_b
