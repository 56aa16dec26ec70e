"""Processes made from one that records: each delivers its own events, and never another's."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from typing import Any

import pytest
from support.delivery import wait_until
from support.machine import Machine
from support.receiver import Receiver

# Spans carry the pid that recorded them; a child reports its end by its exit code.
COMMON = """
import os, sys, threading
def record(name, count=3):
    for _ in range(count):
        with experiment_span(name, tags={"pid": os.getpid()}) as span:
            span.record_metric("m", 1)
def ended(pid):
    _, status = os.waitpid(pid, 0)
    assert status == 0, status
"""


def spans_of(receiver: Receiver) -> list[dict[str, Any]]:
    return [span for request in receiver.requests() for span in request.spans]


def names(receiver: Receiver) -> Counter[str]:
    return Counter(span["name"] for span in spans_of(receiver))


def assert_each_came_once(receiver: Receiver) -> None:
    """Every span, by its id, in one request alone; and each process's requests hold its own spans alone."""
    ids = Counter(span["span_id"] for span in spans_of(receiver))
    assert set(ids.values()) <= {1}
    for request in receiver.requests():
        pids = {tag for span in request.spans for tag in span["tags"] if tag.startswith("pid:")}
        assert len(pids) <= 1


@pytest.fixture(autouse=True)
def to_the_receiver(machine: Machine, receiver: Receiver) -> None:
    machine.sends_to(receiver.url)


def test_a_fork_before_the_first_span(machine: Machine, receiver: Receiver) -> None:
    machine.run(
        COMMON
        + "\nif (pid := os.fork()) == 0:\n    record('child')\n    sys.exit()\nrecord('parent'); ended(pid)"
    )
    assert names(receiver) == {"child": 3, "parent": 3}
    assert_each_came_once(receiver)


