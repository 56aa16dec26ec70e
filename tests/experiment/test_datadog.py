"""An experiment at Datadog: made before its first row, the same as in the store, and one whatever breaks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import textwrap
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import msgspec
import pytest
from support.delivery import API_KEY, APP_KEY
from support.machine import Machine
from support.scripted_datadog import READINGS, Asked, Fault, ScriptedDatadog
from support.serving import Serving

from llmobs_trace.catalog.catalog import Record
from llmobs_trace.catalog.http_catalog import HttpCatalog
from llmobs_trace.catalog.local_catalog import LocalCatalog
from llmobs_trace.settings.checks import Secret
from llmobs_trace.store.store import Store

PROGRAM = """
import sys
from llmobs_trace import *
from llmobs_trace.evaluators import exact_match
def answer(question):
    with open("calls", "a") as file: file.write(question + "\\n")
    if question == "Nowhere": raise KeyError(question)
    with experiment_span("model", kind="llm"): pass
    return {"France": "Paris", "Italy": "Roma", "Spain": "Madrid"}[question]
def short(output): return None if output == "Roma" else len(output) / 10
def total(rows): return sum(len(row.output or "") for row in rows)
rows = [Row("France", "Paris", {"lang": "fr"}), ("Italy", "Rome"), ("Spain", "Madrid"), ("Nowhere", "x")]
def run(**options):
    return Experiment("prompt-v2", dataset=Dataset(rows, name="capitals"), task=answer, config={"model": "m"},
        evaluators=[exact_match, short], summary_evaluators=[total], repeats=2, **options).run(progress=False)
