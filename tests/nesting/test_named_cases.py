"""Blocks and functions in one thread: order of ends, recursion, an object entered twice, pairs of methods."""

from __future__ import annotations

import contextvars
import functools
import math
import multiprocessing
import os
import sys
import threading
from concurrent.futures import ProcessPoolExecutor

import pytest
from support.nesting import Block, Started, Stored, active, leaf

from llmobs_trace import current_span, experiment_span, propagate, record_metric


def test_a_block_is_the_parent_of_a_block_inside_it(parents):
    with experiment_span("outer"), experiment_span("inner"):
        leaf("leaf")
    assert parents() == {"leaf": "inner", "inner": "outer", "outer": None}


def test_a_block_is_the_parent_of_a_decorated_function_called_inside_it(parents):
    @experiment_span("function")
    def function():
        leaf("leaf")

    with experiment_span("block"):
        function()
    assert parents() == {"leaf": "function", "function": "block", "block": None}


def test_blocks_one_after_the_other_are_siblings(parents):
    with experiment_span("outer"):
        leaf("first")
        leaf("second")
    assert parents() == {"first": "outer", "second": "outer", "outer": None}


def test_a_block_after_one_that_ended_is_a_root(parents):
    leaf("first")
    leaf("second")
    assert parents() == {"first": None, "second": None}


def test_a_block_whose_body_raised_is_nobodys_parent(parents):
    with pytest.raises(ZeroDivisionError), experiment_span("failed"):
        1 / 0
    leaf("after")
    assert parents() == {"failed": None, "after": None}


def test_a_span_in_an_exception_handler_belongs_to_the_block_around_the_handler(parents):
    with experiment_span("outer"):
        try:
            with experiment_span("failed"):
                1 / 0
        except ZeroDivisionError:
            leaf("handler")
    assert parents() == {"failed": "outer", "handler": "outer", "outer": None}


def test_methods_of_every_kind_are_children_of_their_callers(parents):
    class Model:
        @experiment_span("method")
        def method(self):
            self.of_class()

        @classmethod
        @experiment_span("of class")
        def of_class(cls):
            cls.static()

        @experiment_span("static")
        @staticmethod
        def static():
            leaf("leaf")

    Model().method()
    assert parents() == {"leaf": "static", "static": "of class", "of class": "method", "method": None}


def test_a_span_in_a_callback_called_by_c_code_is_a_child_of_the_block_around(parents):
    def key(item):
        leaf(f"key {item}")
        return item

    with experiment_span("sorting"):
        sorted([2, 1], key=key)
        functools.reduce(lambda total, item: leaf(f"reduce {item}"), [3, 4])
    assert parents() == {"key 2": "sorting", "key 1": "sorting", "reduce 4": "sorting", "sorting": None}


def test_a_block_ended_before_the_block_inside_it(parents):
    outer, inner = experiment_span("outer"), experiment_span("inner")
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    leaf("inside inner")
    inner.__exit__(None, None, None)
    leaf("after")
    assert parents() == {"outer": None, "inside inner": "inner", "inner": "outer", "after": None}


def test_the_middle_one_of_three_blocks_ends_first(parents):
    blocks = [experiment_span(name) for name in ("first", "second", "third")]
    for block in blocks:
        block.__enter__()
    blocks[1].__exit__(None, None, None)
    leaf("in third")
    blocks[2].__exit__(None, None, None)
    leaf("in first")
    blocks[0].__exit__(None, None, None)
    leaf("after")
    assert parents() == {
        "second": "first",
        "in third": "third",
        "third": "second",
        "in first": "first",
        "first": None,
        "after": None,
    }


def test_a_block_opened_while_a_dead_one_lies_between(parents):
    first, second, third = (experiment_span(name) for name in ("first", "second", "third"))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    third.__enter__()
    leaf("in third")
    third.__exit__(None, None, None)
    assert parents() == {"first": None, "second": "first", "third": None, "in third": "third"}


def test_a_block_started_in_one_method_and_ended_in_another(parents):
    handler = Started("handled")
    with experiment_span("around"):
        handler.start()
        leaf("between")
        handler.end()
        leaf("after")
    assert parents() == {"between": "handled", "handled": "around", "after": "around", "around": None}


def test_a_block_stored_in_an_exit_stack_from_one_method_to_another(parents):
    handler = Stored("stored")
    handler.start()
    leaf("between")
    handler.end()
    leaf("after")
    assert parents() == {"between": "stored", "stored": None, "after": None}


def test_a_block_started_by_a_method_outlives_the_block_it_was_started_in(parents):
    handler = Started("handled")
    with experiment_span("around"):
        handler.start()
    leaf("between")
    handler.end()
    leaf("after")
    assert parents() == {"around": None, "between": "handled", "handled": "around", "after": None}


def test_pairs_of_methods_end_in_the_order_in_which_they_started(parents):
    first, second = Started("first"), Started("second")
    first.start()
    second.start()
    first.end()
    leaf("between")
    second.end()
    assert parents() == {"first": None, "between": "second", "second": "first"}


def test_a_class_of_the_users_opens_a_block_in_its_enter(parents):
    with Block("outer"), Block("inner"):
        leaf("leaf")
    leaf("after")
    assert parents() == {"leaf": "inner", "inner": "outer", "outer": None, "after": None}


def test_one_object_entered_inside_itself_gives_two_spans(parents, llmobs_spans):
    block = experiment_span("block")
    with block as outer:
        with block as inner:
            leaf("in inner")
        leaf("in outer")
    found = {span.span_id: span.parent_id for span in llmobs_spans if span.name == "block"}
    assert found == {inner.span_id: outer.span_id, outer.span_id: None}
    leaves = {span.name: span.parent_id for span in llmobs_spans if span.name != "block"}
    assert leaves == {"in inner": inner.span_id, "in outer": outer.span_id}


