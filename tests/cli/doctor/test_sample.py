from __future__ import annotations

import json

from support.receiver import Receiver
from support.wire_schema import load_strict

from llmobs_trace import configure, experiment_span, shutdown
from llmobs_trace.cli.doctor import sample
from llmobs_trace.settings.config import resolve

IDS = {"experiment_id": "e 1", "project_id": "p", "dataset_id": "d"}
KEYS = {"api_key": "canary-api", "app_key": "canary-app"}


def test_the_request_is_what_a_program_posts_but_for_the_keys() -> None:
    with Receiver() as receiver:
        options = {**KEYS, **IDS, "base_url": receiver.url, "journal": None}
        made = sample.make(resolve(options, {}))
        configure(**options)
        with experiment_span("sample"):
            pass
        assert shutdown(10)
        (posted,) = receiver.wait_for(1)
    assert (made.method, made.url) == (posted.method, receiver.url + posted.path)
    shown = {name.lower(): value for name, value in made.headers}
    assert (shown.pop("dd-api-key"), shown.pop("dd-application-key")) == ("(not shown)", "(not shown)")
    assert int(shown.pop("content-length")) == len(made.body.encode())
    sent = {name: value for name, value in posted.headers.items() if name in shown}
    assert sent == shown
    assert set(posted.headers) - set(shown) == {"dd-api-key", "dd-application-key", "content-length"}


def test_the_body_is_as_the_endpoint_documents_it() -> None:
    made = sample.make(resolve({**KEYS, **IDS, "journal": None}, {}))
    attributes = load_strict(made.body.encode())["data"]["attributes"]
    (span,), (metric,) = attributes["spans"], attributes["metrics"]
    assert (span["project_id"], span["dataset_id"]) == ("p", "d")
    assert metric["span_id"] == span["span_id"]
    assert made.url == "https://api.datadoghq.com/api/v2/llm-obs/v1/experiments/e%201/events"


def test_what_is_not_made_yet_has_a_word_in_the_place_of_its_id() -> None:
    made = sample.make(resolve({**KEYS, "project_name": "a", "dataset_name": "b", "journal": None}, {}))
    [span] = load_strict(made.body.encode())["data"]["attributes"]["spans"]
    assert (span["project_id"], span["dataset_id"]) == ("PROJECT_ID", "DATASET_ID")
    assert made.url.endswith("/experiments/EXPERIMENT_ID/events")


def test_without_keys_the_events_are_shown_as_they_are_kept() -> None:
    made = sample.make(resolve({"journal": None}, {}))
    assert (made.method, made.headers) == ("", [])
    metric, span = map(json.loads, made.body.split("\n"))
    assert (metric["label"], span["name"]) == ("exact_match", "sample")
