"""Works out what pairs of numbers say of their mean difference: a test and intervals. Pure.

Failed and missing rows weigh: beside the rows scored on both sides, the question is asked twice more, with
every row that one side alone has no score for, and every repeat without one, at the worst for B, and at the
best (Manski's bounds: Am. Econ. Rev. 80, 1990). What all three agree on is what the evidence says, whatever
those rows had come to. A row that neither side has a score for speaks for neither.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from llmobs_trace.compare.intervals import Interval, bca, tango
from llmobs_trace.compare.measure import Measured, Units, units
from llmobs_trace.compare.signflip import sign_flip

# With fewer differences than this that aren't zero, a bootstrap knows too little of the others.
_FEW: Final = 10


class Asked(Struct, frozen=True):
    """The question, asked of one set of pairs."""

    count: int  # dataset rows
    mean: float
    deviation: float  # of the differences; 0 where there are fewer than two
    p: float
    least_p: float
    test: str
    interval: Interval | None
    inner: Interval | None  # of the two one-sided tests
    interval_method: str
    wins: int  # rows where B is higher
    losses: int


class Evidence(Struct, frozen=True):
    """All that bears on one label."""

    scored: Asked
    worst: Asked | None  # None where no row is without a score on one side alone
    best: Asked | None
    one_sided: int  # rows with a score on one side alone, or of not all repeats
    two_outcomes: bool
    partly: bool = False  # some of those rows have some of their repeats' scores

    @property
    def p(self) -> float:
        """The largest that failed rows could make of it; 1 where they could turn its direction."""
        if self.worst is None or self.best is None:
            return self.scored.p
        asked = (self.scored, self.worst, self.best)
        if min(each.mean for each in asked) <= 0 <= max(each.mean for each in asked):
            return 1.0
        return max(each.p for each in asked)

    @property
    def least_p(self) -> float:
        """The smallest p that there could have been."""
        asked = (self.scored, self.worst, self.best)
        return min(each.least_p for each in asked if each is not None)

    @property
    def bounds(self) -> Interval | None:
        """Of the difference, whatever failed rows had come to."""
        if self.worst is None or self.best is None:
            return None
        return (self.worst.mean, self.best.mean)

    @property
    def inner(self) -> Interval | None:
        """The interval of the one-sided tests, whatever failed rows had come to."""
        asked = (self.scored, self.worst, self.best)
        intervals = [each.inner for each in asked if each is not None and each.count]
        if not intervals or any(each is None for each in intervals):
            return None
        known = [each for each in intervals if each is not None]
        return (min(low for low, _ in known), max(high for _, high in known))


def gather(measured: Measured, alpha: float, confidence: float) -> Evidence:
    """The evidence of one label with numbers."""
    pairs = measured.pairs
    one_sided = sum(pair.is_open for pair in pairs)
    scored = units(pairs)
    low, high = measured.lowest, measured.highest
    worst = best = None
    if one_sided:
        worst = ask(units(pairs, fill_a=high, fill_b=low), low, high, alpha, confidence)
        best = ask(units(pairs, fill_a=low, fill_b=high), low, high, alpha, confidence)
    return Evidence(
        ask(scored, low, high, alpha, confidence),
        worst,
        best,
        one_sided,
        scored.two_outcomes,
        partly=any(pair.known_a < 1 or pair.known_b < 1 for pair in pairs),
    )


def ask(values: Units, lowest: float, highest: float, alpha: float, confidence: float) -> Asked:
    """Test and intervals of one set of pairs, on a scale."""
    # In shares of the largest, so that no difference overflows.
    largest = max((abs(each) for each in (*values.a, *values.b, lowest, highest)), default=0.0)
    unit = largest if largest > 1e100 else 1.0
    differences = [b / unit - a / unit for a, b in zip(values.a, values.b, strict=True)]
    width = highest / unit - lowest / unit
    count = len(differences)
    test = sign_flip(differences)
    wins, losses = sum(each > 0 for each in differences), sum(each < 0 for each in differences)
    mean = math.fsum(differences) / count if count else 0.0
    pair_of_intervals: list[Interval | None] = []
    method = ""
    for level in (confidence, 1 - 2 * alpha):
        found, method = _interval(differences, wins, losses, values.two_outcomes, width, level)
        pair_of_intervals.append(
            None if found is None else (_finite(found[0] * unit), _finite(found[1] * unit))
        )
    return Asked(
        count=count,
        mean=_finite(mean * unit),
        deviation=_finite(_deviation(differences, mean) * unit),
        p=test.p,
        least_p=test.least_p,
        test=test.method,
        interval=pair_of_intervals[0],
        inner=pair_of_intervals[1],
        interval_method=method,
        wins=wins,
        losses=losses,
    )


def _interval(
    differences: Sequence[float], wins: int, losses: int, two_outcomes: bool, width: float, level: float
) -> tuple[Interval | None, str]:
    count = len(differences)
    changed = wins + losses
    if two_outcomes or not changed:
        # Of scores that are all the same on both sides: as if a row that changes went over the whole scale.
        scale = 1.0 if two_outcomes else width
        found = tango(wins, losses, count, level)
        return (None if found is None else (found[0] * scale, found[1] * scale)), "score (Tango)"
    found = bca(differences, level)
    if changed >= _FEW or found is None:
        return found, "bootstrap (BCa)"
    # So few rows changed that those that didn't come up must be thought of: whichever reaches further.
    size = max(abs(each) for each in differences)
    reach = tango(wins, losses, count, level) or (0.0, 0.0)
    return (min(found[0], reach[0] * size), max(found[1], reach[1] * size)), "bootstrap (BCa), score (Tango)"


def _deviation(differences: Sequence[float], mean: float) -> float:
    if len(differences) < 2:
        return 0.0
    return math.sqrt(math.fsum([(each - mean) ** 2 for each in differences]) / (len(differences) - 1))


def _finite(value: float) -> float:
    return max(-1.7e308, min(1.7e308, value))
