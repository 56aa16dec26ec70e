from __future__ import annotations

import argparse
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import RunCommand
from support.events import START_NS, metric, span

from llmobs_trace.cli.compare import command
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.text import width
from llmobs_trace.store.store import Store

ROWS = 40


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """`old`, and `new`, in which 10 rows of 40 got it right that had not; one judge failed in each."""
    path = tmp_path / "pair.db"
    with Store(path) as store:
        for at, (name, right) in enumerate((("old", 20), ("new", 30))):
            spans, metrics = [], []
            for number in range(ROWS):
                spans.append(
                    span(
                        f"{name}{number}",
                        trace_id=f"t{number}",
                        kind="experiment",
                        row=f"row-{number}",
                        start_ns=START_NS + at * 10**9 + number,
                    )
                )
                metrics.append(metric(f"{name}{number}", "right", number < right))
                judged = {"value": 0.5} if number else {"error": {"message": "judge is down"}}
                metrics.append(metric(f"{name}{number}", "style", **judged))
            store.add(name, spans, metrics, name=f"the {name}")
    return path


def compared(run: RunCommand, *words: str, on: Path) -> tuple[int, dict[str, dict[str, object]]]:
    code, out, _ = run("compare", *words, "--format", "json", on=on)
    return code, {found["label"]: found for found in json.loads(out)["metrics"]}


def test_json_has_both_experiments_and_a_verdict_for_each_metric(run: RunCommand, pair: Path) -> None:
    code, out, err = run("compare", "old", "new", "--format", "json", on=pair)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["a"] == {"id": "old", "name": "the old", "rows": ROWS}
    assert (found["b"]["id"], found["rows"]) == (
        "new",
        {"paired": ROWS, "only_a": 0, "only_b": 0, "runs_a": ROWS, "runs_b": ROWS, "other_expected": 0},
    )
    by_label = {metric["label"]: metric for metric in found["metrics"]}
    assert list(by_label) == ["right", "style", "row errors", "row latency"]
    right = by_label["right"]
    assert (right["verdict"], right["n"], right["failed"], right["missing"]) == ("better", ROWS, 0, 0)
    assert (right["wins"], right["losses"], right["difference"]) == (10, 0, 0.25)
    low, high = right["interval"]
    assert 0 < low < 0.25 < high < 0.5
    style = by_label["style"]
    assert (style["n"], style["failed"], style["failed_a"], style["failed_b"]) == (ROWS - 1, 1, 1, 1)
    assert (style["verdict"], style["rows_needed"]) == ("cannot tell", 52)


def test_the_exit_code_says_worse_and_unsure_only_where_asked(run: RunCommand, pair: Path) -> None:
    assert run("compare", "new", "old", on=pair).code == 0
    assert run("compare", "new", "old", "--fail-if-worse", on=pair).code == 1
    assert run("compare", "old", "new", "--fail-if-worse", on=pair).code == 0
    # `style` can't be told: its 39 rows are the same, and too few.
    assert run("compare", "old", "new", "--fail-if-unsure", on=pair).code == 3
    assert run("compare", "old", "new", "--fail-if-unsure", "--margin", "style=0.2", on=pair).code == 0
    assert run("compare", "new", "old", "--fail-if-worse", "--fail-if-unsure", on=pair).code == 1
    assert run("compare", "new", "old", "--fail-if-unsure", on=pair).code == 3


def test_lower_is_better_turns_a_verdict_round(run: RunCommand, pair: Path) -> None:
    words = ("old", "new", "--lower-is-better", "right")
    code, found = compared(run, *words, "--fail-if-worse", on=pair)
    assert (code, found["right"]["verdict"], found["right"]["direction"]) == (1, "worse", "lower")


@pytest.fixture
def costly(tmp_path: Path) -> Path:
    """`toxicity` and `cost` went up in every row; of `toxicity` the records of B say that less is better."""
    path = tmp_path / "costly.db"
    with Store(path) as store:
        for at, (name, value) in enumerate((("old", 0.2), ("new", 0.5))):
            tags = {"tags": ["lower_is_better:true"]} if name == "new" else {}
            spans = [
                span(f"{name}{n}", trace_id=f"t{n}", row=f"row-{n}", start_ns=START_NS + at * 10**9 + n)
                for n in range(ROWS)
            ]
            metrics = [
                *(metric(f"{name}{n}", "toxicity", value, **tags) for n in range(ROWS)),
                *(metric(f"{name}{n}", "cost", value) for n in range(ROWS)),
                *(metric(f"{name}{n}", "right", True) for n in range(ROWS)),
            ]
            store.add(name, spans, metrics)
    return path


