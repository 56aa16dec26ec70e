"""With keys and names, events go to one experiment of the run, whoever delivers them and whatever breaks."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.delivery import API_KEY, APP_KEY
from support.machine import Machine
from support.scripted_datadog import READINGS, Asked, Fault, Reading, ScriptedDatadog
from support.serving import Serving

from llmobs_trace.catalog.local_catalog import LocalCatalog
from llmobs_trace.store.store import Store

NAMES = {"project_name": "support-bot", "dataset_name": "tickets", "experiment_name": "prompt-v2"}
MADE = ["look project", "make project", "look dataset", "make dataset", "look experiment", "make experiment"]
TRACE = """
with experiment_span("row", input="2+2?") as row:
    with experiment_span("model", kind="llm"): pass
    record_metric("right", True)
"""


@pytest.fixture
def datadog() -> Iterator[ScriptedDatadog]:
    with ScriptedDatadog() as running:
        yield running


def sends_by_name(machine: Machine, datadog: ScriptedDatadog, **options: object) -> None:
    machine.environ |= {"DD_API_KEY": API_KEY, "DD_APP_KEY": APP_KEY}
    machine.set(base_url=datadog.url, flush_interval=0.1, **{**NAMES, **options})


def has_one_of_each(datadog: ScriptedDatadog, spans: int, metrics: int) -> bool:
    """And so many events in it, each once."""
    [project], [dataset], [experiment] = datadog.projects, datadog.datasets, datadog.experiments
    assert (project["name"], dataset["name"]) == (NAMES["project_name"], NAMES["dataset_name"])
    assert (experiment["project_id"], experiment["dataset_id"]) == (project["id"], dataset["id"])
    assert experiment["experiment"] == NAMES["experiment_name"]
    for span in datadog.spans:
        assert (span["project_id"], span["dataset_id"]) == (project["id"], dataset["id"])
    events = [*datadog.spans, *datadog.metrics]
    assert {event["experiment"] for event in events} == {experiment["id"]}
    once = {span["span_id"] for span in datadog.spans}, {metric["span_id"] for metric in datadog.metrics}
    assert tuple(map(len, once)) == (spans, metrics)
    return True


@pytest.mark.parametrize("reading", ["both shapes", "sparse"])
def test_keys_and_three_names_are_all_that_is_needed(machine: Machine, reading: str) -> None:
    with ScriptedDatadog(READINGS[reading]) as datadog:
        sends_by_name(machine, datadog)
        if reading == "sparse":  # the variable of other tracers is as good
            machine.environ["DD_LLMOBS_PROJECT_NAME"] = machine.environ.pop("LLMOBS_TRACE_PROJECT_NAME")
        ended = machine.run(TRACE)
        assert ended.err == ""
        assert has_one_of_each(datadog, spans=2, metrics=1)
        assert list(dict.fromkeys(datadog.steps())) == [*MADE, "status", "events"]
        tags = datadog.experiments[0]["metadata"]["tags"]
        assert tags == ["project_name:support-bot", "dataset_name:tickets", "experiment_name:prompt-v2"]


def test_keys_alone_send_nothing_anywhere(machine: Machine, datadog: ScriptedDatadog) -> None:
    sends_by_name(machine, datadog)
    for name in NAMES:
        del machine.environ[f"LLMOBS_TRACE_{name.upper()}"]
    ended = machine.run(TRACE)
    assert datadog.asked == []
    assert "still needs project_name (LLMOBS_TRACE_PROJECT_NAME)" in ended.err
    assert len(machine.stored_spans()) == 2


def test_a_run_is_compared_with_what_its_processes_counted(machine: Machine, tmp_path: Path) -> None:
    with Serving(tmp_path / "datadog.db") as server:
        machine.environ |= {"DD_API_KEY": API_KEY, "DD_APP_KEY": APP_KEY}
        machine.set(base_url=server.url, **NAMES)
        machine.run(TRACE)
        with Store(server.database, read_only=True) as store:
            [made] = LocalCatalog(store).find()
        assert machine.command("reconcile", made.id).out == "3 delivered by 1 process, 3 there\n"


def test_a_user_s_text_that_looks_like_a_made_up_id_stays_as_it_is(
    machine: Machine, datadog: ScriptedDatadog
) -> None:
    sends_by_name(machine, datadog)
    machine.run("""
        with experiment_span("row") as span:
            made_up = inject({})["tracestate"].partition("p:")[2].partition(";")[0]
            assert made_up.startswith("llmobs-run-project-")
            span.set_input({"project_id": made_up, "text": f'"project_id":"{made_up}"'})
        with experiment_span(f'{{"project_id":"{made_up}"'): pass
    """)
    first, second = sorted(datadog.spans, key=lambda span: span["start_ns"])
    made_up = first["meta"]["input"]["project_id"]
    assert made_up.startswith("llmobs-run-project-")
    assert first["meta"]["input"]["text"] == f'"project_id":"{made_up}"'
    assert second["name"] == f'{{"project_id":"{made_up}"'
    assert {first["project_id"], second["project_id"]} == {datadog.projects[0]["id"]}


@pytest.mark.parametrize(
    ("step", "deliverer"),
    [
        ("make project", "resend"),
        ("make dataset", "resend"),
        ("make experiment", "resend"),
        ("make experiment", "the next run"),
    ],
)
def test_killed_at_any_step_of_making_it_the_events_go_to_one_experiment(
    machine: Machine, datadog: ScriptedDatadog, step: str, deliverer: str
) -> None:
    sends_by_name(machine, datadog)
    program = machine.start(TRACE + "input()")

    def kill(asked: Asked) -> None:
        if asked.step == step:
            os.kill(program.pid, signal.SIGKILL)
            program.wait()  # what is asked for is done all the same, and nobody hears of it

    datadog.on_request = kill
    program.wait(timeout=30)
    datadog.on_request = lambda asked: None
    assert datadog.spans == []
    if deliverer == "resend":
        assert machine.command("resend").out.endswith("3 events delivered, 0 rejected, 0 undelivered\n")
        assert has_one_of_each(datadog, spans=2, metrics=1)
    else:
        machine.run("with experiment_span('next'): pass")
        # Another run is another experiment, of the same project and dataset.
        assert (len(datadog.projects), len(datadog.datasets)) == (1, 1)
        names = Counter(experiment["experiment"] for experiment in datadog.experiments)
        assert names == Counter({NAMES["experiment_name"]: 2})
        of = {span["name"]: span["experiment"] for span in datadog.spans}
        assert of["row"] == of["model"] == datadog.metrics[0]["experiment"] != of["next"]


@pytest.mark.parametrize("how", ["lost", "half"])
def test_an_answer_that_is_lost_at_every_step_makes_nothing_twice(
    machine: Machine, datadog: ScriptedDatadog, how: str | int
) -> None:
    datadog.faults = [Fault(step, how) for step in [*MADE, "events"]]
    sends_by_name(machine, datadog, shutdown_timeout=60)
    machine.run(TRACE)
    assert has_one_of_each(datadog, spans=2, metrics=1)


def test_after_an_outage_of_a_whole_run_resend_makes_its_experiment(
    machine: Machine, datadog: ScriptedDatadog
) -> None:
    datadog.faults = [Fault("look project", 503, times=1000)]
    sends_by_name(machine, datadog, shutdown_timeout=0.5)
    ended = machine.run(
        TRACE + "while not delivery_stats().last_error: flush(0.1)\nprint(delivery_stats().last_error)"
    )
    said = ended.out
    assert said.startswith(
        f"looking for the project 'support-bot' at {datadog.url}: HTTP 503: 503: said the server"
    )
    assert "3 events are not delivered yet" in ended.err
    datadog.faults = []
    # Whoever delivers needs the keys alone.
    for name in NAMES:
        del machine.environ[f"LLMOBS_TRACE_{name.upper()}"]
    assert machine.command("resend").out.endswith("3 events delivered, 0 rejected, 0 undelivered\n")
    assert has_one_of_each(datadog, spans=2, metrics=1)


@pytest.mark.parametrize(
    ("step", "status"), [("make project", 403), ("make dataset", 404), ("make experiment", 400)]
)
def test_a_refusal_is_said_once_and_everything_is_kept(
    machine: Machine, datadog: ScriptedDatadog, step: str, status: int
) -> None:
    datadog.faults = [Fault(step, status, times=1000)]
    sends_by_name(machine, datadog, shutdown_timeout=0.5)
    ended = machine.run(TRACE + "flush(30); flush(0.1); print(delivery_stats().last_error)")
    what = step.removeprefix("make ")
    called = NAMES[f"{what}_name"]
    words = f"making the {what} {called!r} at {datadog.url}: HTTP {status}: {status}: said the server"
    assert ended.out.startswith(words)
    [paused, left] = ended.err.splitlines()
    assert paused.startswith(
        f"delivery of experiment 'prompt-v2' to {datadog.url} is paused, its events are kept: {words}"
    )
    assert left.startswith("3 events are not delivered yet")
    assert API_KEY not in ended.err
    assert datadog.steps().count(step) == 1  # paused: tried again slowly
    datadog.faults = []
    machine.command("resend")
    assert has_one_of_each(datadog, spans=2, metrics=1)


@pytest.mark.parametrize("step", ["look dataset", "look experiment"])
def test_a_project_that_is_deleted_in_between_is_made_anew(
    machine: Machine, datadog: ScriptedDatadog, step: str
) -> None:
    def delete(asked: Asked) -> None:
        if asked.step == step and not datadog.steps().count(step):
            datadog.projects.clear()
            datadog.datasets.clear()

    datadog.on_request = delete
    sends_by_name(machine, datadog, shutdown_timeout=0.5)
    machine.run(TRACE + "flush(30)")
    assert datadog.spans == []
    machine.command("resend")
    assert has_one_of_each(datadog, spans=2, metrics=1)


WORKERS = """
import multiprocessing, os, subprocess, sys
from llmobs_trace import *
def work(number):
    with experiment_span(f"work {number}"):
        record_metric("right", True)