@pytest.mark.parametrize("configured", ["configure()", ""])
def test_a_fork_after_the_first_span_while_it_waits(
    machine: Machine, receiver: Receiver, configured: str
) -> None:
    machine.set(flush_interval=3600)
    program = machine.start(
        COMMON
        + configured
        + "\nrecord('before')\nif (pid := os.fork()) == 0:\n    record('child')\n    sys.exit()\n"
        + "ended(pid); print('child ended', flush=True)\nsys.stdin.readline(); record('after')"
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "child ended\n"
    # The parent's events wait in its journal, and the child has sent its own alone.
    assert names(receiver) == {"child": 3}
    program.communicate("\n")
    assert names(receiver) == {"before": 3, "child": 3, "after": 3}
    assert_each_came_once(receiver)
    assert machine.pending() == 0


def test_the_open_blocks_of_a_parent_are_not_the_child_s_to_record(
    machine: Machine, receiver: Receiver
) -> None:
    told = machine.run(
        COMMON
        + """
import json
with experiment_span("outer") as outer:
    with experiment_span("inner") as inner:
        inner.set_output("parent's")
        pid = os.fork()
        if pid == 0:
            seen = current_span()
            record("child", 1)
        else:
            ended(pid)
            assert current_span() is inner
    with experiment_span("later", tags={"pid": os.getpid()}): pass
if pid == 0:
    print(json.dumps({"pid": os.getpid(), "active": seen is not None}))
else:
    print(json.dumps({"pid": os.getpid(), "trace": outer.trace_id}))
"""
    ).told
    child, parent = told if "active" in told[0] else told[::-1]
    assert child["active"] is False
    assert names(receiver) == {"outer": 1, "inner": 1, "child": 1, "later": 2}
    assert_each_came_once(receiver)
    for span in spans_of(receiver):
        tags = dict(tag.split(":", 1) for tag in span["tags"])
        # A child starts from nothing: what it records is in traces of its own.
        assert (span["trace_id"] == parent["trace"]) == (tags.get("pid") != str(child["pid"]))
        assert span["trace_id"] == parent["trace"] or "parent_id" not in tags


def test_forks_while_other_threads_record(machine: Machine, receiver: Receiver) -> None:
    machine.set(flush_interval=0.1)
    told = machine.run(
        COMMON
        + """
sys.setswitchinterval(1e-5)
over = threading.Event()
counts = []
def work():
    count = 0
    while not over.wait(0.0002):
        record("thread", 1); count += 1
    counts.append(count)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for number in range(12):
    pid = os.fork()
    if pid == 0:
        record(f"child {number}", 5)
        if number % 3 == 0: sys.exit()
        if number % 3 == 1: assert flush(20)
        if number % 3 == 2: assert shutdown(20)
        os._exit(0)
    ended(pid)
over.set()
for thread in threads: thread.join()
assert flush(20)
stats = delivery_stats()
print(sum(counts), stats.recorded, stats.delivered)
"""
    ).out.split()
    threads, recorded, delivered = map(int, told)
    # The parent's ledger has its own events alone.
    assert recorded == delivered == 2 * threads
    assert names(receiver) == {"thread": threads, **{f"child {number}": 5 for number in range(12)}}
    assert_each_came_once(receiver)
    assert machine.pending() == 0


def test_a_fork_while_another_thread_s_first_span_sets_the_library_up(
    machine: Machine, receiver: Receiver
) -> None:
    machine.run(
        COMMON
        + """
from llmobs_trace.process import life
setting_up, forking, read = threading.Event(), threading.Event(), life.configuration.from_environment
os.register_at_fork(before=forking.set)  # hooks are called in reverse: just before the library's own
def slowly(environ):
    setting_up.set()
    assert forking.wait(20)
    return read(environ)
life.configuration.from_environment = slowly
thread = threading.Thread(target=record, args=("thread",))
thread.start()
setting_up.wait()
if (pid := os.fork()) == 0:
    record("child")
    sys.exit()
ended(pid); thread.join()
"""
    )
    assert names(receiver) == {"thread": 3, "child": 3}
    assert_each_came_once(receiver)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_that_comes_while_a_fork_waits_for_the_sender_is_not_forgotten(
    machine: Machine, receiver: Receiver, name: str
) -> None:
    # What a handler raises in a hook of `os.fork` is printed by the interpreter, and the program goes on.
    machine.run(
        COMMON
        + f"""
import signal, time
from llmobs_trace.process import life
number = signal.{name}
"""
        + """
handled, at_work, done = [], threading.Event(), threading.Event()
def handler(*_):
    handled.append(os.getpid())
    raise KeyboardInterrupt
if number == signal.SIGTERM:
    signal.signal(number, handler)
record("before"); assert flush(20)
gate, queue = life.at_work().worker._gate, life.at_work().queue
really = queue.prepare
def prepare():  # on the sender's thread
    if not done.is_set():
        at_work.set()
        while not gate._forks: time.sleep(0.001)
        # Sent to one thread at a time only: the other is in the hook by now, or about to wait in it.
        signal.pthread_kill(threading.main_thread().ident, number)
        done.set()
    really()
queue.prepare = prepare
record("more"); queue.wake()
at_work.wait()
try:
    pid = os.fork()
    if pid == 0:
        record("child")
        sys.exit()
    time.sleep(20)
    os._exit(42)
except KeyboardInterrupt:
    ended(pid)
    assert handled == [os.getpid()] or number == signal.SIGINT
"""
    )
    assert names(receiver) == {"before": 3, "more": 3, "child": 3}


def test_a_signal_that_comes_during_a_fork_is_not_forgotten(machine: Machine, receiver: Receiver) -> None:
    # It is handled in the first hook after the system call, somebody else's perhaps, and swallowed there.
    told = machine.run(
        """
import os, signal, sys, threading
def during_the_fork():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
    completed.append(os.getpid())
os.register_at_fork(after_in_parent=during_the_fork)
from llmobs_trace import *
completed, handled = [], []
def handler(*_):
    handled.append(os.getpid())
    sys.exit()
signal.signal(signal.SIGTERM, handler)
with experiment_span("before"): pass
try:
    pid = os.fork()
    if pid == 0:
        with experiment_span("child"): pass
        sys.exit()
    threading.Event().wait(20)
finally:
    os.waitpid(pid, 0) if pid else None
    print(completed == handled == ([os.getpid()] if pid else []))
"""
    ).out
    assert told == "True\nTrue\n"
    assert names(receiver) == {"before": 1, "child": 1}


@pytest.mark.parametrize("hook", ["after_in_child", "before"])
def test_a_child_that_chose_the_default_action_in_a_hook_is_ended_by_the_signal(
    machine: Machine, receiver: Receiver, hook: str
) -> None:
    machine.run(
        f"""
import os, signal
def choose():
    if chooses: signal.signal(signal.SIGTERM, signal.SIG_DFL)
chooses = True
# Before the library's own after the fork, and after it before.
os.register_at_fork({hook}=choose)
"""
        + """
from llmobs_trace import *
def handler(*_):
    print("the parent's handler ran")
signal.signal(signal.SIGTERM, handler)
with experiment_span("parent"): pass
reading, writing = os.pipe()
if (pid := os.fork()) == 0:
    os.write(writing, b"!")
    signal.pause()
    os._exit(3)
os.read(reading, 1)
os.kill(pid, signal.SIGTERM)
assert os.waitpid(pid, 0)[1] == signal.SIGTERM
""",
    )
    assert names(receiver) == {"parent": 1}


def test_processes_that_fork_and_end_leave_the_local_store_whole(machine: Machine) -> None:
    # A child's own connection, beside one that it inherited, has no locks: its parent's end spoils the file.
    machine.environ.pop("DD_API_KEY")
    machine.set(destination="local", flush_interval=0.1)
    for _ in range(2):
        machine.run(
            COMMON
            + """
record("before"); assert flush(20)
for _ in range(3):
    if os.fork() == 0:
        for _ in range(20):
            record("child"); flush(20)
        sys.exit()
record("parent"); assert flush(20)
"""
        )
    machine.command("resend")
    # The children outlive their parents: each has said how it went by its ledger.
    wait_until(lambda: all(not report.is_held for report in machine.journals()))
    machine.command("resend")
    assert Counter(span["name"] for span in machine.stored_spans()) == {
        "before": 6,
        "child": 360,
        "parent": 6,
    }
    with sqlite3.connect(machine.database) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_fork_from_a_thread_and_a_fork_of_a_fork(machine: Machine, receiver: Receiver) -> None:
    machine.run(
        COMMON
        + """
record("first")
def fork():
    pid = os.fork()
    if pid == 0:
        record("child")
        grandchild = os.fork()
        if grandchild == 0:
            record("grandchild")
            assert flush(20)
            os._exit(0)
        ended(grandchild)
        assert flush(20)
        os._exit(0)
    ended(pid)
thread = threading.Thread(target=fork)
thread.start(); thread.join()
record("last")
"""
    )
    assert names(receiver) == {"first": 3, "child": 3, "grandchild": 3, "last": 3}
    assert_each_came_once(receiver)


def test_a_fork_that_only_executes_another_program_leaves_nothing(
    machine: Machine, receiver: Receiver
) -> None:
    machine.run(
        COMMON
        + """
import subprocess
record("row")
for _ in range(3):
    subprocess.run([sys.executable, "-c", "pass"], check=True, preexec_fn=lambda: None)
    pid = os.fork()
    if pid == 0: os._exit(0)
    ended(pid)
"""
    )
    assert names(receiver) == {"row": 3}
    assert len(machine.journals()) == 1


POOL = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor

@experiment_span
def work(number):
    record_metric("number", number)
    return number

def process(number):
    work(number)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with experiment_span("main"):
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(work, range(10))) == list(range(10))
        children = [context.Process(target=process, args=(number,)) for number in (10, 11)]
        for child in children: child.start()
        for child in children: child.join()
        assert [child.exitcode for child in children] == [0, 0]
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_deliver_what_they_record(
    machine: Machine, receiver: Receiver, method: str
) -> None:
    machine.run(POOL, method)
    requests = receiver.requests()
    assert names(receiver) == {"main": 1, "work": 12}
    assert sorted(metric["score_value"] for request in requests for metric in request.metrics) == [*range(12)]
    assert_each_came_once(receiver)
    assert len({span["span_id"] for span in spans_of(receiver)}) == 13
    # One trace a call: nobody's ids come again in another process.
    assert len({span["trace_id"] for span in spans_of(receiver)}) == 13
    assert machine.pending() == 0


