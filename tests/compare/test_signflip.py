from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from llmobs_trace.compare import signflip
from llmobs_trace.compare.signflip import sign_flip

_numbers = st.floats(allow_nan=False, allow_infinity=False)


def by_hand(differences: list[float]) -> float:
    """All assignments of signs, one by one."""
    reach = abs(sum(differences)) - 1e-9 * sum(map(abs, differences))
    signed = [
        abs(sum(sign * each for sign, each in zip(signs, differences, strict=True)))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    return sum(total >= reach for total in signed) / len(signed)


@pytest.mark.parametrize(
    ("differences", "method"),
    [
        ([1, 1, -1, 1, 0, 1, 1, 0, 1], "binomial"),
        ([0.5, -0.25, 0.25, 1.0, 0.75, -0.5, 0.25], "counting"),
        ([2, 3, -1, 4, 4, 0, 5, -2, 1], "counting"),
        ([0.1, 0.2, 0.3, 0.1, -0.2, 0.4], "counting"),
        ([0.5123456789, -0.2598765432, 0.1313131317, 1.2718281828, 0.3, -0.9], "enumeration"),
        ([0.5, 0.25, 0.125, 1.0], "one sign"),
    ],
)
def test_each_way_of_counting_counts_all_assignments_of_signs(differences: list[float], method: str) -> None:
    tested = sign_flip(differences)
    assert method in tested.method
    assert tested.p == pytest.approx(by_hand([each for each in differences if each]), rel=1e-9)


@given(st.lists(st.sampled_from([-1.0, -0.5, -0.25, 0.0, 0.2, 0.25, 0.5, 1.0, 3.0]), max_size=11))
def test_p_is_the_share_of_assignments_at_least_as_far_out(differences: list[float]) -> None:
    assert sign_flip(differences).p == pytest.approx(by_hand(differences), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_p_is_scipy_s_permutation_test(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.4, 1, 11)
    expected = stats.permutation_test(
        (differences, np.zeros(11)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    ).pvalue
    assert sign_flip(differences.tolist()).p == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("wins", "losses", "ties"), [(7, 0, 40), (3, 9, 5), (25, 31, 100), (1, 1, 0)])
def test_of_two_outcomes_it_is_mcnemar_s_exact_test(wins: int, losses: int, ties: int) -> None:
    table = [[ties, losses], [wins, ties]]
    differences = [1.0] * wins + [-1.0] * losses + [0.0] * ties
    assert sign_flip(differences).p == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_of_signed_ranks_it_is_wilcoxon_s_exact_test(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.3, 1, 20)
    ranks = stats.rankdata(np.abs(differences)) * np.sign(differences)
    expected = stats.wilcoxon(differences, method="exact").pvalue
    tested = sign_flip(ranks.tolist())
    assert tested.method == "exact (counting)"
    assert tested.p == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_saddlepoint_is_within_half_a_percent_of_the_exact_p(seed: int) -> None:
    chance = random.Random(seed)
    differences = [chance.gauss(0.35, 1) ** 3 for _ in range(26)]
    exact = sign_flip(differences)
    assert exact.method == "exact (enumeration)"
    near = signflip._saddlepoint([abs(each) for each in differences], abs(sum(differences)))
    assert near == pytest.approx(exact.p, rel=0.005)


def test_many_differences_go_by_saddlepoint_and_agree_with_resampling() -> None:
    random = np.random.default_rng(7)
    differences = random.exponential(1, 400) - 0.9
    tested = sign_flip(differences.tolist())
    assert tested.method == "saddlepoint"
    signs = random.choice([-1.0, 1.0], (40_000, 400))
    resampled = np.mean(np.abs(signs @ differences) >= abs(differences.sum()))
    low, high = stats.binomtest(round(resampled * 40_000), 40_000).proportion_ci(0.999)
    assert low <= tested.p <= high


@given(st.lists(_numbers, max_size=40))
def test_any_numbers_have_a_p_and_turning_them_all_round_does_not_change_it(differences: list[float]) -> None:
    tested = sign_flip(differences)
    assert 0 <= tested.least_p <= tested.p * (1 + 1e-9) + 1e-300
    assert tested.p <= 1
    assert sign_flip([-each for each in differences]).p == pytest.approx(tested.p, rel=1e-9)


@given(st.lists(st.sampled_from([0.25, 0.5, 1.0, -0.25, -0.5]), min_size=1, max_size=30), st.integers(0, 29))
def test_turning_one_row_towards_the_majority_makes_it_surer(differences: list[float], place: int) -> None:
    place %= len(differences)
    if sum(differences) < 0:
        differences = [-each for each in differences]
    turned = [abs(each) if index == place else each for index, each in enumerate(differences)]
    assert sign_flip(turned).p <= sign_flip(differences).p + 1e-12


def test_nothing_that_differs_is_no_evidence() -> None:
    for differences in ([], [0.0], [0.0] * 1000):
        assert sign_flip(differences) == signflip.SignFlip(1.0, 1.0, "nothing differs")