if __name__ == "__main__":
    configure()
    how = sys.argv[1]
    if how == "subprocess":
        worker = "from llmobs_trace import *\\nwith experiment_span('work'): record_metric('right', True)"
        environ = {**os.environ, **child_environment()}
        for name in ("PROJECT", "DATASET", "EXPERIMENT"):
            del os.environ[f"LLMOBS_TRACE_{name}_NAME"]
        workers = [subprocess.Popen([sys.executable, "-c", worker], env=environ) for _ in range(3)]
        assert [worker.wait() for worker in workers] == [0, 0, 0]
    else:
        context = multiprocessing.get_context(how)
        workers = [context.Process(target=work, args=(number,)) for number in range(3)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
"""


@pytest.mark.parametrize("how", ["fork", "spawn", "subprocess"])
def test_workers_that_deliver_at_one_time_have_one_experiment(
    machine: Machine, datadog: ScriptedDatadog, how: str
) -> None:
    sends_by_name(machine, datadog, shutdown_timeout=20)
    machine.run(WORKERS, how)
    assert has_one_of_each(datadog, spans=3, metrics=3)
    assert datadog.steps().count("make experiment") == 1
    # A worker that ends is not the run's end.
    said = [asked.attributes["status"] for asked in datadog.asked if asked.step == "status"]
    assert said == ["running", "completed"]


def status_of(datadog: ScriptedDatadog) -> tuple[str | None, str | None]:
    [experiment] = datadog.experiments
    return experiment["status"], experiment["error"]


@pytest.mark.parametrize(
    ("end", "code", "status"),
    [
        ("", 0, ("completed", None)),
        ("shutdown(); input()", 1, ("completed", None)),
        ("raise ValueError('secret')", 1, ("failed", "ValueError")),
        ("import os; assert flush(20); os._exit(3)", 3, ("running", None)),
    ],
)
def test_an_experiment_s_status_says_how_the_process_ended_that_began_the_run(
    machine: Machine, datadog: ScriptedDatadog, end: str, code: int, status: tuple[str, str | None]
) -> None:
    sends_by_name(machine, datadog, shutdown_timeout=20)
    program = machine.start(TRACE + end)
    program.communicate(timeout=60)
    assert (program.returncode, status_of(datadog)) == (code, status)


KILLED = (
    TRACE
    + """
import os, signal
assert flush(20)
os.kill(os.getpid(), signal.SIGKILL)
"""
)


@pytest.mark.parametrize("who", ["the next run", "resend"])
def test_of_a_run_that_was_killed_whoever_comes_next_says_that_it_was_interrupted(
    machine: Machine, datadog: ScriptedDatadog, who: str
) -> None:
    sends_by_name(machine, datadog, shutdown_timeout=20)
    machine.run(KILLED, code=-signal.SIGKILL)
    assert status_of(datadog) == ("running", None)
    if who == "resend":
        machine.command("resend")
    else:
        machine.run("with experiment_span('next'): pass")
        assert datadog.experiments[1]["status"] == "completed"
    said = datadog.experiments[0]["status"], datadog.experiments[0]["error"]
    assert said == ("interrupted", "its process ended without a word")
    asked = datadog.steps().count("status")
    machine.command("resend")
    assert datadog.steps().count("status") == asked  # once


def test_how_a_run_ended_in_an_outage_is_said_with_what_it_left(
    machine: Machine, datadog: ScriptedDatadog
) -> None:
    datadog.faults = [Fault("events", 503, times=1000)]
    sends_by_name(machine, datadog, shutdown_timeout=0.5)
    machine.run(TRACE + "flush(20); raise KeyError", code=1)
    assert status_of(datadog) == ("running", None)
    datadog.faults = []
    machine.command("resend")
    assert has_one_of_each(datadog, spans=2, metrics=1)
    assert status_of(datadog) == ("failed", "KeyError")


def test_a_run_goes_on_as_long_as_one_of_its_workers_does(machine: Machine, datadog: ScriptedDatadog) -> None:
    sends_by_name(machine, datadog, shutdown_timeout=20)
    worker = machine.start("""
        import os, signal
        with experiment_span("row"): pass
        assert flush(20)
        if os.fork():
            os.kill(os.getpid(), signal.SIGKILL)
        with experiment_span("worker"): pass
        assert flush(20)
        print("delivered", flush=True)
        input()
    """)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "delivered\n"
    machine.command("resend")
    assert status_of(datadog) == ("running", None)
    worker.communicate("\n", timeout=60)
    machine.command("resend")
    assert status_of(datadog)[0] == "interrupted"


def test_the_exit_does_not_wait_for_a_status_longer_than_it_may(
    machine: Machine, datadog: ScriptedDatadog
) -> None:
    has_ended = threading.Event()

    def be_slow(asked: Asked) -> None:
        if asked.step == "status" and asked.attributes["status"] != "running":
            has_ended.wait()

    datadog.on_request = be_slow
    sends_by_name(machine, datadog, shutdown_timeout=1, request_timeout=60)
    machine.run(TRACE + "assert flush(20)")  # within a minute, which is sooner than it would be answered
    has_ended.set()
    assert has_one_of_each(datadog, spans=2, metrics=1)


def test_once_it_is_known_headers_have_the_real_ids(machine: Machine, datadog: ScriptedDatadog) -> None:
    sends_by_name(machine, datadog)
    told = machine.run("""
        import json
        with experiment_span("before"): first = inject({})["tracestate"]
        assert flush(20)
        with experiment_span("after"): second = inject({})["tracestate"]
        print(json.dumps([first, second]))
    """).told
    [[first, second]] = told
    assert first.startswith("llmobs=e:llmobs-run-")
    [project], [dataset], [experiment] = datadog.projects, datadog.datasets, datadog.experiments
    assert second == f"llmobs=e:{experiment['id']};p:{project['id']};d:{dataset['id']}"


SERVICE = """
import json, sys
with continue_trace(json.loads(sys.argv[1]), trust=True), experiment_span("service"): pass
print(flush(0.5), flush=True)
input()
print(flush(30), flush=True)
"""


@pytest.mark.parametrize("journal", ["the same", "another"])
def test_a_service_that_knows_a_run_by_a_header_alone_waits_until_it_is_made(
    machine: Machine, datadog: ScriptedDatadog, journal: str
) -> None:
    sends_by_name(machine, datadog)
    client = machine.start("""
        import json
        with experiment_span("client"):
            print(json.dumps(inject({})), flush=True)
            input()
        assert flush(30)
        print("delivered", flush=True)
        input()
    """)
    assert client.stdout is not None
    headers = client.stdout.readline()
    if journal == "another":
        machine.set(journal=machine.home / "another")
    machine.set(experiment_name="service")  # a run of its own, if it is needed
    service = machine.start(SERVICE, headers, name="service")
    assert service.stdout is not None
    assert service.stdout.readline() == "False\n"
    assert client.stdin is not None
    client.stdin.write("\n")
    client.stdin.flush()
    assert client.stdout.readline() == "delivered\n"
    out, err = service.communicate("\n", timeout=60)
    assert (out, "inside the sender" in err) == ("True\n", False)
    client.communicate("\n", timeout=60)
    assert has_one_of_each(datadog, spans=2, metrics=0)


def test_a_span_that_ends_under_another_configuration_goes_to_its_own_experiment_even_after_a_kill(
    machine: Machine, datadog: ScriptedDatadog
) -> None:
    datadog.faults = [Fault("look project", 503, times=1000)]
    sends_by_name(machine, datadog, shutdown_timeout=0.2)
    machine.run(
        """
        import os, signal
        with experiment_span("first"):
            configure(experiment_name="prompt-v3")
        with experiment_span("second"): pass
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        code=-signal.SIGKILL,
    )
    datadog.faults = []
    assert machine.command("resend").out.endswith("2 events delivered, 0 rejected, 0 undelivered\n")
    called = {experiment["id"]: experiment["experiment"] for experiment in datadog.experiments}
    of = {span["name"]: called[span["experiment"]] for span in datadog.spans}
    assert of == {"first": "prompt-v2", "second": "prompt-v3"}


