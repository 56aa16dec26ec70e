"""What anyio's worker threads and its calls into a loop start from."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from queue import Queue

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest
import uvloop
from support.nesting import leaf

from llmobs_trace import experiment_span
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import jobs

_BACKENDS = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


@pytest.fixture(autouse=True)
def no_fault_was_swallowed():
    before = slot.faults.count
    yield
    assert slot.faults.count == before, slot.faults.last


@pytest.fixture(params=list(_BACKENDS))
def backend(request):
    return _BACKENDS[request.param]


async def work(name):
    with experiment_span(name):
        await anyio.lowlevel.checkpoint()
        leaf(f"leaf of {name}")


def test_workers_take_each_job_from_its_caller(llmobs_spans, backend):
    async def request(number):
        with experiment_span(f"request {number}"):
            await anyio.to_thread.run_sync(leaf, f"job {number}")

    async def main():
        for number in range(3):
            await request(number)
        await anyio.to_thread.run_sync(leaf, "without")
        async with anyio.create_task_group() as group:
            for number in range(3, 6):
                group.start_soon(request, number)

    anyio.run(main, **backend)
    assert llmobs_spans.tree() == {
        **{f"request {number}": {f"job {number}": {}} for number in range(6)},
        "without": {},
    }


def test_there_and_back_again(llmobs_spans, backend):
    def job():
        with experiment_span("thread"):
            anyio.from_thread.run(work, "awaited")
            anyio.from_thread.run_sync(leaf, "called")
        anyio.from_thread.run(work, "beside")

    async def main():
        with experiment_span("main"):
            await anyio.to_thread.run_sync(job)

    anyio.run(main, **backend)
    assert llmobs_spans.tree() == {
        "main": {
            "thread": {"awaited": {"leaf of awaited": {}}, "called": {}},
            "beside": {"leaf of beside": {}},
        },
    }


def test_a_portal_takes_each_call_from_its_thread(llmobs_spans, backend):
    def request(portal, number):
        with experiment_span(f"request {number}"):
            portal.call(work, f"call {number}")
            future = portal.start_task_soon(work, f"task {number}")
        future.result()

    with anyio.from_thread.start_blocking_portal(**backend) as portal:
        threads = [threading.Thread(target=request, args=(portal, number)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        portal.call(work, "without")
    tree = llmobs_spans.tree()
    assert tree.pop("without") == {"leaf of without": {}}
    assert tree == {
        f"request {number}": {
            f"call {number}": {f"leaf of call {number}": {}},
            f"task {number}": {f"leaf of task {number}": {}},
        }
        for number in range(3)
    }


def test_a_portal_started_inside_a_span_does_not_give_it_to_other_threads_calls(llmobs_spans, backend):
    portals = Queue()
    thread = threading.Thread(target=lambda: portals.get().call(work, "another's"))
    thread.start()
    with experiment_span("starter"), anyio.from_thread.start_blocking_portal(**backend) as portal:
        portal.call(work, "own")
        portals.put(portal)
        thread.join()
    assert llmobs_spans.tree() == {
        "starter": {"own": {"leaf of own": {}}},
        "another's": {"leaf of another's": {}},
    }


def test_a_portals_service_that_reports_that_it_has_started(llmobs_spans, backend):
    async def service(*, task_status):
        with experiment_span("service"):
            task_status.started("up")
            await anyio.lowlevel.checkpoint()

    with anyio.from_thread.start_blocking_portal(**backend) as portal:
        with experiment_span("caller"):
            future, value = portal.start_task(service)
        future.result()
    assert value == "up"
    assert llmobs_spans.tree() == {"caller": {"service": {}}}


def test_with_threads_switched_off_a_job_starts_from_nothing(llmobs_spans, monkeypatch, backend):
    monkeypatch.setattr(jobs, "enabled", False)

    async def main():
        with experiment_span("main"):
            await anyio.to_thread.run_sync(leaf, "job")

    anyio.run(main, **backend)
    assert llmobs_spans.tree() == {"main": {}, "job": {}}


def test_results_and_exceptions_are_the_users(llmobs_spans, backend):
    error = ValueError("theirs")

    def job():
        with pytest.raises(ValueError, match="theirs") as caught:
            anyio.from_thread.run_sync(raises)
        assert caught.value is error
        return anyio.from_thread.run_sync(lambda: 5)

    def raises():
        raise error

    async def main():
        return await anyio.to_thread.run_sync(job)

    assert anyio.run(main, **backend) == 5


def test_a_jobs_arguments_are_not_kept_by_its_worker(llmobs_spans, backend):
    class Held:
        pass

    async def main():
        held = Held()
        watched = weakref.ref(held)
        with experiment_span("main"):
            await anyio.to_thread.run_sync(lambda held: leaf("job"), held)
        del held
        await anyio.to_thread.run_sync(lambda: None)
        gc.collect()
        return watched()

    assert anyio.run(main, **backend) is None


def _eager(task_class):
    return asyncio.create_eager_task_factory(task_class)


def _ordinary(task_class):
    return lambda loop, coro, **options: task_class(coro, loop=loop, **options)


_FACTORIES = {"asyncio": (asyncio.new_event_loop, _ordinary), "uvloop": (uvloop.new_event_loop, _ordinary)}
if sys.version_info >= (3, 12):
    # anyio asks an eager factory for its constructor. uvloop 0.23 calls a factory with an option that that of
    # 3.13.0 does not know.
    _FACTORIES["eager"] = (asyncio.new_event_loop, _eager)


@pytest.mark.parametrize(("new_loop", "factory"), _FACTORIES.values(), ids=_FACTORIES)
def test_task_groups_of_loops_with_a_task_factory_of_the_users(llmobs_spans, new_loop, factory):
    class Task(asyncio.Task):
        pass

    ran_in = set()

    async def child(name):
        ran_in.add(type(asyncio.current_task()))
        await work(name)

    async def main():
        with experiment_span("main"):
            async with anyio.create_task_group() as group:
                with experiment_span("first"):
                    group.start_soon(child, "one")
                with experiment_span("second"):
                    group.start_soon(child, "two")
            await asyncio.gather(*(child(f"gathered {number}") for number in range(2)))
            await asyncio.create_task(child("three"))

    loop = new_loop()
    loop.set_task_factory(factory(Task))
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert llmobs_spans.tree() == {
        "main": {
            "first": {"one": {"leaf of one": {}}},
            "second": {"two": {"leaf of two": {}}},
            "gathered 0": {"leaf of gathered 0": {}},
            "gathered 1": {"leaf of gathered 1": {}},
            "three": {"leaf of three": {}},
        },
    }
    assert ran_in == {Task}
