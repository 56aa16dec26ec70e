"""What a person at a terminal gets of a long list: a bounded part, through their pager."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.commands import RunCommand, in_a_terminal
from support.events import START_NS, metric, span

from llmobs_trace.store.store import Store

ROWS = 60


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Sixty rows; the first has 300 spans, and 70 spans are in no row."""
    path = tmp_path / "large.db"
    with Store(path) as store:
        spans = [
            span(f"r{n}", trace_id=f"t{n}", row=f"row-{n}", name="answer", start_ns=START_NS + n * 1000)
            for n in range(ROWS)
        ]
        spans += [
            span(f"s{n}", trace_id="t0", parent="r0", name=f"step {n}", start_ns=START_NS + n)
            for n in range(300)
        ]
        spans += [span(f"o{n}", trace_id=f"x{n}", parent="gone", name="alone") for n in range(70)]
        store.add("e", spans, [metric(f"r{n}", "f1", 0.5) for n in range(ROWS)])
    return path


def rows_in(out: str) -> int:
    return sum(line.removeprefix("paged: ").startswith("row row-") for line in out.splitlines())


def test_a_terminal_gets_fifty_rows_through_its_pager_and_is_told_what_is_left(large: Path) -> None:
    code, out, err = in_a_terminal("show", "e", "--database", str(large), PAGER="sed 's/^/paged: /'")
    assert (code, err) == (0, "")
    assert all(line.startswith("paged: ") for line in out.splitlines())
    assert rows_in(out) == 50
    assert "50 of 60 rows shown, 10 more with --limit all; the scores are of all\n" in out
    assert "101 more spans in this tree: --limit all shows them\n" in out
    assert (out.count("step "), out.count("alone")) == (199, 50)
    assert "in no row: 70 spans, 20 of them not shown\n" in out
    assert re.search(r"f1 +score +60 ", out)


@pytest.mark.parametrize(("limit", "shown"), [(["--limit", "all"], ROWS), (["--limit", "3"], 3), ([], 50)])
def test_a_terminal_gets_as_many_rows_as_it_asks_for_and_no_pager_where_it_wants_none(
    large: Path, limit: list[str], shown: int
) -> None:
    words = ("show", "e", *limit, "--no-pager", "--database", str(large))
    code, out, err = in_a_terminal(*words, PAGER="sed 's/^/paged: /'")
    assert (code, err, "paged: " in out) == (0, "", False)
    assert rows_in(out) == shown
    assert ("step 299" in out) == (shown == ROWS)


def test_of_a_span_with_many_metrics_and_of_many_labels_a_terminal_gets_some_and_the_rest_are_counted(
    run: RunCommand, tmp_path: Path
) -> None:
    path = tmp_path / "measured.db"
    with Store(path) as store:
        store.add("e", [span("r", row="row-1")], [metric("r", f"m{n:03}", n) for n in range(300)])
    _, out, _ = in_a_terminal("show", "e", "--database", str(path), PAGER="")
    # Of the span's own, and in the table of scores.
    assert (out.count("m199"), out.count("m200")) == (2, 0)
    assert "… 100 more metrics of this span: --limit all shows them\n" in out
    assert "… 100 more labels with scores: --limit all shows them\n" in out
    _, whole, _ = in_a_terminal("show", "e", "--limit", "all", "--database", str(path), PAGER="")
    for everything in (whole, run("show", "e", on=path).out):
        assert (everything.count("m299"), "--limit all" in everything) == (2, False)


def test_a_terminal_gets_fifty_experiments_the_latest_first_and_a_pipe_and_a_program_get_all(
    run: RunCommand, tmp_path: Path
) -> None:
    path = tmp_path / "many.db"
    with Store(path) as store:
        for n in range(ROWS):
            store.add(f"run-{n:02}", [span(f"r{n}", start_ns=START_NS + n)], [])
    words = ("experiments", "--database", str(path))
    _, out, _ = in_a_terminal(*words, PAGER="sed 's/^/paged: /'")
    assert all(line.startswith("paged: ") for line in out.splitlines())
    assert (out.count("run-"), "run-59" in out, "run-09" in out) == (50, True, False)
    assert "50 of 60 experiments shown, 10 more with --limit all\n" in out
    _, out, _ = in_a_terminal(*words, "--limit", "all", "--no-pager", PAGER="sed 's/^/paged: /'")
    assert (out.count("run-"), "paged" in out, "shown" in out) == (ROWS, False, False)
    _, out, _ = in_a_terminal(*words, "--format", "json", PAGER="false")
    assert out.count('"run-') == ROWS
    assert run("experiments", on=path).out.count("run-") == ROWS
    assert run("experiments", "--limit", "2", on=path).out.count("run-") == 2
    assert run("experiments", "--limit", "2", "--format", "json", on=path).out.count('"run-') == 2


def test_a_pipe_and_a_program_get_everything(large: Path, run: RunCommand) -> None:
    out = run("show", "e", on=large).out
    assert (rows_in(out), out.count("step "), out.count("alone")) == (ROWS, 300, 70)
    code, out, _ = in_a_terminal("show", "e", "--format", "json", "--database", str(large), PAGER="false")
    assert (code, out.count('"row_id"')) == (0, ROWS)


def test_a_reader_who_leaves_early_has_not_failed(large: Path) -> None:
    code, out, err = in_a_terminal("show", "e", "--database", str(large), PAGER="head -n 2")
    assert (code, err, len(out.splitlines())) == (0, "", 2)


@pytest.mark.parametrize("pager", ["cat", ""])
def test_a_pager_that_is_none_is_left_out(large: Path, pager: str) -> None:
    code, out, err = in_a_terminal("show", "e", "--database", str(large), PAGER=pager)
    assert (code, err, rows_in(out)) == (0, "", 50)


def test_a_pager_that_is_not_there_is_named_and_the_rows_are_shown_without_it(large: Path) -> None:
    code, out, err = in_a_terminal("show", "e", "--database", str(large), PAGER="no-such-pager -x")
    assert (code, rows_in(out)) == (0, 50)
    assert err == "PAGER is 'no-such-pager -x', and there is no such command: shown without it\n"


def test_without_a_pager_named_less_is_taken_and_ends_where_all_fits(tmp_path: Path) -> None:
    """On a machine without it nothing is missing."""
    with Store(tmp_path / "x.db") as store:
        store.add("e", [span("r", row="row-1")], [])
    code, out, err = in_a_terminal("show", "e", "--database", str(tmp_path / "x.db"))
    assert (code, err, rows_in(out)) == (0, "", 1)
