"""Blocks in generators and async generators, and decorated ones: each case is written once, run as both."""

from __future__ import annotations

import pytest
from support.nesting import Started, active, async_decorated, async_stream, leaf
from support.written_once import of_both_kinds, pause, settle

from llmobs_trace import experiment_span


@of_both_kinds
async def test_a_block_in_a_suspended_stream_is_nobodys_parent(parents):
    items = async_stream("stream")
    await anext(items)
    leaf("outside")
    assert active() is None
    await items.aclose()
    leaf("after")
    assert parents() == {"stream.0": "stream", "outside": None, "stream": None, "after": None}


@of_both_kinds
async def test_a_consumers_spans_are_siblings_of_the_streams_block(parents):
    with experiment_span("consumer"):
        async for step in async_stream("stream", 2):
            leaf(f"consumed.{step}")
            await pause()
    assert parents() == {
        "stream.0": "stream",
        "consumed.0": "consumer",
        "stream.1": "stream",
        "consumed.1": "consumer",
        "stream": "consumer",
        "consumer": None,
    }


@of_both_kinds
async def test_a_block_is_still_a_streams_after_its_consumer_has_opened_another(parents):
    items = async_stream("stream")
    with experiment_span("first"):
        await anext(items)
    with experiment_span("second"):
        await anext(items)
        leaf("in second")
    await items.aclose()
    assert parents() == {
        "stream.0": "stream",
        "first": None,
        "stream.1": "stream",
        "in second": "second",
        "second": None,
        "stream": "first",
    }


@of_both_kinds
async def test_a_block_that_a_stream_opens_at_a_later_step_belongs_to_who_runs_that_step(parents):
    async def items():
        yield
        with experiment_span("late"):
            leaf("inside")
            yield

    held = items()
    with experiment_span("first"):
        await anext(held)
    with experiment_span("second"):
        await anext(held)
    await held.aclose()
    assert parents() == {"first": None, "inside": "late", "second": None, "late": "second"}


@of_both_kinds
async def test_two_interleaved_streams_keep_to_their_own_blocks(parents):
    one, two = async_stream("one", 2), async_stream("two", 2)
    with experiment_span("consumer"):
        async for first in one:
            second = await anext(two)
            leaf(f"pair.{first}{second}")
        await two.aclose()
    assert parents() == {
        "one.0": "one",
        "two.0": "two",
        "pair.00": "consumer",
        "one.1": "one",
        "two.1": "two",
        "pair.11": "consumer",
        "one": "consumer",
        "two": "consumer",
        "consumer": None,
    }


@of_both_kinds
async def test_interleaved_streams_closed_in_the_order_in_which_they_were_opened(parents):
    one, two = async_stream("one"), async_stream("two")
    await anext(one)
    await anext(two)
    await one.aclose()
    leaf("between")
    await anext(two)
    await two.aclose()
    leaf("after")
    assert parents() == {
        "one.0": "one",
        "two.0": "two",
        "one": None,
        "between": None,
        "two.1": "two",
        "two": None,
        "after": None,
    }


@of_both_kinds
async def test_a_pipeline_of_streams_is_nested_as_it_is_driven(parents):
    async def stage(name, source):
        with experiment_span(name):
            async for item in source:
                leaf(f"{name}.{item}")
                yield item

    with experiment_span("sink"):
        async for item in stage("last", stage("middle", async_stream("source", 1))):
            leaf(f"sink.{item}")
    assert parents() == {
        "source.0": "source",
        "middle.0": "middle",
        "last.0": "last",
        "sink.0": "sink",
        "source": "middle",
        "middle": "last",
        "last": "sink",
        "sink": None,
    }


@pytest.mark.parametrize("decorates", [False, True], ids=["block", "decorated"])
@of_both_kinds
async def test_what_is_sent_and_thrown_into_a_stream_is_used_inside_its_block(parents, decorates):
    async def conversation():
        name = yield
        leaf(name)
        try:
            yield
        except ValueError:
            leaf("handler")
        yield "last"

    async def within_a_block():
        with experiment_span("stream"):
            name = yield
            leaf(name)
            try:
                yield
            except ValueError:
                leaf("handler")
            yield "last"

    held = experiment_span("stream")(conversation)() if decorates else within_a_block()
    await held.asend(None)
    with experiment_span("sender"):
        await held.asend("sent")
        assert await held.athrow(ValueError("thrown")) == "last"
        leaf("between")
    await held.aclose()
    assert parents() == {
        "sent": "stream",
        "handler": "stream",
        "between": "sender",
        "sender": None,
        "stream": None,
    }


