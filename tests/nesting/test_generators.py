"""Blocks in generators, and decorated ones: suspended, interleaved, abandoned, resumed elsewhere."""

from __future__ import annotations

import gc
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.nesting import Started, active, leaf, scope, stream

from llmobs_trace import experiment_span


@experiment_span("decorated")
def decorated(steps=3):
    for step in range(steps):
        leaf(f"decorated.{step}")
        yield step


def in_thread(function, *args):
    """Runs `function` in a thread that was started with no span active, and waits for it."""
    outcome = []
    worker = threading.Thread(target=lambda: outcome.append(function(*args)))
    worker.start()
    worker.join(60)
    return outcome[0]


def test_a_block_in_a_suspended_generator_is_nobodys_parent(parents):
    items = stream("stream")
    next(items)
    leaf("outside")
    assert active() is None
    items.close()
    leaf("after")
    assert parents() == {"stream.0": "stream", "outside": None, "stream": None, "after": None}


def test_a_consumers_spans_are_siblings_of_the_streams_block(parents):
    with experiment_span("consumer"):
        for step in stream("stream", 2):
            leaf(f"consumed.{step}")
    assert parents() == {
        "stream.0": "stream",
        "consumed.0": "consumer",
        "stream.1": "stream",
        "consumed.1": "consumer",
        "stream": "consumer",
        "consumer": None,
    }


def test_a_block_is_still_a_generators_after_its_consumer_has_opened_another(parents):
    items = stream("stream")
    with experiment_span("first"):
        next(items)
    with experiment_span("second"):
        next(items)
        leaf("in second")
    items.close()
    assert parents() == {
        "stream.0": "stream",
        "first": None,
        "stream.1": "stream",
        "in second": "second",
        "second": None,
        "stream": "first",
    }


def test_a_block_that_a_generator_opens_at_a_later_step_belongs_to_who_runs_that_step(parents):
    def items():
        yield
        with experiment_span("late"):
            leaf("inside")
            yield

    held = items()
    with experiment_span("first"):
        next(held)
    with experiment_span("second"):
        next(held)
    held.close()
    assert parents() == {"first": None, "inside": "late", "second": None, "late": "second"}


def test_two_interleaved_generators_keep_to_their_own_blocks(parents):
    one, two = stream("one", 2), stream("two", 2)
    with experiment_span("consumer"):
        for first, second in zip(one, two, strict=True):
            leaf(f"pair.{first}{second}")
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


def test_interleaved_generators_closed_in_the_order_in_which_they_were_opened(parents):
    one, two = stream("one"), stream("two")
    next(one)
    next(two)
    one.close()
    leaf("between")
    next(two)
    two.close()
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


def test_a_hundred_suspended_generators_are_nobodys_parents(parents):
    held = [stream(f"stream {number}", 1) for number in range(100)]
    with experiment_span("consumer"):
        for items in held:
            next(items)
        leaf("between")
    for items in held:
        items.close()
    found = parents()
    assert found["between"] == "consumer"
    assert {found[f"stream {number}"] for number in range(100)} == {"consumer"}
    assert {found[f"stream {number}.0"] == f"stream {number}" for number in range(100)} == {True}


def test_a_pipeline_of_generators_is_nested_as_it_is_driven(parents):
    def stage(name, source):
        with experiment_span(name):
            for item in source:
                leaf(f"{name}.{item}")
                yield item

    with experiment_span("sink"):
        for item in stage("last", stage("middle", stream("source", 1))):
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


def test_a_generator_driven_from_c_code(parents):
    with experiment_span("consumer"):
        assert list(itertools.islice(itertools.chain(stream("one", 1), stream("two", 2)), 2)) == [0, 0]
        leaf("after")
    assert parents() == {
        "one.0": "one",
        "one": "consumer",
        "two.0": "two",
        "two": "consumer",
        "after": "consumer",
        "consumer": None,
    }


