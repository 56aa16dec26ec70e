"""A program under gevent, for `test_gevent.py` and `test_gevent_threads.py`: it runs every case and prints
what each recorded, as JSON.

    python gevent_program.py before|after|never

says when it is monkey-patched: before or after llmobs_trace is imported and has recorded its first span.
"""

from __future__ import annotations

import sys

MODE = sys.argv[1]

if MODE == "before":
    from gevent import monkey

    monkey.patch_all()

from llmobs_trace import experiment_span  # noqa: E402
from llmobs_trace.capture import recorder as slot  # noqa: E402
from llmobs_trace.process.life import recording_to  # noqa: E402
from llmobs_trace.pytest_plugin import RecordedSpans, _recorder  # noqa: E402

if MODE == "after":
    with recording_to(_recorder(RecordedSpans())), experiment_span("early"):
        pass
    from gevent import monkey

    monkey.patch_all()

import gc  # noqa: E402
import json  # noqa: E402
import threading  # noqa: E402
import weakref  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402

import gevent  # noqa: E402
import gevent.event  # noqa: E402
import gevent.hub  # noqa: E402
import gevent.pool  # noqa: E402
import gevent.threadpool  # noqa: E402


def leaf(name):
    with experiment_span(name):
        pass


def work(name):
    with experiment_span(name):
        gevent.sleep(0)
        leaf(f"leaf of {name}")


def spawn():
    with experiment_span("first"):
        one = gevent.spawn(work, "one")
    with experiment_span("second"):
        two = gevent.spawn(work, "two")
        gevent.joinall([one, two])
        leaf("own")
    gevent.spawn(work, "without").join()


def every_way_to_start():
    class Own(gevent.Greenlet):
        def _run(self):
            work("own class")

    with experiment_span("main"):
        by_hand = gevent.Greenlet(work, "by hand")
        later = gevent.Greenlet(work, "later")
        own = Own()
        with experiment_span("start"):
            by_hand.start()
            later.start_later(0.001)
            own.start()
            spawned_later = gevent.spawn_later(0.001, work, "spawned later")
            gevent.spawn_raw(work, "raw")
        gevent.joinall([by_hand, later, own, spawned_later])


def pools():
    pool, group = gevent.pool.Pool(2), gevent.pool.Group()
    for number in range(2):
        with experiment_span(f"request {number}"):
            pool.spawn(work, f"pool {number}")
            group.spawn(work, f"group {number}")
            pool.map(leaf, [f"map {number}"])
            list(pool.imap(leaf, [f"imap {number}"]))
            list(pool.imap_unordered(leaf, [f"unordered {number}"]))
            pool.apply_async(leaf, (f"async {number}",)).get()
    pool.join()
    group.join()


def greenlets_of_greenlets():
    def outer():
        with experiment_span("outer"):
            inner = gevent.spawn(work, "inner")
        inner.join()

    with experiment_span("main"):
        gevent.spawn(outer).join()


def the_hub_is_nobodys_child():
    def in_hub():
        leaf("in the hub")
        gevent.spawn(work, "from the hub")

    with experiment_span("main"):
        gevent.get_hub().loop.run_callback(in_hub)
        gevent.sleep(0.001)
        gevent.sleep(0.001)


def a_generator_suspended_beside():
    def stream():
        with experiment_span("stream"):
            yield
            gevent.sleep(0)
            leaf("inside")

    steps = stream()
    next(steps)
    with experiment_span("main"):
        other = gevent.spawn(work, "other")
        list(steps)
        other.join()


def a_generator_running_in_main_while_others_run():
    def stream():
        with experiment_span("stream"):
            other.start()
            gevent.sleep(0.001)
            yield

    other = gevent.Greenlet(work, "spawned inside")
    before = gevent.spawn(work, "spawned before")
    list(stream())
    gevent.joinall([other, before])


def a_plain_greenlet_inside():
    import greenlet

    def body():
        with experiment_span("gevent's"):
            greenlet.greenlet(leaf).switch("plain")

    with experiment_span("main"):
        gevent.spawn(body).join()


def threads():
    with experiment_span("first"):
        one = threading.Thread(target=leaf, args=("one",))
        one.start()
    one.join()
    thread = threading.Thread(target=leaf, args=("without",))
    thread.start()
    thread.join()


def executors():
    with ThreadPoolExecutor(1, initializer=lambda: leaf("initializer")) as pool:
        for number in range(3):
            with experiment_span(f"request {number}"):
                pool.submit(leaf, f"job {number}").result()
        pool.submit(leaf, "without").result()


def gevents_thread_pool():
    pool = gevent.threadpool.ThreadPool(1)
    for number in range(3):
        with experiment_span(f"request {number}"):
            pool.spawn(leaf, f"job {number}").get()
            pool.apply(leaf, (f"applied {number}",))
            pool.map(leaf, [f"mapped {number}"])
    pool.spawn(leaf, "without").get()
    pool.kill()


def gevents_executor():
    pool = gevent.threadpool.ThreadPoolExecutor(1)
    for number in range(2):
        with experiment_span(f"request {number}"):
            pool.submit(leaf, f"job {number}").result()
    pool.shutdown()


def killed_greenlets():
    def waits(name):
        with experiment_span(name):
            gevent.sleep(60)

    with experiment_span("main"):
        one = gevent.spawn(waits, "killed")
        gevent.sleep(0)
        one.kill()
        leaf("after")


def a_loop_in_a_greenlet():
    import asyncio

    async def main(name):
        with experiment_span(name):
            await asyncio.sleep(0)

    def body(name):
        with experiment_span(f"around {name}"):
            asyncio.run(main(name))

    with experiment_span("main"):
        gevent.spawn(body, "loop").join()


def a_task_that_waits_beside_its_loop():
    import asyncio

    async def main():
        with experiment_span("task"):
            gevent.sleep(0.001)
            leaf("own")

    def body():
        for name in ("one", "two"):
            with experiment_span(name):
                gevent.sleep(0)

    other = gevent.spawn(body)
    asyncio.run(main())
    other.join()


def nothing_is_kept():
    class Held:
        pass

    def body(held):
        with experiment_span("task") as span:
            watched.append(weakref.ref(span))
            gevent.sleep(0)

    watched = []
    with experiment_span("main"):
        held = Held()
        other = gevent.spawn(body, held)
        watched += [weakref.ref(held), weakref.ref(other)]
        other.join()
    del held, other
    gevent.sleep(0.001)
    gc.collect()
    assert [reference() for reference in watched] == [None, None, None]


CASES = [
    case
    for name, case in list(globals().items())
    if getattr(case, "__module__", None) == "__main__" and name not in ("leaf", "work") and callable(case)
]

if __name__ == "__main__":
    found = {}
    for case in CASES:
        spans = RecordedSpans()
        with recording_to(_recorder(spans)):
            try:
                case()
            except Exception as error:
                found[case.__name__] = f"{type(error).__name__}: {error}"
                continue
        found[case.__name__] = spans.tree()
    found["faults"] = slot.faults.last
    print(json.dumps(found))