"""
RUN = 'print(run(project="support-bot").status)'
UNITS = [(row, str(repeat)) for row in ("France", "Italy", "Nowhere", "Spain") for repeat in (1, 2)]
MAKING = ("make project", "make dataset", "change records", "make experiment")


@pytest.fixture
def datadog() -> Iterator[ScriptedDatadog]:
    with ScriptedDatadog() as running:
        yield running


def with_keys(machine: Machine, url: str) -> Machine:
    machine.environ |= {"DD_API_KEY": API_KEY, "DD_APP_KEY": APP_KEY}
    machine.set(base_url=url, flush_interval=0.1)
    return machine


def calls(machine: Machine) -> Counter[str]:
    file = machine.home / "calls"
    return Counter(file.read_text().splitlines() if file.exists() else [])


def tags_of(span: Any) -> dict[str, str]:
    return dict(tag.split(":", 1) for tag in span["tags"])


def rows_in(spans: list[Any], metrics: list[Any]) -> dict[tuple[str, str], Any]:
    """What came of each row, by its input and its repeat."""
    once = {span["span_id"]: span for span in spans}
    scores: dict[str, dict[str, Any]] = {}
    for metric in metrics:
        value = {name: metric[name] for name in metric if name.endswith("_value") or name in ("error",)}
        scores.setdefault(metric["span_id"], {})[metric["label"]] = value
    found = {}
    for span in once.values():
        tags = tags_of(span)
        if "dataset_record_id" in tags and "parent_id" not in tags:
            meta = span["meta"]
            key = meta["input"], tags["run_iteration"]
            assert key not in found, "a row is there twice"
            children = [each for each in once.values() if tags_of(each).get("parent_id") == span["span_id"]]
            found[key] = (
                span["status"],
                meta.get("output"),
                meta.get("expected_output"),
                meta.get("error", {}).get("type"),
                tags["dataset_record_id"],
                scores.get(span["span_id"], {}),
                sorted(each["name"] for each in children),
            )
    return found


def of_datadog(datadog: ScriptedDatadog) -> dict[tuple[str, str], Any]:
    [experiment], [dataset] = datadog.experiments, datadog.datasets
    for event in [*datadog.spans, *datadog.metrics]:
        assert event["experiment"] == experiment["id"]
    for span in datadog.spans:
        assert span["dataset_id"] == dataset["id"]
    found = rows_in(datadog.spans, datadog.metrics)
    assert {row[4] for row in found.values()} == set(datadog.records())
    return found


def is_whole(datadog: ScriptedDatadog) -> bool:
    assert [one["name"] for one in datadog.projects] == ["support-bot"]
    assert [(one["name"], one["version"]) for one in datadog.datasets] == [("capitals", 1)]
    assert sorted(one["input"] for one in datadog.records().values()) == [
        "France",
        "Italy",
        "Nowhere",
        "Spain",
    ]
    [experiment] = datadog.experiments
    assert (experiment["experiment"], experiment["run_count"]) == ("prompt-v2", 2)
    assert experiment["config"] == {"model": "m"}
    assert experiment["status"] == "completed"
    assert "2 of 8 rows raised" in experiment["error"]
    assert sorted(of_datadog(datadog)) == UNITS
    return True


def without_ids(value: Any, ids: dict[str, str]) -> Any:
    """The same with names in the place of ids, times and what else no two runs share."""
    text = json.dumps(value, sort_keys=True)
    for own, name in ids.items():
        text = text.replace(own, name)
    return json.loads(text)


def test_it_comes_to_the_same_in_the_store_at_the_receiver_and_at_datadog_in_each_reading(
    machine: Machine, other_machine: Machine
) -> None:
    machine.run(PROGRAM + "run()")
    expected = rows_in(machine.stored_spans(), machine.stored_metrics())
    assert sorted(expected) == UNITS
    other_machine.database.parent.mkdir()
    with Serving(other_machine.database) as server:
        with_keys(other_machine, server.url)
        assert other_machine.run(PROGRAM + RUN).out == "completed\n"
    assert rows_in(other_machine.stored_spans(), other_machine.stored_metrics()) == expected
    assert status_in(machine) == status_in(other_machine) == ("completed", "2 of 8 rows raised", 2)
    readings = {name: ScriptedDatadog(reading) for name, reading in READINGS.items()}
    with ExitStack() as stack:
        for datadog in readings.values():
            stack.enter_context(datadog)
        with_keys(machine, "")
        program = 'for url in sys.argv[1:]: configure(base_url=url); run(project="support-bot")'
        machine.run(PROGRAM + program, *(datadog.url for datadog in readings.values()))
        for name, datadog in readings.items():
            assert is_whole(datadog), name
            assert of_datadog(datadog) == expected, name
    requests = [asked_for(datadog) for datadog in readings.values()]
    assert all(each == requests[0] for each in requests)
    assert status_in(machine) == ("completed", "2 of 8 rows raised", 2)


def status_in(machine: Machine) -> tuple[Any, ...]:
    with Store(machine.database, read_only=True) as store:
        [found] = LocalCatalog(store).find(name="prompt-v2")
    return found.status, found.error, found.repeats


def asked_for(datadog: ScriptedDatadog) -> list[Any]:
    """What was made and said, but for ids and events, whose batches are by chance."""
    ids = {
        datadog.projects[0]["id"]: "<project>",
        datadog.datasets[0]["id"]: "<dataset>",
        datadog.experiments[0]["id"]: "<experiment>",
        datadog.experiments[0]["metadata"]["llmobs_trace"]["run"]: "<run>",
    }
    return [
        without_ids([one.step, one.path, one.body], ids)
        for one in datadog.asked
        if one.step in (*MAKING, "status")
    ]


@pytest.mark.parametrize(("step", "is_done"), [*((step, True) for step in MAKING[1:]), (MAKING[-1], False)])
def test_a_kill_in_the_middle_of_its_creation_is_gone_on_from(
    machine: Machine, datadog: ScriptedDatadog, step: str, is_done: bool
) -> None:
    with_keys(machine, datadog.url)
    started: list[subprocess.Popen[str]] = []

    def kill(asked: Asked) -> None:
        if asked.step == step and not datadog.steps().count(step):
            os.killpg(started[0].pid, signal.SIGKILL)
            started[0].wait()

    datadog.on_request = kill
    datadog.faults = [Fault(step, "lost" if is_done else "no answer")]
    started.append(machine.start(PROGRAM + RUN))
    started[0].wait(60)
    assert calls(machine) == Counter()
    assert machine.run(PROGRAM + RUN).out == "completed\n"
    assert is_whole(datadog)
    assert set(calls(machine).values()) == {2}


def test_a_run_that_goes_on_does_not_read_its_dataset_again_unless_it_is_another(
    machine: Machine, datadog: ScriptedDatadog
) -> None:
    with_keys(machine, datadog.url)
    dies = "import os; original = answer\ndef answer(question): return original(question)\n"
    once = 'short = lambda output: os._exit(3) if not os.path.exists("died") and open("died", "w") else 1\n'
    program = PROGRAM.replace("rows = [", f"{dies}{once}rows = [") + RUN
    machine.run(program, code=3)
    datadog.asked.clear()
    assert machine.run(program).out == "completed\n"
    assert {"list records", "change records", "make dataset", "make experiment"} & {*datadog.steps()} == set()
    assert is_whole(datadog)


FAILURES: tuple[str | int, ...] = ("no answer", "lost", "half", "portal", 401, 403, 404, 409, 429, 503)


def test_whatever_fails_at_any_step_nothing_is_paid_for_before_there_is_one_of_each(
    machine: Machine,
) -> None:
    """In one process, two failures at each step, each in a Datadog of its own; where it was refused it is run
    again.
    """
    paid: list[Any] = []

    def look(step: str, how: str | int, asked: Asked) -> None:
        if asked.step not in ("status", "events") and calls(machine):
            paid.append((step, how, asked.step))

    with ExitStack() as stack:
        servers = {}
        steps = ("look project", "look dataset", "list records", "look experiment", *MAKING)
        for number, step in enumerate(steps):
            for how in FAILURES[number % 5 :: 5]:
                fault = Fault(step, how, headers={"X-RateLimit-Reset": "0", "Retry-After": "0"})
                server = servers[step, how] = stack.enter_context(ScriptedDatadog(None, fault))
                server.on_request = partial(look, step, how)
        with_keys(machine, "")
        program = """
            from pathlib import Path
            from llmobs_trace.catalog import asking
            asking.Pace = lambda: Pace(base_seconds=0.01)
            from llmobs_trace.http_client.backoff import Pace
            for url in sys.argv[1:]:
                configure(base_url=url)
                Path("calls").write_text("")
                for _ in range(2):
                    try: run(project="support-bot"); break
                    except ExperimentError as error: assert not Path("calls").read_text(), error
                else: raise error
        """
        machine.run(PROGRAM + textwrap.dedent(program), *(one.url for one in servers.values()), timeout=300)
        for (step, how), server in servers.items():
            assert server.struck == 1, (step, how)
            assert is_whole(server), (step, how)
        assert paid == []


@pytest.mark.parametrize(("step", "status"), [("look project", 401), ("make experiment", 403)])
def test_what_can_t_be_made_costs_nothing(
    machine: Machine, datadog: ScriptedDatadog, step: str, status: int
) -> None:
    with_keys(machine, datadog.url)
    datadog.faults = [Fault(step, status, times=99)]
    ended = machine.run(PROGRAM + f"try: {RUN}\nexcept ExperimentError as error: print(error)")
    assert ended.out.startswith("nothing was run: ")
    assert f"HTTP {status}" in ended.out
    assert API_KEY not in ended.out + ended.err
    assert calls(machine) == Counter()
    assert datadog.experiments == datadog.spans == []
    # Whoever mends it runs it.
    datadog.faults = []
    assert machine.run(PROGRAM + RUN).out == "completed\n"
    assert is_whole(datadog)


def test_keys_alone_send_nothing_and_one_line_says_so(machine: Machine, datadog: ScriptedDatadog) -> None:
    with_keys(machine, datadog.url)
    program = 'print(run().status); configure(destination="local"); print(run(project="support-bot").status)'
    ended = machine.run(PROGRAM + program)
    assert ended.out == "completed\n" * 2
    assert datadog.asked == []  # nor where what was asked for is the local store
    [line] = [line for line in ended.err.splitlines() if "project_name" in line]
    assert "recording to the local store" in line
    assert len(machine.stored_spans()) > 8


def test_what_is_recorded_before_and_after_goes_where_it_went(
    machine: Machine, datadog: ScriptedDatadog
) -> None:
    with_keys(machine, datadog.url)
    machine.run(f"""{PROGRAM}
