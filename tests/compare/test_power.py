from __future__ import annotations

import random

import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from llmobs_trace.compare.intervals import tango
from llmobs_trace.compare.power import (
    flips_to_find,
    rows_to_bound,
    rows_to_find,
    unchanged_rows_to_bound,
)
from llmobs_trace.compare.tails import binomial_two_sided


@pytest.mark.parametrize("effect", [0.1, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_rows_to_find_are_those_of_the_paired_t_test(effect: float, alpha: float) -> None:
    expected = TTestPower().solve_power(effect_size=effect, alpha=alpha, power=0.8)
    found = rows_to_find(effect, 1.0, alpha)
    assert found == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize(("wins", "losses"), [(0.2, 0.1), (0.1, 0.02), (0.3, 0.05), (0.05, 0.0)])
def test_flips_to_find_give_mcnemar_s_exact_test_its_power(wins: float, losses: float) -> None:
    rows = flips_to_find(wins, losses, 0.05)
    assert rows is not None
    # Exactly: over how many rows flip, and how many of those for the better.
    power = 0.0
    flips = wins + losses
    for count in range(rows + 1):
        of_count = float(stats.binom.pmf(count, rows, flips))
        if of_count < 1e-12:
            continue
        better = [
            won
            for won in range(count + 1)
            if 2 * won > count and binomial_two_sided(won, count - won) <= 0.05
        ]
        if better:
            power += of_count * float(stats.binom.sf(better[0] - 1, count, wins / flips))
    assert 0.79 <= power <= 0.97


def test_rows_to_bound_give_the_two_one_sided_tests_their_power() -> None:
    rows = rows_to_bound(0.0, 0.5, 0.1, 0.05)
    assert rows is not None
    # Of normal differences around zero; the interval at 90% within the margin.
    reach = stats.t.ppf(0.95, rows - 1) * 0.5 / rows**0.5
    power = stats.norm.cdf((0.1 - reach) / (0.5 / rows**0.5)) * 2 - 1
    assert 0.79 <= power <= 0.83


def test_unchanged_rows_to_bound_are_just_enough() -> None:
    for share in (0.01, 0.05, 0.2, 0.99, 1.0, 7.0):
        rows = unchanged_rows_to_bound(share, 0.05)
        assert rows is not None
        found = tango(0, 0, rows, 0.9)
        assert found is not None
        assert found[1] <= share
        fewer = tango(0, 0, rows - 1, 0.9) if rows > 1 else None
        assert fewer is None or fewer[1] > share


def test_what_no_number_of_rows_would_settle_is_none() -> None:
    assert rows_to_find(0.0, 1.0, 0.05) is None
    assert flips_to_find(0.1, 0.1, 0.05) is None
    assert rows_to_bound(0.2, 1.0, 0.1, 0.05) is None
    assert unchanged_rows_to_bound(0.0, 0.05) is None
    assert rows_to_find(1e-12, 1.0, 0.05) is None


def test_more_is_needed_for_less() -> None:
    chance = random.Random(1)
    for _ in range(50):
        difference, deviation = chance.uniform(0.01, 1), chance.uniform(0.1, 2)
        smaller, larger = (
            rows_to_find(difference, deviation, 0.05),
            rows_to_find(difference * 2, deviation, 0.05),
        )
        assert smaller is not None
        assert larger is not None
        assert smaller >= larger
