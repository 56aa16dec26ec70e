from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import events
from support.commands import RunCommand
from support.events import metric, span
from support.examples import examples

from llmobs_trace.cli.show import command as show
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.text import width
from llmobs_trace.store.store import Store


def test_json_has_the_experiment_its_rows_and_its_metrics(run: RunCommand) -> None:
    code, out, err = run("show", "latest", "--format", "json")
    assert (code, err) == (0, "")
    shown = json.loads(out)
    assert list(shown) == ["experiment", "rows", "metrics"]
    assert (shown["experiment"]["id"], shown["experiment"]["name"], shown["experiment"]["errors"]) == (
        "e-new",
        "after",
        1,
    )
    assert [(row["row_id"], row["status"], row["errors"]) for row in shown["rows"]] == [
        ("row-1", "ok", 0),
        ("row-2", "error", 1),
    ]
    assert shown["metrics"] == [
        {"label": "exact", "metric_type": "boolean", "scored": 1, "failed": 1, "missing": 0}
        | {"passed": 1, "values": {"true": 1}},
        {"label": "f1", "metric_type": "score", "scored": 2, "failed": 0, "missing": 1}
        | {"mean": 0.5, "lowest": 0.25, "highest": 0.75},
    ]


def test_a_row_has_its_tree_as_a_list_with_the_wires_names(run: RunCommand) -> None:
    row = json.loads(run("show", "latest", "--format", "json").out)["rows"][0]
    assert [(each["span_id"], each["parent_id"], each["kind"], each["depth"]) for each in row["spans"]] == [
        ("r1", None, "experiment", 0),
        ("c1", "r1", "llm", 1),
        ("d1", "c1", "tool", 2),
    ]
    first = row["spans"][0]
    assert first["meta"] == {"input": {"q": "Why?"}}
    assert first["duration"] == 1_000_000
    assert first["metrics"] == [json.loads(metric("r1", "exact", True, assessment="pass"))]


def test_what_is_in_no_row_is_not_left_out(run: RunCommand) -> None:
    experiment = json.loads(run("show", "latest", "--format", "json").out)["experiment"]
    assert [each["span_id"] for each in experiment["other_spans"]] == ["o"]
    assert experiment["other_metrics"] == [json.loads(metric("nowhere", "f1", 0.75))]
    out = run("show", "latest").out
    assert "an orphan, not a row: its parent gone is not here" in out
    assert "in no row: 1 span\n" in out
    assert "of spans that are not here: 1 metric" in out


def test_the_table_shows_rows_as_trees_with_errors_and_scores(run: RunCommand) -> None:
    code, out, err = run("show", "latest")
    assert (code, err) == (0, "")
    text = re.sub(r" {2,}", "  ", out)
    assert "experiment e-new  after\n" in text
    assert "2 rows, 5 spans, 1 error, 4 metrics, 1 failed\n" in text
    assert 'row row-1  {"q": "Why?"}\nanswer  experiment  1.0 ms  exact true pass\n' in text
    assert "└─ generate  llm  1.0 ms  f1 0.25\n" in text
    assert "└─ look up  tool  1.0 ms\n" in text
    assert "answer  experiment  1.0 ms  exact failed\n" in text
    assert " ValueError: no answer\n" in text
    assert " exact failed: judge is down\n" in text


def test_the_scores_count_scored_failed_and_missing_apart(run: RunCommand) -> None:
    out = re.sub(r" {2,}", "  ", run("show", "latest").out)
    assert "score  type  scored  failed  missing  of the scored ones\n" in out
    assert "exact  boolean  1  1  0  true 1 (100%) · pass 1 (100%)\n" in out
    assert "f1  score  2  0  1  mean 0.5 (0.25 to 0.75)\n" in out


def test_rows_can_be_chosen_and_the_scores_stay_those_of_all(run: RunCommand) -> None:
    everything = json.loads(run("show", "latest", "--format", "json").out)
    wrong = json.loads(run("show", "latest", "--errors", "--format", "json").out)
    assert [row["row_id"] for row in wrong["rows"]] == ["row-2"]
    first = json.loads(run("show", "latest", "--limit", "1", "--format", "json").out)
    assert [row["row_id"] for row in first["rows"]] == ["row-1"]
    assert everything["metrics"] == wrong["metrics"] == first["metrics"]
    assert (
        "1 of 2 rows shown, 1 more with --limit all; the scores are of all\n"
        in run("show", "latest", "--limit", "1").out
    )
    assert "1 of 2 rows shown; the scores are of all\n" in run("show", "latest", "--errors").out
    assert "rows shown" not in run("show", "latest").out