with experiment_span("before"): pass
run(project="support-bot")
with experiment_span("after"): pass
run()
""")
    assert is_whole(datadog)
    names = Counter(span["name"] for span in machine.stored_spans() if "parent_id" not in tags_of(span))
    assert names["before"] == names["after"] == 1
    assert sum(names.values()) >= 10


def test_a_project_by_a_variable_is_as_good(machine: Machine, datadog: ScriptedDatadog) -> None:
    with_keys(machine, datadog.url)
    machine.environ["DD_LLMOBS_PROJECT_NAME"] = "support-bot"
    machine.run(PROGRAM + "run()")
    assert is_whole(datadog)


def test_a_dataset_of_datadogs_is_run_over_as_it_is_there(machine: Machine, datadog: ScriptedDatadog) -> None:
    with_keys(machine, datadog.url)
    catalog = HttpCatalog(datadog.url, Secret(API_KEY), Secret(APP_KEY))
    values = {"one": "France", "two": "Italy", "three": "Spain"}
    rows = [Record(id=id, input=msgspec.Raw(f'"{value}"'.encode())) for id, value in values.items()]
    project = catalog.project("support-bot")
    catalog.dataset(project.id, "capitals", rows[:2])
    catalog.dataset(project.id, "capitals", rows)
    datadog.asked.clear()
    ended = machine.run(
        PROGRAM
        + """
