"""What blocks in async generators do that has no like in plain ones: loops, tasks, and what they await."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from support.nesting import async_decorated, async_stream, leaf, stream
from support.written_once import settle

from llmobs_trace import experiment_span


def test_what_an_async_generator_awaits_is_inside_its_block(parents, run):
    async def fetch(step):
        await asyncio.sleep(0)
        with experiment_span(f"fetch.{step}"):
            await asyncio.sleep(0)

    async def items():
        async with experiment_span("stream"):
            for step in range(2):
                await fetch(step)
                yield step

    async def main():
        with experiment_span("consumer"):
            async for step in items():
                await fetch(f"by consumer {step}")

    run(main())
    assert parents() == {
        "fetch.0": "stream",
        "fetch.by consumer 0": "consumer",
        "fetch.1": "stream",
        "fetch.by consumer 1": "consumer",
        "stream": "consumer",
        "consumer": None,
    }


def test_async_generators_consumed_by_tasks_at_once(parents, run):
    async def consume(name):
        with experiment_span(f"consumer {name}"):
            async for step in async_stream(name, 2):
                await asyncio.sleep(0)
                leaf(f"consumed {name}.{step}")

    async def main():
        with experiment_span("outer"):
            await asyncio.gather(consume("one"), consume("two"))

    run(main())
    expected = {"outer": None}
    for name in ("one", "two"):
        expected |= {f"consumer {name}": "outer", name: f"consumer {name}"}
        for step in (0, 1):
            expected |= {f"{name}.{step}": name, f"consumed {name}.{step}": f"consumer {name}"}
    assert parents() == expected


def test_an_async_generator_that_drives_a_plain_generator(parents, run):
    async def items():
        with experiment_span("outer stream"):
            for step in stream("inner stream", 1):
                leaf("between")
                yield step

    async def main():
        async for _ in items():
            leaf("consumed")

    run(main())
    assert parents() == {
        "inner stream.0": "inner stream",
        "between": "outer stream",
        "consumed": None,
        "inner stream": "outer stream",
        "outer stream": None,
    }


def test_an_async_generator_closed_at_the_end_of_the_loop(parents, run):
    kept = []

    async def main():
        kept.append(async_stream("stream"))
        with experiment_span("consumer"):
            await anext(kept[0])

    run(main())
    leaf("after")
    assert parents() == {"stream.0": "stream", "consumer": None, "stream": "consumer", "after": None}


def test_an_async_generator_closed_in_another_task(parents, run):
    async def main():
        held = async_stream("stream")
        with experiment_span("here"):
            await anext(held)
            await asyncio.create_task(held.aclose())
            leaf("between")

    run(main())
    assert parents() == {"stream.0": "stream", "stream": "here", "between": "here", "here": None}


def test_an_async_generators_block_goes_with_it_to_another_task(parents, run):
    async def take(held):
        with experiment_span("there"):
            await anext(held)
            leaf("in there")

    async def main():
        held = async_stream("stream", 2)
        with experiment_span("here"):
            await anext(held)
        await asyncio.create_task(take(held))
        await held.aclose()

    run(main())
    assert parents() == {
        "stream.0": "stream",
        "here": None,
        "stream.1": "stream",
        "in there": "there",
        "there": None,
        "stream": "here",
    }


def test_an_async_generator_waiting_in_another_task_is_not_the_parent_where_it_was_started(parents, run):
    async def items(over):
        with experiment_span("stream"):
            yield
            await over.wait()
            leaf("in stream")
            yield

    async def main():
        over = asyncio.Event()
        held = items(over)
        with experiment_span("here"):
            await anext(held)
            waiting = asyncio.ensure_future(anext(held))
            await asyncio.sleep(0)
            leaf("meanwhile")
            over.set()
            await waiting
            leaf("afterwards")
        await held.aclose()

    run(main())
    assert parents() == {
        "meanwhile": "here",
        "in stream": "stream",
        "afterwards": "here",
        "here": None,
        "stream": "here",
    }


def test_each_step_of_an_async_generator_under_wait_for(parents, run):
    async def main():
        held = async_stream("stream", 2)
        with experiment_span("consumer"):
            for step in range(2):
                await asyncio.wait_for(anext(held), 60)
                leaf(f"consumed.{step}")
            await held.aclose()
        leaf("after")

    run(main())
    assert parents() == {
        "stream.0": "stream",
        "consumed.0": "consumer",
        "stream.1": "stream",
        "consumed.1": "consumer",
        "stream": "consumer",
        "consumer": None,
        "after": None,
    }


def test_an_async_generator_cancelled_while_it_waits_ends_its_block(parents, run):
    async def items():
        with experiment_span("stream"):
            yield
            await asyncio.Event().wait()

    async def main():
        with experiment_span("consumer"):
            held = items()
            await anext(held)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(held), 0.01)
            leaf("between")

    run(main())
    assert parents() == {"stream": "consumer", "between": "consumer", "consumer": None}


def test_a_task_made_in_an_async_streams_body_is_a_child_of_its_block(parents, run):
    async def work(name):
        await asyncio.sleep(0)
        leaf(name)

    async def items():
        with experiment_span("stream"):
            yield asyncio.ensure_future(work("made in stream"))

    async def main():
        with experiment_span("consumer"):
            async for task in items():
                await asyncio.gather(task, work("made by consumer"))

    run(main())
    assert parents() == {
        "made in stream": "stream",
        "made by consumer": "consumer",
        "stream": "consumer",
        "consumer": None,
    }


def test_a_decorated_async_generator_streamed_after_its_caller_returned_is_still_its_child(parents, run):
    async def send(items):
        return [item async for item in items]

    async def main():
        with experiment_span("handler"):
            items = async_decorated(1)
        leaf("sending")
        assert await asyncio.create_task(send(items)) == [0]

    run(main())
    assert parents() == {
        "handler": None,
        "sending": None,
        "decorated.0": "decorated",
        "decorated": "handler",
    }


def test_a_decorated_async_generator_that_waits_while_others_work(parents, run):
    @experiment_span("stream")
    async def items(waiting, over):
        waiting.set()
        await over.wait()
        leaf("in stream")
        yield

    async def consume(held):
        with experiment_span("consumer"):
            async for _ in held:
                leaf("consumed")

    async def main():
        waiting, over = asyncio.Event(), asyncio.Event()
        with experiment_span("outer"):
            task = asyncio.create_task(consume(items(waiting, over)))
            await waiting.wait()
            leaf("meanwhile")
            over.set()
            await task

    run(main())
    assert parents() == {
        "meanwhile": "outer",
        "in stream": "stream",
        "consumed": "consumer",
        "stream": "consumer",
        "consumer": "outer",
        "outer": None,
    }


def test_each_step_of_a_decorated_async_generator_in_another_task(parents, run):
    async def main():
        items = async_decorated(2)
        with experiment_span("consumer"):
            for step in range(2):
                await asyncio.ensure_future(anext(items))
                leaf(f"consumed.{step}")
        await asyncio.create_task(items.aclose())
        leaf("after")

    run(main())
    assert parents() == {
        "decorated.0": "decorated",
        "consumed.0": "consumer",
        "decorated.1": "decorated",
        "consumed.1": "consumer",
        "consumer": None,
        "decorated": "consumer",
        "after": None,
    }


@pytest.mark.parametrize("how", ["closed", "dropped", "closed in a task", "thrown at", "left to the loop"])
def test_a_decorated_async_generator_that_is_not_run_to_its_end(parents, run, how):
    @experiment_span("stream")
    async def items():
        try:
            yield 1
            yield 2
        finally:
            leaf("cleanup")

    kept = []

    async def main():
        kept.append(items())
        with experiment_span("consumer"):
            await anext(kept[0])
            if how == "closed":
                await kept[0].aclose()
            elif how == "dropped":
                kept.clear()
                await settle()
            elif how == "closed in a task":
                await asyncio.create_task(kept[0].aclose())
            elif how == "thrown at":
                with pytest.raises(KeyError):
                    await kept[0].athrow(KeyError)
            leaf("between")
        leaf("after")

    run(main())
    assert parents() == {
        "cleanup": "stream",
        "stream": "consumer",
        "between": "consumer",
        "consumer": None,
        "after": None,
    }


def test_a_decorated_async_generator_that_recurses(llmobs_spans, run):
    @experiment_span("walk")
    async def walk(depth):
        yield depth
        if depth:
            async with aclosing(walk(depth - 1)) as below:
                async for item in below:
                    yield item

    async def main():
        return [depth async for depth in walk(3)]

    assert run(main()) == [3, 2, 1, 0]
    ids = [span.span_id for span in llmobs_spans]
    assert [span.parent_id for span in llmobs_spans] == [*ids[1:], None]


def test_an_async_generator_driven_by_hand_without_a_loop(parents):
    held = async_stream("stream")
    with experiment_span("driver"):
        with pytest.raises(StopIteration):
            held.asend(None).send(None)
        leaf("between")
        with pytest.raises(StopIteration):
            held.aclose().send(None)
    assert parents() == {"stream.0": "stream", "between": "driver", "stream": "driver", "driver": None}
