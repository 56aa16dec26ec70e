"""Greenlets switched by hand: each has its own blocks, and starts from what was active where it started."""

from __future__ import annotations

import asyncio
import threading

import pytest
from greenlet import getcurrent, greenlet
from support.nesting import active, leaf, stream

from llmobs_trace import experiment_span


def back():
    """Switches to the greenlet that is the parent of this one."""
    return getcurrent().parent.switch()


def test_a_greenlet_started_in_a_block_is_its_child(parents):
    with experiment_span("outer"):
        greenlet(leaf).switch("in greenlet")
        leaf("after")
    assert parents() == {"in greenlet": "outer", "after": "outer", "outer": None}


def test_a_block_of_a_suspended_greenlet_is_nobodys_parent(parents):
    def body():
        with experiment_span("suspended"):
            back()
            leaf("resumed")

    held = greenlet(body)
    with experiment_span("outer"):
        held.switch()
        leaf("between")
        held.switch()
        leaf("after")
    assert parents() == {
        "between": "outer",
        "resumed": "suspended",
        "suspended": "outer",
        "after": "outer",
        "outer": None,
    }


def test_interleaved_greenlets_end_their_blocks_in_the_order_in_which_they_opened_them(parents):
    def body(name):
        with experiment_span(name):
            back()
            leaf(f"in {name}")

    one, two = greenlet(body), greenlet(body)
    one.switch("one")
    two.switch("two")
    leaf("between")
    one.switch()
    leaf("one has ended")
    two.switch()
    leaf("after")
    assert parents() == {
        "between": None,
        "in one": "one",
        "one": None,
        "one has ended": None,
        "in two": "two",
        "two": None,
        "after": None,
    }


def test_greenlets_that_switch_to_each_other(parents):
    def ping():
        with experiment_span("ping"):
            other.switch()
            leaf("in ping")

    def pong():
        with experiment_span("pong"):
            first.switch()
            leaf("in pong")

    first, other = greenlet(ping), greenlet(pong)
    with experiment_span("outer"):
        first.switch()
        leaf("after ping")
        other.switch()
    found = parents()
    assert found.pop("pong") in {"ping", "outer"}, "started by ping, below outer"
    assert found == {
        "in ping": "ping",
        "ping": "outer",
        "after ping": "outer",
        "in pong": "pong",
        "outer": None,
    }


def test_a_greenlet_that_outlives_its_parent_is_still_its_child(parents):
    def body():
        leaf("early")
        back()
        leaf("late")

    held = greenlet(body)
    with experiment_span("outer"):
        held.switch()
    with experiment_span("elsewhere"):
        held.switch()
        leaf("in elsewhere")
    assert parents() == {
        "early": "outer",
        "outer": None,
        "late": "outer",
        "in elsewhere": "elsewhere",
        "elsewhere": None,
    }


def test_a_greenlet_dropped_while_its_block_is_open_ends_it(parents):
    def body():
        with experiment_span("dropped"):
            back()

    held = greenlet(body)
    with experiment_span("outer"):
        held.switch()
        del held
        leaf("after")
    assert parents() == {"dropped": "outer", "after": "outer", "outer": None}


def test_a_greenlet_thrown_at_ends_its_block(parents):
    def body():
        with experiment_span("thrown at"):
            back()

    held = greenlet(body)
    held.switch()
    with experiment_span("outer"):
        with pytest.raises(ValueError, match="thrown"):
            held.throw(ValueError("thrown"))
        leaf("after")
    assert parents() == {"thrown at": None, "after": "outer", "outer": None}


def test_a_stream_held_by_one_greenlet_and_stepped_by_another(parents):
    items = stream("stream", 2)

    def body(name):
        with experiment_span(name):
            next(items)
            leaf(f"in {name}")

    with experiment_span("outer"):
        greenlet(body).switch("one")
        greenlet(body).switch("two")
        items.close()
    assert parents() == {
        "stream.0": "stream",
        "in one": "one",
        "one": "outer",
        "stream.1": "stream",
        "in two": "two",
        "two": "outer",
        "stream": "one",
        "outer": None,
    }


def test_greenlets_of_two_threads(parents):
    def body(name):
        with experiment_span(name):
            back()
            leaf(f"in {name}")

    def work(name):
        held = greenlet(body)
        held.switch(name)
        leaf(f"beside {name}")
        held.switch()

    with experiment_span("outer"):
        threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert parents() == {
        "beside one": "outer",
        "in one": "one",
        "one": "outer",
        "beside two": "outer",
        "in two": "two",
        "two": "outer",
        "outer": None,
    }


def test_a_block_of_a_greenlet_suspended_inside_a_task_is_nobodys_parent(parents, run):
    def body():
        with experiment_span("suspended"):
            back()
            leaf("resumed")

    async def main():
        held = greenlet(body)
        with experiment_span("outer"):
            held.switch()
            leaf("between")
            await asyncio.sleep(0)
            held.switch()
            leaf("after")

    run(main())
    assert parents() == {
        "between": "outer",
        "resumed": "suspended",
        "suspended": "outer",
        "after": "outer",
        "outer": None,
    }


def test_the_active_span_in_and_beside_a_greenlet():
    seen = []

    def body():
        with experiment_span("in greenlet"):
            seen.append(active())
            back()
            seen.append(active())

    held = greenlet(body)
    with experiment_span("outer"):
        held.switch()
        seen.append(active())
        held.switch()
        seen.append(active())
    assert seen == ["in greenlet", "outer", "in greenlet", "outer"]
