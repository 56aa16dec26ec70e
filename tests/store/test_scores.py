from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.events import metric, span

from llmobs_trace.store.scores import Score, summary
from llmobs_trace.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "x.db") as store:
        rows = [span(f"r{n}", trace_id=f"t{n}", kind="experiment") for n in range(4)]
        store.add("e", [*rows, span("c0", trace_id="t0", parent="r0")], [])
        yield store


def test_scored_failed_and_missing_are_counted_apart(store: Store) -> None:
    store.add(
        "e",
        [],
        [metric("r0", "f1", 1.0), metric("r1", "f1", 0.0), metric("r2", "f1", error={"message": "no"})],
    )
    assert summary(store, "e") == [
        Score(
            label="f1", metric_type="score", scored=2, failed=1, missing=1, mean=0.5, lowest=0.0, highest=1.0
        )
    ]


def test_a_failure_does_not_move_the_mean_and_stays_in_sight(store: Store) -> None:
    store.add("e", [], [metric(f"r{n}", "f1", error={"message": "no"}) for n in range(4)])
    (score,) = summary(store, "e")
    assert (score.scored, score.failed, score.missing, score.mean) == (0, 4, 0, None)


def test_a_metric_of_any_span_of_the_tree_is_its_rows(store: Store) -> None:
    store.add("e", [], [metric("c0", "f1", 1)])
    (score,) = summary(store, "e")
    assert (score.scored, score.missing) == (1, 3)


def test_the_type_is_that_of_the_scored_ones(store: Store) -> None:
    failed = [metric(f"r{n}", "exact", error={"message": "no"}) for n in range(3)]
    store.add("e", [], [metric("r3", "exact", True), *failed])
    assert summary(store, "e")[0].metric_type == "boolean"


def test_values_and_assessments_are_counted(store: Store) -> None:
    store.add(
        "e",
        [],
        [
            metric("r0", "tone", "warm", assessment="pass"),
            metric("r1", "tone", "cold", assessment="fail"),
            metric("r2", "tone", "warm"),
            metric("r0", "valid", True),
            metric("r1", "valid", False),
            metric("r0", "parts", {"a": 1}),
            metric("r0", "judged", assessment="pass"),
        ],
    )
    judged, parts, tone, valid = summary(store, "e")
    assert (judged.scored, judged.passed, judged.mean) == (1, 1, None)
    assert (parts.metric_type, parts.scored, parts.values) == ("json", 1, None)
    assert (tone.values, tone.passed, tone.not_passed) == ({"warm": 2, "cold": 1}, 1, 1)
    assert valid.values == {"true": 1, "false": 1}


def test_a_metric_of_a_span_that_is_not_there_counts_and_no_row_has_it(store: Store) -> None:
    store.add("e", [], [metric("elsewhere", "f1", 1)])
    (score,) = summary(store, "e")
    assert (score.scored, score.missing) == (1, 4)
