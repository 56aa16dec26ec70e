"""Computes tail probabilities and quantiles that `statistics` doesn't have. Pure.

Each is exact to about ten digits; the tests hold them against SciPy's.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

NORMAL: Final = NormalDist()
# Φ⁻¹ of less is not told from it in a float.
_LEAST: Final = 1e-300
# Coins of so many throws are counted out in whole numbers.
_COUNTED: Final = 500


def normal_quantile(probability: float) -> float:
    """Φ⁻¹, for probabilities that may have come to 0 or 1 by rounding."""
    return NORMAL.inv_cdf(min(max(probability, _LEAST), 1 - 2**-53))


def normal_upper(z: float) -> float:
    """P(Z ≥ z), accurate far out."""
    return 0.5 * math.erfc(z / math.sqrt(2))


@lru_cache(maxsize=256)
def t_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t: bisection on its distribution."""
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    if probability == 0.5:
        return 0.0
    if freedom > 100_000:
        return normal_quantile(probability)
    low, high = 0.0, 1.0
    while _t_upper(high, freedom) > 1 - probability:
        low, high = high, high * 2
    for _ in range(80):
        middle = (low + high) / 2
        if _t_upper(middle, freedom) > 1 - probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _t_upper(t: float, freedom: int) -> float:
    return 0.5 * _beta_regularized(freedom / 2, 0.5, freedom / (freedom + t * t))


def binomial_two_sided(wins: int, losses: int) -> float:
    """The exact sign test: twice the smaller tail of a fair coin, at most 1. With wins and losses the pairs
    of a two-outcome metric that disagree, it is McNemar's exact test (McNemar, Psychometrika 12, 1947).
    """
    flips, fewer = wins + losses, min(wins, losses)
    if 2 * fewer >= flips:
        return 1.0
    if flips <= _COUNTED:
        return 2 * sum(math.comb(flips, count) for count in range(fewer + 1)) / (1 << flips)
    log_term = (
        math.lgamma(flips + 1) - math.lgamma(fewer + 1) - math.lgamma(flips - fewer + 1) - flips * math.log(2)
    )
    total = term = 1.0
    for count in range(fewer, 0, -1):  # downwards, in shares of the largest term
        term *= count / (flips - count + 1)
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, 2 * math.exp(log_term) * total)


def chi_squared_upper(x: float, freedom: int) -> float:
    """P(χ² ≥ x)."""
    return _gamma_upper(freedom / 2, x / 2) if freedom > 0 and x > 0 else 1.0


def _gamma_upper(shape: float, x: float) -> float:
    """The regularized upper incomplete gamma function: a series below, Lentz's continued fraction above."""
    front = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1:
        term = total = 1 / shape
        denominator = shape
        while term > total * 1e-16:
            denominator += 1
            term *= x / denominator
            total += term
        return max(0.0, 1 - front * total)
    b = x + 1 - shape
    c, d = 1e300, 1 / b
    fraction = d
    for index in range(1, 10_000):
        step = -index * (index - shape)
        b += 2
        d = 1 / _apart(step * d + b)
        c = _apart(b + step / c)
        fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * fraction


def _beta_regularized(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function, by Lentz's continued fraction."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_regularized(b, a, 1 - x)
    c, d = 1.0, 1 / _apart(1 - (a + b) * x / (a + 1))
    fraction = d
    for index in range(1, 10_000):
        even = index * (b - index) * x / ((a + 2 * index - 1) * (a + 2 * index))
        odd = -(a + index) * (a + b + index) * x / ((a + 2 * index) * (a + 2 * index + 1))
        for step in (even, odd):
            d = 1 / _apart(1 + step * d)
            c = _apart(1 + step / c)
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return math.exp(log_front) * fraction / a


def _apart(value: float) -> float:
    """Not zero: a denominator of Lentz's method."""
    return value if abs(value) > 1e-300 else 1e-300