@pytest.mark.parametrize("text", ["-1", "ten"])
def test_a_limit_that_is_none_is_2_and_says_what_would_do(run: RunCommand, text: str) -> None:
    code, out, err = run("show", "latest", "--limit", text)
    assert (code, out) == (2, "")
    assert f"argument --limit: expected 0 or more rows, or all, given '{text}'\n" in err


def test_an_experiment_without_metrics_says_so(run: RunCommand) -> None:
    assert run("show", "e-old").out.endswith("\nno metrics\n")


def test_a_pipe_gets_whole_names_and_no_colours(run: RunCommand, database: Path) -> None:
    long = "n" * 300
    with Store(database) as store:
        store.add(
            "long", [span("a", name=long, error={"type": "E"})], [metric("a", "l" * 50, n) for n in range(9)]
        )
    out = run("show", "long").out
    assert long in out
    assert "\x1b" not in out


def test_a_long_name_widens_its_own_line_alone(run: RunCommand, database: Path) -> None:
    with Store(database) as store:
        spans = [span("a", name="answer"), span("b", parent="a", name="n" * 300), span("c", parent="a")]
        store.add("long", spans, [])
    found = [line for line in run("show", "long").out.splitlines() if "-  " in line]
    assert [line.index("  ") < 60 for line in found] == [True, False, True]
    assert [len(line) > 300 for line in found] == [False, True, False]


@pytest.mark.parametrize("columns", [40, 80, 200])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(25))
@given(spans=st.lists(events.spans(), max_size=8), metrics=st.lists(events.metrics(), max_size=8))
def test_whatever_was_recorded_is_shown_harmlessly_and_in_json_completely(
    columns: int,
    terminal: Callable[..., tuple[Screen, object]],
    tmp_path_factory: pytest.TempPathFactory,
    spans: list[bytes],
    metrics: list[bytes],
) -> None:
    path = tmp_path_factory.mktemp("shown") / "x.db"
    with Store(path) as store:
        store.add("e", spans, metrics)
    screen, out = terminal(columns, NO_COLOR="1")
    for form in ("table", "json"):
        assert show.run(_arguments(path, form), screen) == 0
    table, _, encoded = out.getvalue().partition('{"experiment":')  # type: ignore[attr-defined]
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", table)
    shown = json.loads('{"experiment":' + encoded)
    seen = [each["span_id"] for row in shown["rows"] for each in row["spans"]]
    seen += [each["span_id"] for each in shown["experiment"]["other_spans"]]
    assert sorted(seen) == sorted({json.loads(event)["span_id"] for event in spans})
    classes = ("scored", "failed", "not_applicable")
    counted = sum(score.get(each, 0) for score in shown["metrics"] for each in classes)
    assert counted == len(set(metrics)) == shown["experiment"]["metrics"]


def test_lines_of_a_tree_fit_the_terminal(
    terminal: Callable[..., tuple[Screen, object]], database: Path, tmp_path: Path
) -> None:
    path = tmp_path / "wide.db"
    chain = [span("s0", name="東京" * 40)]
    chain += [
        span(f"s{n}", parent=f"s{n - 1}", name="深い" * 9, error={"message": "失敗" * 60})
        for n in range(1, 30)
    ]
    with Store(path) as store:
        store.add("e", chain, [metric("s3", f"label {n}", 0.123456) for n in range(9)])
    screen, out = terminal(72, NO_COLOR="1")
    show.run(_arguments(path, "table"), screen)
    lines = out.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(width, lines)) <= 72
    assert sum(line.count("label ") for line in lines) == 9 + 9  # on the span, and in the summary


def _arguments(path: Path, form: str) -> object:
    import argparse

    parser = argparse.ArgumentParser()
    show.add_arguments(parser)
    return parser.parse_args(["e", "--database", str(path), "--format", form])
