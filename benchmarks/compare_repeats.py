"""Simulates pairs of experiments whose rows ran several times, from the store's outcomes to the verdict: how
often one and the same program is called better or worse, and how often a known effect is found.

Each row has a level of its own, which both programs share; each repeat differs from it by the task's noise
and by the judge's. That a row's repeats were taken for rows would show as false alarms, far above 5%.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.shares import bounds, share
from llmobs_trace.compare.comparison import Options, compare_sides
from llmobs_trace.compare.pairs import Outcome, ScoredRow, Side
from llmobs_trace.compare.power import POWER, rows_to_find
from llmobs_trace.compare.results import MetricResult

_ALPHA = 0.05
_LEVELS, _TASK, _JUDGE = (0.3, 0.7), 0.12, 0.08
_DRIFT = 0.08  # by which a row's level differs between two runs of one program, for all of its repeats
_Value = float | bool | None  # None: its evaluator failed


class _Kind(NamedTuple):
    """What is simulated: a value, from the row's level in one run; how often A and B run each row."""

    name: str
    rows: int
    repeats: tuple[int, int]
    draw: Callable[[random.Random, float], _Value]


def lines(pairs: int, seed: int) -> Iterator[str]:
    """False alarms, then power."""
    yield "| no difference: what is recorded | rows | repeats | better or worse | at most 5% |"
    yield "|---|--:|--:|--:|---|"
    for kind in _KINDS:
        chance = random.Random(seed)
        alarms = sum(_judged(kind, chance, 0.0).verdict in ("better", "worse") for _ in range(pairs))
        kept = bounds(alarms, pairs)[0] <= _ALPHA
        yield f"| {kind.name} | {kind.rows} | {_times(kind)} | {share(alarms, pairs)} | {_word(kept)} |"
    yield ""
    yield f"| true effect | rows, as said to find it | repeats | found | at least {POWER:.0%} |"
    yield "|---|--:|--:|--:|---|"
    for shift, repeats in ((0.08, 1), (0.08, 3), (0.05, 3), (0.05, 5)):
        kind = _Kind(f"a score rises by {shift}", _needed(shift, repeats), (repeats, repeats), _score)
        chance = random.Random(seed)
        found = sum(_judged(kind, chance, shift).verdict == "better" for _ in range(pairs))
        kept = bounds(found, pairs)[1] >= POWER
        yield f"| {kind.name} | {kind.rows} | {_times(kind)} | {share(found, pairs)} | {_word(kept)} |"


def _score(chance: random.Random, level: float) -> _Value:
    return level + chance.gauss(0, _TASK) + chance.gauss(0, _JUDGE)


def _right(chance: random.Random, level: float) -> _Value:
    return chance.random() < level


def _failing(chance: random.Random, level: float) -> _Value:
    """One in fifty fails, whatever its level."""
    return None if chance.random() < 0.02 else _score(chance, level)


_KINDS = (
    _Kind("a score", 20, (3, 3), _score),
    _Kind("a score", 100, (3, 3), _score),
    _Kind("a score, A three times and B once", 60, (3, 1), _score),
    _Kind("a rate", 60, (5, 5), _right),
    _Kind("a rate, A once and B four times", 60, (1, 4), _right),
    _Kind("a score, 2% of the repeats failed", 60, (3, 3), _failing),
)


def _judged(kind: _Kind, chance: random.Random, shift: float) -> MetricResult:
    levels = [chance.uniform(*_LEVELS) for _ in range(kind.rows)]
    sides = [
        _side(kind, chance, [level + chance.gauss(by, _DRIFT) for level in levels], repeats)
        for by, repeats in zip((0.0, shift), kind.repeats, strict=True)
    ]
    if not shift and chance.random() < 0.5:
        sides.reverse()  # of one program, which came first says nothing
    return compare_sides(sides[0], sides[1], Options())[0]


def _side(kind: _Kind, chance: random.Random, levels: list[float], repeats: int) -> Side:
    rows: dict[tuple[str, int], ScoredRow] = {}
    outcomes: dict[int, Outcome] = {}
    for number, level in enumerate(levels):
        for repeat in range(1, repeats + 1):
            key = len(rows)
            rows[f"row {number}", repeat] = ScoredRow(key, f"span {key}", 1_000_000, is_error=False)
            value = kind.draw(chance, level)
            outcomes[key] = Outcome(failed=1) if value is None else Outcome(numbers=1, total=float(value))
    type_name = "boolean" if kind.draw is _right else "score"
    return Side(rows, {"metric": outcomes}, {"metric": {type_name: len(outcomes)}})


def _needed(shift: float, repeats: int) -> int:
    """Rows that are said to find it: a row's difference is of two means of its repeats."""
    variance = 2 * (_DRIFT**2 + (_TASK**2 + _JUDGE**2) / repeats)
    rows = rows_to_find(shift, variance**0.5, _ALPHA)
    assert rows is not None
    return rows


def _times(kind: _Kind) -> str:
    a, b = kind.repeats
    return str(a) if a == b else f"{a} and {b}"


def _word(kept: bool) -> str:
    return "yes" if kept else "no"
