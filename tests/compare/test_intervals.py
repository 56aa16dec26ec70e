from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from llmobs_trace.compare.intervals import bca, tango

_numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
_SAMPLES = {
    "normal": lambda random: random.normal(0.1, 1, 50),
    "skewed": lambda random: random.exponential(1, 40),
    "many": lambda random: random.exponential(1, 200),
    "steps": lambda random: random.choice([0, 0, 0, 0.5, -0.25, 1], 60),
    "an outlier": lambda random: np.append(random.normal(0, 1, 40), 6.0),
}


@pytest.mark.parametrize("name", _SAMPLES)
def test_the_bootstrap_is_scipy_s_bca_without_its_noise(name: str) -> None:
    sample = _SAMPLES[name](np.random.default_rng(3))
    expected = stats.bootstrap(
        (sample,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(4)
    ).confidence_interval
    found = bca(sample.tolist(), 0.95, widened=False)
    assert found is not None
    # Two of SciPy's own answers differ by about a percent of the width.
    width = expected.high - expected.low
    assert found == pytest.approx((expected.low, expected.high), abs=0.03 * width)


def test_many_rows_go_by_expansion_and_agree_with_the_way_of_fewer() -> None:
    sample = np.random.default_rng(5).exponential(1, 5_001)
    found, fewer = bca(sample.tolist(), 0.95), bca(sample[:-1].tolist(), 0.95)
    assert found is not None
    assert fewer is not None
    assert found == pytest.approx(fewer, rel=1e-3)


def test_few_rows_have_a_wider_interval_than_the_bootstrap_s_own() -> None:
    sample = [0.1, 0.4, -0.2, 0.3, 0.6, 0.0, 0.2]
    own, widened = bca(sample, 0.95, widened=False), bca(sample, 0.95)
    assert own is not None
    assert widened is not None
    assert widened[0] < own[0] < own[1] < widened[1]


def test_there_is_no_interval_of_nothing() -> None:
    assert bca([], 0.95) is None
    assert tango(0, 0, 0, 0.95) is None


@given(st.lists(_numbers, min_size=1, max_size=25), st.sampled_from([0.9, 0.95]))
def test_the_bootstrap_interval_holds_the_mean_and_turns_round_with_the_sample(
    sample: list[float], confidence: float
) -> None:
    found = bca(sample, confidence)
    assert found is not None
    low, high = found
    largest = max(map(abs, sample))
    assert min(sample) - 1e-9 * largest <= low <= high <= max(sample) + 1e-9 * largest
    turned = bca([-each for each in sample], confidence)
    assert turned is not None
    assert turned == pytest.approx((-high, -low), rel=1e-6, abs=1e-6 * largest)


def test_tango_s_interval_is_the_published_one() -> None:
    # Airway reactivity before and after stem cell transplantation: Fagerland, Lydersen and Laake, 2014.
    assert tango(1, 7, 21, 0.95) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize(("wins", "losses", "count"), [(7, 0, 47), (3, 9, 30), (1, 0, 5), (12, 10, 400)])
def test_tango_s_interval_is_where_the_score_test_turns(wins: int, losses: int, count: int) -> None:
    def score(difference: float) -> float:
        """The score statistic, the nuisance by numeric maximum likelihood instead of its closed form."""

        def unlikely(loss: float) -> float:
            cells = (loss + difference, loss, 1 - 2 * loss - difference)
            counts = (wins, losses, count - wins - losses)
            return -sum(n * math.log(max(cell, 1e-300)) for n, cell in zip(counts, cells, strict=True))

        low, high = max(0.0, -difference), (1 - difference) / 2
        loss = optimize.minimize_scalar(
            unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
        ).x
        variance = (2 * loss + difference * (1 - difference)) / count
        return abs((wins - losses) / count - difference) / math.sqrt(variance)

    found = tango(wins, losses, count, 0.95)
    assert found is not None
    for end in found:
        assert score(end) == pytest.approx(1.95996, abs=2e-3)


def test_that_no_row_changed_does_not_mean_that_none_will() -> None:
    found = tango(0, 0, 47, 0.95)
    assert found is not None
    assert found[1] == -found[0] == pytest.approx(1.96**2 / (47 + 1.96**2), rel=1e-3)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200), st.sampled_from([0.9, 0.95]))
def test_tango_s_interval_holds_the_estimate_and_turns_round(
    wins: int, losses: int, ties: int, confidence: float
) -> None:
    count = wins + losses + ties
    found, turned = tango(wins, losses, count, confidence), tango(losses, wins, count, confidence)
    if not count:
        return
    assert found is not None
    assert turned is not None
    assert -1 <= found[0] <= (wins - losses) / count <= found[1] <= 1
    assert turned == pytest.approx((-found[1], -found[0]), abs=1e-9)
