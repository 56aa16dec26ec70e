"""anyio's task groups, threads and portals over each of its loops; trio's nurseries."""

from __future__ import annotations

import gc
import threading

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import trio
from support.nesting import active, async_stream, leaf

from llmobs_trace import experiment_span


@pytest.fixture(
    params=[("asyncio", {}), ("asyncio", {"use_uvloop": True}), ("trio", {})],
    ids=["asyncio", "uvloop", "trio"],
)
def backend(request):
    return {"backend": request.param[0], "backend_options": request.param[1]}


@pytest.fixture
def run(backend):
    return lambda main: anyio.run(main, **backend)


async def work(name):
    with experiment_span(name):
        await anyio.lowlevel.checkpoint()
        leaf(f"leaf of {name}")


def test_an_anyio_task_groups_tasks_are_children_of_the_block_each_was_started_in(parents, run):
    async def main():
        async with anyio.create_task_group() as group:
            with experiment_span("first"):
                group.start_soon(work, "one")
            with experiment_span("second"):
                group.start_soon(work, "two")
                await anyio.lowlevel.checkpoint()
            group.start_soon(work, "three")

    run(main)
    assert parents() == {
        "first": None,
        "leaf of one": "one",
        "one": "first",
        "second": None,
        "leaf of two": "two",
        "two": "second",
        "leaf of three": "three",
        "three": None,
    }


def test_an_anyio_task_group_inside_a_block(parents, run):
    async def main():
        with experiment_span("outer"):
            async with anyio.create_task_group() as group:
                for number in range(3):
                    group.start_soon(work, f"work {number}")
            leaf("after")

    run(main)
    expected = {"outer": None, "after": "outer"}
    for number in range(3):
        expected |= {f"work {number}": "outer", f"leaf of work {number}": f"work {number}"}
    assert parents() == expected


def test_an_anyio_task_group_handed_to_another_task(parents, run):
    async def spawner(group):
        with experiment_span("spawner"):
            group.start_soon(work, "work")

    async def main():
        with experiment_span("outer"):
            async with anyio.create_task_group() as group:
                group.start_soon(spawner, group)

    run(main)
    assert parents() == {"leaf of work": "work", "work": "spawner", "spawner": "outer", "outer": None}


def test_an_anyio_task_that_reports_that_it_has_started(parents, run):
    async def service(*, task_status):
        with experiment_span("service"):
            task_status.started()
            await anyio.lowlevel.checkpoint()
            leaf("in service")

    async def main():
        async with anyio.create_task_group() as group:
            with experiment_span("starter"):
                await group.start(service)
                leaf("in starter")

    run(main)
    assert parents() == {
        "in starter": "starter",
        "starter": None,
        "in service": "service",
        "service": "starter",
    }


def test_a_cancelled_anyio_task_group_leaves_nothing_active(parents, run):
    async def forever():
        with experiment_span("cancelled"):
            await anyio.sleep_forever()

    async def main():
        with experiment_span("outer"):
            async with anyio.create_task_group() as group:
                group.start_soon(forever)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
            leaf("after")

    run(main)
    assert parents() == {"cancelled": "outer", "after": "outer", "outer": None}


def test_anyios_worker_threads_take_each_job_from_who_gave_it(parents, run):
    async def main():
        limiter = anyio.CapacityLimiter(1)
        for number in range(3):
            with experiment_span(f"request {number}"):
                await anyio.to_thread.run_sync(leaf, f"job {number}", limiter=limiter)
        await anyio.to_thread.run_sync(leaf, "job of nobody", limiter=limiter)

    run(main)
    assert parents() == {
        "job 0": "request 0",
        "request 0": None,
        "job 1": "request 1",
        "request 1": None,
        "job 2": "request 2",
        "request 2": None,
        "job of nobody": None,
    }


def test_anyios_worker_threads_beside_each_other(parents, run):
    async def request(number):
        with experiment_span(f"request {number}"):
            await anyio.to_thread.run_sync(leaf, f"job {number}")
            leaf(f"after {number}")

    async def main():
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(request, number)

    run(main)
    expected = {}
    for number in range(4):
        name = f"request {number}"
        expected |= {name: None, f"job {number}": name, f"after {number}": name}
    assert parents() == expected


def test_from_thread_carries_the_caller_into_the_loop(parents, run):
    def job():
        with experiment_span("job"):
            anyio.from_thread.run(work, "coroutine")
            anyio.from_thread.run_sync(leaf, "function")

    async def main():
        with experiment_span("request"):
            await anyio.to_thread.run_sync(job)
        await anyio.to_thread.run_sync(anyio.from_thread.run, work, "of nobody")

    run(main)
    assert parents() == {
        "leaf of coroutine": "coroutine",
        "coroutine": "job",
        "function": "job",
        "job": "request",
        "request": None,
        "leaf of of nobody": "of nobody",
        "of nobody": None,
    }


def test_a_portal_carries_the_caller_into_its_loop(parents, backend):
    with anyio.from_thread.start_blocking_portal(**backend) as portal:
        for number in range(2):
            with experiment_span(f"request {number}"):
                portal.call(work, f"called {number}")
                portal.start_task_soon(work, f"started {number}").result(60)
        portal.call(work, "of nobody")
    expected = {"of nobody": None, "leaf of of nobody": "of nobody"}
    for number in range(2):
        expected[f"request {number}"] = None
        for name in (f"called {number}", f"started {number}"):
            expected |= {name: f"request {number}", f"leaf of {name}": name}
    assert parents() == expected


