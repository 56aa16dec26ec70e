"""Says what changed between pairs of categories, and tests whether they are distributed alike. Pure.

A row that ran several times is of the category that most of its repeats have.

The test is of symmetry (Bowker, J. Am. Statist. Ass. 43, 1948): whether as many rows went from one category
to another as came back. It says that something changed, not that it got better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from llmobs_trace.compare.tails import binomial_two_sided, chi_squared_upper


class Changes(Struct, frozen=True):
    """What became of the rows, of which there is at least one."""

    rows: int
    changed: int
    agreement: float  # the share of rows with the same category on both sides
    p: float
    test: str
    table: list[tuple[str, int, int]]
    flips: list[tuple[str, str, int]]


def changes(pairs: Sequence[tuple[str, str]], most: int) -> Changes:
    """All of it; of categories, and of ways from one to another, the `most` frequent."""
    changed = sum(a != b for a, b in pairs)
    p, test = symmetry(pairs)
    agreement = 1 - changed / len(pairs)
    return Changes(len(pairs), changed, agreement, p, test, table(pairs, most), flips(pairs, most))


def commonest(categories: Sequence[str]) -> str | None:
    """The one that comes most often; of several that do, all of them as one; None of none.

    >>> commonest(["b", "a", "b"]), commonest(["b", "a"])
    ('b', 'a + b')
    """
    counts = Counter(categories)
    most = max(counts.values(), default=0)
    return " + ".join(sorted(name for name, count in counts.items() if count == most)) or None


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
