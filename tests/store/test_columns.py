from __future__ import annotations

import json

import pytest
from hypothesis import given
from support import events
from support.events import metric, span

from llmobs_trace.store.columns import PART_BYTES, indexed, metric_columns, span_columns


@given(event=events.spans())
def test_a_spans_columns_are_what_its_event_says(event: bytes) -> None:
    columns, scope = span_columns(event)
    said = json.loads(event)
    tags = dict(tag.split(":", 1) for tag in said["tags"])
    assert columns[:5] == (
        said["span_id"],
        said["trace_id"],
        tags.get("parent_id"),
        tags.get("span_kind") or None,
        tags.get("dataset_record_id") or None,
    )
    assert columns[7:11] == (said["name"], said["start_ns"], said["duration"], said["status"])
    assert columns.event.encode() == event
    assert scope == (said["project_id"], said["dataset_id"])


def test_a_value_that_holds_colons_and_a_span_without_tags_are_read() -> None:
    columns, _ = span_columns(span("a", row="ns:1:2", kind=None))
    assert columns[4] == "ns:1:2"
    bare = json.loads(span("a"))
    del bare["tags"], bare["meta"]
    columns, _ = span_columns(json.dumps(bare).encode())
    assert columns[2:5] == (None, None, None)


def test_nulls_that_the_documentations_examples_send_are_read() -> None:
    said = json.loads(span("a", input=None, output=None))
    columns, _ = span_columns(
        json.dumps({**said, "tags": None, "meta": {"error": None, "input": None}}).encode()
    )
    assert (columns.error_type, columns.error_message) == (None, None)


@pytest.mark.parametrize(
    ("event", "failed"),
    [
        (metric("a", "x", 0.0), False),
        (metric("a", "x", False), False),
        (metric("a", "x", ""), False),
        (metric("a", "x", {}), False),
        (metric("a", "x", None, assessment="fail"), False),
        (metric("a", "x", 0.5, error={}), False),
        (metric("a", "x", 0.5, error={"message": "no"}), True),
        (metric("a", "x", None, assessment="pass", error={"message": "no"}), True),
        (metric("a", "x", None, error={"message": "no"}), True),
        (metric("a", "x", None, error={}), True),
        (metric("a", "x", None), True),
        (metric("a", "x", None, score_value=None, json_value=None), True),
        (metric("a", "x", None, error={}, tags=["not_applicable:true"]), False),
        (metric("a", "x", None, error={"message": "no"}, tags=["not_applicable:true"]), True),
        (metric("a", "x", None, error={}, tags=["not_applicable:false"]), True),
    ],
)
def test_a_metric_has_failed_where_its_error_speaks_or_it_says_nothing_else(
    event: bytes, failed: bool
) -> None:
    assert metric_columns(event).failed is failed


def test_a_large_batch_comes_in_parts_and_a_small_one_as_one() -> None:
    spans = [span(str(number), input="x" * 1000) for number in range(1000)]
    parts = list(indexed(spans, [metric("1", "f1", 0.5)]))
    assert len(parts) == -(-sum(map(len, spans)) // PART_BYTES)
    assert [each.span_id for part in parts for each in part.spans] == [str(number) for number in range(1000)]
    assert [len(part.metrics) for part in parts] == [0] * (len(parts) - 1) + [1]
    assert len(list(indexed(spans[:10], []))) == len(list(indexed([], []))) == 1


def test_what_is_wrong_in_a_batch_is_named_by_its_place() -> None:
    with pytest.raises(ValueError, match=r"^spans\[2\]: .*span_id"):
        list(indexed([span("a"), span("b"), b'{"name":"no id"}'], []))
