from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commands import RunCommand
from support.events import START_NS, metric, span

from llmobs_trace.local.store import Store

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
        {"paired": ROWS, "only_a": 0, "only_b": 0, "repeats_a": 0, "repeats_b": 0},
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
    assert "right: cannot tell: no row is in both\n" in out
    assert "would settle it" not in out


def test_runs_that_went_into_one_experiment_are_said_to_repeat_rows(run: RunCommand, pair: Path) -> None:
    with Store(pair) as store:
        spans = [
            span(f"x{run}-{row}", kind="experiment", row=row) for run in range(3) for row in ("q1", "q2")
        ]
        store.add("piled", spans, [])
        store.add("once", [span(f"y-{row}", kind="experiment", row=row) for row in ("q1", "q2", "q3")], [])
    said = "2 rows in both; 4 in A alone, not compared (all repeat a row that B has fewer times)"
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
    assert any(row.startswith("| **worse** | `right` | 75.0% | 50.0% | -25.0 points (") for row in rows)
    # Anybody's text is code: no row of the table breaks, nothing of it is HTML or a mention.
    assert any("`<img src=x> \\|'@all'\\n`" in row for row in rows)
    assert out.count("<details>") == out.count("</details>") == 1
    outside_code = "".join(out.split("`")[::2])
    assert "<img" not in outside_code
    assert "@all" not in outside_code


def test_on_a_narrow_terminal_the_table_does_without_some_counts(
    run: RunCommand, pair: Path, terminal: object
) -> None:
    from llmobs_trace.cli import compared_table
    from llmobs_trace.compare import compare

    with Store(pair, read_only=True) as store:
        comparison = compare(store, "old", "new")
    wide, _ = terminal(150)  # type: ignore[operator]
    narrow, _ = terminal(90)  # type: ignore[operator]
    shown = {screen: list(compared_table.lines(comparison, screen))[4] for screen in (wide, narrow)}
    assert "win/loss/tie" in shown[wide]
    assert "win/loss/tie" not in shown[narrow]
    assert "failed A/B" in shown[narrow]