@of_both_kinds
async def test_what_is_thrown_through_a_stream_ends_its_block(parents):
    held = async_stream("stream")
    await anext(held)
    with experiment_span("thrower"):
        with pytest.raises(ValueError, match="thrown"):
            await held.athrow(ValueError("thrown"))
        leaf("between")
    assert parents() == {"stream.0": "stream", "stream": None, "between": "thrower", "thrower": None}


@of_both_kinds
async def test_a_stream_abandoned_in_a_loop_ends_its_block(parents):
    with experiment_span("consumer"):
        async for _ in async_stream("stream"):
            break
        await settle()
        leaf("between")
    leaf("after")
    assert parents() == {
        "stream.0": "stream",
        "stream": "consumer",
        "between": "consumer",
        "consumer": None,
        "after": None,
    }


@of_both_kinds
async def test_an_abandoned_stream_cleans_up_inside_its_block(parents):
    async def items():
        with experiment_span("stream"):
            try:
                yield
            finally:
                await pause()
                leaf("cleanup")

    held = items()
    await anext(held)
    with experiment_span("elsewhere"):
        del held
        await settle()
        leaf("between")
    assert parents() == {"cleanup": "stream", "stream": None, "between": "elsewhere", "elsewhere": None}


@of_both_kinds
async def test_a_stream_outlives_the_block_it_was_started_in(parents):
    held = async_stream("stream", 2)
    with experiment_span("first"):
        await anext(held)
    leaf("between")
    with experiment_span("second"):
        await anext(held)
    await held.aclose()
    leaf("after")
    assert parents() == {
        "stream.0": "stream",
        "first": None,
        "between": None,
        "stream.1": "stream",
        "second": None,
        "stream": "first",
        "after": None,
    }


@of_both_kinds
async def test_a_block_started_by_a_method_means_the_same_beside_a_suspended_stream(parents):
    held, handler = async_stream("stream"), Started("handled")
    await anext(held)
    handler.start()
    leaf("between")
    await anext(held)
    handler.end()
    leaf("after")
    await held.aclose()
    assert parents() == {
        "stream.0": "stream",
        "between": "handled",
        "stream.1": "stream",
        "handled": None,
        "after": None,
        "stream": None,
    }


@of_both_kinds
async def test_a_block_started_by_a_method_before_a_stream_is_ended_while_the_stream_is_suspended(parents):
    held, handler = async_stream("stream"), Started("handled")
    handler.start()
    await anext(held)
    leaf("between")
    handler.end()
    leaf("after")
    await anext(held)
    await held.aclose()
    assert parents() == {
        "stream.0": "stream",
        "between": "handled",
        "handled": None,
        "after": None,
        "stream.1": "stream",
        "stream": "handled",
    }


@of_both_kinds
async def test_a_method_pair_inside_one_step_of_a_stream(parents):
    async def items():
        handler = Started("handled")
        with experiment_span("stream"):
            handler.start()
            leaf("between")
            handler.end()
            leaf("after")
            yield

    async for _ in items():
        pass
    assert parents() == {"between": "handled", "handled": "stream", "after": "stream", "stream": None}


@of_both_kinds
async def test_a_block_started_by_a_method_inside_a_stream_is_suspended_with_it(parents):
    handler = Started("handled")

    async def items():
        with experiment_span("stream"):
            handler.start()
            yield
            leaf("inside")
            handler.end()
            leaf("afterwards")
            yield

    held = items()
    await anext(held)
    leaf("outside")
    await anext(held)
    await held.aclose()
    assert parents() == {
        "outside": None,
        "inside": "handled",
        "handled": "stream",
        "afterwards": "stream",
        "stream": None,
    }


@of_both_kinds
async def test_two_blocks_in_one_stream_end_out_of_order(parents):
    async def items():
        outer, inner = experiment_span("outer"), experiment_span("inner")
        outer.__enter__()
        inner.__enter__()
        yield
        outer.__exit__(None, None, None)
        leaf("in inner")
        yield
        inner.__exit__(None, None, None)
        leaf("in neither")
        yield

    held = items()
    for name in ("first", "second", "third"):
        with experiment_span(name):
            await anext(held)
            leaf(f"in {name}")
    await held.aclose()
    assert parents() == {
        "in first": "first",
        "first": None,
        "outer": "first",
        "in inner": "inner",
        "in second": "second",
        "second": None,
        "inner": "outer",
        "in neither": "third",
        "in third": "third",
        "third": None,
    }