def test_what_the_records_say_of_a_metric_is_honoured_and_what_nobody_says_is_not_judged(
    run: RunCommand, costly: Path
) -> None:
    code, found = compared(run, "old", "new", "--fail-if-worse", on=costly)
    assert code == 1
    said = {
        label: (each["verdict"], each["direction"], each["direction_from"]) for label, each in found.items()
    }
    assert said["toxicity"] == ("worse", "lower", "recorded")
    assert said["cost"] == ("not judged", None, None)
    assert said["right"] == ("cannot tell", "higher", "assumed")
    assert said["row errors"][1:] == ("lower", None)


def test_the_direction_stands_beside_each_metric_with_who_said_so(run: RunCommand, costly: Path) -> None:
    out = run("compare", "old", "new", on=costly).out
    lines = out.splitlines()
    titles = next(line for line in lines if line.startswith("B is"))
    at = titles.index("better")
    shown = {
        label: next(line for line in lines if f" {label} " in line and not line.startswith(label))[
            at : at + 7
        ]
        for label in ("toxicity", "cost", "right", "row errors")
    }
    assert {label: text.strip() for label, text in shown.items()} == {
        "toxicity": "lower",
        "cost": "-",
        "right": "higher?",
        "row errors": "lower",
    }
    assert any(line.startswith("not judged  ") and " cost " in line for line in lines)
    why = 'nobody said whether more or less is better, and its name has "cost" in it'
    assert f"cost: not judged: {why}" in lines
    assert any(line.startswith("toxicity: worse: p < 0.0001; lower is better, as recorded") for line in lines)
    assert any(line.startswith("? assumed, since nobody said so; --lower-is-better LABEL") for line in lines)
    assert any(line.startswith("not judged: --lower-is-better LABEL or --higher-is-better") for line in lines)


@pytest.mark.parametrize("form", ["json", "markdown", "table"])
def test_what_the_options_say_of_a_metric_comes_first(run: RunCommand, costly: Path, form: str) -> None:
    options = ("--higher-is-better", "toxicity", "--lower-is-better", "cost", "--not-judged", "right")
    if form == "json":
        _, found = compared(run, "old", "new", *options, on=costly)
        assert [found[label]["verdict"] for label in ("toxicity", "cost", "right")] == [
            *("better", "worse", "not judged"),
        ]
        assert {found[label]["direction_from"] for label in ("toxicity", "cost", "right")} == {"said"}
        return
    out = run("compare", "old", "new", *options, "--format", form, on=costly).out
    assert "lower is better, as the options say" in out
    assert "told not to judge it" in out
    assert "LABEL" not in out
    if form == "markdown":
        rows = [line for line in out.splitlines() if line.startswith("|")]
        assert any(row.startswith("| **better** | `toxicity` | higher | 0.2 | 0.5 |") for row in rows)
        assert any(row.startswith("| not judged | `right` | - | 100.0% | 100.0% |") for row in rows)


def test_a_gate_is_unsure_where_all_that_was_recorded_is_left_unjudged(run: RunCommand, costly: Path) -> None:
    words = ("compare", "old", "new", "--not-judged", "toxicity", "--not-judged", "right")
    assert run(*words, "--fail-if-worse", on=costly).code == 0
    assert run(*words, "--fail-if-unsure", on=costly).code == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--higher-is-better", "speed"), "--higher-is-better names speed, which neither experiment has"),
        (("--not-judged", "speed"), "--not-judged names speed, which neither experiment has"),
        (
            ("--lower-is-better", "cost", "--higher-is-better", "cost"),
            "--lower-is-better and --higher-is-better both name cost",
        ),
    ],
)
def test_what_cannot_be_said_of_a_metric_is_misuse(
    run: RunCommand, costly: Path, options: tuple[str, ...], says: str
) -> None:
    code, out, err = run("compare", "old", "new", *options, on=costly)
    assert (code, out) == (2, "")
    assert says in err


def test_an_experiment_is_no_different_from_itself(run: RunCommand, pair: Path) -> None:
    code, found = compared(run, "latest", "new", "--fail-if-worse", "--fail-if-unsure", on=pair)
    assert code == 0
    assert {metric["verdict"] for metric in found.values()} == {"no different"}


