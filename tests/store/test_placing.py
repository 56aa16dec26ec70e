from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import stores
from support.events import metric, span
from support.examples import examples

from llmobs_trace.store import queries
from llmobs_trace.store.store import Store
from llmobs_trace.viewer.score_counts import scores as shown_scores

_ids = st.sampled_from("abcdefgh")
_spans = st.builds(
    span,
    _ids,
    trace_id=st.sampled_from(["t1", "t1", "t1", "t2"]),
    parent=st.none() | _ids,
    kind=st.sampled_from([None, "experiment", "llm"]),
    start_ns=st.integers(0, 5),
    error=st.sampled_from([None, None, {"message": "no"}]),
)
_values = st.sampled_from([0.5, -1.0, 2, True, False, "warm", "cold", {"a": 1}, None])
_metrics = st.builds(
    metric,
    _ids,
    st.sampled_from(["f1", "tone"]),
    _values,
    at_ms=st.integers(0, 3),
    assessment=st.sampled_from(["pass", "fail", None]),
)
_batches = st.lists(st.tuples(st.lists(_spans, max_size=5), st.lists(_metrics, max_size=5)), max_size=6)


@pytest.fixture(scope="module")
def shared() -> Iterator[Store]:
    with stores.temporary_store() as store:
        yield store


def by_row(store: Store, table: str, column: str) -> dict[str | None, list[str]]:
    """What has which row, by the row's span id."""
    found: dict[str | None, list[str]] = {}
    for row, what in store.select(
        f"SELECT r.span_id, x.{column} FROM {table} x LEFT JOIN span r ON r.key = x.in_row"
    ):
        found.setdefault(row, []).append(what)
    return {row: sorted(each) for row, each in found.items() if row is not None}


@settings(max_examples=examples(40))
@given(batches=_batches)
def test_whatever_comes_first_everything_finds_its_row(shared: Store, batches: list[stores.Batch]) -> None:
    stores.empty(shared)
    for batch in batches:
        shared.add("e", *batch)
    rows = stores.rows(batches)
    assert by_row(shared, "span", "span_id") == {
        row.span["span_id"]: sorted(each["span_id"] for each in row.spans) for row in rows
    }
    assert by_row(shared, "metric", "label") == {
        row.span["span_id"]: sorted(each["label"] for each in row.metrics) for row in rows if row.metrics
    }


@settings(max_examples=examples(40))
@given(batches=_batches)
def test_what_is_counted_as_it_comes_is_what_counting_finds(
    shared: Store, batches: list[stores.Batch]
) -> None:
    stores.empty(shared)
    for batch in batches:
        shared.add("e", *batch)
    for found in queries.experiments(shared):
        (counted,) = shared.select(
            "SELECT (SELECT count(*) FROM span WHERE in_row = key), count(*), sum(status = 'error'),"
            " min(start_ns), max(start_ns) FROM span"
        )
        assert (found.rows, found.spans) == counted[:2]
        assert (found.errors, found.started_ns) == (counted[2] or 0, counted[3])
        assert found.active_ns == (found.created_ns if counted[4] is None else counted[4])
        (counted,) = shared.select("SELECT count(*), total(failed) FROM metric")
        assert (found.metrics, found.failed_metrics) == counted


@settings(max_examples=examples(40))
@given(batches=_batches)
def test_scores_from_the_sums_are_those_of_reading_every_trace(
    shared: Store, batches: list[stores.Batch]
) -> None:
    from llmobs_trace.store.scores import summary

    stores.empty(shared)
    for batch in batches:
        shared.add("e", *batch)
    for (key,) in list(shared.select("SELECT key FROM experiment")):
        experiment = queries.find_experiment(shared, "e")
        read = {score.label: score for score in summary(shared, "e")}
        shown = {score.label: score for score in shown_scores(shared, key, experiment.rows)}
        assert read.keys() == shown.keys()
        for label, score in read.items():
            mine = shown[label]
            assert (mine.scored, mine.failed, mine.missing) == (score.scored, score.failed, score.missing)
            assert (mine.passed, mine.not_passed) == (score.passed, score.not_passed)
            assert (mine.lowest, mine.highest) == (score.lowest, score.highest)
            assert mine.values == score.values
            assert mine.mean == (None if score.mean is None else pytest.approx(score.mean))


def test_a_metric_and_children_that_come_before_their_row_are_its_own(shared: Store) -> None:
    stores.empty(shared)
    shared.add("e", [], [metric("leaf", "f1", 1)])
    shared.add("e", [span("leaf", parent="middle")], [])
    shared.add("e", [span("middle", parent="root")], [])
    assert by_row(shared, "metric", "label") == {}
    shared.add("e", [span("root")], [])
    assert by_row(shared, "metric", "label") == {"root": ["f1"]}
    assert by_row(shared, "span", "span_id") == {"root": ["leaf", "middle", "root"]}


def test_a_tree_that_comes_from_its_leaf_up_may_be_deeper_than_the_stack(shared: Store) -> None:
    stores.empty(shared)
    depth = 5_000
    chain = [span(f"{n}", parent=f"{n - 1}" if n else None) for n in range(depth)]
    for start in range(depth, 0, -500):
        shared.add("e", chain[start - 500 : start][::-1], [metric(f"{start - 1}", "f1", 1)])
    assert list(shared.select("SELECT count(DISTINCT in_row), count(in_row) FROM span")) == [(1, depth)]
    assert list(shared.select("SELECT count(*) FROM metric WHERE in_row IS NULL")) == [(0,)]


def test_only_a_change_is_another_revision(shared: Store) -> None:
    stores.empty(shared)

    def revision() -> int:
        ((number,),) = shared.select("SELECT revision FROM state")
        return int(number)

    shared.add("e", [span("a")], [metric("a", "f1", 1)], name="n")
    first = revision()
    shared.add("e", [span("a")], [metric("a", "f1", 1)], name="n")
    assert revision() == first
    shared.add("e", [], [], name="renamed")
    assert revision() > first
