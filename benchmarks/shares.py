"""Says how sure a share is that was counted: its interval, by Clopper and Pearson's exact method."""

from __future__ import annotations

from scipy import stats


def bounds(found: int, of: int) -> tuple[float, float]:
    """Between what the share lies, with 95 % confidence."""
    interval = stats.binomtest(found, of).proportion_ci(0.95, "exact")
    return float(interval.low), float(interval.high)


def share(found: int, of: int) -> str:
    """The share and its interval, in words."""
    low, high = bounds(found, of)
    return f"{found / of:.1%} ({low:.1%} to {high:.1%})"
