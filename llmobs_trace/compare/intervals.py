"""Works out an interval of the mean difference of pairs. Pure, without random numbers.

Bootstrap (scores): BCa (Efron, "Better Bootstrap Confidence Intervals", J. Am. Statist. Ass. 82, 1987), of
the bootstrap distribution itself, as it would be with resamples without end, by its saddlepoint approximation
(Davison and Hinkley, Biometrika 75, 1988): no seed, no noise, and 100,000 rows cost what a few resamples
would. Its levels are widened as Student's t is beside the normal (Hesterberg, The American Statistician 69,
2015), without which it covers too little at few rows.

Score interval (two outcomes a row): Tango, Statistics in Medicine 17, 1998. The bootstrap is no use there:
where no row changed, it says that none ever will.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from llmobs_trace.compare.tails import NORMAL, normal_quantile, t_quantile

Interval = tuple[float, float]

# Beyond so many differences, unless they are very skewed, the Cornish-Fisher expansion is as good.
_EXPANDED: Final = 5_000
_TINY: Final = 1e-12


def bca(differences: Sequence[float], confidence: float, *, widened: bool = True) -> Interval | None:
    """The bootstrap interval of the mean; None of nothing.

    >>> low, high = bca([0.1, 0.2, 0.3, 0.4, 0.2, 0.1, 0.5, 0.3], 0.95)
    >>> round(low, 3), round(high, 3)
    (0.16, 0.393)
    """
    if not differences:
        return None
    largest = max(abs(each) for each in differences)
    if not largest:
        return (0.0, 0.0)
    count = len(differences)
    scaled = [each / largest for each in differences]
    mean = math.fsum(scaled) / count
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in scaled) / count)
    if deviation <= _TINY:
        return (mean * largest, mean * largest)
    bootstrap = _Bootstrap([(each - mean) / deviation for each in scaled])
    upper = (1 + confidence) / 2
    z = normal_quantile(upper)
    if widened:
        z = t_quantile(upper, count - 1) * math.sqrt(count / (count - 1))
    ends = []
    for side in (-z, z):
        # Of a mean, the bias correction and the acceleration are the same number, from the skewness.
        shifted = bootstrap.bias + side
        left = 1 - bootstrap.bias * shifted
        reach = bootstrap.bias + shifted / left if left > 0 else math.copysign(math.inf, side)
        ends.append((mean + deviation * bootstrap.quantile(reach)) * largest)
    return (min(ends), max(ends))


class _Bootstrap:
    """The distribution of the mean of a resample, of standardized differences."""

    def __init__(self, standardized: Sequence[float]) -> None:
        self._n = len(standardized)
        counts = Counter(standardized)
        self._values = list(counts)
        self._shares = [count / self._n for count in counts.values()]
        self._lowest, self._highest = min(self._values), max(self._values)
        skewness, excess = self._moment(3), self._moment(4) - 3
        self._skew = skewness / math.sqrt(self._n)
        self._excess = excess / self._n
        self.bias = self._skew / 6

    def _moment(self, power: int) -> float:
        return math.fsum(
            [share * value**power for value, share in zip(self._values, self._shares, strict=True)]
        )

    def quantile(self, z: float) -> float:
        """The quantile of the probability Φ(z)."""
        if math.isinf(z):
            return self._highest if z > 0 else self._lowest
        if self._n > _EXPANDED and abs(self._skew) < 0.05 and self._excess < 0.05:
            expanded = (
                z
                + self._skew * (z * z - 1) / 6
                + self._excess * (z**3 - 3 * z) / 24
                - self._skew**2 * (2 * z**3 - 5 * z) / 36
            )
            return expanded / math.sqrt(self._n)
        return self._solved(z)

    def _solved(self, z: float) -> float:
        """Where r* is z: it rises with the tilt t, so bisection (regula falsi, Illinois) finds it."""
        root = math.sqrt(self._n)
        low, low_r, low_x = 0.0, self.bias, 0.0
        if abs(z - low_r) < _TINY:
            return 0.0
        direction = 1.0 if z > low_r else -1.0
        high = direction * max(0.1, abs(z - low_r)) / root
        for _ in range(60):
            high_r, high_x = self._at(high)
            if (high_r - z) * direction >= 0:
                break
            low, low_r, low_x = high, high_r, high_x
            high *= 2
        else:
            return self._highest if direction > 0 else self._lowest
        kept = 0
        gap_low, gap_high = low_r - z, high_r - z
        for _ in range(100):
            middle = high - gap_high * (high - low) / (gap_high - gap_low) if gap_high != gap_low else low
            r, x = self._at(middle)
            gap = r - z
            if abs(gap) < 1e-8 or abs(high - low) <= _TINY * abs(high):
                return x
            if (gap < 0) == (gap_low < 0):
                low, gap_low, low_x = middle, gap, x
                gap_high = gap_high / 2 if kept == 1 else gap_high
                kept = 1
            else:
                high, gap_high, high_x = middle, gap, x
                gap_low = gap_low / 2 if kept == 2 else gap_low
                kept = 2
        return (low_x + high_x) / 2

    def _at(self, t: float) -> tuple[float, float]:
        """At the tilt t: r*, and the mean whose saddlepoint it is."""
        shift = t * (self._highest if t > 0 else self._lowest)
        weights = [
            share * math.exp(t * value - shift)
            for value, share in zip(self._values, self._shares, strict=True)
        ]
        total = math.fsum(weights)
        x = math.fsum(w * v for w, v in zip(weights, self._values, strict=True)) / total
        spread = math.fsum(w * (v - x) ** 2 for w, v in zip(weights, self._values, strict=True)) / total
        generated = math.log(total) + shift
        r = math.copysign(math.sqrt(max(0.0, 2 * self._n * (t * x - generated))), t)
        q = t * math.sqrt(self._n * spread)
        if abs(r) < 1e-3 or q * r <= 0:
            return r + self.bias, x
        return r + math.log(q / r) / r, x


def tango(wins: int, losses: int, count: int, confidence: float) -> Interval | None:
    """The score interval of (wins - losses) / count, of pairs with two outcomes each; None of nothing.

    >>> low, high = tango(1, 7, 21, 0.95)
    >>> round(low, 3), round(high, 3)
    (-0.517, -0.026)
    """
    if count <= 0:
        return None
    z = NORMAL.inv_cdf((1 + confidence) / 2)
    estimate = (wins - losses) / count

    def score(difference: float) -> float:
        """The score statistic of the hypothesis that the difference is this; falls as it rises."""
        b = -wins - losses + (2 * count - wins + losses) * difference
        c = -losses * difference * (1 - difference)
        nuisance = (math.sqrt(max(0.0, b * b - 8 * count * c)) - b) / (4 * count)
        variance = count * (2 * nuisance + difference * (1 - difference))
        gap = wins - losses - count * difference
        if variance <= 0:
            return 0.0 if abs(gap) < _TINY else math.copysign(math.inf, gap)
        return gap / math.sqrt(variance)

    def end(outer: float, target: float) -> float:
        inner = estimate
        for _ in range(60):
            middle = (inner + outer) / 2
            if abs(score(middle)) < target:
                inner = middle
            else:
                outer = middle
        return (inner + outer) / 2

    return (end(-1.0, z), end(1.0, z))
