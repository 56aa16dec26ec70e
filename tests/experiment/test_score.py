"""What an evaluator returns: every kind of it means something or is an error, and nothing is dropped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace import Score
from llmobs_trace.experiment.counts import Counts
from llmobs_trace.experiment.score import Judged, judged
from llmobs_trace.experiment.steps import Evaluated, Kept

SAID = [
    (True, "boolean", True),
    (3, "score", 3),
    (0.5, "score", 0.5),
    (np.float64(0.5), "score", 0.5),
    ("good", "categorical", "good"),
    ({"a": 1}, "json", {"a": 1}),
    (Score(0.5), "score", 0.5),
    (SimpleNamespace(name="n", score=1.0), "score", 1.0),
    (SimpleNamespace(value="b", reasoning="since"), "categorical", "b"),
]


@pytest.mark.parametrize(("returned", "kind", "value"), SAID)
def test_a_value_becomes_a_metric_of_its_kind(returned: Any, kind: str, value: Any) -> None:
    (one,) = judged(returned, "label")
    assert (one.metric_type, one.score.value, one.error) == (kind, value, None)


@pytest.mark.parametrize("returned", [None, Score(None), SimpleNamespace(name="n", score=None), []])
def test_none_says_that_it_does_not_apply(returned: Any) -> None:
    assert [one.applies for one in judged(returned, "label")] == [False]


@pytest.mark.parametrize(
    "returned", [{1, 2}, object(), b"x", math.nan, math.inf, [1, 2], [Score(1), 3], ValueError("no")]
)
def test_what_is_no_score_is_an_error_and_not_dropped(returned: Any) -> None:
    assert any(one.error for one in judged(returned, "label"))


def test_several_scores_have_labels_of_their_own() -> None:
    def several() -> Iterator[Score]:
        yield Score(1, label="a")
        yield Score(2)

    assert [one.label for one in judged(several(), "e")] == ["a", "e"]
    mapping = {"a": Score(1), "b": Score(2, label="own")}
    assert [one.label for one in judged(mapping, "e")] == ["e.a", "own"]


def test_two_scores_of_one_label_are_an_error_and_not_the_later_one() -> None:
    (one,) = judged([Score(1), Score(2)], "e")
    assert one == Judged("e", error="the evaluator gave 2 scores of one label")


def test_a_generator_that_raises_is_an_error() -> None:
    def several() -> Iterator[Score]:
        yield Score(1)
        raise ValueError("half-way")

    (one,) = judged(several(), "e")
    assert one.error == "ValueError: half-way"
    assert "half-way" in (one.score.metadata or {})["stack"]


@pytest.mark.parametrize(
    ("passes", "value", "expected"),
    [(0.8, 0.8, "pass"), (0.8, 0.7, "fail"), (lambda value: value == "ok", "ok", "pass"), (0.8, None, None)],
)
def test_passes_assesses_what_does_not_assess_itself(passes: Any, value: Any, expected: Any) -> None:
    (one,) = judged(value, "e", passes=passes)
    assert one.score.assessment == expected
    (own,) = judged(Score(0.0, assessment="pass"), "e", passes=0.5)
    assert own.score.assessment == "pass"


def test_a_bound_that_can_t_be_compared_is_an_error() -> None:
    (one,) = judged("text", "e", passes=0.8)
    assert one.error is not None
    assert one.error.startswith("TypeError")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(object),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.builds(Score, inner),
    max_leaves=10,
)


@given(anything)
def test_whatever_is_returned_is_a_metric_an_error_or_does_not_apply(returned: Any) -> None:
    metrics = judged(returned, "e")
    assert metrics
    assert len({one.label for one in metrics}) == len(metrics)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.randoms())
def test_a_mean_does_not_depend_on_the_order_in_which_rows_end(values: list[float], order: Any) -> None:
    def mean(numbers: list[float]) -> float | None:
        counts = Counts()
        for number in numbers:
            counts.evaluator(Evaluated("row", 1, "score", [Kept("score", number)], []))
        return counts.scores(len(numbers), ["score"])["score"].mean

    shuffled = order.sample(values, len(values))
    assert mean(values) == mean(shuffled) == math.fsum(values) / len(values)
