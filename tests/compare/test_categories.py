from __future__ import annotations

import random

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import SquareTable

from llmobs_trace.compare.categories import flips, symmetry, table


def test_symmetry_is_statsmodels_s() -> None:
    chance = random.Random(2)
    pairs = [(chance.choice("abc"), chance.choice("aabcc")) for _ in range(120)]
    counts = np.array([[pairs.count((a, b)) for b in "abc"] for a in "abc"])
    p, how = symmetry(pairs)
    assert how == "symmetry (Bowker)"
    assert p == pytest.approx(SquareTable(counts, shift_zeros=False).symmetry().pvalue)


def test_between_two_categories_it_is_exact() -> None:
    assert symmetry([("a", "b")] * 7 + [("a", "a")] * 9) == (pytest.approx(2 / 2**7), "exact (binomial)")
    assert symmetry([("a", "b"), ("b", "a")]) == (1.0, "exact (binomial)")
    assert symmetry([]) == (1.0, "exact (binomial)")


def test_what_changed_comes_the_most_frequent_first() -> None:
    pairs = [("a", "b"), ("a", "a"), ("b", "a"), ("a", "b"), ("c", "c")]
    assert flips(pairs, 5) == [("a", "b", 2), ("b", "a", 1)]
    assert flips(pairs, 1) == [("a", "b", 2)]
    assert table(pairs, 5) == [("a", 3, 2), ("b", 1, 2), ("c", 1, 1)]
