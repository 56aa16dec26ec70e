from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.wire_schema import NAMES_THE_OFFICIAL_CLIENT_CANNOT_TAKE, load_official, load_strict

from llmobs_trace import wire

SPAN: dict[str, Any] = {
    "dataset_id": "9f64e5c7-dc5a-45c8-a17c-1b85f0bec97d",
    "duration": 1500000000,
    "name": "llm_call",
    "project_id": "a33671aa-24fd-4dcd-9b33-a8ec7dde7751",
    "span_id": "span-7a1b2c3d",
    "start_ns": 1705314600000000000,
    "status": "ok",
    "trace_id": "abc123def456",
}
METRIC: dict[str, Any] = {
    "label": "faithfulness",
    "metric_type": "score",
    "score_value": 0.5,
    "span_id": "span-7a1b2c3d",
    "timestamp_ms": 1705314600000,
}

int64 = st.integers(wire.INT64_MIN, wire.INT64_MAX)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ids = texts.filter(bool)
numbers = int64 | st.floats(allow_nan=False, allow_infinity=False)
fields = st.text("abc_é ", max_size=5).filter(lambda name: name not in NAMES_THE_OFFICIAL_CLIENT_CANNOT_TAKE)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(fields, json_values, max_size=3)
items = texts | numbers | st.booleans() | objects
values = texts | numbers | st.booleans() | objects.filter(bool) | st.lists(items, max_size=3)
tags = st.lists(texts.map(lambda text: f"key:{text}"), max_size=3)


def optional(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=strategies)


errors = optional(message=texts, stack=texts, type=texts).map(lambda parts: wire.SpanError(**parts))
metas = optional(error=errors, expected_output=objects, input=values, output=values)
spans = st.builds(
    lambda required, more: wire.ExperimentSpan(**required, **more),
    st.fixed_dictionaries(
        {
            "dataset_id": ids,
            "duration": int64,
            "name": texts,
            "project_id": ids,
            "span_id": ids,
            "start_ns": int64,
            "status": st.sampled_from(wire.STATUSES),
            "trace_id": ids,
        }
    ),
    optional(meta=metas.map(lambda parts: wire.SpanMeta(**parts)), tags=tags),
)
metric_values = st.one_of(
    st.tuples(st.just("score"), numbers.map(float)),
    st.tuples(st.just("categorical"), texts),
    st.tuples(st.just("boolean"), st.booleans()),
    st.tuples(st.just("json"), objects),
)
metrics = st.builds(
    lambda required, value, more: wire.Metric(
        **required, metric_type=value[0], **{f"{value[0]}_value": value[1]}, **more
    ),
    st.fixed_dictionaries({"label": texts, "span_id": ids, "timestamp_ms": int64}),
    metric_values,
    optional(
        assessment=st.sampled_from(wire.ASSESSMENTS),
        error=optional(message=texts).map(lambda parts: wire.MetricError(**parts)),
        metadata=objects,
        reasoning=texts,
        tags=tags,
    ),
)


def body_of(some_spans: list[wire.ExperimentSpan], some_metrics: list[wire.Metric]) -> bytes:
    attributes = wire.EventsAttributes(spans=some_spans, metrics=some_metrics)
    return msgspec.json.encode(wire.EventsRequest(data=wire.EventsData(attributes=attributes, type="events")))


def plain_body(**attributes: Any) -> bytes:
    return json.dumps({"data": {"type": "events", "attributes": attributes}}).encode()


@given(st.lists(spans, max_size=2), st.lists(metrics, max_size=2))
def test_whatever_the_types_can_hold_loads_in_the_official_client_and_in_a_closed_schema(
    some_spans: list[wire.ExperimentSpan], some_metrics: list[wire.Metric]
) -> None:
    body = body_of(some_spans, some_metrics)
    load_official(body)
    load_strict(body)
    assert msgspec.json.encode(msgspec.json.decode(body, type=wire.EventsRequest)) == body


def test_what_was_not_set_is_not_sent() -> None:
    assert json.loads(msgspec.json.encode(wire.ExperimentSpan(**SPAN))) == SPAN
    assert json.loads(msgspec.json.encode(wire.Metric(**METRIC))) == METRIC


@pytest.mark.parametrize("missing", sorted(SPAN))
def test_each_of_the_eight_required_fields_of_a_span_is_required(missing: str) -> None:
    without = {key: value for key, value in SPAN.items() if key != missing}
    with pytest.raises(msgspec.ValidationError, match=missing):
        msgspec.json.decode(plain_body(spans=[without]), type=wire.EventsRequest)


@pytest.mark.parametrize(
    "attributes",
    [
        {"spans": [SPAN | {"parent_id": "x"}]},
        {"spans": [SPAN | {"meta": {"kind": "llm"}}]},
        {"spans": [SPAN | {"meta": {"error": {"code": 1}}}]},
        {"metrics": [METRIC | {"value": 1}]},
        {"metrics": [METRIC | {"error": {"type": "x"}}]},
        {"rows": []},
        {"spans": [SPAN | {"status": "OK"}]},
        {"spans": [SPAN | {"start_ns": 2**63}]},
        {"spans": [SPAN | {"meta": {"input": [[1]]}}]},
        {"spans": [SPAN | {"meta": {"input": [None]}}]},
        {"spans": [SPAN | {"meta": {"expected_output": "text"}}]},
        {"metrics": [METRIC | {"metric_type": "histogram"}]},
    ],
    ids=lambda attributes: json.dumps(attributes)[-40:],
)
def test_what_the_documentation_does_not_name_is_refused_by_our_types_and_by_the_tests_own(
    attributes: Any,
) -> None:
    body = plain_body(**attributes)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=wire.EventsRequest)
    with pytest.raises(AssertionError):
        load_strict(body)