def test_unknown_ids_and_labels_are_told_apart_from_misuse(run: RunCommand, pair: Path) -> None:
    unknown = run("compare", "old", "nothing", on=pair)
    assert (unknown.code, unknown.out) == (1, "")
    assert "nothing" in unknown.err
    label = run("compare", "old", "new", "--lower-is-better", "speed", on=pair)
    assert (label.code, label.out) == (2, "")
    assert "right, style" in label.err
    for margin in ("-1", "5", "nan", "inf", "=0.1", "much", "style="):
        assert run("compare", "old", "new", f"--margin={margin}", on=pair).code == 2
    assert run("compare", "old", on=pair).code == 2


def test_nothing_in_common_is_said_and_can_not_be_told(run: RunCommand, pair: Path) -> None:
    with Store(pair) as store:
        store.add("else", [span("x", kind="experiment", row="another")], [metric("x", "right", True)])
    code, out, err = run("compare", "old", "else", "--fail-if-unsure", on=pair)
    assert code == 3
    assert "0 rows in both; 40 in A alone, not compared; 1 in B alone, not compared" in out
    assert "no row in common" in err
    assert "right: cannot tell: no row is in both experiments\n" in out
    assert "would settle it" not in out


def test_runs_that_went_into_one_experiment_are_said_to_repeat_rows(run: RunCommand, pair: Path) -> None:
    with Store(pair) as store:
        spans = [
            span(f"x{run}-{row}", kind="experiment", row=row) for run in range(3) for row in ("q1", "q2")
        ]
        store.add("piled", spans, [])
        store.add("once", [span(f"y-{row}", kind="experiment", row=row) for row in ("q1", "q2", "q3")], [])
    said = "2 rows in both, 3 times in A and once in B, each row judged by the mean of its repeats"
    assert f"{said}; 1 in B alone, not compared\n" in run("compare", "piled", "once", on=pair).out


def test_the_table_has_verdicts_first_then_why(run: RunCommand, pair: Path) -> None:
    code, out, err = run("compare", "old", "new", on=pair)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["A", "old", "the", "old"]
    titles = next(line for line in lines if line.startswith("B is"))
    right = next(line for line in lines if " right " in line)
    assert right.startswith("better")
    assert right.index("right") == titles.index("metric")
    assert "+25.0 points" in right
    assert "10/0/30" in right
    assert "style: cannot tell: too few rows to rule a difference out; about 52 rows would settle it" in lines
    assert lines[-1] == "verdict: cannot tell"


def test_what_can_have_no_verdict_has_none_in_the_table_the_remarks_and_the_json(
    run: RunCommand, pair: Path
) -> None:
    """Of JSON, and of categories that changed, nothing is better: more rows would not tell either."""
    with Store(pair) as store:
        for name in ("old", "new"):
            documents = [metric(f"{name}{row}", "facts", {"found": [name]}) for row in range(40)]
            store.add(name, [], [*documents, *(metric(f"{name}{row}", "tone", name) for row in range(40))])
    lines = run("compare", "old", "new", on=pair).out.splitlines()
    for label, why in (("facts", "JSON is counted, not compared"), ("tone", "no category is better")):
        assert next(line for line in lines if f" {label} " in line).startswith("- ")
        assert next(line for line in lines if line.startswith(f"{label}: no verdict: {why}"))
    _, found = compared(run, "old", "new", on=pair)
    judged = {label: (metric["judged"], metric["verdict"]) for label, metric in found.items()}
    assert judged["facts"] == judged["tone"] == (False, "cannot tell")
    assert judged["right"] == (True, "better")


def test_markdown_is_for_a_pull_request(run: RunCommand, pair: Path) -> None:
    with Store(pair) as store:
        for name in ("old", "new"):
            store.add(name, [], [metric(f"{name}1", "<img src=x> |`@all`\n", True, at_ms=9)])
    out = run("compare", "new", "old", "--format", "markdown", on=pair).out
    lines = out.splitlines()
    assert lines[0] == "### B is **worse** than A (`right`)"
    rows = [line for line in lines if line.startswith("|")]
    assert rows[0].startswith("| B is | metric |")
    assert any(
        row.startswith("| **worse** | `right` | higher? | 75.0% | 50.0% | -25.0 points (") for row in rows
    )
    # Anybody's text is code: no row of the table breaks, nothing of it is HTML or a mention.
    assert any("`<img src=x> \\|'@all'\\n`" in row for row in rows)
    assert out.count("<details>") == out.count("</details>") == 1
    outside_code = "".join(out.split("`")[::2])
    assert "<img" not in outside_code
    assert "@all" not in outside_code


