from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from support.examples import examples

from llmobs_trace.compare.correction import holm


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_the_adjusted_p_are_statsmodels_s(ps: list[float]) -> None:
    expected = multipletests(ps, method="holm")[1]
    assert holm(ps, [0.0] * len(ps), 0.05) == pytest.approx(expected.tolist())


def test_a_metric_that_can_raise_no_alarm_costs_the_others_nothing() -> None:
    # Its two differences can't come to less than 0.5, whichever way they fall.
    assert holm([0.03, 0.5], [1e-9, 0.5], 0.05) == [0.03, 0.5]
    assert holm([0.03, 0.5], [1e-9, 1e-9], 0.05) == [0.06, 0.5]


def test_there_may_be_nothing_to_correct() -> None:
    assert holm([], [], 0.05) == []
