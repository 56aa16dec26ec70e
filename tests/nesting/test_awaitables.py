"""Awaitables made of generators; coroutines and async generators that are ended and thrown into by hand."""

from __future__ import annotations

import asyncio
import types

import pytest
from support.nesting import Started, active, leaf
from support.stories import one_step, step_through

from llmobs_trace import current_span, experiment_span, propagate

# --- what a generator awaits, in a task and by hand ---------------------------------------------------------


@experiment_span("coroutine")
async def coroutine():
    """Suspended twice, for real."""
    for step in range(3):
        leaf(f"step {step}")
        await asyncio.sleep(0.001 * step)
    return "value"


@experiment_span("by hand")
async def by_hand():
    for step in range(3):
        leaf(f"step {step}")
        await one_step()
    return "value"


class Waits:
    def __init__(self, waits_for):
        self.waits_for = waits_for

    @experiment_span("awaitable")
    def __await__(self):
        leaf("before")
        value = yield from self.waits_for().__await__()
        leaf("after")
        return value


@experiment_span("awaitable")
@types.coroutine
def of_types(waits_for):
    leaf("before")
    value = yield from waits_for().__await__()
    leaf("after")
    return value


class DelegatesTwice:
    def __init__(self, waits_for):
        self.waits_for = waits_for

    @experiment_span("outer awaitable")
    def __await__(self):
        return (yield from Waits(self.waits_for).__await__())


@experiment_span("stream")
async def streamed(waits_for):
    yield await Waits(waits_for)
    leaf("last")


async def collected(waits_for):
    (value,) = [item async for item in streamed(waits_for)]
    return value


AWAITABLES = {
    "__await__": (Waits, None),
    "types.coroutine": (of_types, None),
    "__await__ twice": (DelegatesTwice, "outer awaitable"),
    "within a stream": (collected, "stream"),
}


def tree(name, within):
    """Each step is the coroutine's, which is the awaitable's."""
    expected = {f"step {step}": name for step in range(3)}
    expected |= {name: "awaitable", "before": "awaitable", "after": "awaitable"}
    expected["awaitable"] = within or "root"
    if within:
        expected[within] = "root"
    if within == "stream":
        expected["last"] = "stream"
    return expected | {"root": None}


@pytest.mark.parametrize(("make", "within"), AWAITABLES.values(), ids=AWAITABLES)
def test_what_a_generator_awaits_in_a_task_stays_below_it(run, parents, make, within):
    async def main():
        with experiment_span("root"):
            return await make(coroutine)

    assert run(main()) == "value"
    assert parents() == tree("coroutine", within)


@pytest.mark.parametrize(("make", "within"), AWAITABLES.values(), ids=AWAITABLES)
def test_what_a_generator_awaits_outside_a_task_stays_below_it(parents, make, within):
    async def main():
        with experiment_span("root"):
            return await make(by_hand)

    assert step_through(main()) == "value"
    assert parents() == tree("by hand", within)


def test_what_a_step_left_open_stays_inside_the_generator(parents):
    started = Started("started")

    @experiment_span("stream")
    def stream():
        started.start()
        yield
        leaf("inside")
        started.end()
        leaf("outside")
        yield

    items = stream()
    next(items)
    next(items)
    items.close()
    assert parents() == {"inside": "started", "started": "stream", "outside": "stream", "stream": None}


def test_a_step_inside_the_consumers_own_block_is_the_innermost(parents):
    started = Started("started")

    @experiment_span("stream")
    def stream():
        started.start()
        yield
        leaf("inside")
        yield

    items = stream()
    next(items)
    with experiment_span("consumer's"):
        next(items)
    started.end()
    items.close()
    assert parents() == {"inside": "stream", "consumer's": "started", "started": "stream", "stream": None}


# --- closed and thrown into by hand -------------------------------------------------------------------------


class Thrown(Exception):
    pass


def body(decorate):
    @decorate
    async def waits():
        with experiment_span("block"):
            try:
                await one_step()
            except Thrown:
                leaf("except")
                raise
            finally:
                leaf("finally")
                assert active() == "block"
        assert current_span() is None

    return waits


def bare(decorate):
    """Without a block of its own, whose frame would tell."""

    @decorate
    async def waits():
        try:
            await one_step()
        except Thrown:
            leaf("except")
            raise
        finally:
            leaf("finally")

    return waits


def span(function):
    return experiment_span("coroutine")(function)


def twice(function):
    return experiment_span("outermost")(span(function))


def carried(function):
    with experiment_span("coroutine"):
        return propagate(function)


DECORATORS = {"a span": span, "two spans": twice, "carried": carried}


@pytest.mark.parametrize("decorate", DECORATORS.values(), ids=DECORATORS)
@pytest.mark.parametrize("how", ["close", "throw"])
def test_a_coroutine_ended_by_hand_is_the_parent_in_its_own_except_and_finally(parents, decorate, how):
    suspended = bare(decorate)()
    suspended.send(None)
    assert current_span() is None
    if how == "close":
        suspended.close()
    else:
        with pytest.raises(Thrown):
            suspended.throw(Thrown())
    expected = {"finally": "coroutine"} | ({"except": "coroutine"} if how == "throw" else {})
    found = parents()
    assert {name: found[name] for name in expected} == expected
    assert current_span() is None


def test_a_coroutine_that_is_abandoned_is_the_parent_in_its_own_finally(parents):
    suspended = bare(span)()
    suspended.send(None)
    del suspended
    assert parents() == {"finally": "coroutine", "coroutine": None}


def test_a_block_of_a_coroutine_ended_by_hand_is_inside_its_span(parents):
    suspended = body(span)()
    suspended.send(None)
    suspended.close()
    assert parents() == {"finally": "block", "block": "coroutine", "coroutine": None}


def test_a_coroutine_that_awaits_a_decorated_one_and_is_closed_by_hand(parents):
    inner = bare(experiment_span("inner"))

    @experiment_span("outer")
    async def outer():
        try:
            await inner()
        finally:
            leaf("outer's finally")

    suspended = outer()
    suspended.send(None)
    suspended.close()
    assert parents() == {
        "finally": "inner",
        "inner": "outer",
        "outer's finally": "outer",
        "outer": None,
    }


def stream_of(decorate):
    @decorate
    async def stream():
        async with experiment_span("held"):
            leaf("first")
            yield 1
            leaf("second")
        try:
            await one_step()
        except Thrown:
            leaf("except")
        finally:
            leaf("finally")
        with experiment_span("last"):
            leaf("in last")
            yield 2
        leaf("after")

    return stream


def next_of(step):
    with pytest.raises(StopIteration) as stop:
        step.send(None)
    return stop.value.value


@pytest.mark.parametrize("decorate", [span, carried])
def test_an_async_generator_thrown_into_at_an_await_is_the_parent_in_its_except_and_finally(
    parents, decorate
):
    items = stream_of(decorate)()
    assert next_of(items.asend(None)) == 1
    assert current_span() is None
    step = items.asend(None)
    step.send(None)
    assert current_span() is None
    with pytest.raises(StopIteration) as stop:
        step.throw(Thrown())
    assert stop.value.value == 2
    assert current_span() is None
    with pytest.raises(StopAsyncIteration):
        items.asend(None).send(None)
    inside = dict.fromkeys(("held", "except", "finally", "last", "after"), "coroutine")
    expected = {**inside, "first": "held", "second": "held", "in last": "last", "coroutine": None}
    assert parents() == expected
