"""What a server says of a thing, in whichever of its shapes, with more or less than is known."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from llmobs_trace.catalog import resources
from llmobs_trace.catalog.resources import ExperimentResource, NamedResource, RecordResource

VALUES = {"input": {"b": 1, "a": [1.0]}, "expected_output": "x", "metadata": {"m": 1}}
SHAPES: dict[str, dict[str, Any]] = {
    "flat": {"id": "r", "dataset_id": "d", **VALUES, "created_at": "2026"},
    "attributes": {
        "id": "r",
        "type": "records",
        "attributes": {**VALUES, "tags": ["a:b"], "canonical_id": "q"},
    },
    "both": {
        "id": "r",
        "attributes": {"version": 3, "id": "inner", "tags": ["a:b"], "input": None},
        **VALUES,
    },
    "a number for an id": {"id": 7, "attributes": VALUES},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("as_list", [True, False])
def test_a_record_is_read_in_each_shape(shape: str, as_list: bool) -> None:
    said = SHAPES[shape]
    body = json.dumps({"data": [said] if as_list else said, "jsonapi": {"version": "1.0"}}).encode()
    [read] = resources.resources(body, RecordResource)
    assert resources.identity(read) == str(said["id"])
    assert {name: json.loads(bytes(getattr(read, name))) for name in VALUES} == VALUES
    assert read.known_tags == (("a:b",) if shape in ("attributes", "both") else None)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"data":null}', b'{"data":[]}', b'{"meta":1}'])
def test_nothing_is_said_in_many_ways(body: bytes) -> None:
    assert resources.resources(body, NamedResource) == []
    assert resources.page_in(body)[1] is None


@pytest.mark.parametrize("body", [b"[1]", b'{"data":[1]}', b'{"data":["a"]}', b"<html>"])
def test_what_is_no_thing_can_t_be_read(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        resources.resources(body, NamedResource)


def test_a_cursor_is_followed_where_there_is_one() -> None:
    assert resources.page_in(b'{"data":[],"meta":{"after":"abc"}}')[1] == "abc"
    assert resources.page_in(b'{"data":[],"meta":{"after":null}}')[1] is None
    assert resources.page_in(b'{"data":[],"meta":{"after":""}}')[1] is None


def test_of_several_the_oldest_counts_and_of_equals_the_last_of_the_list() -> None:
    def named(*times: str | None) -> list[NamedResource]:
        return [NamedResource(id=str(number), created_at=at) for number, at in enumerate(times)]

    assert [
        found and found.id
        for found in (
            resources.oldest(named("2026-02", "2026-01", "2026-03")),
            resources.oldest(named(None, None)),
            resources.oldest(named("2026-01", None)),
            resources.oldest([]),
        )
    ] == ["1", "1", "0", None]


def test_an_experiment_survives_what_is_missing_and_what_is_of_another_kind() -> None:
    [least] = resources.resources(b'{"data":{"id":"e"}}', ExperimentResource)
    assert least.run is None
    found = resources.experiment(least, "p")
    assert found is not None
    assert (found.id, found.name, found.project_id, found.repeats, found.status) == ("e", "", "p", 1, None)
    odd = {"name": 5, "status": "paused", "run_count": "many", "metadata": [1], "dataset_version": True}
    [other] = resources.resources(
        json.dumps({"data": {"id": "e", "attributes": odd}}).encode(), ExperimentResource
    )
    assert other.run is None
    found = resources.experiment(other)
    assert found is not None
    assert (found.status, found.repeats, found.dataset_version) == (None, 1, None)
    [nameless] = resources.resources(b'{"data":{"attributes":{"name":"x"}}}', ExperimentResource)
    assert resources.experiment(nameless) is None


def test_the_mark_of_a_run_is_found_in_its_metadata_alone() -> None:
    for metadata, run in (({"llmobs_trace": {"run": "m"}}, "m"), ({"llmobs_trace": 1}, None), ({}, None)):
        body = json.dumps({"data": {"id": "e", "attributes": {"metadata": metadata}}}).encode()
        assert resources.resources(body, ExperimentResource)[0].run == run
