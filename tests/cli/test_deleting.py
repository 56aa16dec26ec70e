"""`rename`, `note`, `delete` and `prune`: what they change, and that nothing is deleted unasked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.commands import RunCommand
from support.events import span

from llmobs_trace.store import queries
from llmobs_trace.store.store import Store


def ids(database: Path) -> list[str]:
    with Store(database, read_only=True) as store:
        return [each.id for each in queries.experiments(store)]


def test_a_name_and_a_note_are_kept_and_taken_away(run: RunCommand, database: Path) -> None:
    assert run("rename", "after", "by hand").code == 0
    assert run("note", "by hand", "mind the judge").code == 0
    with Store(database, read_only=True) as store:
        there = queries.find_experiment(store, "e-new")
    assert (there.name, there.note) == ("by hand", "mind the judge")
    titles, noted, bare = run("experiments").out.splitlines()
    assert titles.split()[-1] == "note"
    assert noted.endswith("mind the judge")
    assert bare.split()[-1] == "-"
    assert run("rename", "e-new", "").code == 0
    assert run("note", "after", "").code == 0
    assert run("rename", "no such", "x").code == 1


def test_nothing_is_deleted_where_nobody_can_be_asked(run: RunCommand, database: Path) -> None:
    code, out, err = run("delete", "e-new")
    assert (code, out) == (2, "")
    assert "--yes" in err
    assert run("prune", "--older-than", "1d").code == 2
    assert ids(database) == ["e-new", "e-old"]


def test_what_is_named_is_deleted_once_and_the_rest_stays(run: RunCommand, database: Path) -> None:
    assert run("delete", "e-new", "no such", "--yes").code == 1
    assert ids(database) == ["e-new", "e-old"]
    code, out, err = run("delete", "e-new", "latest", "--yes")
    assert (code, out, err) == (0, "", "deleted 1 experiment\n")
    assert ids(database) == ["e-old"]


def test_prune_goes_by_the_last_event_and_says_first_what_it_would_delete(
    run: RunCommand, database: Path
) -> None:
    with Store(database) as store:
        store.add("e-now", [span("r", kind="experiment", start_ns=time.time_ns())], [])
    code, out, err = run("prune", "--older-than", "1d", "--dry-run")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["e-new", "e-old"]
    assert "2 rows, 5 spans, 4 metrics" in out
    assert run("prune", "--older-than", "1d", "--yes").err == "deleted 2 experiments\n"
    assert ids(database) == ["e-now"]
    assert run("prune", "--older-than", "1d").err == "deleted 0 experiments\n"
    assert run("prune", "--older-than", "a month").code == 2


@pytest.mark.parametrize(("says", "code", "left"), [("y\n", 0, ["e-old"]), ("\n", 1, ["e-new", "e-old"])])
def test_in_a_terminal_it_asks(database: Path, says: str, code: int, left: list[str]) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "llmobs_trace", "delete", "e-new", "--database", str(database)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"},
    )
    os.close(theirs)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(ours, 1 << 16)
    assert b"after" in seen
    os.write(ours, says.encode())
    assert process.wait(timeout=60) == code
    os.close(ours)
    assert ids(database) == left