def test_a_generator_expression_over_a_stream(parents):
    def visible(item):
        leaf(f"visible.{item}")
        return item

    with experiment_span("consumer"):
        for item in (visible(item) for item in stream("stream", 1)):
            leaf(f"consumed.{item}")
    assert parents() == {
        "stream.0": "stream",
        "visible.0": "consumer",
        "consumed.0": "consumer",
        "stream": "consumer",
        "consumer": None,
    }


def test_a_function_called_by_a_generator_opens_its_block_inside_the_generators(parents):
    def helper():
        with experiment_span("helper"):
            leaf("in helper")

    def items():
        with experiment_span("stream"):
            helper()
            yield
            helper_again()

    def helper_again():
        leaf("again")

    with experiment_span("consumer"):
        for _ in items():
            leaf("between")
    assert parents() == {
        "in helper": "helper",
        "helper": "stream",
        "between": "consumer",
        "again": "stream",
        "stream": "consumer",
        "consumer": None,
    }


def test_a_function_inside_a_generators_step_drives_another_generator(parents):
    def helper():
        with experiment_span("helper"):
            inner = stream("inner")
            next(inner)
            leaf("in helper")
            inner.close()

    def items():
        with experiment_span("outer stream"):
            helper()
            leaf("in stream")
            yield

    list(items())
    assert parents() == {
        "inner.0": "inner",
        "in helper": "helper",
        "inner": "helper",
        "helper": "outer stream",
        "in stream": "outer stream",
        "outer stream": None,
    }


def test_a_suspended_generator_left_behind_by_a_function_inside_a_generators_step(parents):
    kept = []

    def helper():
        with experiment_span("helper"):
            kept.append(stream("kept"))
            next(kept[0])

    def items():
        with experiment_span("outer stream"):
            helper()
            leaf("in stream")
            yield

    held = items()
    next(held)
    leaf("outside")
    next(kept[0])
    kept[0].close()
    held.close()
    assert parents() == {
        "kept.0": "kept",
        "helper": "outer stream",
        "in stream": "outer stream",
        "outside": None,
        "kept.1": "kept",
        "kept": "helper",
        "outer stream": None,
    }


def test_a_recursive_generator_is_nested_as_deep_as_it_recurses(parents):
    def walk(depth):
        with experiment_span(f"level {depth}"):
            leaf(f"visit {depth}")
            yield depth
            if depth < 3:
                yield from walk(depth + 1)

    with experiment_span("consumer"):
        for depth in walk(0):
            leaf(f"consumed {depth}")
    expected = {"consumer": None, "level 0": "consumer"}
    expected |= {f"level {depth}": f"level {depth - 1}" for depth in (1, 2, 3)}
    expected |= {f"visit {depth}": f"level {depth}" for depth in range(4)}
    expected |= {f"consumed {depth}": "consumer" for depth in range(4)}
    assert parents() == expected


def test_yield_from_puts_the_inner_block_inside_the_outer_one(parents):
    def outer():
        with experiment_span("outer"):
            result = yield from inner()
            leaf(f"after {result}")
            yield

    def inner():
        with experiment_span("inner"):
            yield
            leaf("in inner")
        return "inner"

    with experiment_span("consumer"):
        for number, _ in enumerate(outer()):
            leaf(f"consumed.{number}")
    assert parents() == {
        "consumed.0": "consumer",
        "in inner": "inner",
        "inner": "outer",
        "after inner": "outer",
        "consumed.1": "consumer",
        "outer": "consumer",
        "consumer": None,
    }


def test_what_is_sent_into_a_generator_is_used_inside_its_block(parents):
    def items():
        with experiment_span("stream"):
            while name := (yield):
                leaf(name)

    held = items()
    next(held)
    with experiment_span("sender"):
        held.send("sent")
        leaf("between")
    held.close()
    assert parents() == {"sent": "stream", "between": "sender", "sender": None, "stream": None}


def test_what_is_thrown_into_a_generator_is_handled_inside_its_block(parents):
    def items():
        with experiment_span("stream"):
            try:
                yield 1
            except ValueError:
                leaf("handler")
            yield 2

    held = items()
    next(held)
    with experiment_span("thrower"):
        assert held.throw(ValueError("thrown")) == 2
        leaf("between")
    held.close()
    assert parents() == {"handler": "stream", "between": "thrower", "thrower": None, "stream": None}


