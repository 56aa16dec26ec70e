"""Threads, timers and pools: the unit is the job, handed over by who gave it; workers start anew."""

from __future__ import annotations

import _thread
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from support.nesting import Started, active, leaf, stream

from llmobs_trace import experiment_span, propagate


def finished(*threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def test_a_thread_started_in_a_block_is_its_child(parents):
    with experiment_span("outer"):
        finished(threading.Thread(target=leaf, args=("in thread",)))
        leaf("after")
    assert parents() == {"in thread": "outer", "after": "outer", "outer": None}


def test_a_thread_belongs_to_the_block_it_was_started_in_and_not_to_the_one_it_was_made_in(parents):
    with experiment_span("made"):
        worker = threading.Thread(target=leaf, args=("in thread",))
    with experiment_span("started"):
        finished(worker)
    assert parents() == {"made": None, "in thread": "started", "started": None}


def test_a_thread_started_outside_every_block_has_no_parent(parents):
    finished(threading.Thread(target=leaf, args=("in thread",)))
    assert parents() == {"in thread": None}


def test_a_thread_of_the_users_own_class(parents):
    class Worker(threading.Thread):
        def run(self):
            with experiment_span("run"):
                leaf("leaf")

    with experiment_span("outer"):
        finished(Worker())
    assert parents() == {"leaf": "run", "run": "outer", "outer": None}


def test_blocks_of_a_thread_and_of_its_creator_do_not_mix(parents):
    theirs_open, mine_open = threading.Event(), threading.Event()

    def work():
        with experiment_span("theirs"):
            theirs_open.set()
            mine_open.wait(60)
            leaf("in theirs")

    worker = threading.Thread(target=work)
    with experiment_span("outer"):
        worker.start()
        assert theirs_open.wait(60)
        leaf("in outer")
        with experiment_span("mine"):
            leaf("in mine")
            mine_open.set()
            worker.join(60)
    assert parents() == {
        "in outer": "outer",
        "in mine": "mine",
        "in theirs": "theirs",
        "theirs": "outer",
        "mine": "outer",
        "outer": None,
    }


def test_a_thread_that_outlives_its_parent_is_still_its_child(parents):
    over = threading.Event()

    def work():
        leaf("early")
        over.wait(60)
        leaf("late")

    worker = threading.Thread(target=work)
    with experiment_span("outer"):
        worker.start()
    over.set()
    worker.join(60)
    assert parents() == {"early": "outer", "outer": None, "late": "outer"}


def test_threads_started_by_threads(parents):
    def work(depth):
        with experiment_span(f"level {depth}"):
            if depth < 3:
                finished(threading.Thread(target=work, args=(depth + 1,)))

    work(0)
    assert parents() == {"level 3": "level 2", "level 2": "level 1", "level 1": "level 0", "level 0": None}


def test_a_thread_started_while_a_stream_is_suspended_is_not_the_streams(parents):
    items = stream("stream")
    with experiment_span("outer"):
        next(items)
        finished(threading.Thread(target=leaf, args=("in thread",)))
    items.close()
    assert parents() == {"stream.0": "stream", "in thread": "outer", "outer": None, "stream": "outer"}


def test_a_timer_started_in_a_block_is_its_child(parents):
    with experiment_span("outer"):
        timer = threading.Timer(0, leaf, args=("in timer",))
        timer.start()
    timer.join(60)
    assert parents() == {"outer": None, "in timer": "outer"}


def test_a_thread_whose_target_raises_leaves_nothing_active(parents, monkeypatch):
    def work():
        with experiment_span("failing"):
            raise ValueError("failed")

    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda thrown: seen.append(thrown.exc_type))
    with experiment_span("outer"):
        finished(threading.Thread(target=work))
        leaf("after")
    assert seen == [ValueError]
    assert parents() == {"failing": "outer", "after": "outer", "outer": None}


def test_a_block_entered_in_one_thread_and_exited_in_another(parents):
    block = Started("crossing")
    block.start()
    leaf("before")
    finished(threading.Thread(target=block.end))
    leaf("after")
    assert active() is None
    assert parents() == {"before": "crossing", "crossing": None, "after": None}


