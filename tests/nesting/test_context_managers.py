"""Blocks held by somebody's context manager: contextlib's, stacks, the user's own classes."""

from __future__ import annotations

import asyncio
from contextlib import (
    AsyncExitStack,
    ExitStack,
    aclosing,
    asynccontextmanager,
    closing,
    contextmanager,
)

import pytest
from support.nesting import Block, active, async_stream, leaf, scope, stream

from llmobs_trace import experiment_span


@asynccontextmanager
async def async_scope(name):
    with experiment_span(name) as span:
        await asyncio.sleep(0)
        yield span
        await asyncio.sleep(0)


@asynccontextmanager
async def async_block_scope(name):
    async with experiment_span(name) as span:
        yield span


def test_a_contextmanager_that_holds_a_block_is_the_parent_of_the_with_body(parents):
    with scope("scope"):
        leaf("body")
    leaf("after")
    assert parents() == {"body": "scope", "scope": None, "after": None}


def test_what_a_contextmanager_opens_before_and_after_its_yield_is_inside_its_block(parents):
    @contextmanager
    def resource():
        leaf("before the block")
        with experiment_span("resource"):
            leaf("set up")
            yield
            leaf("tear down")
        leaf("after the block")

    with experiment_span("outer"), resource():
        leaf("body")
    assert parents() == {
        "before the block": "outer",
        "set up": "resource",
        "body": "resource",
        "tear down": "resource",
        "resource": "outer",
        "after the block": "outer",
        "outer": None,
    }


def test_a_contextmanager_made_of_contextmanagers(parents):
    @contextmanager
    def both():
        with scope("first"), scope("second"):
            leaf("set up")
            yield

    with both():
        leaf("body")
    leaf("after")
    assert parents() == {
        "set up": "second",
        "body": "second",
        "second": "first",
        "first": None,
        "after": None,
    }


def test_a_with_body_that_raises_leaves_nothing_of_a_contextmanager(parents):
    with experiment_span("outer"):
        with pytest.raises(ZeroDivisionError), scope("scope"):
            raise ZeroDivisionError
        leaf("after")
    assert parents() == {"scope": "outer", "after": "outer", "outer": None}


def test_a_contextmanager_used_as_a_decorator(parents):
    @scope("scope")
    def function():
        leaf("body")

    function()
    leaf("after")
    assert parents() == {"body": "scope", "scope": None, "after": None}


def test_an_exit_stack_holds_two_blocks(parents):
    with experiment_span("outer"):
        with ExitStack() as stack:
            stack.enter_context(experiment_span("first"))
            leaf("in first")
            stack.enter_context(experiment_span("second"))
            leaf("in second")
        leaf("after")
    assert parents() == {
        "in first": "first",
        "in second": "second",
        "second": "first",
        "first": "outer",
        "after": "outer",
        "outer": None,
    }


def test_an_exit_stack_handed_on_with_pop_all(parents):
    def opened():
        with ExitStack() as stack:
            stack.enter_context(experiment_span("kept"))
            stack.enter_context(scope("kept scope"))
            return stack.pop_all()

    with opened():
        leaf("body")
    leaf("after")
    assert parents() == {"body": "kept scope", "kept scope": "kept", "kept": None, "after": None}


def test_an_exit_stack_closed_by_another_function(parents):
    stack = ExitStack()
    stack.enter_context(experiment_span("block"))

    def close():
        leaf("before close")
        stack.close()
        leaf("after close")

    close()
    assert parents() == {"before close": "block", "block": None, "after close": None}


@pytest.mark.parametrize("in_a_stack", [False, True], ids=["with", "in an exit stack"])
@pytest.mark.parametrize("holder", [experiment_span, scope, Block])
def test_a_block_that_a_generator_holds_by_any_manager_is_not_its_consumers(parents, holder, in_a_stack):
    def held():
        with holder("held"):
            leaf("first step")
            yield
            leaf("second step")

    def held_in_a_stack():
        with ExitStack() as stack:
            stack.enter_context(holder("held"))
            leaf("first step")
            yield
            leaf("second step")

    with experiment_span("consumer"):
        for _ in held_in_a_stack() if in_a_stack else held():
            leaf("between")
    assert parents() == {
        "first step": "held",
        "between": "consumer",
        "second step": "held",
        "held": "consumer",
        "consumer": None,
    }


def test_a_generator_that_holds_a_contextmanager_made_of_a_contextmanager(parents):
    @contextmanager
    def wrapped():
        with scope("inner scope"):
            yield

    def items():
        with wrapped():
            leaf("step")
            yield

    for _ in items():
        leaf("between")
    assert parents() == {"step": "inner scope", "between": None, "inner scope": None}


def test_the_cleanup_of_a_generator_under_closing_is_inside_its_block(parents):
    def items():
        with experiment_span("stream"):
            try:
                yield 1
                yield 2
            finally:
                leaf("cleanup")

    with experiment_span("outer"):
        with closing(items()) as stream_of_items:
            for _ in stream_of_items:
                leaf("between")
                break
        leaf("after")
    assert parents() == {
        "between": "outer",
        "cleanup": "stream",
        "stream": "outer",
        "after": "outer",
        "outer": None,
    }


def test_the_cleanup_of_a_generator_without_a_block_under_closing_belongs_to_who_closes(parents):
    def items():
        try:
            yield
        finally:
            leaf("cleanup")

    with experiment_span("outer"), closing(items()) as stream_of_items:
        next(stream_of_items)
    assert parents() == {"cleanup": "outer", "outer": None}