def test_what_is_thrown_through_a_generator_ends_its_block(parents):
    held = stream("stream")
    next(held)
    with experiment_span("thrower"):
        with pytest.raises(ValueError, match="thrown"):
            held.throw(ValueError("thrown"))
        leaf("between")
    assert parents() == {"stream.0": "stream", "stream": None, "between": "thrower", "thrower": None}


def test_a_throw_into_a_delegating_generator_reaches_the_innermost_block(parents):
    def outer():
        with experiment_span("outer"):
            yield from inner()

    def inner():
        with experiment_span("inner"):
            try:
                yield
            except ValueError:
                leaf("handler")
            yield

    held = outer()
    next(held)
    held.throw(ValueError)
    leaf("outside")
    held.close()
    assert parents() == {"handler": "inner", "outside": None, "inner": "outer", "outer": None}


def test_a_generator_abandoned_in_a_loop_ends_its_block(parents):
    with experiment_span("consumer"):
        for _ in stream("stream"):
            break
        leaf("between")
    leaf("after")
    assert parents() == {
        "stream.0": "stream",
        "stream": "consumer",
        "between": "consumer",
        "consumer": None,
        "after": None,
    }


def test_an_abandoned_generator_cleans_up_inside_its_block(parents):
    def items():
        with experiment_span("stream"):
            try:
                yield
            finally:
                leaf("cleanup")

    held = items()
    next(held)
    with experiment_span("elsewhere"):
        del held
        leaf("between")
    assert parents() == {"cleanup": "stream", "stream": None, "between": "elsewhere", "elsewhere": None}


def test_a_generator_collected_in_a_cycle_ends_its_block(parents):
    class Node:
        pass

    def abandon():
        node = Node()
        node.items, node.node = stream("stream"), node
        next(node.items)

    abandon()
    with experiment_span("elsewhere"):
        gc.collect()
        leaf("between")
    assert parents() == {
        "stream.0": "stream",
        "stream": None,
        "between": "elsewhere",
        "elsewhere": None,
    }


def test_a_generator_collected_in_another_thread_ends_its_block_once(parents):
    held = [stream("stream")]
    next(held[0])
    in_thread(held.clear)
    leaf("after")
    assert parents() == {"stream.0": "stream", "stream": None, "after": None}


def test_a_generator_closed_in_another_thread(parents):
    held = stream("stream")
    with experiment_span("here"):
        next(held)
        closer = threading.Thread(target=held.close)
        closer.start()
        closer.join(60)
        leaf("between")
    assert parents() == {"stream.0": "stream", "stream": "here", "between": "here", "here": None}


def test_a_generators_block_goes_with_it_to_another_thread(parents):
    held = stream("stream")
    with experiment_span("here"):
        next(held)
    assert in_thread(next, held) == 1
    in_thread(leaf, "there")
    held.close()
    assert parents() == {
        "stream.0": "stream",
        "here": None,
        "stream.1": "stream",
        "there": None,
        "stream": "here",
    }


def test_a_generator_running_in_another_thread_is_not_the_parent_where_it_was_started(parents):
    inside, over = threading.Event(), threading.Event()

    def items():
        with experiment_span("stream"):
            yield
            inside.set()
            over.wait(60)
            leaf("in stream")
            yield

    held = items()
    next(held)
    worker = threading.Thread(target=next, args=(held,))
    worker.start()
    assert inside.wait(60)
    leaf("meanwhile")
    assert active() is None
    over.set()
    worker.join(60)
    held.close()
    assert parents() == {"meanwhile": None, "in stream": "stream", "stream": None}


def test_each_step_of_a_generator_runs_as_another_job_of_a_pool(parents):
    held = stream("stream", 2)
    with ThreadPoolExecutor(1) as pool, experiment_span("request"):
        assert pool.submit(next, held).result() == 0
        pool.submit(leaf, "job").result()
        assert pool.submit(next, held).result() == 1
        leaf("here")
        assert pool.submit(next, held, "over").result() == "over"
    assert parents() == {
        "stream.0": "stream",
        "job": "request",
        "stream.1": "stream",
        "here": "request",
        "stream": "request",
        "request": None,
    }