dataset = Dataset.from_datadog("capitals", "support-bot")
Experiment("prompt-v2", dataset=dataset, task=answer, evaluators=[short]).run(progress=False)
print([row.id for row in dataset])
for wanted in (("capitals", "another"), ("another", "support-bot")):
    try: Dataset.from_datadog(*wanted)
    except ConfigurationError as error: print(error)
"""
    )
    ids, *told = ended.out.splitlines()
    assert ids == "['one', 'two', 'three']"
    assert [line.partition(" at ")[0] for line in told] == [
        "from_datadog: there is no project 'another'",
        "from_datadog: there is no dataset 'another'",
    ]
    assert set(of_datadog(datadog)) == {(value, "1") for value in values.values()}
    assert datadog.experiments[0]["dataset_version"] == 2
    assert {"make project", "make dataset", "change records"} & {*datadog.steps()} == set()


def test_rows_that_came_while_events_found_no_way_arrive_with_the_next_run(
    machine: Machine, datadog: ScriptedDatadog
) -> None:
    with_keys(machine, datadog.url)
    machine.set(shutdown_timeout=0.2)
    datadog.faults = [Fault("events", 503, times=10_000)]
    machine.run(PROGRAM + RUN)
    assert datadog.experiments[0]["status"] == "completed"
    assert datadog.spans == []
    datadog.faults = []
    machine.command("resend")
    assert sorted(of_datadog(datadog)) == UNITS


def test_a_loop_of_one_s_own_goes_there_as_well(machine: Machine, datadog: ScriptedDatadog) -> None:
    with_keys(machine, datadog.url)
    machine.run(f"""{PROGRAM}
with experiment_span("before"): pass
with open_experiment("prompt-v2", project="support-bot", dataset=Dataset(rows, name="capitals")):
    for row in rows:
        with experiment_span("row", input=row.input if isinstance(row, Row) else row[0]) as span:
            record_metric("right", True)
with experiment_span("after"): pass
""")
    [experiment] = datadog.experiments
    assert (experiment["experiment"], experiment["status"]) == ("prompt-v2", "completed")
    assert sorted(one["input"] for one in datadog.records().values()) == [
        "France",
        "Italy",
        "Nowhere",
        "Spain",
    ]
    assert {span["name"] for span in datadog.spans} == {"row"}
    assert {span["experiment"] for span in datadog.spans} == {experiment["id"]}
    assert {span["dataset_id"] for span in datadog.spans} == {datadog.datasets[0]["id"]}
    assert {tags_of(span)["dataset_record_id"] for span in datadog.spans} == set(datadog.records())
    assert {span["name"] for span in machine.stored_spans()} == {"before", "after"}
