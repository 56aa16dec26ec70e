from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Raw
from support.events import START_NS, metric, span

from llmobs_trace.catalog.catalog import NewExperiment
from llmobs_trace.catalog.local_catalog import LocalCatalog
from llmobs_trace.store.overview import Difference, ListedScore, differences, overview
from llmobs_trace.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "x.db") as store:
        yield store


def test_a_line_says_what_rows_came_to_and_no_more_than_is_known(store: Store) -> None:
    cost = {"model_name": "m", "input_tokens": 10, "output_tokens": 2, "cost_usd": 0.5}
    spans = [
        span("a", kind="experiment", duration_ns=10, start_ns=START_NS, say={"model_calls": 1, **cost}),
        span("b", trace_id="t2", kind="experiment", duration_ns=30, start_ns=START_NS + 1),
        span("c", trace_id="t3", kind="experiment", duration_ns=20, start_ns=START_NS + 2),
    ]
    metrics = [
        *(metric("a", label, value) for label, value in (("f1", 0.5), ("right", True), ("style", "plain"))),
        *(metric("b", label, value) for label, value in (("f1", 1.0), ("right", False))),
        metric("c", "f1", error={"message": "no"}),
    ]
    store.add("e", spans, metrics)
    found = overview(store, 1)
    assert found.scores == [ListedScore("f1", 0.75, False), ListedScore("right", 0.5, True)]
    assert (found.latency_ns, found.cost_usd, found.cost_unknown) == (20, 0.5, 2)
    assert (found.input_tokens, found.output_tokens) == (10, 2)
    store.add("empty", [], [])
    nothing = overview(store, 2)
    assert (nothing.scores, nothing.latency_ns, nothing.cost_usd, nothing.input_tokens) == (
        [],
        None,
        None,
        None,
    )


def test_parameters_are_of_config_and_code_and_of_tags_that_are_no_row_s_own(store: Store) -> None:
    catalog = LocalCatalog(store)
    project = catalog.project("p")
    dataset = catalog.dataset(project.id, "d", [])
    assert dataset is not None
    config = Raw(b'{"model": "small", "limits": {"tokens": 9, "stop": []}}')
    catalog.experiment(
        NewExperiment(id="e", run="r", name="n", project_id=project.id, dataset_id=dataset.id, config=config)
    )
    of_all = {"git.commit.sha": "abc", "prompt": "v2", "experiment_id": "e"}
    for number, language in enumerate(("en", "zh")):
        row = span(
            f"r{number}", trace_id=f"t{number}", kind="experiment", say={**of_all, "language": language}
        )
        store.add("e", [row], [])
    ((key,),) = store.select("SELECT key FROM experiment WHERE id = 'e'")
    assert overview(store, key).parameters == {
        "model": "small",
        "limits.tokens": "9",
        "limits.stop": "[]",
        "commit": "abc",
        "prompt": "v2",
    }


def test_a_difference_is_what_one_of_two_has_otherwise() -> None:
    assert differences({"a": "1", "b": "2", "c": "3"}, {"b": "2", "c": "4", "d": "5"}) == [
        Difference("a", "1", None),
        Difference("c", "3", "4"),
        Difference("d", None, "5"),
    ]