def test_a_root_that_names_its_own_experiment_is_in_the_named_project(
    machine: Machine, datadog: ScriptedDatadog
) -> None:
    sends_by_name(machine, datadog)
    datadog.experiments.append({"id": "own", "experiment": "own"})
    machine.run("with experiment_span('row', experiment_id='own'): record_metric('right', True)")
    [span] = datadog.spans
    assert span["experiment"] == "own"
    assert (span["project_id"], span["dataset_id"]) == (datadog.projects[0]["id"], datadog.datasets[0]["id"])
    assert "make experiment" not in datadog.steps()


def test_with_ids_given_nothing_is_looked_up(machine: Machine, datadog: ScriptedDatadog) -> None:
    sends_by_name(machine, datadog, experiment_id="e-1", project_id="p-1", dataset_id="d-1")
    datadog.experiments.append({"id": "e-1"})
    machine.run(TRACE)
    assert set(datadog.steps()) == {"events"}


def test_what_is_kept_of_a_run_goes_with_its_last_journal(machine: Machine, datadog: ScriptedDatadog) -> None:
    sends_by_name(machine, datadog)
    machine.run(TRACE)
    runs = machine.journal / "runs"
    [kept] = runs.glob("*.json")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert API_KEY not in kept.read_text()
    assert json.loads(kept.read_text())["experiment_id"] == datadog.experiments[0]["id"]
    for report in machine.journals():
        for file in report.home.iterdir():
            file.unlink()
        report.home.rmdir()
    machine.run(TRACE)
    [another] = runs.glob("*.json")
    assert another != kept


