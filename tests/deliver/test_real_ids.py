from __future__ import annotations

import json

from llmobs_trace.capture.recorder import Scope
from llmobs_trace.deliver.batch import Batch, Entries, by_experiment
from llmobs_trace.deliver.real_ids import made_up_spots, replaced
from llmobs_trace.journal import Position
from llmobs_trace.journal.records import split
from llmobs_trace.wire import made_up_id

MARK = "0123456789abcdef" * 2
PROJECT, DATASET = made_up_id(MARK, "project"), made_up_id(MARK, "dataset")
REAL = {PROJECT: 'p"1', DATASET: "d-1"}


def entries(*lines: bytes) -> Entries:
    [found] = by_experiment(split(b"".join(lines), Position(0, 0)))[0].values()
    return found


def span(project_id: str, dataset_id: str, text: str = "") -> bytes:
    head = Scope(made_up_id(MARK), project_id, dataset_id).span_head("name")
    return head + b'"input":' + json.dumps(text).encode() + b"}}}\n"


def metric(text: str) -> bytes:
    head = Scope(made_up_id(MARK), PROJECT, DATASET).metric_head
    return head + b'{"label":' + json.dumps(text).encode() + b"}}\n"


def put_in(events: Entries) -> list[dict[str, str]]:
    done = replaced(events, made_up_spots(events), lambda some_id: REAL.get(some_id, some_id))
    batch = Batch.of("e", done)
    assert [record.at for record in done.records] == [record.at for record in events.records]
    return [json.loads(event) for event in (*batch.spans, *batch.metrics)]


def test_ids_are_put_in_at_their_place_alone_whatever_a_user_s_text_says() -> None:
    text = f'"project_id":"{PROJECT}","dataset_id":"{DATASET}","name":'
    first, second = put_in(entries(metric(text), span(PROJECT, DATASET, text)))
    assert (first["project_id"], first["dataset_id"], first["meta"]) == ('p"1', "d-1", {"input": text})
    assert second == {"label": text}


def test_spans_of_one_experiment_may_have_ids_of_their_own() -> None:
    odd = 'p,"name":'
    found = put_in(entries(span(PROJECT, DATASET), span(odd, DATASET), span("p", "d"), metric("m")))
    ids = [(one["project_id"], one["dataset_id"]) for one in found[:3]]
    assert ids == [('p"1', "d-1"), (odd, "d-1"), ("p", "d")]


def test_where_no_id_is_made_up_nothing_is_looked_at() -> None:
    assert made_up_spots(entries(metric(PROJECT), span("p", "d", PROJECT))) == []
    assert made_up_spots(entries(metric(PROJECT))) == []
