"""What model calls took, as the pages are told of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.events import span

from llmobs_trace.store.store import Store
from llmobs_trace.viewer import asked_about, respond

COSTS = [0.5, None, 0.25, 1.0, None]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "x.db") as store:
        for number, cost in enumerate(COSTS):
            said = {} if cost is None else {"cost_usd": cost}
            sums = {"model_calls": 2, "input_tokens": 10 * number, "output_tokens": 5, **said}
            of_call = {
                "model_name": f"model-{number % 2}",
                "input_tokens": 4,
                "finish_reason": "length",
                "retries": 1,
            }
            at = {"trace_id": f"t{number}"}
            root = span(f"r{number}", kind="experiment", row=f"row-{number}", say=sums, **at)  # type: ignore[arg-type]
            calls = [
                span(f"{name}{number}", parent=f"r{number}", kind="llm", say=of_call, **at)  # type: ignore[arg-type]
                for name in "ab"
            ]
            store.add("e", [root, *calls], [])
        yield store


def ask(store: Store, path: str, **query: str) -> Any:
    response = respond(store, path, query, {})
    assert response is not None
    assert response.status == 200, response.body
    return json.loads(response.body)


@pytest.mark.parametrize(
    ("order", "rows"), [("desc", ["3", "0", "2", "4", "1"]), ("asc", ["2", "0", "3", "1", "4"])]
)
@pytest.mark.parametrize("knows_nulls_last", [True, False])
def test_rows_are_sorted_by_cost_and_the_unknown_come_last(
    store: Store, order: str, rows: list[str], knows_nulls_last: bool
) -> None:
    store.sorts_nulls_last = knows_nulls_last
    found = ask(store, "/api/experiments/e/rows", sort="cost_usd", order=order)["rows"]
    assert [row["row_id"] for row in found] == [f"row-{number}" for number in rows]
    page = ask(store, "/api/experiments/e/rows", sort="cost_usd", order=order, limit="2", offset="2")["rows"]
    assert page == found[2:4]
    beside = ask(store, "/api/experiments/e/neighbours", sort="cost_usd", order=order, trace=f"t{rows[2]}")
    assert (beside["previous"]["row_id"], beside["next"]["row_id"]) == (f"row-{rows[1]}", f"row-{rows[3]}")


def test_a_row_says_what_its_calls_took_and_which_models_answered(store: Store) -> None:
    row = ask(store, "/api/experiments/e/rows", limit="1")["rows"][0]
    names = ("model_calls", "input_tokens", "output_tokens", "cost_usd", "cost_from", "models")
    assert [row[name] for name in names] == [2, 0, 5, 0.5, "stated", ["model-0"]]


def test_a_span_says_what_its_call_took_and_how_it_ended(store: Store) -> None:
    call = ask(store, "/api/experiments/e/traces/t1")["spans"][1]
    names = ("model", "input_tokens", "output_tokens", "cost_usd", "finish_reason", "retries", "tags")
    assert [call[name] for name in names] == ["model-1", 4, None, None, "length", "1", []]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"model_name": "m", "retries": "1", "total_tokens": "3", "mine": "x"}, ["mine:x"]),
        ({"retries": "1", "finish_reason": "bored"}, ["retries:1", "finish_reason:bored"]),
        ({"model_provider": "p", "cached_tokens": "2"}, ["model_provider:p", "cached_tokens:2"]),
        ({"model_name": "m", "input_tokens": "many"}, ["input_tokens:many"]),
    ],
)
def test_no_tag_is_left_out_that_is_shown_nowhere_else(
    store: Store, said: dict[str, str], left: list[str]
) -> None:
    store.add("tagged", [span("s", say=said)], [])
    assert ask(store, "/api/experiments/tagged/traces/t1")["spans"][0]["tags"] == left
    assert ask(store, "/api/experiments/tagged/spans/s/shown")["tags"] == left


def test_an_experiment_says_what_its_rows_took_and_of_how_many_it_is_not_known(store: Store) -> None:
    spent = ask(store, "/api/experiments/e")["spent"]
    assert spent["cost_usd"] == {
        "rows": 3,
        "unknown": 2,
        "total": 1.75,
        "mean": pytest.approx(0.5833333),
        "lowest": 0.25,
        "highest": 1.0,
    }
    assert spent["input_tokens"]["total"] == 100
    assert spent["worked_out"] is False
    store.add("plain", [span("p", kind="experiment")], [])
    assert ask(store, "/api/experiments/plain")["spent"] is None


@pytest.mark.parametrize(
    ("path", "query", "about"),
    [
        ("/api/experiments/e", {}, ["e"]),
        ("/api/experiments/a%20b/rows", {}, ["a b"]),
        ("/api/experiments/e/traces/t1", {}, ["e"]),
        ("/api/compare", {"a": "e", "b": "f"}, ["e", "f"]),
        ("/api/compare/rows", {"a": "e", "b": "f"}, ["e", "f"]),
        ("/api/revision", {}, []),
        ("/api/experiments", {}, []),
        ("/experiments/e", {}, []),
        ("/api/nothing/there", {}, []),
    ],
)
def test_which_experiments_an_answer_is_about(path: str, query: dict[str, str], about: list[str]) -> None:
    assert asked_about(path, query) == about