def test_a_local_store_gets_what_was_meant_for_names_elsewhere(
    machine: Machine, datadog: ScriptedDatadog
) -> None:
    datadog.faults = [Fault("look project", 503, times=1000)]
    sends_by_name(machine, datadog, shutdown_timeout=0.2)
    machine.run(TRACE)
    machine.set(destination="local")
    machine.command("resend", "--journal", str(machine.journal))
    for span in machine.stored_spans():
        assert (span["project_id"], span["dataset_id"]) == ("support-bot", "tickets")
    [listed] = json.loads(machine.command("experiments", "--format", "json").out)
    assert (listed["name"], listed["id"].startswith("llmobs-run")) == ("prompt-v2", False)


def test_bodies_stay_within_their_bound_with_the_ids_that_are_put_in(machine: Machine) -> None:
    with ScriptedDatadog(Reading()) as datadog:
        sends_by_name(machine, datadog, max_batch_bytes=4096, max_event_bytes=2048)
        sizes: list[int] = []
        datadog.on_request = lambda asked: sizes.append(len(json.dumps(asked.body, separators=(",", ":"))))
        machine.run("for n in range(100):\n    with experiment_span(str(n), input='x' * 40): pass")
        assert len(datadog.spans) == 100
        assert max(sizes) <= 4096
