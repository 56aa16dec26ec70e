"""What stays of a refused event, and what does not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.deliver.without_values import without_values
from llmobs_trace.wire import ExperimentSpan, Metric

NOTE = "[left out]"

SPAN: dict[str, Any] = {
    "name": "n",
    "span_id": "a",
    "trace_id": "b",
    "start_ns": 1,
    "duration": 2,
    "status": "error",
    "project_id": "p",
    "dataset_id": "d",
    "tags": ["parent_id:c", "span_kind:llm"],
}
METRIC: dict[str, Any] = {"label": "l", "span_id": "a", "timestamp_ms": 1, "tags": ["a:b"]}

values = st.recursive(
    st.booleans() | st.integers(-(2**70), 2**70) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=5,
)
objects = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values)
errors = st.fixed_dictionaries({"type": st.just("E"), "message": st.text("abc"), "stack": st.text("abc")})


def degraded(event: dict[str, Any], *, is_span: bool) -> dict[str, Any] | None:
    result = without_values(json.dumps(event).encode(), is_span=is_span, note=NOTE)
    return None if result is None else dict(json.loads(result))


@given(
    st.fixed_dictionaries(
        {}, optional={"input": values, "output": values, "expected_output": objects, "error": errors}
    )
)
def test_a_span_keeps_all_but_its_values_and_is_one_the_endpoint_takes(meta: dict[str, Any]) -> None:
    found = degraded({**SPAN, "meta": meta}, is_span=True)
    assert found is not None or not meta
    if found is not None:
        notes = {
            "input": NOTE,
            "output": NOTE,
            "expected_output": {"value": NOTE},
            "error": {"type": "E", "message": NOTE, "stack": NOTE},
        }
        assert found == {**SPAN, "meta": {name: notes[name] for name in meta}}
        msgspec.convert(found, ExperimentSpan)


@pytest.mark.parametrize(
    "value",
    [
        {"metric_type": "score", "score_value": 0.5},
        {"metric_type": "boolean", "boolean_value": True, "reasoning": "since", "assessment": "pass"},
        {"metric_type": "categorical", "categorical_value": "x", "metadata": {"a": 1}},
        {"metric_type": "json", "json_value": {"a": [1]}},
        {"metric_type": "score", "error": {"message": "it raised"}},
    ],
    ids=str,
)
def test_a_metric_has_the_note_for_an_error_in_place_of_its_value(value: dict[str, Any]) -> None:
    found = degraded({**METRIC, **value}, is_span=False)
    assert found is not None
    msgspec.convert(found, Metric)
    expected = {name: one for name, one in value.items() if not name.endswith("_value")}
    expected["error"] = {"message": NOTE}
    if "reasoning" in value:
        expected["reasoning"] = NOTE
    if "metadata" in value:
        expected["metadata"] = {"value": NOTE}
    assert found == {**METRIC, **expected}


@pytest.mark.parametrize("meta", [{}, {"meta": {}}], ids=str)
def test_a_span_without_values_has_no_other_form(meta: dict[str, Any]) -> None:
    event = json.dumps({**SPAN, **meta}, separators=(",", ":")).encode()
    assert without_values(event, is_span=True, note=NOTE) is None


@given(st.binary(max_size=40) | st.just(b"[" * 100_000), st.booleans())
def test_what_is_no_event_has_no_other_form_and_does_not_raise(event: bytes, is_span: bool) -> None:
    without_values(event, is_span=is_span, note=NOTE)
