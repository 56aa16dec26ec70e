"""Functions that do what nobody should: a run takes each for what it is, and goes on."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from support.machine import Machine

PROGRAM = """
import asyncio, json, os, signal, sys, time
from llmobs_trace import *
from llmobs_trace.evaluators import exact_match
class Fatal(BaseException): pass
class Unreadable(Exception):
    def __str__(self): raise RuntimeError("no")
def ran(task, evaluators=(exact_match,), dataset=range(4), config=None, decode=None, **options):
    rows = dataset if isinstance(dataset, Dataset) else [(n, n) for n in dataset]
    experiment = Experiment("e", dataset=rows, task=task, evaluators=list(evaluators), decode=decode)
    result = experiment.run(jobs=options.pop("jobs", 1), progress=False, resume=False, **options)
    return {
        "status": [result.status, result.why, result.failed, result.left],
        "errors": [row.error and row.error.type for row in result.rows],
        "outputs": [row.output for row in result.rows],
        "scores": {label: [s.scored, s.failed, s.missing] for label, s in result.scores.items()},
    }
"""


def told(machine: Machine, body: str) -> Any:
    return machine.run(PROGRAM + body).told[-1]


def test_whatever_a_function_raises_is_its_row_s(machine: Machine) -> None:
    found = told(
        machine,
        """
def task(n): raise (Fatal("x"), Unreadable(), KeyboardInterrupt(), SystemExit(3))[n]
async def task_async(n): task(n)
def score(output):
    if output == 1: raise Fatal("x")
    if output == 2: raise Unreadable()
    return True
def scores(output):
    yield Score(1, label="a")
    if output == 1: raise Fatal("y")
def broken(error): raise KeyError("retry_on")
def decode(recorded): return 1 / recorded
print(json.dumps({
    "sync": ran(task, [], retry_on=broken),
    "async": ran(task_async, []),
    "evaluators": ran(lambda n: n, [score, scores]),
    "decode": ran(lambda n: n, decode=decode),
}))
""",
    )
    raised = ["Fatal", "Unreadable", "KeyboardInterrupt", "SystemExit"]
    for kind in ("sync", "async"):
        assert (found[kind]["status"], found[kind]["errors"]) == (["completed", None, 4, 0], raised)
    assert found["evaluators"]["scores"] == {"score": [2, 2, 0], "scores": [0, 1, 0], "a": [3, 0, 1]}
    assert found["decode"]["scores"] == {"exact_match": [3, 1, 0]}


def test_what_has_not_run_yet_is_no_output(machine: Machine) -> None:
    found = told(
        machine,
        """
def generator(n): yield n
async def generator_async(n): yield n
async def late(n): return n
print(json.dumps([ran(task, jobs=2) for task in (generator, generator_async, lambda n: late(n))]))
""",
    )
    for one in found:
        assert (one["errors"], one["scores"]) == (["TypeError"] * 4, {"exact_match": [0, 0, 4]})
    statuses = {span["status"] for span in machine.stored_spans()}
    assert statuses == {"error"}


def test_what_one_function_changes_no_other_one_sees(machine: Machine) -> None:
    found = told(
        machine,
        """
def task(input, row): row.input.clear(); return {"n": input.pop("n"), "more": [1]}
def greedy(input, output, expected_output):
    input.clear(); output["more"].clear(); expected_output.clear()
    return True
def modest(input, output, expected_output, row): return bool(input and output["more"] and row.expected_output)
rows = Dataset([({"n": n}, {"n": n}) for n in range(2)])
experiment = Experiment("e", dataset=rows, task=task, evaluators=[greedy, modest], repeats=2)
result = experiment.run(progress=False)
print(json.dumps([str(result.scores["modest"]), [[row.input, row.error] for row in result.rows]]))
""",
    )
    assert found == ["scored 4 · mean 1", [[{"n": n}, None] for n in (0, 0, 1, 1)]]


def test_a_dataset_that_shrinks_meanwhile_leaves_rows_and_says_so(machine: Machine) -> None:
    found = told(
        machine,
        """
def write(count):
    with open("rows.jsonl", "w") as file:
        for n in range(count): print(json.dumps({"input": n, "pad": "x" * 9000}), file=file)
def task(n): os.makedirs("below", exist_ok=True); os.chdir("below"); return n
write(6)
moved = ran(task, [], dataset=Dataset.from_jsonl("rows.jsonl"))
write(40)
def task(n):
    if n == 1: write(9)
    return n
print(json.dumps([moved["status"], ran(task, [], dataset=Dataset.from_jsonl("rows.jsonl"))["status"]]))
""",
    )
    why = "31 of 40 rows are no longer in the dataset, which has changed"
    assert found == [["completed", None, 0, 0], ["interrupted", why, 0, 31]]


def test_a_child_that_comes_back_in_the_place_of_its_parent_runs_no_row(machine: Machine) -> None:
    found = told(
        machine,
        """
def task(n):
    with open("calls", "a") as file: file.write(f"{n}\\n")
    if n == 1 and os.fork() == 0: return "child"
    return n
def score(output):
    if output == 2 and os.fork() == 0: return 0.0
    return 1.0
print(json.dumps(ran(task, [score])))
""",
    )
    assert (found["outputs"], found["scores"]) == ([0, 1, 2, 3], {"score": [4, 0, 0]})
    assert Counter((machine.home / "calls").read_text().split()) == Counter("0123")
    roots = [span for span in machine.stored_spans() if span["name"] == "task"]
    assert sorted(span["meta"]["output"] for span in roots) == [0, 1, 2, 3]
    assert {metric["score_value"] for metric in machine.stored_metrics()} == {1.0}


def test_outputs_of_megabytes_are_kept_whole_also_after_a_kill(machine: Machine) -> None:
    body = """
def task(n):
    with open("calls", "a") as file: file.write(f"{n}\\n")
    return "x" * 3_000_000 + str(n)
def score(output):
    if output.endswith("1") and not os.path.exists("died"):
        open("died", "w"); os.kill(os.getpid(), signal.SIGKILL)
    return len(output)
result = Experiment("e", dataset=range_of(3), task=task, evaluators=[score]).run(jobs=1, progress=False)
print(json.dumps([[len(row.output) for row in result.rows], str(result.scores["score"])]))
""".replace("range_of(3)", "[(n, n) for n in range(3)]")
    machine.run(PROGRAM + body, code=-9)
    assert told(machine, body) == [[3_000_001] * 3, "scored 3 · mean 3e+06"]
    assert Counter((machine.home / "calls").read_text().split()) == Counter("012")
    assert json.loads(machine.command("experiments", "--format", "json").out)[0]["left"] == 0
