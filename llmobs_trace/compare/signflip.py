"""Works out the p of the sign-flip test from the differences of pairs. Pure, without random numbers.

The test (Fisher, "The Design of Experiments", 1935, section 21): if A and B are the same, each difference was
as likely to have the other sign. p is the share of all 2ⁿ assignments of signs whose sum is at least as far
from zero as the one that came. It assumes nothing of how the scores are distributed. Which way it is
computed:

    exact, by binomial     all differences of one size: the sign test
    exact, by counting     differences on a lattice, as of scores with a few digits: the sums are counted by
                           multiplying polynomials (the shift algorithm: Streitberg and Röhmel, 1986), one big
                           integer whose digits are the counts
    exact, by enumeration  at most `ENUMERATED` differences: all sums of each half, joined
    saddlepoint            the rest (Robinson, J. R. Statist. Soc. B 44, 1982), with the largest few
                           enumerated: within half a percent of the exact p
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from msgspec import Struct

from llmobs_trace.compare.tails import binomial_two_sided, normal_upper

ENUMERATED: Final = 30
_GREATEST_DENOMINATOR: Final = 1_000_000
# Bytes moved by the multiplications: some tenths of a second.
_COUNTING_BYTES: Final = 300_000_000
# Sums that differ by less are the same sum, added in another order.
_SAME: Final = 1e-11
# Differences times saddlepoints: some tenths of a second.
_SADDLEPOINTS: Final = 10_000


class SignFlip(Struct, frozen=True):
    """What the test says. `least_p` is the smallest p that differences of these sizes could have had."""

    p: float
    least_p: float
    method: str


def sign_flip(differences: Sequence[float]) -> SignFlip:
    """The two-sided test that the mean difference is zero. Differences of zero say nothing, and stay out.

    >>> sign_flip([1, 1, 1, 1, 1, 1, -1]).p
    0.125
    """
    largest = max((abs(each) for each in differences), default=0.0)
    if not largest:
        return SignFlip(1.0, 1.0, "nothing differs")
    # In shares of the largest, so that no sum overflows.
    sizes = [size for each in differences if (size := each / largest)]
    count = len(sizes)
    least = math.ldexp(2.0, -count) if count < 1000 else 0.0
    wins = sum(each > 0 for each in sizes)
    total = math.fsum(sizes)
    if all(abs(each) > 1 - _SAME for each in sizes):
        return SignFlip(binomial_two_sided(wins, count - wins), least, "exact (binomial)")
    if wins in (0, count):
        return SignFlip(min(1.0, least), least, "exact (all of one sign)")
    lattice = _on_a_lattice([each for each in differences if each])
    if lattice is not None:
        return SignFlip(_counted(lattice), least, "exact (counting)")
    if count <= ENUMERATED:
        return SignFlip(_enumerated([abs(each) for each in sizes], abs(total)), least, "exact (enumeration)")
    return SignFlip(_saddlepoint([abs(each) for each in sizes], abs(total)), least, "saddlepoint")


# --- By counting --------------------------------------------------------------------------------------------


def _on_a_lattice(differences: Sequence[float]) -> list[int] | None:
    """The differences as whole numbers of their common unit; None where there is none that pays."""
    if len(differences) ** 3 / 8 > _COUNTING_BYTES:
        return None
    unit = 1
    near: dict[float, Fraction] = {}
    for each in differences:
        if each in near:
            continue
        near[each] = Fraction(each).limit_denominator(10_000)
        unit = math.lcm(unit, near[each].denominator)
        apart = abs(float(near[each]) - each)
        if unit > _GREATEST_DENOMINATOR or not near[each] or apart > 1e-12 * max(1.0, abs(each)):
            return None
    whole = [int(near[each] * unit) for each in differences]
    common = math.gcd(*whole)
    whole = [each // common for each in whole]
    # Each of the n multiplications goes over half of the final digits on average.
    moved = len(whole) * (len(whole) + 1) * sum(abs(each) for each in whole) // 16
    return whole if moved <= _COUNTING_BYTES else None


def _counted(whole: Sequence[int]) -> float:
    """Over ∏ (1 + xᵃ), the coefficient of xˢ counts the choices of positive signs whose sizes add up to s."""
    sizes = [abs(each) for each in whole]
    # A count is at most 2ⁿ: digits of n + 1 bits never run over.
    digit = len(sizes) + 1
    product = 1
    for size in sorted(sizes):
        product += product << (size * digit)
    # The signed sum is 2·positive - all. At least as far out, on the upper side, by symmetry:
    needed = (sum(sizes) + abs(sum(whole)) + 1) // 2
    upper = product >> (needed * digit)
    count = _sum_of_digits(upper, digit, sum(sizes) - needed + 1)
    return min(1.0, 2 * _ratio(count, len(sizes)))


def _sum_of_digits(number: int, digit: int, digits: int) -> int:
    """By halves: going through them one by one would copy what is left each time."""
    if digits <= 1:
        return number
    half = (digits + 1) // 2
    mask = (1 << (half * digit)) - 1
    # The digits of both halves side by side can't run over: all of them together count at most 2ⁿ.
    return _sum_of_digits((number & mask) + (number >> (half * digit)), digit, half)


def _ratio(count: int, power: int) -> float:
    """count / 2^power, neither of which need fit in a float."""
    shift = max(0, count.bit_length() - 64)
    return math.ldexp(count >> shift, shift - power)


# --- By enumeration -----------------------------------------------------------------------------------------


def _enumerated(sizes: Sequence[float], total: float) -> float:
    half = len(sizes) // 2
    left, right = _sums(sizes[:half]), sorted(_sums(sizes[half:]))
    reach = total - _SAME * math.fsum(sizes)
    as_far = sum(len(right) - bisect_left(right, reach - each) for each in left)
    return min(1.0, 2 * math.ldexp(as_far, -len(sizes))) if total > 0 else 1.0


def _sums(sizes: Sequence[float]) -> list[float]:
    sums = [0.0]
    for size in sizes:
        sums = [each + sign for sign in (size, -size) for each in sums]
    return sums


# --- By saddlepoint -----------------------------------------------------------------------------------------


def _saddlepoint(sizes: Sequence[float], total: float) -> float:
    """Twice P(S ≥ total): the mean over all signs of the largest few, each by the saddlepoint of the rest.

    A few that are far larger than the rest make a sum that no smooth curve is like.
    """
    ordered = sorted(sizes, reverse=True)
    few = max(0, min(8, (_SADDLEPOINTS // len(sizes)).bit_length() - 1))
    rest = _Rest(ordered[few:])
    tails = [rest.tail(total - each) for each in _sums(ordered[:few])]
    return min(1.0, 2 * math.fsum(tails) / len(tails))


class _Rest:
    """The distribution of a sum with random signs, by Barndorff-Nielsen's r* = r + log(q/r)/r, from its
    cumulant generating function K(t) = Σ log cosh(t·d).
    """

    def __init__(self, sizes: Sequence[float]) -> None:
        self._counts = list(Counter(sizes).items())
        self._most = math.fsum(sizes)
        self._variance = math.fsum([count * size * size for size, count in self._counts])

    def tail(self, total: float) -> float:
        """P(S ≥ total)."""
        if total < 0:
            return 1 - self.tail(-total)
        if total >= self._most:
            return 0.0
        # K'(t) = Σ d·tanh(t·d) = total; concave for t > 0, so Newton's steps from below stay below.
        t = total / self._variance
        for _ in range(100):
            sloping = [(count * size, size, math.tanh(t * size)) for size, count in self._counts]
            slope = math.fsum([weight * tanh for weight, _, tanh in sloping])
            curve = math.fsum([weight * size * (1 - tanh * tanh) for weight, size, tanh in sloping])
            step = (total - slope) / curve if curve > 0 else 0.0
            t += step
            if abs(step) <= 1e-9 * t:
                break
        generated = math.fsum([count * _log_cosh(t * size) for size, count in self._counts])
        r = math.sqrt(max(0.0, 2 * (t * total - generated)))
        q = t * math.sqrt(curve)
        if r < 1e-4 or q <= 0:
            return normal_upper(total / math.sqrt(self._variance))
        return normal_upper(r + math.log(q / r) / r)


def _log_cosh(x: float) -> float:
    x = abs(x)
    return x + math.log1p(math.exp(-2 * x)) - math.log(2)