def test_an_async_generator_abandoned_under_any_loop(parents, run):
    async def main():
        with experiment_span("consumer"):
            held = async_stream("stream")
            async for _ in held:
                leaf("consumed")
                break
            await held.aclose()
            leaf("between")

    run(main)
    assert parents() == {
        "stream.0": "stream",
        "consumed": "consumer",
        "stream": "consumer",
        "between": "consumer",
        "consumer": None,
    }


def test_a_stream_between_two_tasks_does_not_join_their_spans(parents, run):
    async def produce(channel):
        async with channel:
            with experiment_span("producer"):
                for item in range(2):
                    await channel.send(item)

    async def consume(channel):
        async with channel:
            with experiment_span("consumer"):
                async for item in channel:
                    leaf(f"consumed {item}")

    async def main():
        sending, receiving = anyio.create_memory_object_stream(0)
        with experiment_span("outer"):
            async with anyio.create_task_group() as group:
                group.start_soon(produce, sending)
                group.start_soon(consume, receiving)

    run(main)
    assert parents() == {
        "consumed 0": "consumer",
        "consumed 1": "consumer",
        "producer": "outer",
        "consumer": "outer",
        "outer": None,
    }


def test_a_block_around_the_loop_is_the_parent_of_what_runs_in_it(parents, run):
    async def main():
        leaf("in main")
        async with anyio.create_task_group() as group:
            group.start_soon(work, "work")

    with experiment_span("around the loop"):
        run(main)
        leaf("after")
    assert parents() == {
        "in main": "around the loop",
        "leaf of work": "work",
        "work": "around the loop",
        "after": "around the loop",
        "around the loop": None,
    }


def test_the_active_span_inside_and_after_a_task_group(run):
    async def main():
        seen = [active()]
        with experiment_span("outer"):
            async with anyio.create_task_group() as group:
                group.start_soon(work, "work")
                seen.append(active())
            seen.append(active())
        seen.append(active())
        return seen

    assert run(main) == [None, "outer", "outer", None]


def test_a_nurserys_tasks_are_children_of_the_block_each_was_started_in(parents):
    async def spawner(nursery):
        with experiment_span("spawner"):
            nursery.start_soon(work, "by another task")

    async def main():
        with experiment_span("around the nursery"):
            async with trio.open_nursery() as nursery:
                with experiment_span("first"):
                    nursery.start_soon(work, "one")
                nursery.start_soon(spawner, nursery)
                nursery.start_soon(work, "two")

    trio.run(main)
    assert parents() == {
        "first": "around the nursery",
        "leaf of one": "one",
        "one": "first",
        "leaf of two": "two",
        "two": "around the nursery",
        "leaf of by another task": "by another task",
        "by another task": "spawner",
        "spawner": "around the nursery",
        "around the nursery": None,
    }


def test_a_nurserys_service_that_reports_that_it_has_started(parents):
    async def service(task_status):
        with experiment_span("service"):
            task_status.started()
            await trio.lowlevel.checkpoint()
            leaf("in service")

    async def main():
        async with trio.open_nursery() as nursery:
            with experiment_span("starter"):
                await nursery.start(service)

    trio.run(main)
    assert parents() == {"starter": None, "in service": "service", "service": "starter"}


def test_a_trio_task_made_before_the_first_span_starts_from_nothing(parents):
    async def patient(go):
        await go.wait()
        await work("in task")

    async def main():
        go = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(patient, go)
            await trio.testing.wait_all_tasks_blocked()
            with experiment_span("outer"):
                go.set()
                await trio.testing.wait_all_tasks_blocked()

    trio.run(main)
    assert parents() == {"leaf of in task": "in task", "in task": None, "outer": None}


def test_trios_threads_take_each_job_from_who_gave_it(parents):
    async def main():
        for number in range(3):
            with experiment_span(f"request {number}"):
                await trio.to_thread.run_sync(leaf, f"job {number}")
        await trio.to_thread.run_sync(leaf, "job of nobody")

    trio.run(main)
    assert parents() == {
        "job 0": "request 0",
        "request 0": None,
        "job 1": "request 1",
        "request 1": None,
        "job 2": "request 2",
        "request 2": None,
        "job of nobody": None,
    }


def test_trios_from_thread_carries_the_caller_into_the_loop(parents):
    def job():
        with experiment_span("job"):
            trio.from_thread.run(work, "coroutine")
            trio.from_thread.run_sync(leaf, "function")

    async def main():
        with experiment_span("request"):
            await trio.to_thread.run_sync(job)

    trio.run(main)
    assert parents() == {
        "leaf of coroutine": "coroutine",
        "coroutine": "job",
        "function": "job",
        "job": "request",
        "request": None,
    }


def test_an_async_generator_collected_under_trio_ends_its_block(parents):
    async def main():
        with experiment_span("consumer"):
            async for _ in async_stream("stream"):
                break
            gc.collect()
            await trio.testing.wait_all_tasks_blocked()
            leaf("between")

    with pytest.warns(ResourceWarning):
        trio.run(main)
    assert parents() == {
        "stream.0": "stream",
        "stream": "consumer",
        "between": "consumer",
        "consumer": None,
    }


def test_two_trio_loops_in_two_threads_at_once(parents):
    both_inside = threading.Barrier(2)

    async def main(name):
        with experiment_span(name):
            both_inside.wait(60)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(work, f"{name}: work")

    with experiment_span("outer"):
        threads = [threading.Thread(target=trio.run, args=(main, name)) for name in ("here", "there")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    expected = {"outer": None}
    for name in ("here", "there"):
        expected |= {
            name: "outer",
            f"{name}: work": name,
            f"leaf of {name}: work": f"{name}: work",
        }
    assert parents() == expected