def test_the_documentations_own_example_of_a_null_input_is_read() -> None:
    body = plain_body(spans=[SPAN | {"meta": {"input": None, "output": None}, "tags": []}])
    load_official(body)
    assert msgspec.json.decode(body, type=wire.EventsRequest).data.type == "events"


@pytest.mark.parametrize("value", [[None], [[1, 2]], {}, {"self": 1}])
def test_what_the_official_client_misreads_is_noticed(value: Any) -> None:
    with pytest.raises(AssertionError):
        load_official(plain_body(spans=[SPAN | {"meta": {"input": value}}]))


@pytest.mark.parametrize(
    "unknown", [{"spans": [SPAN | {"parent_id": "x"}]}, {"metrics": [METRIC | {"v": 1}]}, {"x": 1}]
)
def test_the_official_client_check_sees_a_field_that_the_client_itself_lets_pass(unknown: Any) -> None:
    with pytest.raises(AssertionError, match="has no field"):
        load_official(plain_body(**unknown))


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":{"type":"events","attributes":{"spans":[],"spans":[]}}}',
        plain_body(metrics=[METRIC | {"score_value": float("nan")}]),
        plain_body(metrics=[METRIC | {"boolean_value": True}]),
        plain_body(metrics=[{key: value for key, value in METRIC.items() if key != "score_value"}]),
        plain_body(spans=[SPAN | {"tags": ["bare"]}]),
        plain_body(spans=[SPAN | {"span_id": ""}]),
        plain_body(spans=[SPAN | {"meta": {"input": 2**64}}]),
        plain_body(spans=[SPAN | {"name": "\ud800"}]),
    ],
    ids=[
        "repeated key",
        "NaN",
        "value of another type",
        "no value",
        "bare tag",
        "empty id",
        "beyond 64 bits",
        "lone surrogate",
    ],
)
def test_the_tests_own_schema_refuses_what_only_looks_right(body: bytes) -> None:
    with pytest.raises((AssertionError, UnicodeEncodeError)):
        load_strict(body)


def test_error_bodies_of_both_shapes_are_read_and_may_say_more_than_is_documented() -> None:
    documented = b"""{"errors": [{"detail": "Missing required attribute in body", "meta": {}, "status": "400",
        "source": {"header": "Authorization", "parameter": "limit", "pointer": "/data/attributes/title"},
        "title": "Bad Request", "code": "new"}]}"""
    (error,) = msgspec.json.decode(documented, type=wire.APIErrors).errors
    assert error.detail == "Missing required attribute in body"
    assert isinstance(error.source, wire.APIErrorSource)
    assert error.source.pointer == "/data/attributes/title"
    assert msgspec.json.decode(b'{"errors": ["Bad Request"]}', type=wire.TooManyRequests).errors == [
        "Bad Request"
    ]


@given(st.text(max_size=300))
def test_an_accepted_id_is_one_segment_of_the_path(text: str) -> None:
    if wire.id_problem(text) is None:
        path = wire.events_path(text)
        assert path.isascii()
        head, segment, tail = path.rsplit("/", 2)
        assert (head, unquote(segment), tail) == ("/api/v2/llm-obs/v1/experiments", text, "events")
        assert segment not in (".", "..")


@given(st.text(max_size=300))
def test_any_text_can_be_made_an_id_and_an_id_stays_as_it_is(text: str) -> None:
    assert wire.id_problem(wire.as_id(text)) is None
    if wire.id_problem(text) is None:
        assert wire.as_id(text) == text.strip()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "is not a string"),
        (7, "is not a string"),
        ("", "is empty"),
        ("  ", "is empty"),
        ("a\nb", "control character"),
        ("a\x00", "control character"),
        ("a\u2028", "control character"),
        ("\udc80", "control character"),
        ("x" * 257, "longer than 256"),
        ("..", "directory"),
    ],
)
def test_what_is_wrong_with_an_id_is_said(value: object, problem: str) -> None:
    assert problem in (wire.id_problem(value) or "")


@pytest.mark.parametrize(
    ("file", "begins", "ends"),
    [
        ("README.md", "| `kind=` |", "\n\n"),
        (".github/docs/recording.md", "`kind=` is one of", "Without"),
        ("llmobs_trace/capture/block.py", "- `kind`:", "by default"),
        ("llmobs_trace/viewer/pages/trace.css", ".kind-", ".detail"),
    ],
)
def test_every_list_of_kinds_names_each_of_them(file: str, begins: str, ends: str) -> None:
    text = (Path(wire.__file__).parents[1] / file).read_text()
    listed = text[text.index(begins) :].partition(ends)[0]
    assert set(wire.KINDS) <= set(re.findall(r"(?:`|\.kind-)(\w+)", listed))
