from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.events import START_NS, metric, span

from llmobs_trace.compare.comparison import compare, row_counts
from llmobs_trace.compare.pairs import Side, keyed_rows, read_side, row_pairs
from llmobs_trace.compare.results import RowCounts
from llmobs_trace.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "x.db") as store:
        yield store


def row(name: str, row_id: str | None, at: int = 0, trace: str | None = None, **fields: object) -> bytes:
    return span(
        name,
        trace_id=trace or f"trace of {name}",
        kind="experiment",
        row=row_id,
        start_ns=START_NS + at,
        **fields,
    )  # type: ignore[arg-type]


def numbers(side: Side, label: str) -> dict[str, float | None]:
    """By span, what a label came to."""
    found = side.outcomes.get(label, {})
    return {each.span_id: found[each.key].number for each in side.rows.values() if each.key in found}


def test_rows_are_known_by_their_ids_and_repeats_by_their_order(store: Store) -> None:
    store.add("e", [row("late", "q1", 2), row("first", "q1", 0), row("other", "q2", 1)], [])
    known = {key: row.span_id for key, row in keyed_rows(store, "e")}
    assert known == {("q1", 1): "first", ("q1", 2): "late", ("q2", 1): "other"}


def test_a_row_that_its_client_did_not_name_is_known_by_its_input(store: Store) -> None:
    store.add("a", [row("a1", None, input="Why?"), row("a2", None, 1, input="How?")], [])
    store.add("b", [row("b2", None, input="How?"), row("b1", None, 1, input="Why?")], [])
    pairs = row_pairs(read_side(store, "a"), read_side(store, "b"))
    spans = [([row.span_id for row in pair.a], [row.span_id for row in pair.b]) for pair in pairs]
    assert spans == [(["a1"], ["b1"]), (["a2"], ["b2"])]


def test_a_repeat_is_known_by_its_tag_whenever_it_ran(store: Store) -> None:
    spans = [row("third", "q", 0, say={"run_iteration": 3}), row("first", "q", 1, say={"run_iteration": 1})]
    spans += [row("again", "q", 2, say={"run_iteration": 1}), row("untold", "q", 3)]
    store.add("e", spans, [])
    known = {key: row.span_id for key, row in keyed_rows(store, "e")}
    assert known == {("q", 3): "third", ("q", 1): "first", ("q", 2): "again", ("q", 4): "untold"}


def test_all_repeats_of_a_row_are_one_row_of_the_dataset(store: Store) -> None:
    named = "0123456789abcdef"  # as capture names a row that is not named: a hash, and ordinals
    spans = [row("r1", named), row("r2", f"{named}-2", 1), row("r3", "mine", 2), row("r4", "mine", 3)]
    spans += [row("r5", "not-a-hash-2", 4)]
    store.add("e", spans, [])
    side = read_side(store, "e")
    assert {pair.dataset_row: len(pair.a) for pair in row_pairs(side, side)} == {
        named: 2,
        "mine": 2,
        "not-a-hash-2": 1,
    }


def test_rows_are_paired_however_often_each_side_ran_them(store: Store) -> None:
    runs = [row(f"r{run}-{name}", name, run) for run in range(3) for name in ("q1", "q2")]
    store.add("a", [*runs, row("other", "q3", 9)], [])
    store.add("b", [row("b1", "q1"), row("b2", "q2", 1)], [])
    a, b = read_side(store, "a"), read_side(store, "b")
    assert row_counts(a, b) == RowCounts(paired=2, only_a=1, only_b=0, runs_a=6, runs_b=2)


def test_rows_that_have_another_expected_output_are_counted(store: Store) -> None:
    store.add("a", [row("a1", "q1", expected_output={"a": 1}), row("a2", "q2", 1, expected_output="x")], [])
    store.add("b", [row("b1", "q1", expected_output={"a": 1}), row("b2", "q2", 1)], [])
    assert compare(store, "a", "b").rows.other_expected == 1


def test_votes_of_a_judge_are_read_where_its_metrics_have_them(store: Store) -> None:
    votes = [{"votes": ["A", "C"], "worths": [1.0, 0.0]}, {"votes": [True, True]}, {"votes": "many"}]
    judged = [metric("r", "helpful", 0.5, at_ms=at, metadata=said) for at, said in enumerate(votes)]
    store.add("e", [row("r", "q")], [*judged, metric("r", "plain", 1.0, metadata={"why": ["votes"]})])
    assert read_side(store, "e").votes == {"helpful": [[1.0, 0.0], [1.0, 1.0]]}


def test_all_metrics_of_one_label_in_a_row_s_tree_are_one_outcome(store: Store) -> None:
    child = span("c", trace_id="trace of r", parent="r", kind="llm")
    store.add("e", [row("r", "q"), child], [metric("r", "f1", 1.0), metric("c", "f1", 0.5)])
    assert numbers(read_side(store, "e"), "f1") == {"r": 0.75}


def test_one_failure_among_a_row_s_metrics_is_the_row_s(store: Store) -> None:
    store.add("e", [row("r", "q")], [metric("r", "f1", 1.0), metric("r", "f1", error={"message": "no"})])
    (outcome,) = read_side(store, "e").outcomes["f1"].values()
    assert (outcome.failed, outcome.number) == (1, 1.0)


def test_several_rows_in_one_trace_keep_their_own_metrics(store: Store) -> None:
    spans = [row("r1", "q1", trace="t"), row("r2", "q2", 1, trace="t")]
    spans += [span("c1", trace_id="t", parent="r1"), span("c2", trace_id="t", parent="r2")]
    store.add("e", spans, [metric("c1", "f1", 0.1), metric("c2", "f1", 0.2)])
    assert numbers(read_side(store, "e"), "f1") == {"r1": 0.1, "r2": 0.2}


def test_metrics_in_no_row_s_tree_are_not_compared(store: Store) -> None:
    spans = [row("r", "q"), span("orphan", trace_id="t9", parent="gone")]
    store.add("e", spans, [metric("orphan", "f1", 0.1), metric("nowhere", "f1", 0.2)])
    assert read_side(store, "e").outcomes == {}


def test_values_of_every_type_are_read(store: Store) -> None:
    metrics = [
        metric("r", "boolean", True, assessment="pass"),
        metric("r", "category", "b"),
        metric("r", "category", "a", at_ms=2),
        metric("r", "json", {"a": 1}),
        metric("r", "judged", metric_type="json", assessment="fail"),
    ]
    store.add("e", [row("r", "q", error={"type": "E", "message": "no", "stack": ""})], metrics)
    side = read_side(store, "e")
    (only,) = side.rows.values()
    assert only.is_error
    found = {label: of[only.key] for label, of in side.outcomes.items()}
    assert (found["boolean"].number, found["boolean"].pass_share) == (1.0, 1.0)
    assert found["category"].category == "a + b"
    assert found["json"].others == 1
    assert found["judged"].pass_share == 0.0
    assert side.types["category"] == {"categorical": 2}
