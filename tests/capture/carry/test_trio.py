"""What trio tasks and trio's threads start from, over real runs."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest
import trio
from support.nesting import active, leaf

from llmobs_trace import current_span, experiment_span
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import jobs
from llmobs_trace.capture.carry import trio as carry


@pytest.fixture(autouse=True)
def no_fault_was_swallowed():
    before = slot.faults.count
    yield
    assert slot.faults.count == before, slot.faults.last


async def work(name):
    with experiment_span(name):
        await trio.lowlevel.checkpoint()
        leaf(f"leaf of {name}")


def test_a_task_is_a_child_of_its_spawner_and_not_of_who_opened_the_nursery(llmobs_spans):
    async def spawner(nursery):
        with experiment_span("spawner"):
            nursery.start_soon(work, "spawned")

    async def main():
        with experiment_span("opener"):
            async with trio.open_nursery() as nursery:
                with experiment_span("inner"):
                    nursery.start_soon(spawner, nursery)

    trio.run(main)
    assert llmobs_spans.tree() == {"opener": {"inner": {"spawner": {"spawned": {"leaf of spawned": {}}}}}}


def test_the_first_task_starts_from_what_is_active_around_the_run(llmobs_spans):
    with experiment_span("around"):
        trio.run(work, "main")
    trio.run(work, "alone")
    assert llmobs_spans.tree() == {
        "around": {"main": {"leaf of main": {}}},
        "alone": {"leaf of alone": {}},
    }


def test_a_run_inside_a_generators_block_starts_from_that_block(llmobs_spans):
    def stream():
        with experiment_span("stream"):
            trio.run(work, "main")
            yield

    list(stream())
    assert llmobs_spans.tree() == {"stream": {"main": {"leaf of main": {}}}}


def test_tasks_from_before_the_runs_first_span_start_from_what_is_around_the_run(llmobs_spans):
    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, "one")
            nursery.start_soon(work, "two")

    with experiment_span("around"):
        trio.run(main)
    assert llmobs_spans.tree()["around"].keys() == {"one", "two"}


def test_each_run_has_the_instrument_once(llmobs_spans):
    counted = []

    async def main():
        leaf("one")
        leaf("two")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, "task")
        counted.append(list(trio._core._run.GLOBAL_RUN_CONTEXT.runner.instruments.data["_all"]))

    for _ in range(2):
        trio.run(main)
    assert counted == [[carry._spawns], [carry._spawns]]


def test_a_users_instrument_hears_what_it_heard_before(llmobs_spans):
    class Theirs(trio.abc.Instrument):
        spawned = 0

        def task_spawned(self, task):
            self.spawned += 1
            leaf("instrument")

    theirs = Theirs()

    async def main():
        with experiment_span("main"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(work, "task")

    trio.run(main, instruments=[theirs])
    assert theirs.spawned >= 2
    assert "task" in llmobs_spans.tree()["main"]


def test_a_system_task_is_a_child_of_its_spawner(llmobs_spans):
    done = trio.Event()

    async def system():
        await work("system")
        done.set()

    async def main():
        with experiment_span("main"):
            trio.lowlevel.spawn_system_task(system)
        await done.wait()

    trio.run(main)
    assert llmobs_spans.tree() == {"main": {"system": {"leaf of system": {}}}}


def test_a_threads_job_has_the_callers_span_and_the_next_job_its_own(llmobs_spans):
    names = []

    def job(name):
        names.append(threading.current_thread().name)
        leaf(name)

    async def main():
        for number in range(3):
            with experiment_span(f"request {number}"):
                await trio.to_thread.run_sync(job, f"job {number}")
        await trio.to_thread.run_sync(job, "without")

    trio.run(main)
    assert llmobs_spans.tree() == {
        "request 0": {"job 0": {}},
        "request 1": {"job 1": {}},
        "request 2": {"job 2": {}},
        "without": {},
    }
    assert all(name.startswith("job from ") for name in names), "a thread is named after the user's function"


def test_run_sync_imported_by_name_before_the_first_span_carries_too(llmobs_spans):
    from trio.to_thread import run_sync

    async def main():
        with experiment_span("main"):
            await run_sync(leaf, "job")

    trio.run(main)
    assert llmobs_spans.tree() == {"main": {"job": {}}}


def test_a_call_into_the_run_has_the_threads_span(llmobs_spans):
    def job():
        with experiment_span("thread"):
            trio.from_thread.run(work, "awaited")
            trio.from_thread.run_sync(leaf, "called")

    async def main():
        with experiment_span("main"):
            await trio.to_thread.run_sync(job)

    trio.run(main)
    assert llmobs_spans.tree() == {
        "main": {"thread": {"awaited": {"leaf of awaited": {}}, "called": {}}},
    }


def test_a_foreign_thread_with_a_token_carries_its_span_into_the_run(llmobs_spans):
    async def main():
        token = trio.lowlevel.current_trio_token()

        def foreign():
            with experiment_span("foreign"):
                trio.from_thread.run(work, "awaited", trio_token=token)
                trio.from_thread.run_sync(leaf, "called", trio_token=token)
            trio.from_thread.run(work, "alone", trio_token=token)

        with experiment_span("main"):
            thread = threading.Thread(target=foreign)
        thread.start()
        await trio.to_thread.run_sync(thread.join)

    trio.run(main)
    assert llmobs_spans.tree() == {
        "main": {},
        "foreign": {"awaited": {"leaf of awaited": {}}, "called": {}},
        "alone": {"leaf of alone": {}},
    }


def test_a_function_that_is_none_is_trios_error(llmobs_spans):
    def job():
        with pytest.raises(TypeError, match="expected an async function"):
            trio.from_thread.run(leaf, "no coroutine")
        with pytest.raises(TypeError, match="appears to be asynchronous"):
            trio.from_thread.run_sync(work, "a coroutine")
        return "returned"

    async def main():
        return await trio.to_thread.run_sync(job)

    assert trio.run(main) == "returned"


def test_results_and_exceptions_of_both_directions_are_the_users(llmobs_spans):
    error = ValueError("theirs")

    async def fails():
        raise error

    def job():
        with pytest.raises(ValueError, match="theirs") as caught:
            trio.from_thread.run(fails)
        assert caught.value is error
        return trio.from_thread.run_sync(lambda: 5)

    async def main():
        return await trio.to_thread.run_sync(job)

    assert trio.run(main) == 5


def test_with_threads_switched_off_jobs_start_from_nothing_and_tasks_are_carried(llmobs_spans, monkeypatch):
    monkeypatch.setattr(jobs, "enabled", False)

    async def main():
        with experiment_span("main"):
            await trio.to_thread.run_sync(leaf, "job")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(work, "task")

    trio.run(main)
    assert llmobs_spans.tree() == {"main": {"task": {"leaf of task": {}}}, "job": {}}


def test_the_guest_of_another_loop_has_its_tasks_own_spans(llmobs_spans):
    async def main():
        with experiment_span("guest"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(work, "task")

    async def host():
        done = asyncio.get_running_loop().create_future()
        trio.lowlevel.start_guest_run(
            main,
            run_sync_soon_threadsafe=asyncio.get_running_loop().call_soon_threadsafe,
            done_callback=done.set_result,
        )
        with experiment_span("host"):
            (await done).unwrap()

    asyncio.run(host())
    assert llmobs_spans.tree()["guest"] == {"task": {"leaf of task": {}}}
    assert "host" in llmobs_spans.tree()


def test_outside_a_run_and_between_tasks_the_thread_is_asked(llmobs_spans):
    seen = []

    async def main():
        trio.lowlevel.current_trio_token().run_sync_soon(lambda: seen.append(active()))
        await trio.testing.wait_all_tasks_blocked()

    with experiment_span("thread"):
        trio.run(main)
        assert active() == "thread"
    assert seen == ["thread"]
    assert current_span() is None


def test_an_ended_task_and_what_it_held_are_collected(llmobs_spans):
    class Held:
        pass

    watched = []

    async def holds():
        held = Held()
        watched.append(weakref.ref(held))
        watched.append(weakref.ref(trio.lowlevel.current_task()))
        with experiment_span("task") as span:
            watched.append(weakref.ref(span))
            await trio.lowlevel.checkpoint()

    async def main():
        with experiment_span("main"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(holds)

    trio.run(main)
    gc.collect()
    assert [reference() for reference in watched] == [None, None, None]
    assert len(carry._chains) == 0
