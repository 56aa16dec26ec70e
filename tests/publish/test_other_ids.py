from __future__ import annotations

import json

from hypothesis import given
from support.events import metrics, spans

from llmobs_trace.publish.other_ids import OtherIds

IDS = OtherIds("new p", 'new "d"', "new e", {"experiment_id": "new e", "dataset_record_id": "never"})


@given(spans())
def test_of_a_span_its_ids_and_the_tags_that_name_them_change_and_nothing_else(event: bytes) -> None:
    record, before = json.loads(IDS.span(event)), json.loads(event)
    after = record["span"]
    assert record["experiment"] == "new e"
    assert (after["project_id"], after["dataset_id"]) == ("new p", 'new "d"')
    for one in (before, after):
        del one["project_id"], one["dataset_id"]
        one["tags"] = [tag for tag in one.get("tags", ()) if not tag.startswith("dataset_record_id")]
    assert after == before


@given(metrics())
def test_of_a_metric_nothing_changes(event: bytes) -> None:
    line = IDS.metric(event)
    assert line.endswith(b"}\n")
    assert json.loads(line) == {"experiment": "new e", "metric": json.loads(event)}


def test_a_tag_that_names_what_is_called_otherwise_says_its_new_name() -> None:
    event = b'{"project_id":"p","dataset_id":"d","tags":["experiment_id:old","experiments:x","plain"]}'
    tags = json.loads(IDS.span(event))["span"]["tags"]
    assert tags == ["experiment_id:new e", "experiments:x", "plain"]