def test_a_generator_outlives_the_block_it_was_started_in(parents):
    held = stream("stream", 2)
    with experiment_span("first"):
        next(held)
    leaf("between")
    with experiment_span("second"):
        next(held)
    held.close()
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


def test_a_block_started_by_a_method_means_the_same_beside_a_suspended_stream(parents):
    held, handler = stream("stream"), Started("handled")
    next(held)
    handler.start()
    leaf("between")
    next(held)
    handler.end()
    leaf("after")
    held.close()
    assert parents() == {
        "stream.0": "stream",
        "between": "handled",
        "stream.1": "stream",
        "handled": None,
        "after": None,
        "stream": None,
    }


def test_a_block_started_by_a_method_before_a_stream_is_ended_while_the_stream_is_suspended(parents):
    held, handler = stream("stream"), Started("handled")
    handler.start()
    next(held)
    leaf("between")
    handler.end()
    leaf("after")
    next(held)
    held.close()
    assert parents() == {
        "stream.0": "stream",
        "between": "handled",
        "handled": None,
        "after": None,
        "stream.1": "stream",
        "stream": "handled",
    }


def test_a_method_pair_inside_one_step_of_a_generator(parents):
    def items():
        handler = Started("handled")
        with experiment_span("stream"):
            handler.start()
            leaf("between")
            handler.end()
            leaf("after")
            yield

    list(items())
    assert parents() == {"between": "handled", "handled": "stream", "after": "stream", "stream": None}


def test_a_block_started_by_a_method_inside_a_stream_is_suspended_with_it(parents):
    handler = Started("handled")

    def items():
        with experiment_span("stream"):
            handler.start()
            yield
            leaf("inside")
            handler.end()
            leaf("afterwards")
            yield

    held = items()
    next(held)
    leaf("outside")
    next(held)
    held.close()
    assert parents() == {
        "outside": None,
        "inside": "handled",
        "handled": "stream",
        "afterwards": "stream",
        "stream": None,
    }


def test_a_block_that_a_stream_left_open_goes_on_in_the_stream_around_it_alone(parents):
    handler = Started("handled")

    def inner():
        with experiment_span("inner"):
            handler.start()
            yield

    def outer():
        with experiment_span("outer"):
            list(inner())
            yield
            leaf("inside")
            handler.end()
            yield

    held = outer()
    next(held)
    leaf("outside")
    next(held)
    held.close()
    assert parents() == {
        "inner": "outer",
        "outside": None,
        "inside": "handled",
        "handled": "inner",
        "outer": None,
    }


def test_two_blocks_in_one_generator_end_out_of_order(parents):
    def items():
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
            next(held)
            leaf(f"in {name}")
    held.close()
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


def test_one_object_entered_by_two_interleaved_generators(llmobs_spans):
    block = experiment_span("block")

    def items(name):
        with block as span:
            yield span.span_id
            leaf(name)

    one, two = items("one"), items("two")
    ids = [next(one), next(two)]
    leaf("outside")
    for held in (one, two):
        assert next(held, None) is None
    ended = [span.span_id for span in llmobs_spans if span.name == "block"]
    assert ended == ids
    leaves = {span.name: span.parent_id for span in llmobs_spans if span.name != "block"}
    assert leaves == {"outside": None, "one": ids[0], "two": ids[1]}


def test_one_object_entered_in_a_generator_and_around_its_consumer(llmobs_spans):
    block = experiment_span("block")

    def items():
        with block as span:
            yield span.span_id
            leaf("in stream")

    held = items()
    inner = next(held)
    with block as outer:
        leaf("in consumer")
        next(held, None)
        leaf("still in consumer")
    ended = [span.span_id for span in llmobs_spans if span.name == "block"]
    assert ended == [inner, outer.span_id]
    leaves = {span.name: span.parent_id for span in llmobs_spans if span.name != "block"}
    assert leaves == {
        "in consumer": outer.span_id,
        "in stream": inner,
        "still in consumer": outer.span_id,
    }