def test_a_block_entered_in_another_thread_is_nobodys_parent_here(parents):
    block = Started("crossing")
    with experiment_span("outer"):
        finished(threading.Thread(target=block.start))
        leaf("between")
        block.end()
        leaf("after")
    assert parents() == {"between": "outer", "crossing": "outer", "after": "outer", "outer": None}


def test_a_worker_in_which_a_block_was_left_open_serves_the_next_request_from_nothing(parents):
    block = Started("left open")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(block.start).result()
        pool.submit(leaf, "without a request").result()
        with experiment_span("request"):
            pool.submit(leaf, "job").result()
        block.end()
        pool.submit(leaf, "afterwards").result()
    assert parents() == {
        "without a request": None,
        "job": "request",
        "request": None,
        "left open": None,
        "afterwards": None,
    }


def test_a_worker_serves_several_requests_each_with_its_own_parent(parents):
    with ThreadPoolExecutor(1) as pool:
        for number in range(3):
            with experiment_span(f"request {number}"):
                pool.submit(leaf, f"job {number}").result()
        pool.submit(leaf, "job of nobody").result()
    assert parents() == {
        "job 0": "request 0",
        "request 0": None,
        "job 1": "request 1",
        "request 1": None,
        "job 2": "request 2",
        "request 2": None,
        "job of nobody": None,
    }


def test_a_job_that_waited_until_its_request_had_ended_is_still_its_child(parents):
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(go.wait, 60)
        with experiment_span("request"):
            job = pool.submit(leaf, "late")
        with experiment_span("next request"):
            go.set()
            job.result()
    assert parents() == {"request": None, "late": "request", "next request": None}


def test_jobs_of_a_map_are_children_of_the_block_around_it(parents):
    with ThreadPoolExecutor(2) as pool, experiment_span("outer"):
        list(pool.map(leaf, ["one", "two", "three"]))
    assert parents() == {"one": "outer", "two": "outer", "three": "outer", "outer": None}


def test_a_job_that_submits_a_job(parents):
    def job(pool):
        with experiment_span("job"):
            return pool.submit(leaf, "inner job")

    with ThreadPoolExecutor(2) as pool, experiment_span("outer"):
        pool.submit(job, pool).result().result()
    assert parents() == {"inner job": "job", "job": "outer", "outer": None}


def test_a_job_that_raises_leaves_its_worker_with_nothing_active(parents):
    def job():
        with experiment_span("failing"):
            raise ValueError("failed")

    with ThreadPoolExecutor(1) as pool:
        with experiment_span("request"), pytest.raises(ValueError, match="failed"):
            pool.submit(job).result()
        assert pool.submit(active).result() is None
        pool.submit(leaf, "next").result()
    assert parents() == {"failing": "request", "request": None, "next": None}


def test_a_pools_initializer_runs_for_the_worker_and_not_for_the_request_that_made_it(parents):
    with (
        experiment_span("request"),
        ThreadPoolExecutor(1, initializer=leaf, initargs=("initializer",)) as pool,
    ):
        pool.submit(leaf, "job").result()
    assert parents() == {"initializer": None, "job": "request", "request": None}


@pytest.mark.parametrize(
    "give",
    [
        lambda pool, name: pool.apply(leaf, (name,)),
        lambda pool, name: pool.apply_async(leaf, (name,)).get(60),
        lambda pool, name: pool.map(leaf, [name]),
        lambda pool, name: pool.map_async(leaf, [name]).get(60),
        lambda pool, name: pool.starmap(leaf, [(name,)]),
        lambda pool, name: pool.starmap_async(leaf, [(name,)]).get(60),
        lambda pool, name: list(pool.imap(leaf, [name])),
        lambda pool, name: list(pool.imap(leaf, [name], chunksize=2)),
        lambda pool, name: list(pool.imap_unordered(leaf, [name])),
        lambda pool, name: list(pool.imap_unordered(leaf, [name], chunksize=2)),
    ],
    ids=[
        "apply",
        "apply_async",
        "map",
        "map_async",
        "starmap",
        "starmap_async",
        "imap",
        "imap in chunks",
        "imap_unordered",
        "imap_unordered in chunks",
    ],
)
def test_jobs_of_a_multiprocessing_thread_pool_over_several_requests(parents, give):
    with experiment_span("maker"):
        pool = ThreadPool(1)
    with pool:
        for number in range(2):
            with experiment_span(f"request {number}"):
                give(pool, f"job {number}")
        give(pool, "job of nobody")
    assert parents() == {
        "maker": None,
        "job 0": "request 0",
        "request 0": None,
        "job 1": "request 1",
        "request 1": None,
        "job of nobody": None,
    }


