"""`llmobs-trace demo` is the main job: a real small experiment, and failures are shown for what they are."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from support.machine import Ended, Machine
from support.wire_schema import load_official, load_strict


@pytest.fixture
def demo(machine: Machine) -> Ended:
    return machine.command("demo")


def tags_of(span: dict[str, Any]) -> dict[str, str]:
    return dict(tag.split(":", 1) for tag in span["tags"])


def test_the_demo_shows_scores_the_slowest_spans_a_tree_and_what_to_type_next(
    demo: Ended, machine: Machine
) -> None:
    assert demo.err == ""
    scores, slowest, tree, following = re.split(r"\n\n(?=\w)", demo.out)[1:]
    header = scores.splitlines()[1]
    assert header.split()[:5] == ["score", "type", "scored", "failed", "missing"]
    rows = [line.split() for line in scores.splitlines()[2:]]
    assert {row[1] for row in rows} == {"json", "boolean", "categorical", "score", "time"}
    count = int(re.match(r"Asking (\d+) questions", demo.out).group(1))  # type: ignore[union-attr]
    assert count >= 40
    for row in rows:
        # Counted apart, and nobody left out.
        assert sum(map(int, row[2:5])) == count
    assert any(int(row[3]) > 0 for row in rows)
    # A row that raised has no score, and took its time all the same.
    assert all(int(row[4]) > 0 for row in rows if row[1] != "time")
    assert re.search(r"\d+(\.\d+)? (ms|µs|s)\b", slowest)
    for step in ("answer_question", "retrieve", "model", "stream", "token_f1"):
        assert step in tree
    commands = re.findall(r"^llmobs-trace (.+?)(?:  |$)", following, re.MULTILINE)
    assert len(commands) >= 2
    for command in commands:
        assert machine.command(*command.split()).out


def test_a_failure_is_neither_a_zero_nor_left_out(demo: Ended, machine: Machine) -> None:
    spans, metrics = machine.stored_spans(), machine.stored_metrics()
    f1 = [metric for metric in metrics if metric["label"] == "token_f1"]
    scored = [metric["score_value"] for metric in f1 if "score_value" in metric]
    failed = [metric for metric in f1 if "error" in metric]
    assert failed
    assert not [metric for metric in failed if "score_value" in metric]
    line = next(line for line in demo.out.splitlines() if line.startswith("token_f1"))
    rows = len([span for span in spans if "parent_id" not in tags_of(span)])
    assert line.split()[2:5] == [str(len(scored)), str(len(failed)), str(rows - len(f1))]
    assert f"mean {sum(scored) / len(scored):.4f}" in line
    [shown] = [
        metric
        for metric in json.loads(machine.command("show", "latest", "--format", "json").out)["metrics"]
        if metric["label"] == "token_f1"
    ]
    assert (shown["scored"], shown["failed"], shown["missing"]) == (len(scored), len(failed), rows - len(f1))


def test_a_demo_with_recording_switched_off_says_so_and_is_not_run(machine: Machine) -> None:
    machine.environ["LLMOBS_TRACE_ENABLED"] = "0"
    ended = machine.command("demo", code=1)
    assert ended.out == ""
    assert ended.err == "llmobs-trace demo: LLMOBS_TRACE_ENABLED switches recording off; a demo needs it on\n"


@pytest.mark.usefixtures("demo")
def test_the_demo_records_what_such_a_program_would(machine: Machine) -> None:
    spans, metrics = machine.stored_spans(), machine.stored_metrics()
    by_id = {span["span_id"]: span for span in spans}
    kinds = Counter(tags_of(span)["span_kind"] for span in spans)
    assert {"experiment", "retrieval", "llm"} <= set(kinds)
    assert {metric["metric_type"] for metric in metrics} == {"score", "boolean", "categorical", "json"}
    assert {metric.get("assessment") for metric in metrics} == {"pass", "fail", None}
    assert any("reasoning" in metric for metric in metrics)
    # The model is honest enough to be wrong at times, and good enough to be right mostly.
    exact = Counter(metric["boolean_value"] for metric in metrics if metric["label"] == "exact_match")
    assert exact[True] > exact[False] > 0
    # One row raises; what it said is there, and it is nobody else's.
    [raised] = [span for span in spans if span["status"] == "error" and "parent_id" not in tags_of(span)]
    assert raised["meta"]["error"]["stack"].startswith("Traceback")
    # A streamed answer: its words joined, and when the first of them came.
    for stream in (span for span in spans if span["name"] == "stream"):
        tags = tags_of(stream)
        assert "time_to_first_item_ns" in tags or not stream["meta"].get("output")
        assert by_id[tags["parent_id"]]["name"] == "model"
    rows = [span for span in spans if "parent_id" not in tags_of(span)]
    assert len({tags_of(row)["dataset_record_id"] for row in rows}) == len(rows) == kinds["experiment"]
    for span in spans:
        parent = tags_of(span).get("parent_id")
        assert parent is None or by_id[parent]["trace_id"] == span["trace_id"]
    for body in machine.command("export", "latest", "--format", "events").out.encode().splitlines():
        load_official(body)
        load_strict(body)


def test_the_demo_sends_nothing_anywhere_whatever_keys_there_are(machine: Machine) -> None:
    machine.sends_to("http://127.0.0.1:9")
    ended = machine.command("demo", "--rows", "3")
    assert "3 rows" in ended.out
    assert len([span for span in machine.stored_spans() if "parent_id" not in tags_of(span)]) == 3


def test_the_demo_runs_again_beside_what_is_there(machine: Machine) -> None:
    for _ in range(2):
        machine.command("demo", "--rows", "2")
    found = json.loads(machine.command("experiments", "--format", "json").out)
    assert [experiment["name"] for experiment in found] == ["demo", "demo"]
    assert len({experiment["id"] for experiment in found}) == 2
    for rows in ("0", "49"):
        refused = machine.command("demo", "--rows", rows, code=2)
        assert (refused.out, refused.err) == ("", f"llmobs-trace demo: --rows takes 1 to 48, given {rows}\n")
