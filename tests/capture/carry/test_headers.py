"""What headers may say of a trace's experiment: a stranger's little, one's own services' all."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from llmobs_trace import continue_trace, experiment_span, inject
from llmobs_trace.capture import recorder as recorders
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.process.life import recording_to

TRACE, PARENT = "a" * 32, "b" * 16


@pytest.fixture
def records() -> list[bytes]:
    return []


@pytest.fixture
def recorder(records: list[bytes]) -> Iterator[Recorder]:
    made = Recorder(records.append, Scope("e", "p", "d"))
    with recording_to(made):
        yield made


def headers(experiment_id: str, project_id: str = "p", dataset_id: str = "d") -> dict[str, str]:
    ids = f"llmobs=e:{experiment_id};p:{project_id};d:{dataset_id}"
    return {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": ids}


def scopes_of(records: list[bytes]) -> list[tuple[str, str, str]]:
    found = [json.loads(record) for record in records]
    return [(one["experiment"], one["span"]["project_id"], one["span"]["dataset_id"]) for one in found]


def test_a_stranger_names_no_experiment_and_its_trace_goes_on_all_the_same(
    recorder: Recorder, records: list[bytes]
) -> None:
    with continue_trace(headers("theirs", "their p", "their d")):
        onward = inject({})
        with experiment_span("row"):
            pass
    assert scopes_of(records) == [("e", "p", "d")]
    [span] = [json.loads(record)["span"] for record in records]
    assert span["trace_id"] == TRACE
    assert f"parent_id:{PARENT}" in span["tags"]
    assert onward["tracestate"] == "llmobs=e:e;p:p;d:d", "nor is what it named handed on"


@pytest.mark.parametrize("trust", ["yes", "false", 1, {"trust": True}])
def test_what_is_not_true_is_no_trust(recorder: Recorder, records: list[bytes], trust: object) -> None:
    with continue_trace(headers("theirs"), trust=trust), experiment_span("row"):  # type: ignore[arg-type]
        pass
    assert scopes_of(records) == [("e", "p", "d")]


def test_headers_that_are_trusted_name_any_experiment(recorder: Recorder, records: list[bytes]) -> None:
    with continue_trace(headers("theirs", "their p", "their d"), trust=True), experiment_span("row"):
        pass
    with continue_trace(headers("theirs", "their p", "their d")), experiment_span("row"):
        pass
    assert scopes_of(records) == [("theirs", "their p", "their d"), ("e", "p", "d")]


@pytest.mark.parametrize("trust", [False, True])
def test_an_experiment_that_the_program_configured_or_opened_may_be_named_by_anybody(
    recorder: Recorder, records: list[bytes], trust: bool
) -> None:
    with experiment_span("opened", experiment_id="opened", dataset_id="d2"):
        pass
    for experiment_id, dataset_id in (("opened", "d2"), ("e", "d")):
        with (
            continue_trace(headers(experiment_id, dataset_id=dataset_id), trust=trust),
            experiment_span("row"),
        ):
            pass
    assert scopes_of(records)[1:] == [("opened", "p", "d2"), ("e", "p", "d")]


def test_a_stranger_moves_a_known_experiment_into_no_other_project(
    recorder: Recorder, records: list[bytes]
) -> None:
    with experiment_span("opened", experiment_id="opened", dataset_id="d2"):
        pass
    for experiment_id in ("opened", "e"):
        with continue_trace(headers(experiment_id, "their p", "their d")), experiment_span("row"):
            pass
    assert scopes_of(records)[1:] == [("opened", "p", "d2"), ("e", "p", "d")]


def test_of_several_datasets_of_an_experiment_headers_may_name_any(
    recorder: Recorder, records: list[bytes]
) -> None:
    for dataset_id in ("d1", "d2", "d3"):
        with experiment_span("opened", experiment_id="x", project_id="p", dataset_id=dataset_id):
            pass
    with continue_trace(headers("x", dataset_id="d1")), experiment_span("row"):
        pass
    assert scopes_of(records)[-1] == ("x", "p", "d1")


def test_an_experiment_is_hearsay_until_the_program_names_it(recorder: Recorder) -> None:
    for experiment_id in ("theirs", "e"):
        with continue_trace(headers(experiment_id), trust=True), experiment_span("row"):
            pass
    assert [recorder.is_hearsay(one) for one in ("theirs", "e", "nobody's")] == [True, False, False]
    with experiment_span("opened", experiment_id="theirs"):
        pass
    assert not recorder.is_hearsay("theirs")


def test_experiments_without_end_do_not_grow_what_is_remembered(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorders, "_REMEMBERED_EXPERIMENTS", 100)
    for number in range(1000):
        with continue_trace(headers(f"h{number}"), trust=True):
            pass
        with experiment_span("opened", experiment_id=f"n{number}"):
            pass
    assert len(recorder.hearsay) <= 100
    assert len(recorder.named) <= 100
    assert recorder.is_hearsay("h999")
    assert "n999" in recorder.named