def test_a_generator_never_iterated_leaves_no_span(parents):
    with experiment_span("outer"):
        stream("plain")
        decorated()
    assert parents() == {"outer": None}


def test_a_decorated_generator_is_the_parent_of_what_its_body_opens_alone(parents):
    with experiment_span("consumer"):
        for step in decorated(2):
            leaf(f"consumed.{step}")
    assert parents() == {
        "decorated.0": "decorated",
        "consumed.0": "consumer",
        "decorated.1": "decorated",
        "consumed.1": "consumer",
        "decorated": "consumer",
        "consumer": None,
    }


def test_a_decorated_generator_belongs_to_who_runs_its_first_step(parents):
    with experiment_span("caller"):
        items = decorated(1)
    with experiment_span("consumer"):
        list(items)
    assert parents() == {
        "caller": None,
        "decorated.0": "decorated",
        "decorated": "consumer",
        "consumer": None,
    }


def test_a_decorated_generator_streamed_after_its_caller_returned_is_still_its_child(parents):
    with experiment_span("handler"):
        items = decorated(2)
    next(items)
    leaf("sending")
    list(items)
    assert parents() == {
        "handler": None,
        "decorated.0": "decorated",
        "sending": None,
        "decorated.1": "decorated",
        "decorated": "handler",
    }


def test_a_decorated_generator_streamed_in_a_thread_of_its_own_after_its_caller_returned(parents):
    with experiment_span("handler"):
        items = decorated(1)
    assert in_thread(list, items) == [0]
    assert parents() == {"handler": None, "decorated.0": "decorated", "decorated": "handler"}


def test_a_decorated_generator_called_with_no_span_active_is_a_root(parents):
    items = decorated(1)
    leaf("before")
    list(items)
    assert parents() == {"before": None, "decorated.0": "decorated", "decorated": None}


def test_a_block_held_by_a_decorated_generator_is_nobodys_parent_between_steps(parents):
    @experiment_span("outer")
    def items():
        leaf("before")
        with experiment_span("inner"):
            yield
            leaf("inside")
            yield
        leaf("behind")

    with experiment_span("consumer"):
        for number, _ in enumerate(items()):
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


def test_interleaved_decorated_generators(parents):
    @experiment_span("other")
    def other():
        leaf("other.0")
        yield
        leaf("other.1")

    one, two = decorated(2), other()
    next(one)
    next(two)
    leaf("between")
    next(one)
    next(two, None)
    one.close()
    assert parents() == {
        "decorated.0": "decorated",
        "other.0": "other",
        "between": None,
        "decorated.1": "decorated",
        "other.1": "other",
        "other": None,
        "decorated": None,
    }


def test_a_decorated_generator_that_consumes_a_plain_stream(parents):
    @experiment_span("outer")
    def outer():
        for step in stream("stream", 1):
            leaf(f"outer.{step}")
            yield step

    with experiment_span("consumer"):
        for step in outer():
            leaf(f"consumed.{step}")
    assert parents() == {
        "stream.0": "stream",
        "outer.0": "outer",
        "consumed.0": "consumer",
        "stream": "outer",
        "outer": "consumer",
        "consumer": None,
    }


def test_a_plain_stream_that_consumes_a_decorated_generator(parents):
    def outer():
        with experiment_span("outer"):
            for step in decorated(1):
                leaf(f"outer.{step}")
                yield step

    with experiment_span("consumer"):
        for step in outer():
            leaf(f"consumed.{step}")
    assert parents() == {
        "decorated.0": "decorated",
        "outer.0": "outer",
        "consumed.0": "consumer",
        "decorated": "outer",
        "outer": "consumer",
        "consumer": None,
    }


def test_yield_from_a_decorated_generator(parents):
    @experiment_span("inner")
    def inner():
        yield
        leaf("in inner")
        return "done"

    @experiment_span("outer")
    def outer():
        result = yield from inner()
        leaf(f"after {result}")

    with experiment_span("consumer"):
        for _ in outer():
            leaf("between")
    assert parents() == {
        "between": "consumer",
        "in inner": "inner",
        "inner": "outer",
        "after done": "outer",
        "outer": "consumer",
        "consumer": None,
    }


