"""What one row of the table was measured to be: a value from each round, and what there is to say of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Figure:
    """`goal` is a key of `benchmarks.goals.GOALS`; the values are one a round, no values: not measured."""

    goal: str
    values: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)


class Plan(NamedTuple):
    """How much to run. `number` calls a round, `repeats` rounds; `scratch` is a directory to write into."""

    quick: bool
    number: int
    repeats: int
    scratch: Path
    sink: Any


def ratios(
    goal: str, above: Sequence[float], below: Sequence[float], note: str = "", per: str = "a call"
) -> Figure:
    """The first ÷ the second, round by round; both in seconds."""
    said = f"{microseconds(above)} against {microseconds(below)} µs {per}"
    return Figure(
        goal,
        tuple(upper / lower for upper, lower in zip(above, below, strict=True)),
        f"{said}; {note}" if note else said,
    )


def microseconds(seconds: Sequence[float]) -> str:
    """The median, with as many digits as it deserves."""
    value = statistics.median(seconds) * 1e6
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
