"""What blocks in generators do that has no like in async ones: threads, `yield from`, steps from C code."""

from __future__ import annotations

import gc
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.nesting import Started, active, decorated, leaf, scope, stream

from llmobs_trace import experiment_span


def in_thread(function, *args):
    """Runs `function` in a thread that was started with no span active, and waits for it."""
    outcome = []
    worker = threading.Thread(target=lambda: outcome.append(function(*args)))
    worker.start()
    worker.join(60)
    return outcome[0]


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