def test_one_object_entered_by_recursion_gives_a_chain(llmobs_spans):
    block = experiment_span("level")

    def descend(depth):
        with block as span:
            below = descend(depth - 1) if depth else []
            return [span.span_id, *below]

    ids = descend(5)
    found = {span.span_id: span.parent_id for span in llmobs_spans}
    assert found == dict(zip(ids, [None, *ids[:-1]], strict=True))


def test_one_object_entered_again_after_it_ended_gives_a_fresh_span(llmobs_spans):
    block = experiment_span("block")
    with block as first:
        pass
    with block as second:
        pass
    assert [span.span_id for span in llmobs_spans] == [first.span_id, second.span_id]
    assert first.trace_id != second.trace_id


def test_one_object_entered_by_two_threads_at_once(llmobs_spans):
    block, both_inside = experiment_span("block"), threading.Barrier(2)
    seen = {}

    def work(name):
        with block as span:
            both_inside.wait(60)
            leaf(name)
            seen[name] = span.span_id
            both_inside.wait(60)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen["one"] != seen["two"]
    assert {span.name: span.parent_id for span in llmobs_spans if span.name != "block"} == seen


def test_a_decorated_function_that_calls_itself(llmobs_spans):
    @experiment_span("factorial")
    def factorial(n):
        return n * factorial(n - 1) if n else 1

    assert factorial(4) == 24
    ids = [span.span_id for span in llmobs_spans]
    assert [span.parent_id for span in llmobs_spans] == [*ids[1:], None]


def test_two_decorated_functions_that_call_each_other(llmobs_spans):
    @experiment_span("even")
    def even(n):
        return odd(n - 1) if n else True

    @experiment_span("odd")
    def odd(n):
        return even(n - 1) if n else False

    assert even(3) is False
    ids = [span.span_id for span in llmobs_spans]
    assert [span.name for span in llmobs_spans] == ["odd", "even", "odd", "even"]
    assert [span.parent_id for span in llmobs_spans] == [*ids[1:], None]


def test_the_active_span_is_the_innermost_block_and_then_what_it_was_before(parents):
    seen = [active()]
    with experiment_span("outer"):
        seen.append(active())
        with experiment_span("inner"):
            seen.append(active())
        seen.append(active())
    seen.append(active())
    assert seen == [None, "outer", "inner", "outer", None]


def test_the_active_span_is_the_one_that_the_block_gave(llmobs_spans):
    with experiment_span("block") as span:
        assert current_span().span_id == span.span_id
        assert current_span().trace_id == span.trace_id
    assert current_span() is None


def test_a_metric_without_a_span_belongs_to_the_innermost_block(llmobs_spans):
    with experiment_span("outer"):
        with experiment_span("inner") as inner:
            record_metric("inside", 1)
        outer = current_span()
        record_metric("around", 2)
    found = {metric.label: metric.span_id for metric in llmobs_spans.metrics}
    assert found == {"inside": inner.span_id, "around": outer.span_id}


def test_another_context_of_contextvars_changes_nothing(parents):
    empty = contextvars.copy_context()
    with experiment_span("outer"):
        empty.run(leaf, "in an old context")
        with experiment_span("inner"):
            contextvars.copy_context().run(leaf, "in a copied context")
    assert parents() == {
        "in an old context": "outer",
        "in a copied context": "inner",
        "inner": "outer",
        "outer": None,
    }


def test_propagate_binds_the_active_span_to_a_callable_for_any_number_of_calls(parents):
    with experiment_span("bound"):
        bound = propagate(leaf)
    bound("first")
    with experiment_span("elsewhere"):
        bound("second")
        leaf("third")
    leaf("fourth")
    assert parents() == {
        "bound": None,
        "first": "bound",
        "second": "bound",
        "third": "elsewhere",
        "elsewhere": None,
        "fourth": None,
    }


def test_a_span_opened_while_the_stack_is_nearly_full_leaves_nothing_active(llmobs_spans):
    def descend():
        with experiment_span("deep"):
            descend()

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(_stack()) + 120)
    try:
        with pytest.raises(RecursionError):
            descend()
    finally:
        sys.setrecursionlimit(limit)
    assert current_span() is None
    ids = {span.span_id for span in llmobs_spans}
    assert [span.parent_id for span in llmobs_spans if span.parent_id not in ids] == [None]


def _stack():
    frame, frames = sys._getframe(), []
    while frame is not None:
        frames.append(None)
        frame = frame.f_back
    return frames


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_starts_with_nothing_active_and_ids_of_its_own(llmobs_spans):
    reading, writing = os.pipe()
    with experiment_span("parent") as parent:
        child = os.fork()
        if child == 0:
            report = "failed"
            try:
                before = active()
                with experiment_span("child") as span:
                    report = f"{before} {span.parent_id} {span.span_id}"
            finally:
                os.write(writing, report.encode())
                os._exit(0)
        os.waitpid(child, 0)
        with experiment_span("sibling") as sibling:
            pass
    os.close(writing)
    with os.fdopen(reading) as pipe:
        before, parent_id, span_id = pipe.read().split()
    assert (before, parent_id) == ("None", "None")
    assert span_id not in {parent.span_id, sibling.span_id}
    assert {span.name: span.parent_id for span in llmobs_spans} == {
        "sibling": parent.span_id,
        "parent": None,
        "child": None,
    }


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_pool_used_inside_a_block_still_gets_plain_picklable_jobs(parents):
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=context) as pool, experiment_span("block"):
        assert pool.submit(math.factorial, 5).result() == 120
        assert list(pool.map(math.factorial, [1, 2, 3])) == [1, 2, 6]
        leaf("after")
    assert parents() == {"after": "block", "block": None}