def test_a_generator_closed_by_an_exit_stack(parents):
    with experiment_span("outer"), ExitStack() as stack:
        held = stack.enter_context(closing(stream("stream")))
        next(held)
        leaf("between")
    leaf("after")
    assert parents() == {
        "stream.0": "stream",
        "between": "outer",
        "stream": "outer",
        "outer": None,
        "after": None,
    }


@pytest.mark.parametrize("holder", [async_scope, async_block_scope])
def test_an_asynccontextmanager_that_holds_a_block_is_the_parent_of_the_with_body(parents, run, holder):
    async def main():
        with experiment_span("outer"):
            async with holder("scope"):
                await asyncio.sleep(0)
                leaf("body")
            leaf("after")

    run(main())
    assert parents() == {"body": "scope", "scope": "outer", "after": "outer", "outer": None}


def test_async_with_holds_a_block(parents, run):
    async def main():
        async with experiment_span("outer"), experiment_span("inner"):
            await asyncio.sleep(0)
            leaf("leaf")
        leaf("after")

    run(main())
    assert parents() == {"leaf": "inner", "inner": "outer", "outer": None, "after": None}


def test_an_asynccontextmanager_held_by_two_tasks_at_once(parents, run):
    async def worker(name, mine, other):
        async with async_scope(f"scope {name}"):
            mine.set()
            await other.wait()
            leaf(f"body {name}")

    async def main():
        one, two = asyncio.Event(), asyncio.Event()
        with experiment_span("outer"):
            await asyncio.gather(worker("one", one, two), worker("two", two, one))
            leaf("after")

    run(main())
    assert parents() == {
        "body one": "scope one",
        "body two": "scope two",
        "scope one": "outer",
        "scope two": "outer",
        "after": "outer",
        "outer": None,
    }


def test_an_asynccontextmanager_entered_in_one_task_and_exited_in_another(parents, run):
    async def main():
        held = async_scope("scope")
        with experiment_span("outer"):
            await asyncio.create_task(held.__aenter__())
            leaf("between")
            await asyncio.create_task(held.__aexit__(None, None, None))
            leaf("after")

    run(main())
    assert parents() == {"between": "outer", "scope": "outer", "after": "outer", "outer": None}


def test_an_async_exit_stack_holds_blocks_of_every_kind(parents, run):
    async def main():
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(async_scope("first"))
            leaf("in first")
            stack.enter_context(scope("second"))
            leaf("in second")
            await stack.enter_async_context(experiment_span("third"))
            leaf("in third")
        leaf("after")

    run(main())
    assert parents() == {
        "in first": "first",
        "in second": "second",
        "in third": "third",
        "third": "second",
        "second": "first",
        "first": None,
        "after": None,
    }


def test_an_async_exit_stack_filled_in_one_coroutine_and_closed_in_another(parents, run):
    class Client:
        async def start(self):
            self.stack = AsyncExitStack()
            await self.stack.enter_async_context(async_scope("client"))

        async def stop(self):
            await self.stack.aclose()

    async def main():
        client = Client()
        await client.start()
        await asyncio.sleep(0)
        leaf("between")
        await client.stop()
        leaf("after")

    run(main())
    assert parents() == {"between": "client", "client": None, "after": None}


@pytest.mark.parametrize("holder", [async_scope, async_block_scope])
def test_a_block_that_an_async_generator_holds_by_an_asynccontextmanager_is_not_its_consumers(
    parents, run, holder
):
    async def items():
        async with holder("held"):
            leaf("first step")
            yield
            leaf("second step")

    async def main():
        with experiment_span("consumer"):
            async for _ in items():
                leaf("between")

    run(main())
    assert parents() == {
        "first step": "held",
        "between": "consumer",
        "second step": "held",
        "held": "consumer",
        "consumer": None,
    }


def test_a_block_that_an_async_generator_holds_in_an_async_exit_stack_is_not_its_consumers(parents, run):
    async def items():
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(async_scope("first"))
            stack.enter_context(experiment_span("second"))
            leaf("first step")
            yield
            leaf("second step")

    async def main():
        async for _ in items():
            leaf("between")

    run(main())
    assert parents() == {
        "first step": "second",
        "between": None,
        "second step": "second",
        "second": "first",
        "first": None,
    }


def test_an_async_generator_under_aclosing(parents, run):
    async def main():
        with experiment_span("outer"):
            async with aclosing(async_stream("stream")) as items:
                async for _ in items:
                    leaf("between")
                    break
            leaf("after")

    run(main())
    assert parents() == {
        "stream.0": "stream",
        "between": "outer",
        "stream": "outer",
        "after": "outer",
        "outer": None,
    }


def test_a_class_of_the_users_opens_a_block_in_its_aenter(parents, run):
    class Client:
        async def __aenter__(self):
            await asyncio.sleep(0)
            self.block = experiment_span("client")
            await self.block.__aenter__()
            return self

        async def __aexit__(self, *exc_info):
            await self.block.__aexit__(*exc_info)

    async def main():
        async with Client():
            leaf("body")
        leaf("after")

    run(main())
    assert parents() == {"body": "client", "client": None, "after": None}


def test_an_async_generator_whose_block_a_class_of_the_users_opens_in_its_aenter(parents, run):
    class Client:
        async def __aenter__(self):
            self.block = experiment_span("client")
            self.block.__enter__()

        async def __aexit__(self, *exc_info):
            self.block.__exit__(*exc_info)

    async def items():
        async with Client():
            leaf("step")
            yield

    async def main():
        async for _ in items():
            leaf("between")

    run(main())
    assert parents() == {"step": "client", "between": None, "client": None}


def test_the_active_span_inside_and_after_a_contextmanager():
    seen = [active()]
    with scope("scope"):
        seen.append(active())
    seen.append(active())
    assert seen == [None, "scope", None]
