"""Cases of a monkey-patched program, collected by the process that `test_gevent.py` starts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import gevent
import gevent.event
import gevent.pool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.nesting import active, leaf, stream
from support.trees import Threads, named, plain_nodes

from llmobs_trace import experiment_span


def work(name):
    with experiment_span(name):
        gevent.sleep(0)
        leaf(f"leaf of {name}")


def test_a_spawned_greenlet_is_a_child_of_the_block_it_was_spawned_in(parents):
    with experiment_span("outer"):
        one = gevent.spawn(work, "one")
        two = gevent.spawn(work, "two")
        gevent.joinall([one, two])
        leaf("after")
    assert parents() == {
        "leaf of one": "one",
        "one": "outer",
        "leaf of two": "two",
        "two": "outer",
        "after": "outer",
        "outer": None,
    }


def test_a_spawned_greenlet_belongs_to_the_block_it_was_spawned_in_and_not_to_the_one_it_runs_in(parents):
    with experiment_span("first"):
        one = gevent.spawn(work, "one")
    with experiment_span("second"):
        one.join()
        leaf("in second")
    assert parents() == {
        "first": None,
        "leaf of one": "one",
        "one": "first",
        "in second": "second",
        "second": None,
    }


def test_a_greenlet_spawned_outside_every_block_has_no_parent(parents):
    gevent.spawn(work, "one").join()
    assert parents() == {"leaf of one": "one", "one": None}


def test_a_greenlet_of_the_users_own_class_started_by_hand(parents):
    class Worker(gevent.Greenlet):
        def _run(self):
            work("run")

    worker = Worker()
    with experiment_span("outer"):
        worker.start()
        worker.join()
    assert parents() == {"leaf of run": "run", "run": "outer", "outer": None}


def test_a_greenlet_spawned_for_later(parents):
    with experiment_span("outer"):
        later = gevent.spawn_later(0.001, work, "later")
    later.join()
    assert parents() == {"outer": None, "leaf of later": "later", "later": "outer"}


def test_greenlets_spawned_by_greenlets(parents):
    def descend(depth):
        with experiment_span(f"level {depth}"):
            gevent.sleep(0)
            if depth < 3:
                gevent.spawn(descend, depth + 1).join()

    descend(0)
    assert parents() == {"level 3": "level 2", "level 2": "level 1", "level 1": "level 0", "level 0": None}


def test_a_pool_of_greenlets_over_several_requests(parents):
    pool = gevent.pool.Pool(2)
    expected = {}
    for number in range(2):
        with experiment_span(f"request {number}"):
            pool.map(work, [f"mapped {number}"])
            list(pool.imap_unordered(work, [f"unordered {number}"]))
            pool.apply(work, (f"applied {number}",))
            pool.spawn(work, f"spawned {number}").join()
        expected[f"request {number}"] = None
        for how in ("mapped", "unordered", "applied", "spawned"):
            expected |= {f"{how} {number}": f"request {number}", f"leaf of {how} {number}": f"{how} {number}"}
    assert parents() == expected


def test_a_killed_greenlet_leaves_nothing_active(parents):
    def forever():
        with experiment_span("killed"):
            gevent.event.Event().wait()

    with experiment_span("outer"):
        victim = gevent.spawn(forever)
        gevent.sleep(0)
        victim.kill()
        leaf("after")
    assert parents() == {"killed": "outer", "after": "outer", "outer": None}


def test_a_patched_thread_is_a_child_of_the_block_it_was_started_in(parents):
    with experiment_span("outer"):
        threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert parents() == {
        "leaf of one": "one",
        "one": "outer",
        "leaf of two": "two",
        "two": "outer",
        "outer": None,
    }


def test_a_patched_executor_over_several_requests(parents):
    with ThreadPoolExecutor(1) as pool:
        for number in range(2):
            with experiment_span(f"request {number}"):
                pool.submit(leaf, f"job {number}").result()
        pool.submit(leaf, "job of nobody").result()
    assert parents() == {
        "job 0": "request 0",
        "request 0": None,
        "job 1": "request 1",
        "request 1": None,
        "job of nobody": None,
    }


def test_a_stream_consumed_while_other_greenlets_work(parents):
    def consume(name):
        with experiment_span(f"consumer {name}"):
            for step in stream(name, 2):
                gevent.sleep(0)
                leaf(f"consumed {name}.{step}")

    with experiment_span("outer"):
        gevent.joinall([gevent.spawn(consume, "one"), gevent.spawn(consume, "two")])
    expected = {"outer": None}
    for name in ("one", "two"):
        expected |= {f"consumer {name}": "outer", name: f"consumer {name}"}
        for step in (0, 1):
            expected |= {f"{name}.{step}": name, f"consumed {name}.{step}": f"consumer {name}"}
    assert parents() == expected


def test_a_stream_stepped_by_another_greenlet(parents):
    items = stream("stream", 2)
    with experiment_span("outer"):
        next(items)
        gevent.spawn(next, items).join()
        leaf("between")
        items.close()
    assert parents() == {
        "stream.0": "stream",
        "stream.1": "stream",
        "between": "outer",
        "stream": "outer",
        "outer": None,
    }


def test_the_active_span_in_each_greenlet():
    seen = []

    def body():
        with experiment_span("in greenlet"):
            gevent.sleep(0)
            seen.append(active())

    with experiment_span("outer"):
        spawned = gevent.spawn(body)
        gevent.sleep(0)
        seen.append(active())
        spawned.join()
        seen.append(active())
    assert seen == ["outer", "in greenlet", "outer"]


class Greenlets(Threads):
    """Runs plain nodes, each after the others had their turn."""

    def run(self, node):
        gevent.sleep(0)
        super().run(node)


@settings(
    max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(program=st.lists(plain_nodes, min_size=1, max_size=4))
def test_every_program_of_greenlets_gives_its_own_tree(llmobs_spans, parents, program):
    llmobs_spans.clear()
    expected = named(program, "main", {"main": None})
    with ThreadPoolExecutor(64) as pool:
        greenlets = Greenlets(pool)
        with experiment_span("main"):
            gevent.joinall([gevent.spawn(greenlets.run, node) for node in program], raise_error=True)
    assert parents() == expected
