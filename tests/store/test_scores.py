from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.events import metric, span

from llmobs_trace.store import queries, tabular
from llmobs_trace.store.scores import Score, summary
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import score_counts


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


NOT_APPLICABLE = {"error": {}, "tags": ["not_applicable:true"]}


def test_what_does_not_apply_is_a_class_of_its_own(store: Store) -> None:
    said = [metric("r0", "f1", 1.0), metric("r1", "f1", **NOT_APPLICABLE), metric("r2", "f1", error={})]
    store.add("e", [], [*said, metric("r0", "never", **NOT_APPLICABLE)])
    f1, never = summary(store, "e")
    assert (f1.scored, f1.failed, f1.missing, f1.not_applicable, f1.mean) == (1, 1, 1, 1, 1.0)
    assert (never.metric_type, never.scored, never.missing, never.not_applicable) == ("score", 0, 3, 1)
    columns = "scored, failed, missing, not_applicable, mean"
    views = list(store.select(f"SELECT {columns} FROM scores ORDER BY label"))
    assert views == [(1, 1, 1, 1, 1.0), (0, 0, 3, 1, None)]


def test_a_metric_with_the_tag_and_a_value_is_scored(store: Store) -> None:
    store.add("e", [], [metric("r0", "f1", 0.5, **NOT_APPLICABLE)])
    assert (summary(store, "e")[0].scored, summary(store, "e")[0].not_applicable) == (1, 0)


def test_what_is_said_of_the_whole_is_missing_in_no_row(store: Store) -> None:
    store.add("e", [span("sums", trace_id="t9", kind="workflow")], [metric("sums", "total", 7)])
    assert (summary(store, "e")[0].scored, summary(store, "e")[0].missing) == (1, 0)


def test_what_a_cut_off_attempt_recorded_is_in_no_row_and_no_count(store: Store) -> None:
    """Its root was never written; the attempt after it was, in the same trace."""
    lost = [
        span("lost", trace_id="t0", parent="gone", say={"attempt": 1}, error={"type": "E"}),
        span("below", trace_id="t0", parent="lost", say={"attempt": 1}),
    ]
    kept = span("kept", trace_id="t0", parent="r0", say={"attempt": 2})
    store.add("e", [*lost, kept], [metric("below", "f1", 1.0), metric("kept", "f1", 0.5)])
    (score,) = summary(store, "e")
    assert (score.scored, score.missing, score.mean) == (1, 3, 0.5)
    found = queries.find_experiment(store, "e")
    assert (found.rows, found.spans, found.errors, found.metrics) == (4, 6, 0, 1)
    (shown,) = score_counts.scores(store, 1, 4)
    assert (shown.scored, shown.missing, shown.mean, shown.lowest) == (1, 3, 0.5, 0.5)
    assert tabular.in_no_row(store, "e") == (0, 0)


def test_a_tag_of_a_user_s_own_hides_nothing(store: Store) -> None:
    root = span("w", trace_id="t8", kind="workflow")
    store.add("e", [root, span("x", trace_id="t8", parent="w", say={"attempt": 3})], [])
    assert queries.find_experiment(store, "e").spans == 7
