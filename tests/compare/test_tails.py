from __future__ import annotations

import pytest
from scipy import stats

from llmobs_trace.compare.tails import (
    binomial_two_sided,
    chi_squared_upper,
    normal_quantile,
    normal_upper,
    t_quantile,
)


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 40, 999, 200_000])
@pytest.mark.parametrize("probability", [0.01, 0.5, 0.9, 0.975, 0.999])
def test_quantiles_of_student_s_t_are_scipy_s(probability: float, freedom: int) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=2e-5)


@pytest.mark.parametrize(
    ("wins", "losses"), [(0, 0), (1, 0), (0, 5), (3, 3), (7, 0), (12, 25), (500, 430), (50_000, 51_000)]
)
def test_the_sign_test_is_scipy_s_binomial_test(wins: int, losses: int) -> None:
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert binomial_two_sided(wins, losses) == pytest.approx(expected, rel=1e-8)


def test_the_sign_test_of_a_landslide_is_no_error() -> None:
    assert binomial_two_sided(100_000, 0) == 0.0
    assert binomial_two_sided(0, 60) == pytest.approx(2**-59)


@pytest.mark.parametrize("freedom", [1, 2, 5, 30, 300])
@pytest.mark.parametrize("x", [0.0, 0.01, 1.0, 4.0, 30.0, 400.0])
def test_tails_of_chi_squared_are_scipy_s(x: float, freedom: int) -> None:
    assert chi_squared_upper(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-9, abs=1e-300)


def test_the_normal_s_tail_is_accurate_far_out() -> None:
    assert normal_upper(20.0) == pytest.approx(stats.norm.sf(20.0), rel=1e-12)
    assert normal_quantile(0.0) < -30
    assert normal_quantile(1.0) > 8
