"""Estimates how many rows would settle a question, from what was seen. Pure.

Two ways to settle it: enough rows to find a difference as large as the one that was seen, or enough to show
that what there is stays within the margin. Whichever needs fewer is the answer, at the stated power, if
further rows are like these.
"""

from __future__ import annotations

import math
from typing import Final

from llmobs_trace.compare.tails import NORMAL

POWER: Final = 0.8
# More is no advice.
_MOST: Final = 1_000_000_000


def rows_to_find(difference: float, deviation: float, alpha: float, power: float = POWER) -> int | None:
    """Rows at which a two-sided test at `alpha` finds a mean difference with that probability, where the
    differences of rows have that standard deviation. None where no number would do.

    >>> rows_to_find(0.1, 0.5, alpha=0.05)
    199
    """
    if not difference:
        return None
    reach = NORMAL.inv_cdf(1 - alpha / 2) + NORMAL.inv_cdf(power)
    ratio = deviation / abs(difference)
    # The last term: the deviation is not known but estimated (Guenther, The American Statistician 35, 1981).
    return _rows(_square(reach * ratio) + NORMAL.inv_cdf(1 - alpha / 2) ** 2 / 2)


def flips_to_find(wins: float, losses: float, alpha: float, power: float = POWER) -> int | None:
    """The same for McNemar's exact test, where a row becomes better and worse with these probabilities."""
    flips, difference = wins + losses, abs(wins - losses)
    if not difference:
        return None
    # Connor, Biometrics 43, 1987; and, since the exact test may only count whole rows, Casagrande, Pike and
    # Smith's continuity correction (Applied Statistics 27, 1978).
    z, reach = NORMAL.inv_cdf(1 - alpha / 2), NORMAL.inv_cdf(power)
    spread = math.sqrt(max(0.0, flips - difference**2))
    rows = _square((z * math.sqrt(flips) + reach * spread) / difference)
    corrected = rows / 4 * (1 + math.sqrt(1 + 4 / (rows * difference))) ** 2
    # And at least as many rows as flip so often that the exact test can come to the level at all.
    least_flips = math.ceil(1 - math.log2(alpha))
    return _rows(max(corrected, least_flips / flips))


def rows_to_bound(
    difference: float, deviation: float, margin: float, alpha: float, power: float = POWER
) -> int | None:
    """Rows at which two one-sided tests at `alpha` show, with that probability, that a mean difference lies
    within ±`margin` (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987).

    >>> rows_to_bound(0.0, 0.5, margin=0.1, alpha=0.05)
    216
    """
    room = margin - abs(difference)
    if room <= 0:
        return None
    # In the middle either test may fail; off it, all but the nearer one's failures can be neglected.
    missed = (1 - power) / 2 if abs(difference) < 0.1 * margin else 1 - power
    reach = NORMAL.inv_cdf(1 - alpha) + NORMAL.inv_cdf(1 - missed)
    # If no row changed, the score interval still reaches z² / (n + z²) to either side.
    z = NORMAL.inv_cdf(1 - alpha)
    return _rows(max(_square(reach * (deviation / room)) + z * z / 2, 1))


def unchanged_rows_to_bound(share: float, alpha: float) -> int | None:
    """Rows of which none has changed, at which the score interval stays within ±`share` of the scale.

    >>> unchanged_rows_to_bound(0.05, alpha=0.05)
    52
    """
    if share <= 0:
        return None
    return _rows(NORMAL.inv_cdf(1 - alpha) ** 2 * (1 / min(share, 1.0) - 1) + 1e-9)


def _rows(rows: float) -> int | None:
    return math.ceil(rows) if rows <= _MOST else None


def _square(value: float) -> float:
    return value * value  # infinite, where a power would raise
