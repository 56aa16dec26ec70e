"""How often `llmobs-trace compare` is wrong, how often it finds what is there, and how long it takes.

    python -m benchmarks.compare            some ten minutes
    python -m benchmarks.compare --quick    about a minute

Everything is simulated from a seed, where the truth is known. A share stands with its exact 95% binomial
bounds (Clopper and Pearson); a line says `no` where the bounds exclude what is promised.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Sequence

from benchmarks import compare_coverage, compare_repeats, compare_time
from benchmarks.shares import bounds, share
from llmobs_trace.compare.comparison import Options, judge_together
from llmobs_trace.compare.direction import Direction
from llmobs_trace.compare.measure import Measured, Pair, State
from llmobs_trace.compare.power import POWER, flips_to_find, rows_to_bound, rows_to_find
from llmobs_trace.compare.results import MetricResult

_TABLES = ("alarms", "repeats", "effects", "equivalence", "failures", "coverage", "time")
_ALPHA = 0.05
_HIGHER = Direction("higher", "assumed")
_HARD, _SPREAD = 0.15, 0.15
_Draw = Callable[[random.Random], tuple[float, float]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer simulations: about a minute")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=_TABLES, action="append", help="one of the tables, or several")
    arguments = parser.parse_args()
    pairs = 200 if arguments.quick else 2_000
    tables: dict[str, tuple[str, Iterator[str]]] = {
        "alarms": (
            f"False alarms: {pairs:,} pairs of runs of one and the same program",
            _false_alarms(pairs, random.Random(arguments.seed)),
        ),
        "repeats": (
            f"Rows that ran several times: {pairs:,} pairs of runs each",
            compare_repeats.lines(pairs, arguments.seed),
        ),
        "effects": (
            f"Known effects, at the number of rows said to find them with {POWER:.0%}",
            _effects(pairs, random.Random(arguments.seed)),
        ),
        "equivalence": ('"No different", margin 0.1', _equivalence(pairs, random.Random(arguments.seed))),
        "failures": (
            "Failures that are no accident: B fails where it would score low",
            _failures(pairs, random.Random(arguments.seed)),
        ),
        "coverage": (
            "Intervals: how often they hold the true difference",
            compare_coverage.lines(pairs, arguments.seed),
        ),
        "time": ("Time, from the store to the verdicts, four metrics", compare_time.lines(arguments.quick)),
    }
    kept = True
    for name in arguments.only or _TABLES:
        title, lines = tables[name]
        print(f"### {title}\n")
        for line in lines:
            kept = kept and not line.rstrip().endswith(" no |")
            print(line, flush=True)
        print()
    return 0 if kept else 1


# --- What is simulated --------------------------------------------------------------------------------------


def _yes(chance: random.Random, probability: float) -> float:
    return float(chance.random() < probability)


def _rates(a: float, b: float) -> _Draw:
    """Two outcomes; rows are easy or hard for both."""

    def draw(chance: random.Random) -> tuple[float, float]:
        hard = chance.uniform(-_HARD, _HARD)
        return _yes(chance, a + hard), _yes(chance, b + hard)

    return draw


def _scores(shift: float, digits: int | None, spread: float = _SPREAD) -> _Draw:
    """Scores from 0 to 1 about a row's own level."""

    def draw(chance: random.Random) -> tuple[float, float]:
        level = chance.uniform(0.3, 0.6)
        a, b = chance.gauss(level, spread), chance.gauss(level + shift, spread)
        a, b = (min(1.0, max(0.0, each)) for each in (a, b))
        return (a, b) if digits is None else (round(a, digits), round(b, digits))

    return draw


def _skewed(chance: random.Random) -> tuple[float, float]:
    return chance.expovariate(1) ** 2, chance.expovariate(1) ** 2


def _mostly_same(chance: random.Random) -> tuple[float, float]:
    a = chance.choice((0.0, 0.5, 1.0))
    return (a, a) if chance.random() < 0.8 else (a, chance.choice((0.0, 0.5, 1.0)))


def _swapped(draw: _Draw) -> _Draw:
    """The same program twice: which of the two came first says nothing."""

    def fair(chance: random.Random) -> tuple[float, float]:
        a, b = draw(chance)
        return (a, b) if chance.random() < 0.5 else (b, a)

    return fair


def _measured(draw: _Draw, rows: int, chance: random.Random, label: str = "metric") -> Measured:
    pairs = [Pair(str(row), *draw(chance)) for row in range(rows)]
    values = [value for pair in pairs for value in (pair.a, pair.b) if value is not None]
    lowest, highest = (0.0, 1.0) if max(values) <= 1 else (min(values), max(values))
    return Measured(label, "score", _HIGHER, lowest, highest, pairs)


def _judged(*measured: Measured, margin: float | None = None) -> list[MetricResult]:
    return judge_together(measured, Options(margins={} if margin is None else {"metric": margin}))


# --- Tables -------------------------------------------------------------------------------------------------


