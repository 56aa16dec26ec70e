"""Decides which values of a metric are the better ones, from its label and what was said of it. Pure.

Who says it, whoever comes first:

    said         whoever asks for the comparison
    recorded     its metrics: `record_metric(..., lower_is_better=True)`
    assessments  those that passed lie all above, or all below, those that failed
    assumed      nobody, and its name gives no reason to think that less is better: higher is

Where nobody says it and the name does give a reason, or where the records contradict each other, none is: a
verdict that is turned round is worse than none.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

from llmobs_trace.compare.results import Better, Source

# What whoever asks may say of a label.
Told = Literal["higher", "lower", "neither"]

# Of which there is mostly too much.
_COSTLY: Final = frozenset(
    [
        *("cost", "costs", "price", "prices", "usd", "token", "tokens"),
        *("latency", "latencies", "duration", "durations", "seconds", "ms", "milliseconds"),
        *("toxicity", "toxic", "error", "errors"),
    ]
)
# A run of capitals, a word with or without a capital, digits: `costUSD`, `latency_ms`, `p95Latency`.
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


class Recorded(Struct, frozen=True):
    """How many metrics of a label say that lower values are better, and how many that higher ones are."""

    lower: int = 0
    higher: int = 0

    def __add__(self, other: Recorded) -> Recorded:
        return Recorded(self.lower + other.lower, self.higher + other.higher)

    @property
    def better(self) -> Better | None:
        """What they say with one voice."""
        return None if bool(self.lower) == bool(self.higher) else "lower" if self.lower else "higher"


class Direction(Struct, frozen=True):
    """Which is better, and who says so; None where it is not to be judged, and then why not."""

    better: Better | None
    source: Source | None
    why_not: str = ""


NEITHER: Final = Direction(None, None)
_WORDS: Final[dict[Better | None, str]] = {
    "lower": "that lower is better",
    "higher": "that higher is better",
    None: "both",
}


def direction(
    label: str, told: Told | None, a: Recorded, b: Recorded, by_assessments: Better | None
) -> Direction:
    """Of a label with numbers or booleans.

    >>> nobody = Recorded()
    >>> direction("accuracy", None, nobody, nobody, None).better
    'higher'
    >>> direction("total_cost", None, nobody, nobody, None).better is None
    True
    """
    if told == "neither":
        return Direction(None, "said", "told not to judge it")
    if told is not None:
        return Direction(told, "said")
    recorded = a + b
    if recorded.better is not None:
        return Direction(recorded.better, "recorded")
    if recorded.lower:
        return Direction(None, "recorded", _contradiction(a, b))
    if by_assessments is not None:
        return Direction(by_assessments, "assessments")
    word = costly_word(label)
    if word is not None:
        return Direction(
            None, None, f'nobody said whether more or less is better, and its name has "{word}" in it'
        )
    return Direction("higher", "assumed")


def costly_word(label: str) -> str | None:
    """The first word of a label for which less may be better.

    >>> [costly_word(label) for label in ("costUSD", "time-to-first.ms", "accosted", "terms")]
    ['cost', 'ms', None, None]
    """
    words = (word.lower() for word in _WORD.findall(label))
    return next((word for word in words if word in _COSTLY), None)


def _contradiction(a: Recorded, b: Recorded) -> str:
    said = [
        f"{side}'s records say {_WORDS[recorded.better]}"
        for side, recorded in (("A", a), ("B", b))
        if recorded.lower or recorded.higher
    ]
    return ", and ".join(said)
