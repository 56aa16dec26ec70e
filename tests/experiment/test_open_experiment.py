"""A loop of one's own is an experiment within `open_experiment`: what is opened there, and nothing else."""

from __future__ import annotations

from typing import Any

from support.machine import Machine

from llmobs_trace.store import datasets, made_experiments
from llmobs_trace.store.store import Store

PROGRAM = """
import asyncio, json, os, signal, sys, threading
from concurrent.futures import ThreadPoolExecutor
from llmobs_trace import *
def row(name):
    with experiment_span(name, input=name) as span: record_metric("length", len(name))
    return span
"""


def stored(machine: Machine) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The experiments that were made, by their unique names, and all experiments' spans by id."""
    with Store(machine.database) as store:
        made = {each.unique_name: each for each in made_experiments.find_experiments(store)}
        spans: dict[str, list[str]] = {}
        for experiment, name in store.select(
            "SELECT e.id, s.name FROM span s JOIN experiment e ON e.key = s.experiment ORDER BY s.name"
        ):
            spans.setdefault(experiment, []).append(name)
        return made, spans


def test_roots_of_the_block_and_of_what_it_starts_belong_to_the_experiment(machine: Machine) -> None:
    outside = machine.run(
        PROGRAM
        + """
opened, closed = threading.Event(), threading.Event()
def beside():
    opened.wait()
    row("beside")
    closed.wait()
started_before = threading.Thread(target=beside)
started_before.start()
def rows_of_a_generator():
    for name in ("g1", "g2"):
        with experiment_span(name): yield
@experiment_span
def decorated(text): row("child")
print(json.dumps(inject({})))
with open_experiment("loop", project="p", dataset=Dataset([("a", 1)], name="d"), config={"k": 1},
                     tags={"team": "x"}, version="7") as experiment:
    opened.set()
    row("a")
    decorated("text")
    for _ in rows_of_a_generator(): pass
    thread = threading.Thread(target=row, args=("thread",))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool: pool.submit(row, "job").result()
    with experiment_span("named", experiment_id="other"): pass
    assert current_span() is None and inject({}) == {}
    record_metric("nobody's", 1)
    with open_experiment("within") as inner:
        row("inner")
    row("z")
closed.set()
started_before.join()
row("after")
print(json.dumps([experiment.experiment_id, experiment.project_id, experiment.dataset_id, experiment.url]))
"""
    )
    made, spans = stored(machine)
    loop = made["loop"]
    assert outside.told == [{}, [loop.id, "p", "d", None]]
    assert spans[loop.id] == ["a", "child", "decorated", "g1", "g2", "job", "thread", "z"]
    assert spans[made["within"].id] == ["inner"]
    assert spans["other"] == ["named"]
    [others] = spans.keys() - {loop.id, made["within"].id, "other"}
    assert spans[others] == ["after", "beside"]
    assert (loop.status, loop.config, loop.dataset_version) == ("completed", b'{"k":1}', 1)
    assert b'"team:x"' in loop.metadata
    rows = [span["tags"] for span in machine.stored_spans() if span["name"] in ("a", "thread")]
    names = {"experiment_name:loop", "project_name:p", "dataset_name:d", "team:x"}
    assert [names - set(tags) for tags in rows] == [set()] * 2
    [other] = [span["tags"] for span in machine.stored_spans() if span["name"] == "named"]
    assert not names & set(other)
    with Store(machine.database) as store:
        assert next(datasets.find_datasets(store, name="d")).version == 1
        [metric] = store.select("SELECT count(*) FROM metric m WHERE label = 'length' AND in_row IS NULL")
        assert metric == (0,)


def test_tasks_that_run_beside_the_block_are_not_in_it(machine: Machine) -> None:
    machine.run(
        PROGRAM
        + """
async def main():
    is_open, was_beside = asyncio.Event(), asyncio.Event()
    async def beside():
        await is_open.wait()
        row("beside")
        was_beside.set()
    other = asyncio.create_task(beside())
    async with open_experiment("loop") as experiment:
        is_open.set()
        await was_beside.wait()
        await asyncio.gather(asyncio.to_thread(row, "thread"), *(task(name) for name in "ab"))
    row("after")
    await other
async def task(name):
    async with experiment_span(name): await asyncio.sleep(0)
asyncio.run(main())
"""
    )
    made, spans = stored(machine)
    assert spans.pop(made["loop"].id) == ["a", "b", "thread"]
    assert list(spans.values()) == [["after", "beside"]]


def test_how_the_block_ended_is_said_also_where_its_process_died(machine: Machine) -> None:
    body = """
for raised in (ValueError("bad"), KeyboardInterrupt("^C"), None):
    try:
        with open_experiment("e"):
            row("a")
            if raised is not None: raise raised
    except BaseException as error: assert error is raised
with open_experiment("forks"):
    if os.fork() == 0: sys.exit(3)
    os.wait()
with open_experiment("dies"): os.kill(os.getpid(), signal.SIGKILL)
"""
    machine.run(PROGRAM + body, code=-9)
    machine.command("runs")
    made, _ = stored(machine)
    assert {name: (found.status, found.error) for name, found in made.items()} == {
        "e": ("failed", "ValueError: bad"),
        "e-2": ("interrupted", "KeyboardInterrupt: ^C"),
        "e-3": ("completed", None),
        "forks": ("completed", None),
        "dies": ("interrupted", "its process ended without a word"),
    }
    assert list((machine.home / "state" / "llmobs-trace" / "loops").iterdir()) == []


def test_a_loop_whose_experiment_nobody_makes_does_not_begin(machine: Machine) -> None:
    machine.database.parent.mkdir(parents=True)
    in_the_way = "configure()\nos.mkdir('.llmobs/experiments.db')\n"
    ended = machine.run(PROGRAM + in_the_way + "with open_experiment('e'): print('paid')", code=1)
    assert "ExperimentError: nothing was run: " in ended.err
    assert ended.out == ""
    machine.set(enabled=0)
    assert machine.run(PROGRAM + "with open_experiment('e'): print(1)").out == "1\n"
