"""What `sync_to_async` and `async_to_sync` start from, in every way they can be nested."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop
from asgiref.sync import AsyncSingleThreadContext, ThreadSensitiveContext, async_to_sync, sync_to_async
from support.nesting import leaf

from llmobs_trace import current_span, experiment_span
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import jobs, tasks


@pytest.fixture(autouse=True)
def no_fault_was_swallowed():
    before = slot.faults.count
    yield
    assert slot.faults.count == before, slot.faults.last


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    return {"asyncio": asyncio.run, "uvloop": uvloop.run}[request.param]


async def work(name):
    with experiment_span(name):
        await asyncio.sleep(0)
        leaf(f"leaf of {name}")


@pytest.mark.parametrize("thread_sensitive", [True, False])
def test_each_call_of_sync_to_async_is_a_child_of_its_caller(llmobs_spans, run, thread_sensitive):
    call = sync_to_async(leaf, thread_sensitive=thread_sensitive)

    async def request(number):
        with experiment_span(f"request {number}"):
            await call(f"job {number}")

    async def main():
        await request(0)
        await asyncio.gather(*(request(number) for number in range(1, 4)))
        await call("without")

    run(main())
    assert llmobs_spans.tree() == {
        **{f"request {number}": {f"job {number}": {}} for number in range(4)},
        "without": {},
    }


def test_an_executor_of_the_users_and_a_context_of_its_own_thread(llmobs_spans, run):
    async def main():
        with ThreadPoolExecutor(1) as pool, experiment_span("pool"):
            await sync_to_async(leaf, thread_sensitive=False, executor=pool)("in the user's pool")
        async with ThreadSensitiveContext():
            with experiment_span("context"):
                await sync_to_async(leaf)("in the context's thread")

    run(main())
    assert llmobs_spans.tree() == {
        "pool": {"in the user's pool": {}},
        "context": {"in the context's thread": {}},
    }


def test_async_to_sync_from_a_plain_thread_runs_a_loop_of_its_own(llmobs_spans):
    with experiment_span("caller"):
        async_to_sync(work)("awaited")
    async_to_sync(work)("alone")
    assert llmobs_spans.tree() == {
        "caller": {"awaited": {"leaf of awaited": {}}},
        "alone": {"leaf of alone": {}},
    }


def test_async_to_sync_inside_sync_to_async_goes_back_to_the_outer_loop(llmobs_spans, run):
    def sync():
        with experiment_span("sync"):
            async_to_sync(work)("awaited")
        async_to_sync(work)("beside")

    async def main():
        with experiment_span("main"):
            await sync_to_async(sync)()

    run(main())
    assert llmobs_spans.tree() == {
        "main": {
            "sync": {"awaited": {"leaf of awaited": {}}},
            "beside": {"leaf of beside": {}},
        },
    }


def test_the_first_span_of_the_loop_comes_from_async_to_sync(llmobs_spans, run):
    def sync():
        with experiment_span("sync"):
            async_to_sync(work)("awaited")

    async def main():
        await sync_to_async(sync)()

    run(main())
    assert llmobs_spans.tree() == {"sync": {"awaited": {"leaf of awaited": {}}}}


def test_thread_sensitive_work_run_by_the_waiting_thread_belongs_to_the_task(llmobs_spans):
    threads = []

    def sync(name):
        threads.append(threading.current_thread())
        leaf(name)

    async def inner():
        with experiment_span("inner"):
            await sync_to_async(sync)("sensitive")
        await sync_to_async(sync)("beside")

    with experiment_span("outer"):
        async_to_sync(inner)()
    assert threads == [threading.current_thread()] * 2, "the waiting thread runs it"
    assert llmobs_spans.tree() == {"outer": {"inner": {"sensitive": {}}, "beside": {}}}
    assert current_span() is None


def test_inside_a_generators_block(llmobs_spans):
    async def inner():
        with experiment_span("inner"):
            await sync_to_async(leaf)("sensitive")

    def stream():
        with experiment_span("stream"):
            async_to_sync(inner)()
            yield

    list(stream())
    assert llmobs_spans.tree() == {"stream": {"inner": {"sensitive": {}}}}


def test_a_single_threads_context(llmobs_spans):
    with AsyncSingleThreadContext():
        for number in range(2):
            with experiment_span(f"request {number}"):
                async_to_sync(work)(f"job {number}")
    assert llmobs_spans.tree() == {
        f"request {number}": {f"job {number}": {f"leaf of job {number}": {}}} for number in range(2)
    }


def test_with_threads_switched_off_neither_carries(llmobs_spans, monkeypatch):
    monkeypatch.setattr(jobs, "enabled", False)

    async def main():
        with experiment_span("main"):
            await sync_to_async(leaf, thread_sensitive=False)("job")

    with experiment_span("caller"):
        async_to_sync(main)()
    assert llmobs_spans.tree() == {"caller": {}, "main": {}, "job": {}}


def test_results_and_exceptions_are_the_users(llmobs_spans):
    error = ValueError("theirs")

    async def fails():
        raise error

    with pytest.raises(ValueError, match="theirs") as caught:
        async_to_sync(fails)()
    assert caught.value is error

    async def returns():
        return await sync_to_async(lambda: 5)()

    assert async_to_sync(returns)() == 5


def test_nothing_of_a_call_is_kept(llmobs_spans):
    class Held:
        pass

    async def holds(held):
        with experiment_span("held"):
            await sync_to_async(lambda held: leaf("job"))(held)

    held = Held()
    watched = weakref.ref(held)
    with experiment_span("caller"):
        async_to_sync(holds)(held)
    del held
    gc.collect()
    assert watched() is None
    assert len(tasks._from_threads) == 0
