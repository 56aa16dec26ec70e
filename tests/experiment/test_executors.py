"""Tasks on executors: their spans come home with the result; a lost worker is an attempt that never was."""

from __future__ import annotations

from typing import Any

import pytest
from experiment.test_runs import PROGRAM, calls, rows_of, tags_of
from support.machine import Machine

# A module of its own, since workers that are spawned import the task.
TASKS = """
import os, time
from llmobs_trace import experiment_span
def called(what):
    with open("calls", "a") as file: file.write(what + "\\n")
def answer(n):
    called(f"task {n}")
    with experiment_span("model", kind="llm") as span:
        span.record_metric("tokens", n)
        span.set_tags({"pid": os.getpid()})
    if n == 2: raise ValueError("two")
    return n * 2
def deadly(n):
    called(f"task {n}")
    if n == 3 and open("calls").read().count("task 3") <= int(os.environ["DEATHS"]): os._exit(9)
    time.sleep(0.01)
    return n
def secret(text): return {"key": text}
async def awaited(n):
    import asyncio
    await asyncio.sleep(0)
    return n
"""

EXECUTORS = {
    "threads": "ThreadPoolExecutor(3)",
    "fork": "ProcessPoolExecutor(3, mp_context=multiprocessing.get_context('fork'))",
    "spawn": "ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('spawn'))",
    "forkserver": "ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('forkserver'))",
}


def told(machine: Machine, body: str) -> Any:
    (machine.home / "tasks.py").write_text(TASKS)
    head = PROGRAM + "import multiprocessing, tasks\nfrom concurrent.futures import *\n"
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return machine.run(f"{head}if __name__ == '__main__':\n{lines}\n").told[-1]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_spans_of_workers_come_home_under_their_rows_in_one_ledger(executor: str, machine: Machine) -> None:
    result = told(
        machine,
        f"""
with {EXECUTORS[executor]} as executor:
    result = Experiment("e", dataset=[(n, n * 2) for n in range(6)], task=tasks.answer,
                        evaluators=[exact_match], repeats=2).run(executor=executor, jobs=4, progress=False)
outputs = [row.output for row in result.rows]
print(json.dumps([result.status, result.failed, outputs, delivery_stats().recorded, os.getpid()]))
""",
    )
    assert result[:3] == ["completed", 2, [0, 0, 2, 2, None, None, 6, 6, 8, 8, 10, 10]]
    rows = {span["span_id"]: span for span in rows_of(machine).values()}
    assert len(rows) == 12
    models = [span for span in machine.stored_spans() if span["name"] == "model"]
    assert len(models) == 12
    assert {tags_of(span)["parent_id"] for span in models} == rows.keys()
    elsewhere = {tags_of(span)["pid"] for span in models} != {str(result[4])}
    assert elsewhere is (executor != "threads")
    assert all(span["duration"] > 0 for span in rows.values())
    # Rows, model calls, their metrics and the evaluator's: all in the driver's ledger.
    assert result[3] == 12 + 12 + 12 + 10
    verdict = machine.command("doctor").out.splitlines()[-1]
    assert verdict.startswith("nothing lost: 46 recorded = 46 delivered, by 1 process"), verdict


def test_a_pool_that_breaks_is_made_anew_and_the_lost_attempt_never_was(machine: Machine) -> None:
    machine.environ["DEATHS"] = "1"
    result = told(
        machine,
        """
made = []
def make():
    made.append(1)
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork"))
experiment = Experiment("e", dataset=[(n, n) for n in range(12)], task=tasks.deadly, evaluators=[exact_match])
result = experiment.run(executor=make, jobs=2, progress=False)
print(json.dumps([result.status, result.failed, [row.output for row in result.rows], len(made)]))
""",
    )
    assert result == ["completed", 0, list(range(12)), 2]
    assert calls(machine)["task 3"] == 2
    assert len(rows_of(machine)) == 12


def test_a_row_that_kills_each_worker_is_recorded_as_failed_and_the_others_are_done(machine: Machine) -> None:
    machine.environ["DEATHS"] = "99"
    result = told(
        machine,
        """
make = lambda: ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork"))
experiment = Experiment("e", dataset=[(n, n) for n in range(12)], task=tasks.deadly, evaluators=[exact_match])
result = experiment.run(executor=make, jobs=3, progress=False)
rows = list(result.rows)
errors = [row.error and row.error.type for row in rows]
print(json.dumps([result.status, [row.output for row in rows], errors]))
""",
    )
    assert result[0] == "completed"
    assert result[1] == [n if n != 3 else None for n in range(12)]
    assert result[2][3] == "ProcessDied"
    assert calls(machine)["task 3"] == 3


def test_a_broken_pool_that_nobody_makes_anew_interrupts_and_the_rest_goes_on_later(machine: Machine) -> None:
    machine.environ["DEATHS"] = "1"
    body = """
with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as executor:
    experiment = Experiment("e", dataset=[(n, n) for n in range(6)], task=tasks.deadly)
    result = experiment.run(executor=executor, jobs=1, progress=False)
print(json.dumps([result.status, result.exit_code, result.why, result.done, result.left]))
"""
    status, code, why, done, left = told(machine, body)
    assert (status, code, done, left) == ("interrupted", 3, 3, 3)
    assert "the executor is broken" in why
    assert told(machine, body)[0] == "completed"


def test_a_redactor_holds_on_workers_too(machine: Machine) -> None:
    told(
        machine,
        """
from llmobs_trace.redactors import secrets
configure(redact=secrets)
with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
    key = "sk-" + "proj-" + "a1B2" * 12
    result = Experiment("e", dataset=[(key, None)], task=tasks.secret).run(executor=executor, progress=False)
print("{}")
""",
    )
    kept = b"".join(file.read_bytes() for file in machine.home.rglob("*") if file.is_file())
    assert b"a1B2a1B2" not in kept.replace(b"calls", b"")


def test_coroutine_functions_run_on_workers(machine: Machine) -> None:
    result = told(
        machine,
        """
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as executor:
    experiment = Experiment("e", dataset=[(n, n) for n in range(4)], task=tasks.awaited)
    result = experiment.run(executor=executor, progress=False)
print(json.dumps([row.output for row in result.rows]))
""",
    )
    assert result == [0, 1, 2, 3]