def _false_alarms(pairs: int, chance: random.Random) -> Iterator[str]:
    yield "| metrics of a run | rows | better or worse, in any of them | at most 5% |"
    yield "|---|--:|--:|---|"
    alike: list[tuple[str, int, Sequence[_Draw]]] = [
        ("a rate about 70%", 40, [_rates(0.7, 0.7)]),
        ("a rate about 70%", 300, [_rates(0.7, 0.7)]),
        ("a score", 12, [_scores(0, None)]),
        ("a score", 100, [_scores(0, None)]),
        ("a score of one digit", 100, [_scores(0, 1)]),
        ("a very skewed score", 40, [_skewed]),
        ("a score, the same in 8 rows of 10", 60, [_mostly_same]),
        (
            "four: two rates, two scores",
            100,
            [_rates(0.7, 0.7), _rates(0.5, 0.5), _scores(0, None), _scores(0, 1)],
        ),
    ]
    for name, rows, draws in alike:
        alarms = 0
        for _ in range(pairs):
            family = [
                _measured(_swapped(draw), rows, chance, f"metric {index}") for index, draw in enumerate(draws)
            ]
            alarms += any(metric.verdict in ("better", "worse") for metric in _judged(*family))
        kept = bounds(alarms, pairs)[0] <= _ALPHA
        yield f"| {name} | {rows} | {share(alarms, pairs)} | {'yes' if kept else 'no'} |"


def _effects(pairs: int, chance: random.Random) -> Iterator[str]:
    yield f"| true effect | rows | found | at least {POWER:.0%} |"
    yield "|---|--:|--:|---|"
    for name, draw, rows in _known_effects():
        found = sum(_judged(_measured(draw, rows, chance))[0].verdict == "better" for _ in range(pairs))
        kept = bounds(found, pairs)[1] >= POWER
        yield f"| {name} | {rows} | {share(found, pairs)} | {'yes' if kept else 'no'} |"


def _known_effects() -> Iterator[tuple[str, _Draw, int]]:
    for a, b in ((0.6, 0.75), (0.6, 0.7), (0.5, 0.8)):
        # What is hard for one is hard for the other: their covariance.
        shared = _HARD**2 / 3
        rows = flips_to_find((1 - a) * b - shared, a * (1 - b) - shared, _ALPHA)
        assert rows is not None
        yield f"a rate of {a:.0%} becomes {b:.0%}", _rates(a, b), rows
    for shift in (0.15, 0.1, 0.05):
        rows = rows_to_find(shift, _SPREAD * 2**0.5, _ALPHA)
        assert rows is not None
        yield f"a score rises by {shift}", _plain_shift(shift, _SPREAD), rows


def _equivalence(pairs: int, chance: random.Random) -> Iterator[str]:
    yield '| true difference | rows | "no different" | promised |'
    yield "|---|--:|--:|---|"
    deviation = _SPREAD * 2**0.5
    enough = rows_to_bound(0.0, deviation, 0.1, _ALPHA)
    assert enough is not None
    for name, draw, rows, least in (
        ("none, at the rows said to show it", _plain_shift(0.0, _SPREAD), enough, POWER),
        ("the margin itself: a score rises by 0.1", _plain_shift(0.1, _SPREAD), 60, None),
        ("the margin itself, in 1 row of 10", _rare(0.1), 40, None),
        ("the margin itself: a rate of 60% becomes 70%", _rates(0.6, 0.7), 150, None),
    ):
        found = sum(
            _judged(_measured(draw, rows, chance), margin=0.1)[0].verdict == "no different"
            for _ in range(pairs)
        )
        low, high = bounds(found, pairs)
        kept = high >= least if least is not None else low <= _ALPHA
        promise = f"at least {least:.0%}" if least is not None else f"at most {_ALPHA:.0%}"
        yield f"| {name} | {rows} | {share(found, pairs)} | {promise}: {'yes' if kept else 'no'} |"


def _plain_shift(shift: float, spread: float) -> _Draw:
    return lambda chance: (chance.gauss(0.45, spread), chance.gauss(0.45 + shift, spread))


def _rare(share: float) -> _Draw:
    """Most rows are the same, and a few go from nothing to all."""
    return lambda chance: (0.0, _yes(chance, share))


def _failures(pairs: int, chance: random.Random) -> Iterator[str]:
    yield '| B fails in | "better", of the scored rows alone | "better", as compared |'
    yield "|---|--:|--:|"
    for below in (0.2, 0.3):
        alone = compared = failed = 0
        for _ in range(pairs):
            whole = _measured(_swapped(_scores(0, None)), 100, chance)
            state: State = "failed"
            lost = [
                pair if pair.b is None or pair.b >= below else Pair(pair.row, pair.a, None, "scored", state)
                for pair in whole.pairs
            ]
            left = [pair for pair in lost if pair.b is not None]
            failed += len(lost) - len(left)
            for pairs_of, counted in ((left, True), (lost, False)):
                verdict = _judged(Measured("metric", "score", _HIGHER, 0, 1, pairs_of))[0].verdict
                alone += counted and verdict == "better"
                compared += not counted and verdict == "better"
        yield (
            f"{failed / pairs:.0f} rows of 100, those below {below} | {share(alone, pairs)} |"
            f" {share(compared, pairs)} |"
        ).join(("| ", ""))


if __name__ == "__main__":
    sys.exit(main())