def test_a_worker_of_the_users_own_takes_each_job_with_propagate(parents):
    jobs = queue.SimpleQueue()

    def work():
        while job := jobs.get():
            job()

    worker = threading.Thread(target=work)
    with experiment_span("maker"):
        worker.start()
    for number in range(2):
        with experiment_span(f"request {number}"):
            jobs.put(propagate(lambda number=number: leaf(f"job {number}")))
    jobs.put(None)
    worker.join(60)
    assert parents() == {
        "maker": None,
        "request 0": None,
        "request 1": None,
        "job 0": "request 0",
        "job 1": "request 1",
    }


def test_a_thread_below_threading_carries_with_propagate(parents):
    done = threading.Event()

    def work():
        leaf("in thread")
        done.set()

    with experiment_span("outer"):
        _thread.start_new_thread(propagate(work), ())
        assert done.wait(60)
    assert parents() == {"in thread": "outer", "outer": None}


def test_a_done_callback_carries_with_propagate(parents):
    go, called = threading.Event(), threading.Event()

    def callback(future):
        leaf("callback")
        called.set()

    with ThreadPoolExecutor(1) as pool:
        with experiment_span("outer"):
            pool.submit(go.wait, 60).add_done_callback(propagate(callback))
        go.set()
        assert called.wait(60)
    assert parents() == {"outer": None, "callback": "outer"}


def test_many_threads_of_one_block_at_once(parents):
    all_inside = threading.Barrier(8)

    def work(number):
        with experiment_span(f"block {number}"):
            all_inside.wait(60)
            leaf(f"leaf {number}")

    with experiment_span("outer"):
        finished(*(threading.Thread(target=work, args=(number,)) for number in range(8)))
    expected = {"outer": None}
    for number in range(8):
        expected |= {f"block {number}": "outer", f"leaf {number}": f"block {number}"}
    assert parents() == expected


def test_a_synchronous_function_called_with_asgirefs_sync_to_async(parents, run):
    async def main():
        for number in range(2):
            with experiment_span(f"request {number}"):
                await sync_to_async(leaf)(f"sensitive {number}")
                await sync_to_async(leaf, thread_sensitive=False)(f"free {number}")
        await sync_to_async(leaf)("of nobody")

    run(main())
    assert parents() == {
        "sensitive 0": "request 0",
        "free 0": "request 0",
        "request 0": None,
        "sensitive 1": "request 1",
        "free 1": "request 1",
        "request 1": None,
        "of nobody": None,
    }


def test_a_coroutine_function_called_with_asgirefs_async_to_sync(parents):
    async def work(name):
        leaf(name)

    for number in range(2):
        with experiment_span(f"request {number}"):
            async_to_sync(work)(f"coroutine {number}")
    async_to_sync(work)("of nobody")
    assert parents() == {
        "coroutine 0": "request 0",
        "request 0": None,
        "coroutine 1": "request 1",
        "request 1": None,
        "of nobody": None,
    }


def test_asgiref_there_and_back_again(parents, run):
    async def innermost():
        leaf("leaf")

    def synchronous():
        with experiment_span("synchronous"):
            async_to_sync(innermost)()

    async def main():
        with experiment_span("request"):
            await sync_to_async(synchronous)()
            leaf("after")

    run(main())
    assert parents() == {"leaf": "synchronous", "synchronous": "request", "after": "request", "request": None}
