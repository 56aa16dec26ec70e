"""Records → request bodies: nothing is lost, nothing is added, nothing is decoded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.deliver.batch import Batch, Event, bodies, read_id, take_apart
from llmobs_trace.journal import Position, Record

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.sampled_from(
    ['","span":', '","metric":', 'a\\","b', '\\"', '"', "a/b", "\\"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
events = st.dictionaries(
    st.sampled_from(["span", "metric", "experiment", "x"]) | st.text(max_size=5), json_values, max_size=4
)


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@given(ids, events, st.booleans())
def test_whatever_the_id_and_the_event_hold_the_record_comes_apart(
    experiment_id: str, event: dict[str, object], is_span: bool
) -> None:
    line = compact({"experiment": experiment_id, "span" if is_span else "metric": event})
    assert take_apart(line) == Event(compact(experiment_id), is_span, compact(event))
    assert read_id(compact(experiment_id)) == experiment_id


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"rubbish",
        b'{"experiment":"e"}',
        b'{"experiment":"e","other":{}}',
        b'{"experiment":"e","span":{',
        b'{"experiment":5,"span":{}}',
    ],
)
def test_what_is_no_record_is_told_apart(line: bytes) -> None:
    assert take_apart(line) is None


@given(st.binary(max_size=60))
def test_no_bytes_whatever_raise(line: bytes) -> None:
    take_apart(line)
    read_id(line)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(min_value=0, max_value=400)), max_size=40),
    st.integers(min_value=100, max_value=1000),
    st.integers(min_value=1, max_value=10),
)
def test_every_event_is_in_one_body_in_order_and_within_the_bounds(
    shapes: list[tuple[bool, int]], max_bytes: int, max_events: int
) -> None:
    records = [
        (Record(Position(0, n), b""), Event(b'"e"', is_span, compact({"n": n, "filling": "x" * size})))
        for n, (is_span, size) in enumerate(shapes)
    ]
    made = [Batch.of("e", body) for body in bodies(records, max_bytes, max_events)]
    assert [record for batch in made for record in batch.records] == [record for record, _ in records]
    for batch in made:
        body = json.loads(batch.body())
        assert body["data"]["type"] == "events"
        attributes = body["data"]["attributes"]
        assert [compact(one) for one in attributes.get("spans", [])] == batch.spans
        assert [compact(one) for one in attributes.get("metrics", [])] == batch.metrics
        assert len(batch.spans) + len(batch.metrics) == len(batch.records) <= max_events
        assert len(batch.body()) <= max_bytes or len(batch.records) == 1


def test_a_kind_without_events_is_left_out() -> None:
    batch = Batch.of("e", [(Record(Position(0, 0), b""), Event(b'"e"', True, b"{}"))])
    assert batch.body() == b'{"data":{"attributes":{"spans":[{}]},"type":"events"}}'
