"""`llmobs-trace run` and `runs`: experiments of a file, gates, baselines, and what is unfinished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.machine import Ended, Machine

FILE = """
import os, signal
from llmobs_trace import Dataset, Experiment
from llmobs_trace.evaluators import exact_match
def answer(question):
    if question == "9" and os.path.exists("kills"): os.kill(os.getpid(), signal.SIGKILL)
    return "WRONG" if question in os.environ.get("WRONG", "") else question
def long(output): return len(output)
capitals = Experiment("capitals", dataset=Dataset([(str(n), str(n)) for n in range(10)], name="digits"),
                      task=answer, evaluators=[exact_match])
other = Experiment("other", dataset=[("a", "a")], task=answer, evaluators=[long])
if __name__ == "__main__": raise SystemExit("not run as a program")
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "evals.py").write_text(FILE)
    return Machine(tmp_path)


def run(machine: Machine, *words: str, code: int | None = 0) -> Ended:
    return machine.command("run", *words, code=code)


def test_every_experiment_of_a_file_runs_and_the_file_is_no_program(machine: Machine) -> None:
    ended = run(machine, "evals.py")
    assert "capitals" in ended.err
    assert "completed: 10/10 rows" in ended.err
    assert "completed: 1/1 rows" in ended.err
    listed = machine.command("experiments", "--format", "json").out
    assert {each["spans"] for each in json.loads(listed)} == {10, 1}


def test_one_of_them_by_its_variable_or_its_name_and_only_some_rows(machine: Machine) -> None:
    ended = run(machine, "evals.py:capitals", "--limit", "3", "--repeats", "2", "--format", "json")
    told = json.loads(ended.out)
    assert (told["rows"], told["done"], told["scores"]["exact_match"]["mean"]) == (6, 6, 1.0)
    markdown = run(machine, "evals.py:other", "--format", "markdown").out
    assert "### other: completed, 1 of 1 rows" in markdown


def test_a_dry_run_says_what_would_run_and_runs_nothing(machine: Machine) -> None:
    assert run(machine, "evals.py", "--dry-run").out == (
        "capitals: a new run: 10 rows; 0 done, 10 left\nother: a new run: 1 rows; 0 done, 1 left\n"
    )
    assert not (machine.home / ".llmobs").exists()


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ("exact_match>=0.8", 0),
        ("exact_match >= 1", 0),
        ("exact_match<=0.5", 1),
        ("row errors<=0", 0),
        ("long>=1", 2),
        ("exact_match=1", 2),
    ],
)
def test_a_gate_decides_the_exit_code(gate: str, code: int, machine: Machine) -> None:
    run(machine, "evals.py:capitals", "--gate", gate, code=code)


def test_a_baseline_that_was_better_fails_the_run(machine: Machine) -> None:
    run(machine, "evals.py:capitals", "--fresh")
    machine.environ["WRONG"] = "0123456789"
    worse = ("--baseline", "latest", "--fail-if-worse", "--fresh")
    assert "baseline latest: worse than" in run(machine, "evals.py:capitals", *worse, code=1).out
    del machine.environ["WRONG"]
    assert "baseline capitals: better than" in run(machine, "evals.py:capitals", "--baseline", "capitals").out


def test_what_was_killed_is_listed_with_what_is_left_and_the_same_command_goes_on(machine: Machine) -> None:
    (machine.home / "kills").touch()
    run(machine, "evals.py:capitals", "--jobs", "1", code=-9)
    (unfinished,) = json.loads(machine.command("runs", "--format", "json").out)
    assert (unfinished["name"], unfinished["done"], unfinished["left"]) == ("capitals", 9, 1)
    assert unfinished["state"] == "interrupted"
    (machine.home / "kills").unlink()
    told = json.loads(run(machine, "evals.py:capitals", "--format", "json").out)
    assert told["experiment_id"] == unfinished["id"]
    assert "no run is unfinished" in machine.command("runs").err
    assert "finished" in machine.command("runs", "--all").out


def test_misuse_is_said(machine: Machine) -> None:
    assert "there is no file none.py" in run(machine, "none.py", code=2).err
    assert (
        "no experiment 'x' in evals.py; there are: capitals, other" in run(machine, "evals.py:x", code=2).err
    )
    assert "the dataset has no row '77'" in run(machine, "evals.py:capitals", "--row", "77", code=2).err
