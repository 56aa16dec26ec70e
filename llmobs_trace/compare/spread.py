"""Works out how much one side's results differ though nothing changed: from repeat to repeat of a row, and
from vote to vote of a judge. Pure.

What repeats differ by holds what the judge differs from itself by: the rest is the task's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from llmobs_trace.compare.results import Spread

# What a judge's votes on one row came to: numbers, or one of several categories each.
Votes = Sequence[float] | Sequence[str]


class _Pooled(Struct):
    """Squares of deviations from means, and how many of them are free."""

    squares: float = 0.0
    freedom: int = 0

    def add(self, numbers: Sequence[float], share: float = 1.0) -> None:
        mean = math.fsum(number / len(numbers) for number in numbers)
        self.squares += math.fsum((number - mean) ** 2 for number in numbers) * share
        self.freedom += len(numbers) - 1

    @property
    def deviation(self) -> float | None:
        return math.sqrt(self.squares / self.freedom) if self.freedom else None


def spread(
    numbers: Iterable[Sequence[float]], categories: Iterable[Sequence[str]], votes: Iterable[Votes]
) -> Spread | None:
    """Of one label on one side: what each row's repeats came to, and the votes on each of these. None where
    no row ran twice, and nobody voted.

    >>> spread([[0.5, 0.7], [0.4, 0.2]], [], [])
    Spread(repeats=0.1414..., judge=None, agreement=None, judge_agreement=None)
    """
    of_repeats, of_votes = _Pooled(), _Pooled()
    for row in numbers:
        if len(row) > 1 and math.isfinite(max(row) - min(row)):
            of_repeats.add(row)
    texts: list[Sequence[str]] = []
    for each in votes:
        if all(isinstance(vote, str) for vote in each):
            texts.append([str(vote) for vote in each])
        elif len(each) > 1:
            # A verdict is the mean of its votes: what is left of their noise in it.
            of_votes.add([float(vote) for vote in each], 1 / len(each))
    found = Spread(of_repeats.deviation, of_votes.deviation, _agreement(categories), _agreement(texts))
    return None if found == Spread() else found


def _agreement(rows: Iterable[Sequence[str]]) -> float | None:
    """The share that says what most of its row say, over the rows with several."""
    agreeing = said = 0
    for row in rows:
        if len(row) > 1:
            agreeing += max(Counter(row).values())
            said += len(row)
    return agreeing / said if said else None


def votes_of(metadata: Mapping[str, object]) -> Votes | None:
    """What a judge kept of its votes on one row: numbers where these have some, else the categories."""
    for name in ("worths", "votes"):
        found = metadata.get(name)
        if isinstance(found, list) and len(found) > 1:
            if all(isinstance(vote, (bool, int, float)) for vote in found):
                return [float(vote) for vote in found]
            if name == "votes" and all(isinstance(vote, str) for vote in found):
                return found
    return None
