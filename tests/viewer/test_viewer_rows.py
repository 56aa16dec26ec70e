from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import stores
from support.events import metric, span
from support.stores import ModelRow

from llmobs_trace.store.store import Store
from llmobs_trace.store.words import has_words, words
from llmobs_trace.viewer import respond

EXPERIMENT = "e/ü 1"
_ids = st.sampled_from("abcdef")
_texts = st.sampled_from(
    ["The capital", "capital of Peru", "größe 東京", "'\"; DROP TABLE span", "", "a * b", "%_\\"]
)
_spans = st.builds(
    span,
    _ids,
    trace_id=st.just("t1"),
    parent=st.none() | _ids,
    kind=st.sampled_from([None, "experiment", "llm"]),
    row=st.sampled_from([None, "r1", "r2"]),
    name=_texts,
    start_ns=st.integers(0, 3),
    duration_ns=st.integers(0, 3),
    error=st.sampled_from([None, None, {"type": "E", "message": "went wrong"}, {"type": "F"}]),
    input=_texts,
    output=st.sampled_from(["yes", "no", {"k": ["Peru", 42]}]),
)
_metrics = st.builds(
    metric,
    _ids,
    st.sampled_from(["f1", "tone", ""]),
    st.sampled_from([0.5, -1.0, 2, True, False, "warm", "cold", {"a": 1}, None]),
    at_ms=st.integers(0, 2),
    assessment=st.sampled_from(["pass", "fail", None]),
)
_batches = st.lists(
    st.tuples(st.lists(_spans, max_size=5), st.lists(_metrics, max_size=5)), min_size=1, max_size=4
)
_labels = st.sampled_from(["f1", "tone", "", "nobody's"])
_query = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["ok", "error"]),
        "error": st.sampled_from(["any", "E", "F"]),
        "failed": st.sampled_from(["0", "1"]),
        "missing": _labels,
        "q": _texts | st.text(max_size=5) | st.sampled_from(["cap", "per 42", "k", "OF the"]),
        "limit": st.sampled_from(["0", "1", "2", "500", "10000"]),
        "offset": st.sampled_from(["0", "1", "3"]),
        "sort": st.sampled_from(["start", "duration", "row_id", "status", "score:f1", "score:tone"]),
        "order": st.sampled_from(["asc", "desc"]),
    },
)
_of_label = st.fixed_dictionaries(
    {"label": _labels},
    optional={
        "min": st.sampled_from(["-1", "0.5", "2.0"]),
        "max": st.sampled_from(["-1", "0.5", "1e3"]),
        "below": st.sampled_from(["0.5", "2"]),
        "value": st.sampled_from(["warm", "true", "false", "cold", "2"]),
        "assessment": st.sampled_from(["pass", "fail"]),
    },
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Store]:
    with stores.temporary_store() as store:
        yield store


def ask(store: Store, query: dict[str, str]) -> dict[str, Any]:
    response = respond(store, "/api/experiments/e%2F%C3%BC%201/rows", query, {})
    assert response is not None
    assert response.status == 200, response.body
    answer: dict[str, Any] = json.loads(response.body)
    return answer


# --- What plain Python finds --------------------------------------------------------------------------------


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def text_of(event: dict[str, Any]) -> str:
    meta, error = event["meta"], event["meta"].get("error", {})
    own = [event["name"], stores.tag(event, "dataset_record_id"), error.get("type"), error.get("message")]
    values = [meta.get(name) for name in ("input", "output", "expected_output")]
    return "\n".join([each for each in own if each] + [text for value in values for text in texts(value)])


def fits(row: ModelRow, query: dict[str, str]) -> bool:
    if "status" in query and row.span["status"] != query["status"]:
        return False
    if "error" in query and not any(
        event["status"] == "error" and query["error"] in ("any", event["meta"]["error"]["type"])
        for event in row.spans
    ):
        return False
    if "missing" in query and any(each["label"] == query["missing"] for each in row.metrics):
        return False
    if query.get("q"):
        wanted = words(query["q"])
        if not wanted or not has_words("\n".join(text_of(event) for event in row.spans), wanted):
            return False
    of_metrics = {"label", "min", "max", "below", "value", "assessment"} & query.keys()
    if query.get("failed") == "1" or of_metrics:
        return any(metric_fits(each, query) for each in row.metrics)
    return True


