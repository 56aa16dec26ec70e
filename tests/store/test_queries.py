from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.events import START_NS, metric, span

from llmobs_trace.store import queries
from llmobs_trace.store.queries import AmbiguousExperiment, UnknownExperiment
from llmobs_trace.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "x.db") as store:
        yield store


def test_an_experiment_is_counted(store: Store) -> None:
    spans = [
        span("a", kind="experiment", start_ns=START_NS),
        span("b", parent="a", start_ns=START_NS + 5, error={"type": "E"}, project_id="q"),
        span("c", kind="task", start_ns=START_NS - 1),
    ]
    store.add("e", spans, [metric("a", "f1", 1), metric("a", "f1", error={"message": "no"})], name="n")
    (found,) = queries.experiments(store)
    assert (found.id, found.name, found.rows, found.spans, found.errors) == ("e", "n", 1, 3, 1)
    assert (found.metrics, found.failed_metrics) == (2, 1)
    assert (found.started_ns, found.active_ns) == (START_NS - 1, START_NS + 5)
    assert (found.project_ids, found.dataset_ids) == (["p", "q"], ["d"])


def test_the_latest_is_the_one_with_the_latest_span_wherever_it_was_added(store: Store) -> None:
    store.add("new", [span("a", start_ns=START_NS + 1)], [])
    store.add("resent", [span("a", start_ns=START_NS)], [])
    assert [found.id for found in queries.experiments(store)] == ["new", "resent"]
    assert queries.find_experiment(store, "latest").id == "new"
    store.add("resent", [span("b", start_ns=START_NS + 2)], [])
    assert queries.find_experiment(store, "latest").id == "resent"


def test_of_experiments_that_began_together_the_one_added_last_is_the_latest(store: Store) -> None:
    for experiment_id in ("e1", "e2", "e3"):
        store.add(experiment_id, [span("a")], [])
    assert [found.id for found in queries.experiments(store)] == ["e3", "e2", "e1"]
    assert queries.find_experiment(store, "latest").id == "e3"


@pytest.mark.parametrize(
    ("text", "found"),
    [("abc", "abc"), ("abcd", "abcd"), ("abx", "abx1"), ("100%", "100% of"), ("ü", "über"), ("z_", "z_1")],
)
def test_an_experiment_is_found_by_its_id_or_the_beginning_of_it(store: Store, text: str, found: str) -> None:
    for experiment_id in ("abc", "abcd", "abx1", "100% of", "1000", "über", "z_1", "zz1"):
        store.add(experiment_id, [], [])
    assert queries.find_experiment(store, text).id == found


@pytest.mark.parametrize("text", ["nope", "%", "_", "", "abcd "])
def test_an_experiment_that_is_not_there_is_not_found(store: Store, text: str) -> None:
    store.add("abcd", [], [])
    with pytest.raises(UnknownExperiment, match="no experiment whose id or name begins with"):
        queries.find_experiment(store, text)


def test_the_beginning_of_several_ids_names_them(store: Store) -> None:
    for number in range(5):
        store.add(f"ab{number}", [], [])
    with pytest.raises(AmbiguousExperiment, match=r'"ab" may mean any of 5 experiments: .* and 2 more'):
        queries.find_experiment(store, "ab")


def test_a_name_means_the_latest_of_that_name(store: Store) -> None:
    for number, name in enumerate(("prompt", "other", "prompt", "prompt", "ab1")):
        store.add(f"e{number}", [span("a", start_ns=10**18 + number)], [], name=name)
    store.add("e2", [span("b", start_ns=10**18 + 9)], [])
    assert queries.find_experiment(store, "prompt").id == "e2"
    assert queries.find_experiment(store, "other").id == "e1"
    # What is the name of one and begins the id of another is guessed at by nobody.
    store.add("ab12", [], [])
    with pytest.raises(AmbiguousExperiment, match='"ab1" may mean any of 2 experiments: ab12, e4'):
        queries.find_experiment(store, "ab1")


def test_small_letters_and_the_beginning_of_a_name_will_do_where_nothing_is_so_as_written(
    store: Store,
) -> None:
    for number, name in enumerate(("Support bot", "support bot", "Summaries", "Summaries")):
        store.add(f"E{number}", [span("a", start_ns=10**18 + number)], [], name=name)
    asked = ("e0", "Support bot", "support bot", "SUPPORT BOT", "summ", "Sum")
    found = [queries.find_experiment(store, text).id for text in asked]
    assert found == ["E0", "E0", "E1", "E1", "E3", "E3"]
    with pytest.raises(AmbiguousExperiment, match='"su" may mean any of 2 experiments: E3, E1'):
        queries.find_experiment(store, "su")
    with pytest.raises(UnknownExperiment, match=r"\(did you mean Summaries\?\)"):
        queries.find_experiment(store, "sumaries")


def test_the_ones_before_the_latest_are_counted_back_to(store: Store) -> None:
    for number in range(3):
        store.add(f"e{number}", [span("a", start_ns=10**18 + number)], [])
    found = [queries.find_experiment(store, f"latest~{back}").id for back in range(3)]
    assert found == ["e2", "e1", "e0"]
    with pytest.raises(UnknownExperiment, match="holds no more than 3"):
        queries.find_experiment(store, "latest~3")
    with pytest.raises(UnknownExperiment, match="no experiment whose id or name begins with"):
        queries.find_experiment(store, "latest~x")


def test_an_empty_store_has_no_latest(store: Store) -> None:
    with pytest.raises(UnknownExperiment, match="holds no experiment yet"):
        queries.find_experiment(store, "latest")


def test_an_experiment_called_latest_is_found_by_its_id(store: Store) -> None:
    store.add("latest", [], [])
    store.add("other", [span("a", start_ns=2**62)], [])
    assert queries.find_experiment(store, "latest").id == "latest"


def test_spans_come_by_start_and_rows_are_the_roots_of_kind_experiment(store: Store) -> None:
    spans = [
        span("late", start_ns=3, kind="experiment"),
        span("inner", start_ns=1, parent="early", kind="experiment"),
        span("early", start_ns=1, duration_ns=10**9),
        span("task", start_ns=2, kind="task"),
    ]
    store.add("e", spans, [])
    assert [found.span_id for found in queries.spans(store, "e")] == ["early", "inner", "task", "late"]
    assert [found.span_id for found in queries.rows(store, "e")] == ["early", "late"]
    assert [found.event for found in queries.rows(store, "e")] == [spans[2], spans[0]]


def test_a_trace_comes_with_the_metrics_of_its_spans(store: Store) -> None:
    metrics = [
        metric("a", "f1", 1, at_ms=2),
        metric("a", "ok", True, at_ms=1),
        metric("b", "f1", 0),
        metric("x", "f1", 0),
    ]
    store.add("e", [span("a", trace_id="t1"), span("b", trace_id="t2", start_ns=1)], metrics)
    assert list(queries.trace_ids(store, "e")) == ["t2", "t1"]
    assert [found.span_id for found in queries.trace(store, "e", "t1")] == ["a"]
    found = queries.trace_metrics(store, "e", "t1")
    assert {span_id: [each.label for each in each_metrics] for span_id, each_metrics in found.items()} == {
        "a": ["ok", "f1"]
    }
    assert [each.span_id for each in queries.homeless_metrics(store, "e")] == ["x"]
    assert queries.labels(store, "e") == ["f1", "ok"]
