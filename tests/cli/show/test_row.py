from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import RunCommand
from support.events import metric, span

from llmobs_trace.cli.show import command as show
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.text import width
from llmobs_trace.store.store import Store

STACK = 'Traceback (most recent call last):\n  File "a.py", line 7, in judge\n    1 / 0\n    ~~^~~\nError: no'
LONG = "The answer is long, and none of its words may be lost. " * 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rows.db"
    failed = {"type": "Error", "message": "no", "stack": STACK}
    said = [{"role": "user", "content": "今日は" * 30}, {"role": "assistant", "content": "yes"}]
    with Store(path) as store:
        store.add(
            "e",
            [
                *(
                    span(f"a{n}", trace_id=f"t{n}", row="Row-one", start_ns=n, say={"run_iteration": n})
                    for n in (1, 2)
                ),
                span(
                    "b",
                    trace_id="t3",
                    row="row-two",
                    start_ns=3,
                    input=said,
                    output=LONG,
                    expected_output="no",
                ),
                span("c", trace_id="t3", parent="b", name="judge", start_ns=4, error=failed),
            ],
            [
                metric("b", "exact", False, assessment="fail", reasoning=f"Because: {LONG}"),
                metric("c", "parts", {"x": 1}),
                metric("b", "f1", error={"message": "judge is down"}),
            ],
        )
    return path


def test_one_row_is_read_whole_with_its_reasons_and_its_stack(run: RunCommand, path: Path) -> None:
    code, out, err = run("show", "e", "--row", "row-t", "--full", on=path)
    assert (code, err) == (0, "")
    titles = [line for line in out.splitlines() if line and not line.startswith((" ", "└", "step"))]
    assert titles == ["row row-two", "asked", "answered", "expected", "error of judge", "scores", "spans"]
    assert "  [user]\n  今日は" in out
    assert LONG.strip() in out
    assert f"    Because: {LONG.strip()}" in out
    assert "  exact  false fail\n" in out
    assert "  f1  failed\n    judge is down\n" in out
    assert "      1 / 0\n      ~~^~~\n" in out


def test_a_row_is_known_by_its_beginning_whatever_its_letters_and_has_its_repeats(
    run: RunCommand, path: Path
) -> None:
    for text in ("ROW-ONE", "Row", "a1"):
        out = run("show", "e", "--row", text, on=path).out
        assert [line.split()[1:3] for line in out.splitlines() if line.startswith("row ")] == [
            ["Row-one", "#1"],
            ["Row-one", "#2"],
        ][: 1 if text == "a1" else 2]
    shown = json.loads(run("show", "e", "--row", "Row-one", "--format", "json", on=path).out)
    assert [row["span_id"] for row in shown["rows"]] == ["a1", "a2"]


def test_a_row_that_is_not_there_is_1_and_an_ambiguous_one_2(run: RunCommand, path: Path) -> None:
    code, out, err = run("show", "e", "--row", "row-tow", on=path)
    assert (code, out) == (1, "")
    assert err == 'llmobs-trace: e has no row whose id begins with "row-tow" (did you mean row-two?)\n'
    code, out, err = run("show", "e", "--row", "rO", on=path)
    assert (code, err) == (2, 'llmobs-trace: "rO" may mean any of 2 rows: Row-one, row-two\n')


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_a_row_wraps_at_words_and_loses_none_in_a_narrow_terminal(
    terminal: Callable[..., tuple[Screen, io.StringIO]], path: Path, columns: int
) -> None:
    screen, out = terminal(columns, NO_COLOR="1")
    parser = argparse.ArgumentParser()
    show.add_arguments(parser)
    show.run(parser.parse_args(["e", "--row", "row-two", "--full", "--database", str(path)]), screen)
    lines = out.getvalue().splitlines()
    assert max(map(width, lines)) <= columns
    answered = lines[lines.index("answered") + 1 : lines.index("expected")]
    assert " ".join(answered).split() == LONG.split()
    assert "".join(lines).replace(" ", "").count("今日は" * 30) == 1