def test_a_worker_that_is_terminated_leaves_nothing_behind_for_good(
    machine: Machine, receiver: Receiver
) -> None:
    # Leaving `with Pool()` sends SIGTERM to its workers.
    machine.set(flush_interval=3600)
    machine.run(
        POOL.split("if __name__")[0]
        + """
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(work, range(10)) == list(range(10))
"""
    )
    machine.command("resend")
    assert names(receiver) == {"work": 10}
    assert_each_came_once(receiver)


def test_ids_and_rows_of_forked_processes_are_their_own(machine: Machine) -> None:
    machine.set(destination="local")
    machine.run(
        COMMON
        + """
record("row", 1)
pids = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        record("row", 50)
        sys.exit()
    pids.append(pid)
for pid in pids: ended(pid)
"""
    )
    spans = machine.stored_spans()
    assert len({span["span_id"] for span in spans}) == len({span["trace_id"] for span in spans}) == 201
    # Forks share their parent's experiment.
    assert [
        found["spans"] for found in json.loads(machine.command("experiments", "--format", "json").out)
    ] == [201]


def test_a_child_that_lives_on_does_not_keep_its_dead_parent_s_journal(
    machine: Machine, receiver: Receiver
) -> None:
    # One journal that the parent adopted and one of its own: the child has inherited both locks.
    machine.set(flush_interval=0.1)
    receiver.stop_listening()
    machine.run(COMMON + "record('ended')\nos._exit(0)")
    program = machine.start(
        COMMON
        + """
record("parent")
while delivery_stats().last_error is None: flush(0.1)
if os.fork() == 0:
    print("forked", flush=True)
    sys.stdin.readline()
    os._exit(0)
threading.Event().wait()
"""
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "forked\n"
    program.kill()
    program.wait()
    receiver.listen_again()
    assert machine.command("resend").out.endswith("12 events delivered, 0 rejected, 0 undelivered\n")
    assert names(receiver) == {"ended": 3, "parent": 3}
