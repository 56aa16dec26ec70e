"""A run is an experiment with a project, a dataset and a status, before its first call and at its end."""

from __future__ import annotations

import json
from typing import Any

from support.machine import Machine

from llmobs_trace.catalog.local_catalog import LocalCatalog
from llmobs_trace.store import made_experiments
from llmobs_trace.store.store import Store

PROGRAM = """
import os, signal
from llmobs_trace import *
def called(): open("calls", "a").write("x")
def answer(n):
    called()
    if n == 2: raise ValueError("two")
    return n
def experiment(**given):
    return Experiment("sums", dataset=Dataset([(n, n) for n in range(3)], name="numbers"), task=answer,
                      summary_evaluators=[len_of], description="why", tags={"team": "a"}, **given)
def len_of(rows): return len(list(rows))
"""


def made(machine: Machine) -> list[Any]:
    """The store's experiments, the newest first, each with every status that it has had."""
    with Store(machine.database) as store:
        return [
            (found, [change.status for change in made_experiments.status_changes(store, found.id)])
            for found in made_experiments.find_experiments(store)
        ]


def test_a_run_is_an_experiment_of_a_project_and_a_dataset_and_says_how_it_ended(machine: Machine) -> None:
    machine.run(
        PROGRAM
        + """
configure(redact=lambda field, value: {"temperature": 0} if field == "config" else value)
experiment(config={"key": "secret"}, repeats=2).run(progress=False)
experiment(project="mine", repeats=2).run(progress=False, max_failures=1, jobs=1)
os.environ["DD_LLMOBS_PROJECT_NAME"] = "theirs"
configure()
experiment().run(progress=False, resume=False)
"""
    )
    (third, _), (failed, how), (first, statuses) = made(machine)
    assert (first.name, first.unique_name, third.unique_name) == ("sums", "sums", "sums")
    assert [each.project_name for each in (first, failed, third)] == [machine.home.name, "mine", "theirs"]
    assert (first.dataset_name, first.dataset_version, first.run_count) == ("numbers", 1, 2)
    assert (first.status, first.error, statuses) == (
        "completed",
        "2 of 6 rows raised",
        ["running", "completed"],
    )
    assert (failed.status, failed.error) == ("failed", "2 of the first 6 rows raised ValueError")
    assert how == ["running", "failed"]
    assert json.loads(first.config) == {"temperature": 0}
    said = json.loads(first.metadata)
    assert said["llmobs_trace"]["run"] == first.run
    assert said["llmobs_trace"]["summary"] == {"len_of": 6}
    assert "team:a" in said["tags"]
    [tags] = {
        tuple(tag for tag in span["tags"] if tag.startswith("project_")) for span in rows_of(machine, first)
    }
    assert tags == (f"project_id:{first.project_id}", f"project_name:{machine.home.name}")
    with Store(machine.database) as store:
        catalog = LocalCatalog(store)
        dataset = catalog.dataset(first.project_id, "numbers")
        assert dataset is not None
        assert [bytes(each.input) for each in catalog.records(dataset)] == [b"0", b"1", b"2"]


def rows_of(machine: Machine, experiment: Any) -> list[Any]:
    with Store(machine.database) as store:
        query = (
            "SELECT v.event FROM span s JOIN span_event v ON v.key = s.key JOIN experiment e"
            " ON e.key = s.experiment WHERE e.id = ? AND s.in_row = s.key"
        )
        return [json.loads(event) for (event,) in store.select(query, (experiment.id,))]


def test_whoever_finds_that_a_run_s_process_died_says_so(machine: Machine) -> None:
    killed = PROGRAM.replace("    called()\n", "    called()\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    for found_by in (["runs"], ["resend"]):
        machine.run(killed + "experiment().run(progress=False, resume=False)", code=-9)
        (found, statuses), *_ = made(machine)
        assert statuses == ["running"]
        machine.command(*found_by)
        (found, statuses), *_ = made(machine)
        assert (statuses, found.error) == (["running", "interrupted"], "its process ended without a word")
    machine.run(killed + "experiment().run(progress=False, resume=False)", code=-9)
    machine.run(PROGRAM + "experiment().run(progress=False)")  # another task: it is another run
    assert [statuses for _, statuses in made(machine)][:2] == [
        ["running", "completed"],
        ["running", "interrupted"],
    ]


def test_nothing_is_paid_for_before_the_experiment_is_made_and_it_is_made_once(machine: Machine) -> None:
    machine.database.parent.mkdir(parents=True)
    body = PROGRAM + "configure(database='.llmobs/experiments.db')\nexperiment().run(progress=False)"
    ended = machine.run(
        body.replace(
            "experiment().run",
            "os.mkdir('.llmobs/experiments.db')\nexperiment().run",
        ),
        code=1,
    )
    assert "ExperimentError: nothing was run: " in ended.err
    assert "is a directory" in ended.err
    assert not (machine.home / "calls").exists()
    machine.database.rmdir()
    # Killed when the experiment was made, before anybody heard of it.
    dies = (
        PROGRAM
        + """
from llmobs_trace.catalog.local_catalog import LocalCatalog
make = LocalCatalog.experiment
def made_and_dies(self, new):
    make(self, new)
    os.kill(os.getpid(), signal.SIGKILL)
LocalCatalog.experiment = made_and_dies
experiment().run(progress=False)
"""
    )
    machine.run(dies, code=-9)
    machine.run(PROGRAM + "experiment().run(progress=False)")
    [(found, statuses)] = made(machine)
    assert (found.status, statuses) == ("completed", ["running", "completed"])
    assert (machine.home / "calls").read_text() == "xxx"
