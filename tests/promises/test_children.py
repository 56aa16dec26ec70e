"""Processes that are started anew, not forked: they record as their parent does, or nothing."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from typing import Any

import pytest
from support.delivery import API_KEY, APP_KEY
from support.machine import Machine
from support.receiver import Receiver

from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

# What workers record is in a module; how it is recorded, the program alone says, and below its guard.
WORKER = """
import threading
from llmobs_trace import experiment_span, record_metric
@experiment_span("work")
def work(number):
    record_metric("number", number)
    return f"secret {number}"
class Interrupt(Exception): pass
@experiment_span
def interrupted(): raise Interrupt
def hide(field, value):
    return str(value).replace("secret", "hidden")
class Hide:
    def __call__(self, field, value): return hide(field, value)
class Held(Hide):
    def __init__(self): self.lock = threading.Lock()
class NotThere(Hide):
    def __init__(self): self.model = "a model"
    def __setstate__(self, state): raise RuntimeError("the model is not here")
class Becomes(Hide):
    def __reduce__(self): return str, ("no function",)
class OfAnotherVersion(Hide):
    def __reduce__(self): return getattr, (str, "lower")
"""
PROGRAM = """
import multiprocessing, os, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
import worker
def hide_here(field, value): return worker.hide(field, value)
{above}
def workers(context):
    with ProcessPoolExecutor(2, mp_context=context) as pool: list(pool.map(worker.work, range(3)))
    with context.Pool(1, maxtasksperchild=1) as pool:
        pool.map(worker.work, range(2), chunksize=1)
        pool.close(); pool.join()
    process = context.Process(target=worker.work, args=(5,))
    process.start(); process.join()
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    configure(experiment_name="named", database="elsewhere/own.db", {options})
    with experiment_span("main", input="a secret"): pass
    {run}