def test_on_a_narrow_terminal_the_table_does_without_some_counts(
    run: RunCommand, pair: Path, terminal: object
) -> None:
    from llmobs_trace.cli.compare import table
    from llmobs_trace.compare import compare

    with Store(pair, read_only=True) as store:
        comparison = compare(store, "old", "new")
    wide, _ = terminal(150)  # type: ignore[operator]
    narrow, _ = terminal(90)  # type: ignore[operator]
    shown = {screen: list(table.lines(comparison, screen))[4] for screen in (wide, narrow)}
    assert "win/loss/tie" in shown[wide]
    assert "win/loss/tie" not in shown[narrow]
    assert "failed A/B" in shown[narrow]


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_lines_fit_a_narrow_terminal_and_no_column_is_missing_unsaid(
    terminal: Callable[..., tuple[Screen, io.StringIO]], database: Path, columns: int
) -> None:
    rows = [f"行の名前その{n}" for n in range(3)]
    with Store(database) as store:
        for name, said in (("left", "とても良い" * 9), ("right", "悪い" * 12)):
            store.add(
                name,
                [span(f"r{n}", trace_id=f"t{n}", row=row) for n, row in enumerate(rows)],
                [
                    *(metric(f"r{n}", "評価の名前" * 6, said) for n in range(3)),
                    *(metric(f"r{n}", "exact", name == "left") for n in range(3)),
                ],
                name="比較" * 40,
            )
    screen, out = terminal(columns, NO_COLOR="1")
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(["left", "right", "--database", str(database)]), screen)
    shown = out.getvalue()
    assert max(map(width, shown.splitlines())) <= columns
    for title in (
        "better",
        "difference",
        "95% interval",
        "win/loss/tie",
        "scored",
        "failed A/B",
        "missing A/B",
    ):
        assert title in shown.replace("\n", " ")
    assert "exact  true → false  3 rows" in shown
    assert all(row in shown.replace("\n", "").replace(" ", "") for row in rows)


def test_rows_that_flipped_are_named_with_how_to_read_one(run: RunCommand, database: Path) -> None:
    spans = [span(f"r{n}", trace_id=f"t{n}", row=f"row-{n}") for n in range(9)]
    with Store(database) as store:
        for name in ("left", "right"):
            said = [metric(f"r{n}", "exact", name == "left" or n > 6) for n in range(9)]
            said += [
                metric(f"r{n}", "tone", "warm" if name == "left" or n != 4 else "cold") for n in range(9)
            ]
            store.add(name, spans, [*said, metric("r0", "f1", 0.5 if name == "left" else 0.25)])
    lines = run("compare", "left", "right", on=database).out.splitlines()
    at = lines.index("rows that flipped, A → B")
    assert lines[at + 1 : at + 3] == [
        "  exact  true → false  7 rows: row-0, row-1, row-2, row-3, row-4 and 2 more",
        "  tone  warm → cold  1 row: row-4",
    ]
    assert lines[at + 3].startswith("one of them whole: llmobs-trace show right --row row-0 --full")


def test_what_rows_cost_is_shown_and_decides_where_it_is_asked_to(run: RunCommand, database: Path) -> None:
    with Store(database) as store:
        for name, cost in (("cheap", 0.01), ("dear", 0.02)):
            say = {"model_calls": 2, "input_tokens": 1200, "output_tokens": 7, "cost_usd": cost}
            spans = [
                span(f"{n}", trace_id=f"t{n}", kind="experiment", row=f"row-{n}", say=say) for n in range(30)
            ]
            store.add(name, spans, [])
    code, out, _ = run("compare", "cheap", "dear", "--fail-if-worse")
    assert code == 0
    cost = r"^worse +cost_usd +lower +\$0.01 +\$0.02 +\+100.0% +\+100.0% to \+100.0% +0/30/0 "
    assert re.search(cost, out, re.M)
    assert re.search(r"^no different +input_tokens +lower +1,200 +1,200 +0.0% ", out, re.M)
    assert (
        "cost_usd: worse: p < 0.0001; in all $0.30 and $0.60; decides nothing without --judge cost_usd\n"
        in out
    )
    code, out, _ = run("compare", "cheap", "dear", "--fail-if-worse", "--judge", "cost_usd")
    assert (code, out.splitlines()[-1]) == (1, "verdict: worse")
    markdown = run("compare", "cheap", "dear", "--judge", "cost_usd", "--format", "markdown").out
    assert markdown.startswith("### B is **worse** than A (`cost_usd`)\n")
    assert "| **worse** | `cost_usd` | lower | $0.01 | $0.02 | +100.0% " in markdown
    code, _, err = run("compare", "cheap", "dear", "--judge", "price")
    assert code == 2
    assert "--judge names price" in err
