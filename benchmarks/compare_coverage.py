"""Simulated differences in, how often each kind of 95% interval holds their true mean out: why BCa, and why
widened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from llmobs_trace.compare.evidence import ask
from llmobs_trace.compare.intervals import Interval, bca
from llmobs_trace.compare.measure import Units

_Sample = np.ndarray[tuple[int], np.dtype[np.float64]]
_RESAMPLES = 999

_TRUTHS: dict[str, tuple[float, Callable[[np.random.Generator, int], _Sample]]] = {
    "normal": (0.0, lambda random, n: random.normal(0, 1, n)),
    "skewed (exponential)": (1.0, lambda random, n: random.exponential(1, n)),
    "0 in 7 rows of 10, else uniform": (
        0.3 * 0.1,
        lambda random, n: random.uniform(-0.4, 0.6, n) * (random.random(n) < 0.3),
    ),
    "steps of a half, mostly 0": (
        0.05,
        lambda random, n: random.choice([-0.5, 0, 0.5, 1], n, p=[0.1, 0.75, 0.1, 0.05]),
    ),
    "two outcomes": (0.1, lambda random, n: random.choice([-1.0, 0, 1], n, p=[0.1, 0.7, 0.2])),
}


def lines(samples: int, seed: int) -> Iterator[str]:
    """A line for each distribution and number of rows."""
    random = np.random.default_rng(seed)
    yield "| differences | rows | Student's t | percentile-t | BCa | BCa, widened | as compared |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for name, (truth, draw) in _TRUTHS.items():
        for rows in (8, 20, 60, 200):
            held = np.zeros(5)
            for _ in range(samples):
                sample = draw(random, rows)
                found = (
                    _student(sample),
                    _percentile_t(sample, random),
                    bca(sample.tolist(), 0.95, widened=False),
                    bca(sample.tolist(), 0.95),
                    _compared(sample.tolist(), two_outcomes=name == "two outcomes"),
                )
                held += [each is not None and each[0] <= truth <= each[1] for each in found]
            yield f"| {name} | {rows} | " + " | ".join(f"{share:.1%}" for share in held / samples) + " |"


def _compared(differences: list[float], *, two_outcomes: bool) -> Interval | None:
    """What `llmobs-trace compare` shows. Of two outcomes, a difference says what both were, but for ties."""
    if two_outcomes:
        units = Units([float(each < 0) for each in differences], [float(each > 0) for each in differences])
    else:
        units = Units([0.0] * len(differences), differences)
    return ask(units, 0.0, 1.0, 0.05, 0.95).interval


def _student(sample: _Sample) -> Interval | None:
    error = sample.std(ddof=1) / len(sample) ** 0.5
    reach = stats.t.ppf(0.975, len(sample) - 1) * error
    return float(sample.mean() - reach), float(sample.mean() + reach)


def _percentile_t(sample: _Sample, random: np.random.Generator) -> Interval | None:
    """Efron and Tibshirani, 1993, section 12.5."""
    again = sample[random.integers(0, len(sample), (_RESAMPLES, len(sample)))]
    errors = again.std(axis=1, ddof=1) / len(sample) ** 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (again.mean(axis=1) - sample.mean()) / errors
    t = t[np.isfinite(t)]
    if not len(t):
        return float(sample.mean()), float(sample.mean())
    error = sample.std(ddof=1) / len(sample) ** 0.5
    low, high = np.quantile(t, [0.025, 0.975])
    return float(sample.mean() - high * error), float(sample.mean() - low * error)