"""
METHODS = ["fork", "spawn", "forkserver"]


def program(run: str, options: str = "redact=hide_here", above: str = "") -> str:
    body = textwrap.indent(textwrap.dedent(run).strip(), " " * 4).strip()
    return PROGRAM.format(run=body, options=options, above=textwrap.dedent(above))


@pytest.fixture(autouse=True)
def a_worker_s_module(machine: Machine) -> None:
    (machine.home / "worker.py").write_text(WORKER)


def recorded(machine: Machine, name: str = "named", file: str = "elsewhere/own.db") -> list[dict[str, Any]]:
    """The spans of the one experiment that there is, in this file."""
    with Store(machine.home / file, read_only=True) as store:
        [experiment] = queries.experiments(store)
        assert experiment.name == name
        return [json.loads(span.event) for span in queries.spans(store, experiment.id)]


def names(spans: list[dict[str, Any]]) -> dict[str, int]:
    assert "secret" not in json.dumps(spans)
    return Counter(span["name"] for span in spans)


# --- multiprocessing and concurrent.futures -----------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_workers_record_to_their_parent_s_experiment_as_its_redactor_leaves_it(
    machine: Machine, method: str
) -> None:
    redact = "redact=redactors.chain(redactors.secrets, hide_here)"
    above = "from llmobs_trace import redactors"
    ended = machine.run(program("workers(context)", redact, above), method)
    assert names(recorded(machine)) == {"main": 1, "work": 6}
    assert ended.err == ""
    assert not machine.database.exists()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_program_that_configures_nothing_is_one_experiment_with_its_workers(
    machine: Machine, method: str
) -> None:
    # The parent itself records nothing, and a worker before the first does not either.
    machine.run(
        """
        import multiprocessing, sys
        from concurrent.futures import ProcessPoolExecutor
        import worker
        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            for number in range(2):
                with ProcessPoolExecutor(2, mp_context=context) as pool:
                    list(pool.map(worker.work, range(10)))
        """,
        method,
    )
    spans = recorded(machine, "program", ".llmobs/experiments.db")
    assert Counter(span["name"] for span in spans) == {"work": 20}


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_a_program_made_up_holds_for_its_workers_wherever_they_go(machine: Machine, method: str) -> None:
    machine.run(
        """
        import multiprocessing, os, sys
        import worker
        def elsewhere():
            os.mkdir("other"); os.chdir("other")
            sys.argv = ["else"]
            worker.work(1)
        if __name__ == "__main__":
            worker.work(0)
            process = multiprocessing.get_context(sys.argv[1]).Process(target=elsewhere)
            process.start(); process.join()
        """,
        method,
    )
    spans = recorded(machine, "program", ".llmobs/experiments.db")
    assert Counter(span["name"] for span in spans) == {"work": 2}
    assert len({(span["project_id"], span["dataset_id"]) for span in spans}) == 1
    assert list((machine.home / "other").iterdir()) == []


def test_a_worker_s_workers_are_handed_it_on_though_the_one_between_records_nothing(
    machine: Machine,
) -> None:
    above = """
    def between(method):
        process = multiprocessing.get_context(method).Process(target=worker.work, args=(1,))
        process.start(); process.join()
    """
    run = "process = context.Process(target=between, args=(sys.argv[1],)); process.start(); process.join()"
    machine.run(program(run, above=above), "spawn")
    assert names(recorded(machine)) == {"main": 1, "work": 1}


@pytest.mark.parametrize("method", METHODS)
def test_what_a_worker_configures_changes_what_it_names_and_nothing_else(
    machine: Machine, method: str
) -> None:
    above = "def begin(): configure(flush_interval=0.1, capture_input=False)"
    run = """
    with ProcessPoolExecutor(2, mp_context=context, initializer=begin) as pool:
        list(pool.map(worker.work, range(3)))
    """
    machine.run(program(run, above=above), method)
    spans = recorded(machine)
    assert names(spans) == {"main": 1, "work": 3}
    assert [span["name"] for span in spans if "input" in span["meta"]] == ["main"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_program_that_configures_above_its_guard_is_one_experiment_with_its_workers(
    machine: Machine, method: str
) -> None:
    # Workers import it, and configure themselves as well: in a fork server's case before they are forked.
    above = """
    configure(experiment_name="named", database="elsewhere/own.db")
    def elsewhere(number): worker.work(number)
    """
    run = "process = context.Process(target=elsewhere, args=(1,)); process.start(); process.join()"
    machine.run(program(run, above=above), method)
    assert names(recorded(machine)) == {"main": 1, "work": 1}


def test_a_worker_s_spans_are_redacted_also_while_it_imports_the_program(machine: Machine) -> None:
    above = """
    def later(): pass
    with experiment_span("imported", input="a secret"): pass
    """
    run = "process = context.Process(target=later); process.start(); process.join()"
    ended = machine.run(program(run, "redact=hide_here", above), "spawn")
    spans = recorded(machine)
    assert names(spans) == {"main": 1, "imported": 1}
    assert ended.err == ""


@pytest.mark.parametrize(
    ("redact", "method", "why"),
    [
        ("lambda field, value: value", "spawn", "PicklingError: "),
        (
            "__import__('functools').partial(lambda field, value: value)",
            "forkserver",
            "PicklingError: ",
        ),
        ("worker.Held()", "forkserver", "TypeError: cannot pickle '_thread.lock' object"),
        ("worker.NotThere()", "spawn", "RuntimeError: the model is not here"),
        ("worker.NotThere()", "forkserver", "RuntimeError: the model is not here"),
        ("worker.Becomes()", "spawn", "given 'no function'"),
        ("worker.OfAnotherVersion()", "forkserver", "given a method_descriptor that can't be called as"),
    ],
)
def test_a_worker_without_its_parent_s_redactor_says_so_and_records_nothing(
    machine: Machine, redact: str, method: str, why: str
) -> None:
    ended = machine.run(program("workers(context)", f"redact={redact}"), method)
    assert Counter(span["name"] for span in recorded(machine)) == {"main": 1}
    assert not machine.database.exists()
    lines = ended.err.splitlines()
    assert len(lines) >= 3  # a line a worker
    said = f"redact: the process that started this one could not hand its own over ({why}"
    assert all(line.startswith(said) for line in lines)
    assert all(
        "so nothing is recorded here; define it in a module that both import" in line for line in lines
    )


@pytest.mark.parametrize("method", METHODS)
def test_workers_that_run_already_when_their_parent_is_configured_are_said_to_stay_as_they_are(
    machine: Machine, method: str
) -> None:
    run = """
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pool.submit(os.getpid).result()
        configure(experiment_name="later", database="elsewhere/own.db")
    configure(experiment_name="named", database="elsewhere/own.db")
    """
    ended = machine.run(program(run), method)
    assert ended.err == "workers that run already (1) record as before; configure first, then start them\n"


def test_a_worker_that_is_given_a_redactor_of_its_own_records(machine: Machine) -> None:
    above = "def begin(): configure(redact=hide_here)"
    run = """
    with ProcessPoolExecutor(1, mp_context=context, initializer=begin) as pool:
        list(pool.map(worker.work, range(3)))
    """
    ended = machine.run(program(run, "redact=lambda *given: hide_here(*given)", above), "spawn")
    assert names(recorded(machine)) == {"main": 1, "work": 3}
    assert ended.err == ""


def test_workers_of_a_program_that_is_switched_off_record_nothing(machine: Machine) -> None:
    machine.run(program("configure(enabled=False, database='elsewhere/own.db'); workers(context)"), "spawn")
    assert names(recorded(machine)) == {"main": 1}
    assert not machine.database.exists()


def test_keys_reach_workers_by_their_pipe_alone(machine: Machine, receiver: Receiver) -> None:
    keys = f"api_key={API_KEY!r}, app_key={APP_KEY!r}, base_url={receiver.url!r}"
    above = """
    def look(number):
        worker.work(number)
        with open("/proc/self/environ", "rb") as environ, open("/proc/self/cmdline", "rb") as words:
            return (environ.read() + words.read()).decode()
    """
    run = """
    with ProcessPoolExecutor(1, mp_context=context) as pool: print(*pool.map(look, range(3)))
    """
    ids = "experiment_id='e', project_id='p', dataset_id='d', redact=hide_here"
    ended = machine.run(program(run, f"{keys}, {ids}", above), "spawn")
    spans = [span for request in receiver.accepted() for span in request.spans]
    assert names(spans) == {"main": 1, "work": 3}
    assert "spawn_main" in ended.out
    assert API_KEY not in ended.out + ended.err
    assert APP_KEY not in ended.out + ended.err


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_error_to_their_parent_is_none_to_workers(machine: Machine, method: str) -> None:
    above = """
    class Stop(Exception): pass
    @experiment_span
    def stops(kind): raise kind
    def stopped(context, kind):
        process = context.Process(target=stops, args=(kind,))
        process.start(); process.join()
    """
    run = """
    for kind in (Stop, worker.Interrupt, KeyError, ValueError): stopped(context, kind)
    """
    machine.run(program(run, "not_errors=[Stop, 'worker.Interrupt', LookupError]", above), method)
    ended_by = {
        next((tag.partition(":")[2] for tag in span["tags"] if tag.startswith("ended_by:")), None): (
            span["status"]
        )
        for span in recorded(machine)
        if span["name"] == "stops"
    }
    main = "__main__" if method == "fork" else "__mp_main__"
    assert ended_by == {f"{main}.Stop": "ok", "worker.Interrupt": "ok", "KeyError": "ok", None: "error"}


def test_a_program_that_is_started_with_child_environment_knows_what_is_no_error(machine: Machine) -> None:
    child = "import worker\ntry: worker.interrupted()\nexcept worker.Interrupt: pass"
    machine.environ["PYTHONPATH"] += f":{machine.home}"
    machine.run(program(started(child=child), "not_errors=[worker.Interrupt]"), "spawn")
    assert {span["name"]: span["status"] for span in recorded(machine)} == {"main": "ok", "interrupted": "ok"}


# --- subprocess ---------------------------------------------------------------------------------------------

CHILD = "import worker; worker.work(1)"


def started(environ: str = "", child: str = CHILD) -> str:
    words = f"[sys.executable, '-c', {child!r}]"
    return f"subprocess.run({words}, check=True, env={{**os.environ, **child_environment(), {environ}}})"


def test_a_program_that_is_started_with_child_environment_records_as_its_parent_does(
    machine: Machine,
) -> None:
    run = f"{started()}; os.mkdir('other'); os.chdir('other'); {started()}"
    machine.environ["PYTHONPATH"] += f":{machine.home}"
    ended = machine.run(program(run, "redact=worker.hide, capture_output=False"), "spawn")
    spans = recorded(machine)
    assert names(spans) == {"main": 1, "work": 2}
    assert all("output" not in span["meta"] for span in spans)
    assert ended.err == ""


def test_a_variable_beside_child_environment_wins_over_it(machine: Machine) -> None:
    run = started("'LLMOBS_TRACE_EXPERIMENT_NAME': 'another', 'LLMOBS_TRACE_DATABASE': 'another.db'")
    machine.run(program(run, "redact=worker.hide"), "spawn")
    assert names(recorded(machine)) == {"main": 1}
    assert names(recorded(machine, "another", "another.db")) == {"work": 1}


def test_child_environment_hands_on_what_was_made_up_where_nothing_is_configured(machine: Machine) -> None:
    child = "import sys, worker; sys.argv = ['else']; worker.work(1)"
    machine.run(f"import os, subprocess, sys\n{started(child=child)}\nimport worker\nworker.work(0)")
    spans = recorded(machine, "program", ".llmobs/experiments.db")
    assert Counter(span["name"] for span in spans) == {"work": 2}
    assert len({(span["project_id"], span["dataset_id"]) for span in spans}) == 1


@pytest.mark.parametrize(
    ("redact", "environ", "why"),
    [
        ("hide_here", "", "hide_here is defined in the program that was started, which is not imported here"),
        ("lambda field, value: value", "", "PicklingError: "),
        ("Large()", "", "it is too large for an environment variable"),
        ("worker.OfAnotherVersion()", "", "given a method_descriptor that can't be called as redact(field"),
        ("worker.hide", "'LLMOBS_TRACE_PARENT': 'x'", "LLMOBS_TRACE_PARENT is not what child_environment() "),
    ],
)
def test_a_program_without_its_parent_s_redactor_says_so_and_records_nothing(
    machine: Machine, redact: str, environ: str, why: str
) -> None:
    # It has a function of the same name, which is another.
    child = f"def hide_here(field, value): return value\n{CHILD}\n{CHILD}"
    above = """
    class Large(worker.Hide):
        def __init__(self): self.words = ["x" * 100_000]
    """
    ended = machine.run(program(started(environ, child), f"redact={redact}", above), "spawn")
    assert Counter(span["name"] for span in recorded(machine)) == {"main": 1}
    assert not machine.database.exists()
    [line] = ended.err.splitlines()
    assert line.startswith(f"redact: the process that started this one could not hand its own over ({why}")
