"""What a greenlet starts from, and whose chain counts in a greenlet inside a task."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest
import trio
from greenlet import getcurrent, greenlet
from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.concurrency import await_only
from support.nesting import active, leaf

from llmobs_trace import current_span, experiment_span
from llmobs_trace.capture import recorder as slot


@pytest.fixture(autouse=True)
def no_fault_was_swallowed():
    before = slot.faults.count
    yield
    assert slot.faults.count == before, slot.faults.last


def test_a_greenlet_starts_from_what_its_parent_has_active_at_the_greenlets_first_span(llmobs_spans):
    def body():
        getcurrent().parent.switch()
        leaf("first")
        getcurrent().parent.switch()
        leaf("second")

    other = greenlet(body)
    with experiment_span("made here"):
        other.switch()
    with experiment_span("first span here"):
        other.switch()
    with experiment_span("elsewhere by now"):
        other.switch()
    assert llmobs_spans.tree() == {
        "made here": {},
        "first span here": {"first": {}, "second": {}},
        "elsewhere by now": {},
    }


def test_blocks_of_greenlets_that_switch_to_and_fro_keep_apart(llmobs_spans):
    def body(name):
        with experiment_span(name):
            for step in range(2):
                leaf(f"{name}.{step}")
                getcurrent().parent.switch()

    with experiment_span("main"):
        greenlets = [greenlet(body) for _ in range(2)]
        for number, one in enumerate(greenlets):
            one.switch(f"g{number}")
        leaf("between")
        for one in greenlets * 2:
            one.switch()
    assert llmobs_spans.tree() == {
        "main": {
            "g0": {"g0.0": {}, "g0.1": {}},
            "g1": {"g1.0": {}, "g1.1": {}},
            "between": {},
        },
    }


def test_a_greenlet_inside_a_greenlet(llmobs_spans):
    def inner():
        leaf("inner")

    def outer():
        # No span here before the inner one's first: what the outer starts from is what counts.
        greenlet(inner).switch()
        with experiment_span("outer"):
            greenlet(inner).switch()

    with experiment_span("main"):
        greenlet(outer).switch()
    assert llmobs_spans.tree() == {"main": {"inner": {}, "outer": {"inner": {}}}}


def test_a_generators_block_around_the_switch_is_what_a_greenlet_starts_from(llmobs_spans):
    def stream():
        with experiment_span("stream"):
            with experiment_span("inside"):
                greenlet(leaf).switch("in a greenlet")
            yield

    list(stream())
    assert llmobs_spans.tree() == {"stream": {"inside": {"in a greenlet": {}}}}


def test_a_suspended_greenlet_does_not_see_a_generator_that_switches_to_it_later(llmobs_spans):
    def body():
        leaf("first")
        getcurrent().parent.switch()
        leaf("second")

    def stream(other):
        with experiment_span("stream"):
            other.switch()
            yield

    other = greenlet(body)
    with experiment_span("main"):
        other.switch()
    list(stream(other))
    assert llmobs_spans.tree() == {"main": {"first": {}, "second": {}}, "stream": {}}


def test_a_generator_in_a_greenlet_is_active_while_it_runs(llmobs_spans):
    def body():
        def stream():
            with experiment_span("stream"):
                yield
                leaf("inside")

        steps = stream()
        next(steps)
        leaf("beside")
        list(steps)

    with experiment_span("main"):
        greenlet(body).switch()
    assert llmobs_spans.tree() == {"main": {"stream": {"inside": {}}, "beside": {}}}


def test_a_thread_that_a_greenlet_starts_is_its_child(llmobs_spans):
    def body():
        with experiment_span("in a greenlet"):
            thread = threading.Thread(target=leaf, args=("thread",))
            thread.start()
            thread.join()

    greenlet(body).switch()
    assert llmobs_spans.tree() == {"in a greenlet": {"thread": {}}}


def test_a_greenlet_of_sqlalchemys_inside_a_task_keeps_the_tasks_chain(llmobs_spans):
    async def query(name):
        with experiment_span(name):
            await asyncio.sleep(0)

    def session(number):
        with experiment_span(f"session {number}"):
            await_only(query(f"query {number}"))
            leaf(f"leaf {number}")

    async def request(number):
        with experiment_span(f"request {number}"):
            await greenlet_spawn(session, number)
            leaf(f"after {number}")

    async def main():
        await asyncio.gather(*(request(number) for number in range(3)))

    asyncio.run(main())
    assert llmobs_spans.tree() == {
        f"request {number}": {
            f"session {number}": {f"query {number}": {}, f"leaf {number}": {}},
            f"after {number}": {},
        }
        for number in range(3)
    }


def test_the_walk_out_of_a_tasks_greenlet_finds_a_generators_block_around_it(llmobs_spans):
    async def stream(number):
        with experiment_span(f"stream {number}"):
            await greenlet_spawn(leaf, f"in a greenlet {number}")
            await greenlet_spawn(nested, f"deeper {number}")
            yield

    def nested(name):
        def inner():
            leaf(name)

        greenlet(inner).switch()

    async def consume(number):
        async for _ in stream(number):
            leaf(f"beside {number}")

    async def main():
        await asyncio.gather(*(consume(number) for number in range(2)))

    asyncio.run(main())
    tree = llmobs_spans.tree()
    assert tree == {
        **{f"stream {n}": {f"in a greenlet {n}": {}, f"deeper {n}": {}} for n in range(2)},
        **{f"beside {n}": {} for n in range(2)},
    }


def test_a_greenlet_inside_a_trio_task_keeps_the_tasks_chain(llmobs_spans):
    async def main():
        with experiment_span("task"):
            greenlet(leaf).switch("in a greenlet")

    trio.run(main)
    assert llmobs_spans.tree() == {"task": {"in a greenlet": {}}}


def test_a_plain_greenlet_inside_a_task_has_a_chain_of_its_own(llmobs_spans):
    def body():
        with experiment_span("suspended"):
            getcurrent().parent.switch()
            leaf("resumed")

    async def main():
        with experiment_span("task"):
            other = greenlet(body)
            other.switch()
            leaf("between")
            await asyncio.create_task(resume(other))

    async def resume(other):
        with experiment_span("resumer"):
            other.switch()

    asyncio.run(main())
    assert llmobs_spans.tree() == {"task": {"suspended": {"resumed": {}}, "between": {}, "resumer": {}}}


def test_tasks_of_a_loop_that_runs_in_a_greenlet_keep_apart(llmobs_spans):
    async def work(name):
        with experiment_span(name):
            await asyncio.sleep(0)
            leaf(f"leaf of {name}")

    async def main():
        await asyncio.gather(work("one"), work("two"))

    def body():
        with experiment_span("around"):
            asyncio.run(main())
            leaf("after")

    greenlet(body).switch()
    assert llmobs_spans.tree() == {
        "around": {"one": {"leaf of one": {}}, "two": {"leaf of two": {}}, "after": {}},
    }


def test_a_loop_run_in_a_greenlet_starts_from_the_greenlets_span(llmobs_spans):
    async def main():
        leaf("in the loop")

    def body():
        with experiment_span("in a greenlet"):
            asyncio.run(main())

    with experiment_span("main"):
        greenlet(body).switch()
    assert llmobs_spans.tree() == {"main": {"in a greenlet": {"in the loop": {}}}}


def test_the_main_greenlet_of_each_thread_has_its_threads_chain(llmobs_spans):
    seen = []

    def thread():
        with experiment_span("thread"):
            greenlet(lambda: seen.append(active())).switch()
        seen.append(active())

    other = threading.Thread(target=thread)
    with experiment_span("main"):
        other.start()
        other.join()
    assert seen == ["thread", "main"]
    assert current_span() is None


def test_a_greenlet_of_the_users_class_with_slots(llmobs_spans):
    class Slotted(greenlet):
        __slots__ = ("theirs",)

    with experiment_span("main"):
        Slotted(leaf).switch("in a greenlet")
    assert llmobs_spans.tree() == {"main": {"in a greenlet": {}}}


def test_what_a_task_and_its_greenlets_held_is_freed_without_the_collector(llmobs_spans):
    class Held:
        pass

    watched = []

    def session(held):
        def stream():
            with experiment_span("stream"):
                greenlet(leaf).switch("plain")
                yield

        list(stream())

    async def request():
        held = Held()
        watched.append(weakref.ref(held))
        with experiment_span("request"):
            await greenlet_spawn(session, held)

    async def main():
        await asyncio.create_task(request())
        return watched[0]()

    gc.disable()
    try:
        assert asyncio.run(main()) is None
    finally:
        gc.enable()
    assert llmobs_spans.tree() == {"request": {"stream": {"plain": {}}}}


def test_a_finished_greenlet_and_what_it_held_are_collected(llmobs_spans):
    class Held:
        pass

    watched = []

    def body(held):
        with experiment_span("in a greenlet") as span:
            watched.append(weakref.ref(span))
            getcurrent().parent.switch()

    with experiment_span("main"):
        held, other = Held(), greenlet(body)
        watched += [weakref.ref(held), weakref.ref(other)]
        other.switch(held)
        other.switch()
    del held, other
    gc.collect()
    assert [reference() for reference in watched] == [None, None, None]
