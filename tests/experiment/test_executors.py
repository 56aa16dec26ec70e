"""Tasks on executors: their spans come home with the result; a lost worker is an attempt that never was."""

from __future__ import annotations

from typing import Any

import pytest
from experiment.test_runs import PROGRAM, calls, rows_of, tags_of
from support.machine import ROOT, Machine

# A module of its own, since workers that are spawned import the task.
TASKS = """
import os, time
from llmobs_trace import evaluator, experiment_span
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
def slow(n):
    with experiment_span("before"): pass
    time.sleep(30 if n == 0 else 0)
    return n
@evaluator(remote=True)
def elsewhere(output, expected_output):
    with experiment_span("judge") as span: span.set_tags({"pid": os.getpid()})
    if output == 2 and open("calls").read().count("kill") < int(os.environ.get("DEATHS", 0)):
        called("kill")
        os._exit(9)
    return output == expected_output
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
    head = PROGRAM + "import io, multiprocessing, sys, tasks\nfrom concurrent.futures import *\n"
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


def test_what_takes_too_long_keeps_no_worker_and_waiting_for_one_is_no_part_of_it(machine: Machine) -> None:
    result = told(
        machine,
        """
with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as executor:
    experiment = Experiment("e", dataset=[(n, n) for n in range(9)], task=tasks.slow)
    result = experiment.run(executor=executor, jobs=9, timeout=1.5, progress=False)
    print(json.dumps([[row.output, row.error and row.error.type] for row in result.rows]), flush=True)
    for process in executor._processes.values(): process.kill()
""",
    )
    assert result == [[None, "AttemptTimeout"], *([n, None] for n in range(1, 9))]
    assert len([span for span in machine.stored_spans() if span["name"] == "before"]) == 9


@pytest.mark.parametrize("deaths", [1, 99])
def test_a_remote_evaluator_runs_on_workers_and_one_that_kills_them_is_an_error(
    deaths: int, machine: Machine
) -> None:
    machine.environ["DEATHS"] = str(deaths)
    (machine.home / "calls").touch()
    scores = told(
        machine,
        """
make = lambda: ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork"))
experiment = Experiment("e", dataset=[(n, n) for n in range(4)], task=tasks.awaited,
                        evaluators=[tasks.elsewhere])
result = experiment.run(executor=make, jobs=2, progress=False)
score = result.scores["elsewhere"]
print(json.dumps([score.scored, score.failed, score.mean, os.getpid(), result.failed]))
""",
    )
    assert scores[:3] == ([4, 0, 1] if deaths == 1 else [3, 1, 1])
    assert scores[4] == 0
    assert calls(machine)["kill"] == min(deaths, 3)
    spans = {span["span_id"]: span for span in machine.stored_spans()}
    judges = [span for span in spans.values() if span["name"] == "judge"]
    assert len(judges) == scores[0]
    for judge in judges:
        assert tags_of(judge)["pid"] != str(scores[3])
        evaluation = spans[tags_of(judge)["parent_id"]]
        assert evaluation["name"] == "evaluate elsewhere"
        assert tags_of(spans[tags_of(evaluation)["parent_id"]])["dataset_record_id"]


def test_what_a_worker_recorded_and_was_too_much_to_come_home_is_said_of_evaluators_too(
    machine: Machine,
) -> None:
    (machine.home / "calls").touch()
    said = told(
        machine,
        """
from llmobs_trace.experiment import remote
remote.MOST_COLLECTED_BYTES = 10
experiment = Experiment("e", dataset=[(7, 7)], task=tasks.awaited, evaluators=[tasks.elsewhere])
sys.stderr = io.StringIO()
with ThreadPoolExecutor(1) as executor:
    experiment.run(executor=executor, progress=True)
print(json.dumps([line for line in sys.stderr.getvalue().splitlines() if "were cut" in line]))
""",
    )
    assert [line.partition(" of row ")[0] for line in said] == ["1 spans"]


# Ray's own interface, as far as the manual's adapter uses it.
RAY = """
import concurrent.futures, pickle, subprocess, sys, threading
class WorkerCrashedError(Exception): pass
class ObjectRef:
    def __init__(self, payload):
        self._future = concurrent.futures.Future()
        threading.Thread(target=self._run, args=(payload,), daemon=True).start()
    def _run(self, payload):
        code = ("import pickle, sys; function, given = pickle.load(sys.stdin.buffer);"
                "sys.stdout.buffer.write(pickle.dumps(function(*given)))")
        done = subprocess.run([sys.executable, "-c", code], input=payload, capture_output=True)
        if done.returncode: self._future.set_exception(WorkerCrashedError("the worker died"))
        else: self._future.set_result(pickle.loads(done.stdout))
    def future(self): return self._future
class RemoteFunction:
    def __init__(self, function): self._function = function
    def remote(self, *arguments): return ObjectRef(pickle.dumps((self._function, arguments)))
def remote(function): return RemoteFunction(function)
"""


def test_the_manual_s_adapter_of_ray_brings_spans_home_and_a_crashed_worker_never_was(
    machine: Machine,
) -> None:
    page = (ROOT / ".github" / "docs" / "experiments.md").read_text()
    adapter = page[page.index("class RayExecutor") :].partition("\n\n\n")[0]
    (machine.home / "ray.py").write_text(RAY)
    (machine.home / "adapter.py").write_text(
        f"import ray\nfrom concurrent.futures import Executor\n{adapter}\n"
    )
    machine.environ |= {"DEATHS": "1", "PYTHONPATH": f"{machine.environ['PYTHONPATH']}:{machine.home}"}
    result = told(
        machine,
        """
from adapter import RayExecutor
experiment = Experiment("e", dataset=[(n, n) for n in range(5)], task=tasks.deadly, evaluators=[exact_match])
result = experiment.run(executor=RayExecutor(), jobs=3, progress=False)
print(json.dumps([result.status, result.failed, [row.output for row in result.rows]]))
""",
    )
    assert result == ["completed", 0, list(range(5))]
    assert calls(machine)["task 3"] == 2
    assert len(rows_of(machine)) == 5
