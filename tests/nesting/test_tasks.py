"""Coroutines and tasks: the await chain, what a task was started by, loops beside threads."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.nesting import Started, active, leaf, stream

from llmobs_trace import experiment_span, propagate


async def pause():
    await asyncio.sleep(0)


async def work(name):
    with experiment_span(name):
        await pause()
        leaf(f"leaf of {name}")


def test_a_coroutine_awaited_in_a_block_is_inside_it(parents, run):
    async def main():
        with experiment_span("outer"):
            await work("work")
            leaf("after")

    run(main())
    assert parents() == {"leaf of work": "work", "work": "outer", "after": "outer", "outer": None}


def test_a_decorated_coroutine_function_is_a_child_of_who_awaits_it(parents, run):
    @experiment_span("work")
    async def decorated():
        await pause()
        leaf("leaf")

    async def main():
        with experiment_span("maker"):
            coroutine = decorated()
        with experiment_span("waiter"):
            await coroutine
        await decorated_at_root()

    @experiment_span("root")
    async def decorated_at_root():
        await pause()

    run(main())
    assert parents() == {"maker": None, "leaf": "work", "work": "waiter", "waiter": None, "root": None}


def test_a_task_made_in_a_block_is_its_child(parents, run):
    async def main():
        with experiment_span("outer"):
            await asyncio.create_task(work("task"))
            leaf("after")

    run(main())
    assert parents() == {"leaf of task": "task", "task": "outer", "after": "outer", "outer": None}


def test_a_task_belongs_to_the_block_it_was_made_in_and_not_to_the_one_it_runs_in(parents, run):
    async def main():
        with experiment_span("first"):
            task = asyncio.create_task(work("task"))
        with experiment_span("second"):
            await task
            leaf("after")

    run(main())
    assert parents() == {
        "first": None,
        "leaf of task": "task",
        "task": "first",
        "after": "second",
        "second": None,
    }


def test_a_task_that_outlives_its_parent_is_still_its_child(parents, run):
    async def late(over):
        leaf("early")
        await over.wait()
        leaf("late")

    async def main():
        over = asyncio.Event()
        with experiment_span("outer"):
            task = asyncio.create_task(late(over))
            await pause()
        leaf("between")
        over.set()
        await task

    run(main())
    assert parents() == {"early": "outer", "outer": None, "between": None, "late": "outer"}


def test_blocks_of_two_tasks_end_in_the_order_in_which_they_were_opened(parents, run):
    async def one(opened, over):
        with experiment_span("one"):
            opened.set()
            await over.wait()
            leaf("in one")

    async def two(opened, mine, over):
        await opened.wait()
        with experiment_span("two"):
            mine.set()
            await over.wait()
            leaf("in two")

    async def main():
        first, second, end_one, end_two = (asyncio.Event() for _ in range(4))
        with experiment_span("outer"):
            tasks = [
                asyncio.create_task(one(first, end_one)),
                asyncio.create_task(two(first, second, end_two)),
            ]
            await second.wait()
            leaf("both open")
            end_one.set()
            await tasks[0]
            leaf("one open")
            end_two.set()
            await tasks[1]

    run(main())
    assert parents() == {
        "both open": "outer",
        "in one": "one",
        "one": "outer",
        "one open": "outer",
        "in two": "two",
        "two": "outer",
        "outer": None,
    }


def test_tasks_made_by_tasks(parents, run):
    async def descend(depth):
        with experiment_span(f"level {depth}"):
            await pause()
            if depth < 3:
                await asyncio.create_task(descend(depth + 1))

    run(descend(0))
    assert parents() == {"level 3": "level 2", "level 2": "level 1", "level 1": "level 0", "level 0": None}


def test_gather_of_coroutines(parents, run):
    async def main():
        with experiment_span("outer"):
            await asyncio.gather(*(work(f"work {number}") for number in range(5)))
            leaf("after")

    run(main())
    expected = {"outer": None, "after": "outer"}
    for number in range(5):
        expected |= {f"work {number}": "outer", f"leaf of work {number}": f"work {number}"}
    assert parents() == expected


@pytest.mark.parametrize(
    "start",
    [
        asyncio.ensure_future,
        lambda coroutine: asyncio.wait_for(coroutine, 60),
        lambda coroutine: asyncio.shield(coroutine),
        lambda coroutine: next(asyncio.as_completed([coroutine])),
        lambda coroutine: asyncio.get_running_loop().create_task(coroutine),
        lambda coroutine: asyncio.get_running_loop().create_task(coroutine, name="named"),
    ],
    ids=["ensure_future", "wait_for", "shield", "as_completed", "loop.create_task", "a named task"],
)
def test_a_coroutine_started_by_any_of_asyncios_functions(parents, run, start):
    async def main():
        with experiment_span("outer"):
            await start(work("work"))
            leaf("after")

    run(main())
    assert parents() == {"leaf of work": "work", "work": "outer", "after": "outer", "outer": None}


def test_a_task_made_before_the_loops_first_span_starts_from_nothing(parents, run):
    async def patient(go):
        await go.wait()
        leaf("in task")

    async def main():
        go = asyncio.Event()
        task = asyncio.create_task(patient(go))
        with experiment_span("outer"):
            go.set()
            await task
            leaf("after")

    run(main())
    assert parents() == {"in task": None, "after": "outer", "outer": None}


def test_a_task_made_before_the_loops_first_span_starts_from_the_span_around_the_loop(parents, run):
    async def patient(go):
        await go.wait()
        leaf("in task")

    async def main():
        go = asyncio.Event()
        task = asyncio.create_task(patient(go))
        with experiment_span("inner"):
            go.set()
            await task

    with experiment_span("around the loop"):
        run(main())
    assert parents() == {
        "in task": "around the loop",
        "inner": "around the loop",
        "around the loop": None,
    }


def test_tasks_made_before_the_loops_first_span_keep_their_own_blocks(parents, run):
    async def main():
        with experiment_span("outer"):
            await asyncio.gather(work("one"), work("two"))

    async def before():
        tasks = [asyncio.create_task(work("three")), asyncio.create_task(work("four"))]
        await main()
        await asyncio.gather(*tasks)

    run(before())
    assert parents() == {
        "leaf of one": "one",
        "leaf of two": "two",
        "leaf of three": "three",
        "leaf of four": "four",
        "one": "outer",
        "two": "outer",
        "three": None,
        "four": None,
        "outer": None,
    }


def test_a_cancelled_task_leaves_nothing_active(parents, run):
    async def forever():
        with experiment_span("cancelled"):
            await asyncio.Event().wait()

    async def main():
        with experiment_span("outer"):
            task = asyncio.create_task(forever())
            await pause()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            leaf("after")

    run(main())
    assert parents() == {"cancelled": "outer", "after": "outer", "outer": None}


def test_a_wait_that_times_out_leaves_nothing_active(parents, run):
    async def forever():
        with experiment_span("too slow"):
            try:
                await asyncio.Event().wait()
            finally:
                leaf("cleanup")

    async def main():
        with experiment_span("outer"):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(forever(), 0.01)
            leaf("after")

    run(main())
    assert parents() == {"cleanup": "too slow", "too slow": "outer", "after": "outer", "outer": None}


def test_a_block_around_the_loop_is_the_parent_of_what_runs_in_it(parents, run):
    async def main():
        leaf("in main")
        await asyncio.gather(work("work"))

    with experiment_span("around the loop"):
        run(main())
        leaf("after")
    assert parents() == {
        "in main": "around the loop",
        "leaf of work": "work",
        "work": "around the loop",
        "after": "around the loop",
        "around the loop": None,
    }


def test_two_loops_one_after_the_other_in_one_thread(parents, run):
    with experiment_span("first"):
        run(work("one"))
    run(work("two"))
    assert parents() == {
        "leaf of one": "one",
        "one": "first",
        "first": None,
        "leaf of two": "two",
        "two": None,
    }


def test_a_task_carried_over_two_runs_of_one_loop_keeps_its_block(parents):
    async def long(go):
        with experiment_span("long"):
            await go.wait()
            leaf("in long")

    async def begin():
        with experiment_span("first run"):
            task = asyncio.create_task(long(go))
            await pause()
        return task

    async def end(task):
        with experiment_span("second run"):
            go.set()
            await task
            leaf("after")

    loop = asyncio.new_event_loop()
    go = asyncio.Event()
    task = loop.run_until_complete(begin())
    leaf("between the runs")
    assert active() is None
    loop.run_until_complete(end(task))
    loop.close()
    assert parents() == {
        "first run": None,
        "between the runs": None,
        "in long": "long",
        "long": "first run",
        "after": "second run",
        "second run": None,
    }


def test_two_loops_in_two_threads_at_once(parents, run):
    both_inside = threading.Barrier(2)

    async def main(name):
        with experiment_span(name):
            both_inside.wait(60)
            await asyncio.gather(work(f"{name}: one"), work(f"{name}: two"))

    with experiment_span("outer"):
        threads = [threading.Thread(target=lambda name=name: run(main(name))) for name in ("here", "there")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    expected = {"outer": None, "here": "outer", "there": "outer"}
    for name in ("here: one", "here: two", "there: one", "there: two"):
        expected |= {name: name[: name.index(":")], f"leaf of {name}": name}
    assert parents() == expected


def test_to_thread_hands_over_each_job(parents, run):
    async def main():
        for number in range(2):
            with experiment_span(f"request {number}"):
                await asyncio.to_thread(leaf, f"job {number}")
        await asyncio.to_thread(leaf, "job of nobody")

    run(main())
    assert parents() == {
        "job 0": "request 0",
        "request 0": None,
        "job 1": "request 1",
        "request 1": None,
        "job of nobody": None,
    }


def test_to_thread_of_many_tasks_at_once(parents, run):
    async def request(number):
        with experiment_span(f"request {number}"):
            await asyncio.to_thread(leaf, f"job {number}")
            leaf(f"after {number}")

    async def main():
        await asyncio.gather(*(request(number) for number in range(6)))

    run(main())
    expected = {}
    for number in range(6):
        name = f"request {number}"
        expected |= {name: None, f"job {number}": name, f"after {number}": name}
    assert parents() == expected


@pytest.mark.parametrize("own_pool", [False, True], ids=["default executor", "a pool of its own"])
def test_run_in_executor_hands_over_each_job(parents, run, own_pool):
    async def main():
        loop = asyncio.get_running_loop()
        pool = ThreadPoolExecutor(1) if own_pool else None
        for number in range(2):
            with experiment_span(f"request {number}"):
                await loop.run_in_executor(pool, leaf, f"job {number}")
        await loop.run_in_executor(pool, leaf, "job of nobody")
        if pool:
            pool.shutdown()

    run(main())
    assert parents() == {
        "job 0": "request 0",
        "request 0": None,
        "job 1": "request 1",
        "request 1": None,
        "job of nobody": None,
    }


def test_run_coroutine_threadsafe_carries_the_caller_into_the_loop(parents, run):
    def caller(loop):
        for number in range(2):
            with experiment_span(f"caller {number}"):
                asyncio.run_coroutine_threadsafe(work(f"work {number}"), loop).result(60)
        asyncio.run_coroutine_threadsafe(work("of nobody"), loop).result(60)

    async def main():
        await asyncio.to_thread(caller, asyncio.get_running_loop())

    run(main())
    assert parents() == {
        "leaf of work 0": "work 0",
        "work 0": "caller 0",
        "caller 0": None,
        "leaf of work 1": "work 1",
        "work 1": "caller 1",
        "caller 1": None,
        "leaf of of nobody": "of nobody",
        "of nobody": None,
    }


def test_run_coroutine_threadsafe_into_a_loop_that_has_seen_no_span(parents, run):
    async def deeper():
        await asyncio.gather(work("one"), work("two"))

    serving = []

    async def serve():
        over = asyncio.Event()
        serving.extend([asyncio.get_running_loop(), over])
        ready.set()
        await over.wait()

    ready = threading.Event()
    server = threading.Thread(target=lambda: run(serve()))
    server.start()
    assert ready.wait(60)
    with experiment_span("caller"):
        asyncio.run_coroutine_threadsafe(deeper(), serving[0]).result(60)
    serving[0].call_soon_threadsafe(serving[1].set)
    server.join(60)
    assert parents() == {
        "leaf of one": "one",
        "one": "caller",
        "leaf of two": "two",
        "two": "caller",
        "caller": None,
    }


def test_a_thread_started_in_a_task_that_runs_a_loop_of_its_own(parents, run):
    async def main():
        with experiment_span("outer"):
            await asyncio.to_thread(run, work("other loop"))
            leaf("after")

    run(main())
    assert parents() == {
        "leaf of other loop": "other loop",
        "other loop": "outer",
        "after": "outer",
        "outer": None,
    }


def test_a_callback_of_the_loop_carries_with_propagate_alone(parents, run):
    async def main():
        loop, called = asyncio.get_running_loop(), asyncio.Event()
        with experiment_span("outer"):
            loop.call_soon(leaf, "plain callback")
            loop.call_soon(propagate(leaf), "bound callback")
            loop.call_later(0, called.set)
            await called.wait()
            leaf("after")

    run(main())
    assert parents() == {
        "plain callback": None,
        "bound callback": "outer",
        "after": "outer",
        "outer": None,
    }


def test_a_done_callback_carries_with_propagate(parents, run):
    async def main():
        called = asyncio.Event()

        def callback(task):
            leaf("callback")
            called.set()

        with experiment_span("outer"):
            task = asyncio.create_task(pause())
            task.add_done_callback(propagate(callback))
        with experiment_span("waiter"):
            await called.wait()

    run(main())
    assert parents() == {"outer": None, "callback": "outer", "waiter": None}


def test_a_worker_task_takes_each_job_with_propagate(parents, run):
    async def worker(jobs):
        while job := await jobs.get():
            job()

    async def main():
        jobs = asyncio.Queue()
        with experiment_span("maker"):
            task = asyncio.create_task(worker(jobs))
        for number in range(2):
            with experiment_span(f"request {number}"):
                jobs.put_nowait(propagate(lambda number=number: leaf(f"job {number}")))
        jobs.put_nowait(None)
        await task

    run(main())
    assert parents() == {
        "maker": None,
        "request 0": None,
        "job 0": "request 0",
        "request 1": None,
        "job 1": "request 1",
    }


def test_a_task_factory_of_the_users_own_is_still_asked(parents):
    made = []

    def factory(loop, coroutine, **options):
        made.append(coroutine.__name__)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        with experiment_span("first"):
            await asyncio.create_task(work("one"))
        loop.set_task_factory(None)
        loop.set_task_factory(factory)
        with experiment_span("second"):
            await asyncio.create_task(work("two"))

    asyncio.run(main())
    assert made[:2] == ["work", "work"]
    assert parents() == {
        "leaf of one": "one",
        "one": "first",
        "first": None,
        "leaf of two": "two",
        "two": "second",
        "second": None,
    }


def test_one_object_entered_by_two_tasks_at_once(llmobs_spans, run):
    block = experiment_span("block")
    seen = {}

    async def enter(name, mine, other):
        with block as span:
            seen[name] = span.span_id
            mine.set()
            await other.wait()
            leaf(name)

    async def main():
        one, two = asyncio.Event(), asyncio.Event()
        with experiment_span("outer"):
            await asyncio.gather(enter("one", one, two), enter("two", two, one))

    run(main())
    assert seen["one"] != seen["two"]
    leaves = {span.name: span.parent_id for span in llmobs_spans if span.name in seen}
    assert leaves == seen


def test_a_decorated_coroutine_function_that_recurses_in_tasks(llmobs_spans, run):
    @experiment_span("level")
    async def descend(depth):
        await pause()
        if depth:
            await asyncio.create_task(descend(depth - 1))

    run(descend(3))
    ids = [span.span_id for span in llmobs_spans]
    assert [span.parent_id for span in llmobs_spans] == [*ids[1:], None]


def test_a_block_opened_in_one_task_and_ended_in_another(parents, run):
    async def main():
        block = Started("crossing")

        async def open_it():
            block.start()
            await pause()
            leaf("where it was opened")

        async def end_it():
            leaf("where it is ended")
            block.end()
            leaf("afterwards")

        with experiment_span("outer"):
            await asyncio.create_task(open_it())
            leaf("between")
            await asyncio.create_task(end_it())
            leaf("after")

    run(main())
    assert parents() == {
        "where it was opened": "crossing",
        "between": "outer",
        "where it is ended": "outer",
        "crossing": "outer",
        "afterwards": "outer",
        "after": "outer",
        "outer": None,
    }


def test_a_block_opened_in_one_coroutine_and_ended_in_another_of_the_same_task(parents, run):
    block = Started("handled")

    async def open_it():
        await pause()
        block.start()
        await pause()

    async def end_it():
        await pause()
        block.end()

    async def main():
        with experiment_span("outer"):
            await open_it()
            leaf("between")
            await end_it()
            leaf("after")

    run(main())
    assert parents() == {"between": "handled", "handled": "outer", "after": "outer", "outer": None}


def test_a_plain_stream_stepped_by_two_tasks(parents, run):
    async def take(items, name):
        with experiment_span(name):
            next(items)
            await pause()
            leaf(f"in {name}")

    async def main():
        items = stream("stream")
        with experiment_span("outer"):
            next(items)
            await asyncio.gather(take(items, "one"), take(items, "two"))
            leaf("after")
        items.close()

    run(main())
    assert parents() == {
        "stream.0": "stream",
        "stream.1": "stream",
        "stream.2": "stream",
        "in one": "one",
        "one": "outer",
        "in two": "two",
        "two": "outer",
        "after": "outer",
        "outer": None,
        "stream": "outer",
    }


def test_a_task_made_in_a_streams_body_is_a_child_of_its_block(parents, run):
    def items():
        with experiment_span("stream"):
            yield asyncio.ensure_future(work("made in stream"))

    async def main():
        with experiment_span("consumer"):
            for task in items():
                other = asyncio.create_task(work("made by consumer"))
                await asyncio.gather(task, other)

    run(main())
    assert parents() == {
        "leaf of made in stream": "made in stream",
        "made in stream": "stream",
        "leaf of made by consumer": "made by consumer",
        "made by consumer": "consumer",
        "stream": "consumer",
        "consumer": None,
    }


class Switch:
    """Something to await that suspends once."""

    def __await__(self):
        yield


def test_a_coroutine_driven_by_hand_is_nobodys_parent_while_suspended(parents):
    async def by_hand(name):
        with experiment_span(name):
            leaf(f"{name}: first")
            await Switch()
            leaf(f"{name}: second")

    one, two = by_hand("one"), by_hand("two")
    with experiment_span("driver"):
        one.send(None)
        two.send(None)
        leaf("between")
        for coroutine in (one, two):
            with pytest.raises(StopIteration):
                coroutine.send(None)
        leaf("after")
    assert parents() == {
        "one: first": "one",
        "two: first": "two",
        "between": "driver",
        "one: second": "one",
        "one": "driver",
        "two: second": "two",
        "two": "driver",
        "after": "driver",
        "driver": None,
    }


def test_a_decorated_coroutine_driven_by_hand(parents):
    @experiment_span("by hand")
    async def by_hand():
        leaf("first")
        await Switch()
        leaf("second")

    coroutine = by_hand()
    with experiment_span("driver"):
        coroutine.send(None)
        leaf("between")
        with pytest.raises(StopIteration):
            coroutine.send(None)
    assert parents() == {
        "first": "by hand",
        "between": "driver",
        "second": "by hand",
        "by hand": "driver",
        "driver": None,
    }


def test_a_coroutine_closed_before_its_end_ends_its_block(parents):
    async def by_hand():
        with experiment_span("by hand"):
            try:
                await Switch()
            finally:
                leaf("cleanup")

    coroutine = by_hand()
    coroutine.send(None)
    with experiment_span("closer"):
        coroutine.close()
        leaf("after")
    assert parents() == {"cleanup": "by hand", "by hand": None, "after": "closer", "closer": None}


def test_the_active_span_in_tasks_and_after_them(run):
    async def task(seen):
        with experiment_span("task"):
            await pause()
            seen.append(active())

    async def main():
        seen = []
        with experiment_span("outer"):
            await asyncio.gather(task(seen), task(seen))
            seen.append(active())
        seen.append(active())
        return seen

    assert run(main()) == ["task", "task", "outer", None]


if sys.version_info >= (3, 11):

    def test_a_task_groups_tasks_belong_to_the_block_each_was_made_in(parents, run):
        async def main():
            async with asyncio.TaskGroup() as group:
                with experiment_span("first"):
                    group.create_task(work("one"))
                with experiment_span("second"):
                    group.create_task(work("two"))
                    await pause()
                group.create_task(work("three"))

        run(main())
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

    def test_a_task_group_inside_a_block(parents, run):
        async def main():
            with experiment_span("outer"):
                async with asyncio.TaskGroup() as group:
                    for number in range(3):
                        group.create_task(work(f"work {number}"))
                leaf("after")

        run(main())
        expected = {"outer": None, "after": "outer"}
        for number in range(3):
            expected |= {f"work {number}": "outer", f"leaf of work {number}": f"work {number}"}
        assert parents() == expected

    def test_a_task_group_handed_to_another_task(parents, run):
        async def spawner(group):
            with experiment_span("spawner"):
                group.create_task(work("work"))

        async def main():
            with experiment_span("outer"):
                async with asyncio.TaskGroup() as group:
                    await asyncio.create_task(spawner(group))

        run(main())
        assert parents() == {"leaf of work": "work", "work": "spawner", "spawner": "outer", "outer": None}

    def test_a_task_group_whose_task_failed_leaves_nothing_active(parents, run):
        async def failing():
            with experiment_span("failing"):
                await pause()
                raise ValueError("failed")

        async def forever():
            with experiment_span("cancelled"):
                await asyncio.Event().wait()

        async def grouped():
            async with asyncio.TaskGroup() as group:
                group.create_task(forever())
                group.create_task(failing())

        async def main():
            with experiment_span("outer"):
                with pytest.raises(Exception, match="unhandled errors"):
                    await grouped()
                leaf("after")

        run(main())
        assert parents() == {"failing": "outer", "cancelled": "outer", "after": "outer", "outer": None}

    def test_a_timeout_block_inside_a_span(parents, run):
        async def limited():
            async with asyncio.timeout(0.01):
                with experiment_span("too slow"):
                    await asyncio.Event().wait()

        async def main():
            with experiment_span("outer"):
                with pytest.raises(TimeoutError):
                    await limited()
                leaf("after")

        run(main())
        assert parents() == {"too slow": "outer", "after": "outer", "outer": None}


if sys.version_info >= (3, 12):

    def _main_with_eager_tasks(main, factory=None):
        async def eager():
            asyncio.get_running_loop().set_task_factory(factory or asyncio.eager_task_factory)
            return await main()

        return asyncio.run(eager())

    def test_an_eager_task_that_never_waits_is_a_child_of_who_made_it(parents):
        async def quick():
            leaf("quick")

        async def main():
            with experiment_span("outer"):
                await asyncio.create_task(quick())
                leaf("after")

        _main_with_eager_tasks(main)
        assert parents() == {"quick": "outer", "after": "outer", "outer": None}

    def test_an_eager_tasks_block_is_not_its_makers_while_it_waits(parents):
        async def main():
            with experiment_span("outer"):
                task = asyncio.create_task(work("work"))
                leaf("meanwhile")
                await task
                leaf("after")

        _main_with_eager_tasks(main)
        assert parents() == {
            "meanwhile": "outer",
            "leaf of work": "work",
            "work": "outer",
            "after": "outer",
            "outer": None,
        }

    def test_an_eager_task_made_by_an_eager_task(parents):
        async def inner():
            with experiment_span("inner"):
                await pause()
                leaf("in inner")

        async def middle():
            with experiment_span("middle"):
                task = asyncio.create_task(inner())
                leaf("in middle")
                await task

        async def main():
            with experiment_span("outer"):
                task = asyncio.create_task(middle())
                leaf("in outer")
                await task

        _main_with_eager_tasks(main)
        assert parents() == {
            "in middle": "middle",
            "in outer": "outer",
            "in inner": "inner",
            "inner": "middle",
            "middle": "outer",
            "outer": None,
        }

    def test_an_eager_task_with_the_loops_first_span_in_its_first_step(parents):
        async def main():
            task = asyncio.create_task(work("work"))
            leaf("meanwhile")
            await task
            leaf("after")

        _main_with_eager_tasks(main)
        assert parents() == {"meanwhile": None, "leaf of work": "work", "work": None, "after": None}

    def test_an_eager_task_class_of_the_users_own(parents):
        class Task(asyncio.Task):
            pass

        async def main():
            with experiment_span("outer"):
                task = asyncio.create_task(work("work"))
                assert type(task) is Task
                leaf("meanwhile")
                await task

        _main_with_eager_tasks(main, asyncio.create_eager_task_factory(Task))
        assert parents() == {"meanwhile": "outer", "leaf of work": "work", "work": "outer", "outer": None}