@of_both_kinds
async def test_one_object_entered_by_two_interleaved_streams(llmobs_spans):
    block = experiment_span("block")

    async def items(name):
        async with block as span:
            yield span.span_id
            leaf(name)

    one, two = items("one"), items("two")
    ids = [await anext(one), await anext(two)]
    leaf("outside")
    for held in (one, two):
        assert await anext(held, "over") == "over"
    assert [span.span_id for span in llmobs_spans if span.name == "block"] == ids
    leaves = {span.name: span.parent_id for span in llmobs_spans if span.name != "block"}
    assert leaves == {"outside": None, "one": ids[0], "two": ids[1]}


@of_both_kinds
async def test_one_object_entered_in_a_stream_and_around_its_consumer(llmobs_spans):
    block = experiment_span("block")

    async def items():
        async with block as span:
            yield span.span_id
            leaf("in stream")

    held = items()
    inner = await anext(held)
    async with block as outer:
        leaf("in consumer")
        await anext(held, None)
        leaf("still in consumer")
    ended = [span.span_id for span in llmobs_spans if span.name == "block"]
    assert ended == [inner, outer.span_id]
    leaves = {span.name: span.parent_id for span in llmobs_spans if span.name != "block"}
    assert leaves == {
        "in consumer": outer.span_id,
        "in stream": inner,
        "still in consumer": outer.span_id,
    }


@of_both_kinds
async def test_a_stream_never_iterated_leaves_no_span(parents):
    with experiment_span("outer"):
        async_stream("plain")
        async_decorated()
    assert parents() == {"outer": None}


@of_both_kinds
async def test_a_decorated_stream_is_the_parent_of_what_its_body_opens_alone(parents):
    with experiment_span("consumer"):
        async for step in async_decorated(2):
            leaf(f"consumed.{step}")
            await pause()
    assert parents() == {
        "decorated.0": "decorated",
        "consumed.0": "consumer",
        "decorated.1": "decorated",
        "consumed.1": "consumer",
        "decorated": "consumer",
        "consumer": None,
    }


@of_both_kinds
async def test_a_decorated_stream_belongs_to_who_runs_its_first_step(parents):
    with experiment_span("caller"):
        items = async_decorated(1)
    with experiment_span("consumer"):
        assert [step async for step in items] == [0]
    assert parents() == {
        "caller": None,
        "decorated.0": "decorated",
        "decorated": "consumer",
        "consumer": None,
    }


@of_both_kinds
async def test_a_decorated_stream_called_with_no_span_active_is_a_root(parents):
    items = async_decorated(1)
    leaf("before")
    assert [step async for step in items] == [0]
    assert parents() == {"before": None, "decorated.0": "decorated", "decorated": None}


@of_both_kinds
async def test_a_block_held_by_a_decorated_stream_is_nobodys_parent_between_steps(parents):
    @experiment_span("outer")
    async def items():
        leaf("before")
        async with experiment_span("inner"):
            yield 0
            leaf("inside")
            yield 1
        leaf("behind")

    with experiment_span("consumer"):
        async for number in items():
            leaf(f"consumed.{number}")
    assert parents() == {
        "before": "outer",
        "consumed.0": "consumer",
        "inside": "inner",
        "consumed.1": "consumer",
        "inner": "outer",
        "behind": "outer",
        "outer": "consumer",
        "consumer": None,
    }


@of_both_kinds
async def test_interleaved_decorated_streams(parents):
    @experiment_span("other")
    async def other():
        leaf("other.0")
        yield
        leaf("other.1")

    one, two = async_decorated(2), other()
    await anext(one)
    await anext(two)
    leaf("between")
    await anext(one)
    await anext(two, None)
    await one.aclose()
    assert parents() == {
        "decorated.0": "decorated",
        "other.0": "other",
        "between": None,
        "decorated.1": "decorated",
        "other.1": "other",
        "other": None,
        "decorated": None,
    }


@of_both_kinds
async def test_a_decorated_stream_that_consumes_one_with_a_block(parents):
    @experiment_span("outer")
    async def outer():
        async for step in async_stream("stream", 1):
            leaf(f"outer.{step}")
            yield step

    with experiment_span("consumer"):
        async for step in outer():
            leaf(f"consumed.{step}")
    assert parents() == {
        "stream.0": "stream",
        "outer.0": "outer",
        "consumed.0": "consumer",
        "stream": "outer",
        "outer": "consumer",
        "consumer": None,
    }


@of_both_kinds
async def test_a_stream_with_a_block_that_consumes_a_decorated_one(parents):
    async def outer():
        with experiment_span("outer"):
            async for step in async_decorated(1):
                leaf(f"outer.{step}")
                yield step

    with experiment_span("consumer"):
        async for step in outer():
            leaf(f"consumed.{step}")
    assert parents() == {
        "decorated.0": "decorated",
        "outer.0": "outer",
        "consumed.0": "consumer",
        "decorated": "outer",
        "outer": "consumer",
        "consumer": None,
    }