def test_a_decorated_generator_that_recurses(llmobs_spans):
    @experiment_span("walk")
    def walk(depth):
        yield depth
        if depth:
            yield from walk(depth - 1)

    assert list(walk(3)) == [3, 2, 1, 0]
    ids = [span.span_id for span in llmobs_spans]
    assert [span.parent_id for span in llmobs_spans] == [*ids[1:], None]


def test_send_and_throw_reach_the_body_of_a_decorated_generator_inside_its_span(parents):
    @experiment_span("conversation")
    def conversation():
        name = yield
        leaf(name)
        try:
            yield
        except ValueError:
            leaf("handler")
        yield "last"

    held = conversation()
    next(held)
    with experiment_span("sender"):
        held.send("sent")
        assert held.throw(ValueError) == "last"
        leaf("between")
    held.close()
    assert parents() == {
        "sent": "conversation",
        "handler": "conversation",
        "between": "sender",
        "sender": None,
        "conversation": None,
    }


@pytest.mark.parametrize(
    "how", ["closed", "dropped", "closed in a thread", "dropped in a thread", "thrown at"]
)
def test_a_decorated_generator_that_is_not_run_to_its_end(parents, how):
    @experiment_span("stream")
    def items():
        try:
            yield 1
            yield 2
        finally:
            leaf("cleanup")

    held = [items()]
    with experiment_span("consumer"):
        next(held[0])
        if how == "closed":
            held[0].close()
        elif how == "dropped":
            held.clear()
        elif how == "closed in a thread":
            in_thread(held[0].close)
        elif how == "dropped in a thread":
            in_thread(held.clear)
        else:
            with pytest.raises(KeyError):
                held[0].throw(KeyError)
        leaf("between")
    leaf("after")
    assert parents() == {
        "cleanup": "stream",
        "stream": "consumer",
        "between": "consumer",
        "consumer": None,
        "after": None,
    }


def test_each_step_of_a_decorated_generator_in_another_thread(parents):
    items = decorated(3)
    with experiment_span("first"):
        next(items)
    assert in_thread(next, items) == 1
    with experiment_span("third"):
        next(items)
        leaf("between")
    in_thread(leaf, "there")
    items.close()
    assert parents() == {
        "decorated.0": "decorated",
        "first": None,
        "decorated.1": "decorated",
        "decorated.2": "decorated",
        "between": "third",
        "third": None,
        "there": None,
        "decorated": "first",
    }


def test_a_thread_started_in_a_generators_body_is_a_child_of_its_block(parents):
    def items():
        with experiment_span("stream"):
            worker = threading.Thread(target=leaf, args=("in thread",))
            worker.start()
            worker.join(60)
            yield
            worker = threading.Thread(target=leaf, args=("in second thread",))
            worker.start()
            worker.join(60)

    with experiment_span("consumer"):
        for _ in items():
            worker = threading.Thread(target=leaf, args=("consumer's thread",))
            worker.start()
            worker.join(60)
    assert parents() == {
        "in thread": "stream",
        "consumer's thread": "consumer",
        "in second thread": "stream",
        "stream": "consumer",
        "consumer": None,
    }


def test_a_job_submitted_in_a_decorated_generators_body_is_a_child_of_it(parents):
    @experiment_span("stream")
    def items(pool):
        pool.submit(leaf, "job").result()
        yield

    with ThreadPoolExecutor(1) as pool:
        for _ in items(pool):
            pool.submit(leaf, "consumer's job").result()
    assert parents() == {"job": "stream", "consumer's job": None, "stream": None}


def test_the_active_span_at_every_step_of_a_generator():
    seen = []

    def items():
        with scope("stream"):
            seen.append(active())
            yield
            seen.append(active())

    with experiment_span("consumer"):
        for _ in items():
            seen.append(active())
        seen.append(active())
    assert seen == ["stream", "consumer", "stream", "consumer"]
    assert active() is None
