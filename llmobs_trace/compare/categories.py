"""Tests whether pairs of categories are distributed alike. Pure.

The test is of symmetry (Bowker, J. Am. Statist. Ass. 43, 1948): whether as many rows went from one category
to another as came back. It says that something changed, not that it got better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llmobs_trace.compare.tails import binomial_two_sided, chi_squared_upper


def symmetry(pairs: Sequence[tuple[str, str]]) -> tuple[float, str]:
    """The p of the test, and how it was computed: with two categories it is the exact sign test."""
    counts = Counter((a, b) for a, b in pairs if a != b)
    both = {(min(a, b), max(a, b)) for a, b in counts}
    if len(both) <= 1:
        return max(
            (binomial_two_sided(counts[a, b], counts[b, a]) for a, b in both), default=1.0
        ), "exact (binomial)"
    statistic = sum((counts[a, b] - counts[b, a]) ** 2 / (counts[a, b] + counts[b, a]) for a, b in both)
    return chi_squared_upper(statistic, len(both)), "symmetry (Bowker)"


def flips(pairs: Sequence[tuple[str, str]], most: int) -> list[tuple[str, str, int]]:
    """Which went where, the most frequent first."""
    counts = Counter((a, b) for a, b in pairs if a != b)
    ordered = sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))
    return [(a, b, count) for (a, b), count in ordered[:most]]


def table(pairs: Sequence[tuple[str, str]], most: int) -> list[tuple[str, int, int]]:
    """How many rows of either side are of each category, the most frequent first."""
    of_a, of_b = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    names = sorted(of_a | of_b, key=lambda name: (-of_a[name] - of_b[name], name))
    return [(name, of_a[name], of_b[name]) for name in names[:most]]
