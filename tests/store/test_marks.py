"""What people say of rows by hand: the latest counts, the rest is kept, and two at once lose nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.events import metric, span

from llmobs_trace.store import marks, naming, queries, removal, scores
from llmobs_trace.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "x.db") as store:
        store.add("e", [span("r", kind="experiment"), span("c", parent="r")], [metric("r", "f1", 0.5)])
        yield store


def said(store: Store) -> dict[str, dict[str, Any]]:
    """What counts, by label, without what all metrics have."""
    found: dict[str, dict[str, Any]] = {}
    for each in queries.metrics(store, "e"):
        event = json.loads(each.event)
        if event["label"] != "f1":
            assert event.pop("span_id") == "r"
            assert event["label"] not in found
            found[event["label"]] = {
                name: event[name] for name in event if name not in ("timestamp_ms", "metric_type", "label")
            }
    return found


def earlier(store: Store) -> list[str]:
    return [label for (label,) in store.select("SELECT label FROM earlier_mark ORDER BY key")]


def test_the_latest_verdict_counts_and_those_before_it_are_kept(store: Store) -> None:
    for passes in (True, False, True):
        marks.verdict(store, "e", "r", passes)
    assert said(store) == {"human": {"boolean_value": True, "assessment": "pass"}}
    assert earlier(store) == ["human", "human"]
    [there] = queries.experiments(store)
    assert there.metrics == 2
    [_, human] = scores.summary(store, "e")
    assert (human.label, human.scored, human.passed, human.values) == ("human", 1, 1, {"true": 1})
    query = "SELECT scored, passed, not_passed, trues, falses FROM label WHERE label = 'human'"
    assert list(store.select(query)) == [(1, 1, 0, 1, 0)]


def test_a_note_goes_with_the_verdict_and_stands_alone_without_one(store: Store) -> None:
    marks.note(store, "e", "r", "odd")
    assert said(store) == {"human_note": {"json_value": {"value": "odd"}}}
    marks.verdict(store, "e", "r", False)
    assert said(store) == {"human": {"boolean_value": False, "assessment": "fail", "reasoning": "odd"}}
    marks.note(store, "e", "r", "very odd")
    assert said(store)["human"]["reasoning"] == "very odd"
    marks.verdict(store, "e", "r", None)
    assert said(store) == {"human_note": {"json_value": {"value": "very odd"}}}
    marks.note(store, "e", "r", "")
    assert said(store) == {}
    assert list(store.select("SELECT label FROM label")) == [("f1",)]
    assert list(store.select("SELECT metrics, replaced FROM experiment")) == [(1, 4)]


def test_a_corrected_expected_output_is_any_json(store: Store) -> None:
    marks.expected_output(store, "e", "r", b'{"a": [1.0, null]}')
    assert said(store) == {"human_expected_output": {"json_value": {"value": {"a": [1.0, None]}}}}
    marks.expected_output(store, "e", "r", None)
    assert said(store) == {}


def test_a_mark_is_of_a_row_that_is_there(store: Store) -> None:
    for experiment_id, span_id in (("e", "c"), ("e", "no such"), ("no such", "r")):
        with pytest.raises(naming.UnknownId):
            marks.verdict(store, experiment_id, span_id, True)
    removal.hide(store, "e")
    with pytest.raises(naming.UnknownId):
        marks.verdict(store, "e", "r", True)


def test_two_who_say_something_at_once_lose_nothing(store: Store) -> None:
    start = threading.Barrier(2)

    def say(person: str) -> None:
        with Store(store.path) as own:
            start.wait()
            for number in range(20):
                if person == "a":
                    marks.verdict(own, "e", "r", number % 2 == 1)
                else:
                    marks.note(own, "e", "r", f"{number}")

    people = [threading.Thread(target=say, args=(person,)) for person in "ab"]
    for each in people:
        each.start()
    for each in people:
        each.join()
    assert said(store) == {"human": {"boolean_value": True, "assessment": "pass", "reasoning": "19"}}
    # Each of the 40 is there: the last one, and those before it.
    assert len(earlier(store)) == 39