def metric_fits(metric: dict[str, Any], query: dict[str, str]) -> bool:
    number = metric.get("score_value")
    if "label" in query and metric["label"] != query["label"]:
        return False
    if query.get("failed") == "1" and not stores.failed(metric):
        return False
    if {"min", "max", "below", "value", "assessment"} & query.keys() and stores.failed(metric):
        return False
    if {"min", "max", "below"} & query.keys() and number is None:
        return False
    if "assessment" in query and metric.get("assessment") != query["assessment"]:
        return False
    if "value" in query:
        boolean, category = metric.get("boolean_value"), metric.get("categorical_value")
        said = {True: "true", False: "false", None: category}[boolean]
        if number is not None or said != query["value"]:
            return False
    return not (
        ("min" in query and number < float(query["min"]))
        or ("max" in query and number > float(query["max"]))
        or ("below" in query and number >= float(query["below"]))
    )


def score(metrics: list[dict[str, Any]], row: ModelRow, label: str) -> Any:
    """Its numbers' mean; of a label without any number, its first category, else the share that passed."""

    def scored(of: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [each for each in of if each["label"] == label and not stores.failed(each)]

    def numbers(of: list[dict[str, Any]]) -> list[float]:
        found = (each.get("score_value", each.get("boolean_value")) for each in scored(of))
        return [float(each) for each in found if each is not None]

    def categories(of: list[dict[str, Any]]) -> list[str]:
        return [each["categorical_value"] for each in scored(of) if "categorical_value" in each]

    if numbers(metrics):
        return sum(numbers(row.metrics)) / len(numbers(row.metrics)) if numbers(row.metrics) else None
    if categories(metrics):
        return min(categories(row.metrics), default=None)
    passed = [each["assessment"] == "pass" for each in scored(row.metrics) if each.get("assessment")]
    return sum(passed) / len(passed) if passed else None


def ordered(rows: list[ModelRow], metrics: list[dict[str, Any]], query: dict[str, str]) -> list[ModelRow]:
    sort, back = query.get("sort", "start"), query.get("order") == "desc"
    keys = {
        "start": lambda row: (row.span["start_ns"], row.order),
        "duration": lambda row: (row.span["duration"], row.order),
        "row_id": lambda row: (row.row_id or "", row.order),
        "status": lambda row: (row.span["status"], row.span["start_ns"], row.order),
    }
    if sort in keys:
        return sorted(rows, key=keys[sort], reverse=back)
    label = sort.removeprefix("score:")
    scores = {row.order: score(metrics, row, label) for row in rows}
    having = [row for row in rows if scores[row.order] is not None]
    having.sort(key=lambda row: (scores[row.order], row.span["start_ns"], row.order), reverse=back)
    without = [row for row in rows if scores[row.order] is None]
    without.sort(key=lambda row: (row.span["start_ns"], row.order), reverse=back)
    return having + without


@given(batches=_batches, query=_query, of_label=st.just({}) | _of_label)
def test_rows_are_those_that_plain_python_finds_in_its_order(
    shared: Store, batches: list[stores.Batch], query: dict[str, str], of_label: dict[str, str]
) -> None:
    stores.empty(shared)
    for batch in batches:
        shared.add(EXPERIMENT, *batch)
    query = {**query, **of_label}
    metrics = [json.loads(event) for _, events in batches for event in events]
    expected = ordered([row for row in stores.rows(batches) if fits(row, query)], metrics, query)
    offset, limit = int(query.get("offset", "0")), int(query.get("limit", "100"))
    answer = ask(shared, query)
    assert answer["total"] == len(expected)
    assert [row["span_id"] for row in answer["rows"]] == [
        row.span["span_id"] for row in expected[offset : offset + limit]
    ]
    for shown, row in zip(answer["rows"], expected[offset:], strict=False):
        assert json.loads(shown["output"]) == row.span["meta"]["output"]
        assert shown["errors"] == sum(event["status"] == "error" for event in row.spans)
        assert sorted(each["label"] for each in shown["metrics"]) == sorted(
            each["label"] for each in row.metrics
        )
