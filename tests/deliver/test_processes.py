"""Forks and ends of real processes, each with the receiver in another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest
from support.journals import leave
from support.receiver import Receiver, Reply

from llmobs_trace.store.store import Store

TESTS = Path(__file__).parent.parent

# What a pipeline does, in short.
PRELUDE = """
import atexit, os, signal, sys, threading, time
from pathlib import Path
from support.delivery import QUICK, datadog, span
from llmobs_trace.settings.checks import Secret
from llmobs_trace.deliver import DatadogDestination, LocalDestination, Worker
from llmobs_trace.journal import adoptable, open_journal, this_process

url, directory = sys.argv[1], Path(sys.argv[2])
options = dict(flush_interval=3600.0, pace=QUICK)


def new_queue():
    return open_journal(directory, owner=this_process(url))


def begin(destination=None, **more):
    global queue, worker
    queue = new_queue()
    destination = destination or DatadogDestination(url, Secret("a"), Secret("b"))
    worker = Worker(queue, destination, **{**options, **more})
    os.register_at_fork(before=worker.pause_for_fork, after_in_parent=worker.resume_after_fork)
    os.register_at_fork(after_in_child=in_child)


def in_child():
    global queue
    queue.after_fork_in_child()
    queue = new_queue()
    worker.after_fork_in_child(queue)


def end(seconds=10.0):
    reached = worker.shutdown(seconds)
    queue.close(keep=True)
    return reached


def child_is_well(pid):
    assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.fixture
def run(receiver: Receiver, tmp_path: Path) -> object:
    def run_program(
        program: str, *options: str, before: str = "", meanwhile: Callable[[], object] = lambda: None
    ) -> str:
        path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
        with subprocess.Popen(
            [sys.executable, *options, "-c", before + PRELUDE + program, receiver.url, str(tmp_path)],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as started:
            try:
                meanwhile()
                out, err = started.communicate(timeout=60)
            except BaseException:
                started.kill()
                raise
        assert started.returncode == 0, err
        return out + err

    return run_program


class Run(Protocol):
    """What the fixture `run` is; a program's standard input ends after `meanwhile`."""

    def __call__(
        self, program: str, *options: str, before: str = "", meanwhile: Callable[[], object] = lambda: None
    ) -> str: ...


def span_ids(receiver: Receiver, experiment_id: str = "e") -> Sequence[str]:
    requests = [request for request in receiver.accepted() if request.experiment_id == experiment_id]
    return [one["span_id"] for request in requests for one in request.spans]


# --- The end ------------------------------------------------------------------------------------------------


def test_a_program_that_records_and_ends_at_once_delivers(receiver: Receiver, run: Run) -> None:
    output = run("begin(); atexit.register(end); queue.append(span(0))")
    assert span_ids(receiver) == ["0"]
    assert output == ""


def test_a_program_that_records_while_it_ends_delivers(receiver: Receiver, run: Run) -> None:
    # The first record, and with it the thread, httpx and a connection, at the interpreter's end.
    output = run("begin(); atexit.register(end); atexit.register(lambda: queue.append(span(0)))")
    assert span_ids(receiver) == ["0"]
    assert output == ""


def test_a_program_in_development_mode_is_told_of_nothing_left_open(receiver: Receiver, run: Run) -> None:
    output = run("begin(); atexit.register(end); queue.append(span(0)); worker.flush(10)", "-X", "dev")
    assert span_ids(receiver) == ["0"]
    assert output == ""


@pytest.mark.parametrize("reply", [Reply(silent=True), Reply(drip_seconds=1.0)], ids=["silence", "drip"])
def test_a_program_ends_in_time_whatever_the_server_does_and_the_next_delivers(
    receiver: Receiver, run: Run, reply: Reply
) -> None:
    receiver.script(reply)
    run(
        """
begin(request_timeout=3600.0)
atexit.register(end, 0.5)
queue.append(span(0))
assert not worker.flush(0.0)
sys.stdin.read()
""",
        meanwhile=lambda: receiver.wait_for(1),
    )
    assert len(receiver.requests()) == 1
    run(
        """
begin(adopt=lambda: adoptable(directory, url))
worker.start()
while worker._predecessors._looked_at < 0 or worker._predecessors.lanes:
    time.sleep(0.01)
end()
"""
    )
    first, second = receiver.requests()
    assert first.spans == second.spans == [{"span_id": "0"}]


def test_a_program_that_is_killed_leaves_its_records_to_the_next(receiver: Receiver, run: Run) -> None:
    run(
        """
if os.fork() == 0:
    begin()
    for number in range(100):
        queue.append(span(number))
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
begin(adopt=lambda: adoptable(directory, url))
queue.append(span(100))
while worker._predecessors._looked_at < 0 or worker._predecessors.lanes:
    worker.flush(1.0)
assert worker.stats().recorded == 1, worker.stats()
end()
"""
    )
    assert sorted(span_ids(receiver), key=int) == [str(number) for number in range(101)]


def test_what_a_thousand_left_is_delivered_and_takes_no_descriptors_from_the_program(
    tmp_path: Path, run: Run
) -> None:
    leave(tmp_path, *(f"e{number}" for number in range(1000)), destination="own destination")
    output = run(
        """
import resource
from support.delivery import OwnDestination

class Destination(OwnDestination):
    def send(self, batch, timeout_seconds):
        if batch.experiment_id in ("e0", "e16", "e999"):  # the program wants some of its own meanwhile
            for file in [open(os.devnull) for _ in range(40)]:
                file.close()
        return super().send(batch, timeout_seconds)

least = os.open(os.devnull, os.O_RDONLY)
resource.setrlimit(resource.RLIMIT_NOFILE, (least + 100, least + 100))
destination = Destination()
begin(destination, adopt=lambda: adoptable(directory, destination.name))
queue.append(span(0, "own"))
end(60.0)
print(len({batch.experiment_id for batch in destination.sent}), worker._ledger.sender_faults)
"""
    )
    assert output == "1001 0\n"


def test_nothing_is_imported_before_something_is_sent(run: Run) -> None:
    run(
        """
begin()
begin(LocalDestination(directory / "x.db"))
assert not {"httpx", "httpcore", "sqlite3"} & set(sys.modules)
"""
    )


# --- Forks --------------------------------------------------------------------------------------------------


def test_parent_and_child_deliver_their_own_and_nothing_twice(receiver: Receiver, run: Run) -> None:
    run(
        """
begin()
queue.append(span(1, "parent"))
assert worker.flush(10)
queue.append(span(2, "parent"))
pid = os.fork()
if pid == 0:
    assert worker.stats().recorded == 0
    queue.append(span(1, "child"))
    assert worker.flush(10)
    queue.append(span(2, "child"))
    assert end()
    assert worker.stats().delivered == 2
    os._exit(0)
child_is_well(pid)
queue.append(span(3, "parent"))
assert end()
assert worker.stats().delivered == 3
"""
    )
    assert span_ids(receiver, "parent") == ["1", "2", "3"]
    assert span_ids(receiver, "child") == ["1", "2"]


def test_a_fork_while_the_sender_waits_for_a_silent_server_takes_no_time(
    receiver: Receiver, run: Run
) -> None:
    receiver.script(Reply(silent=True))
    run(
        """
begin(request_timeout=1.0)
queue.append(span(1, "parent"))
worker.flush(0.3)
pid = os.fork()
if pid == 0:
    queue.append(span(1, "child"))
    assert end()
    os._exit(0)
child_is_well(pid)
assert end()
"""
    )
    assert span_ids(receiver, "child") == ["1"]
    assert span_ids(receiver, "parent") == ["1"]


def test_forks_while_threads_record_and_the_sender_is_busy(receiver: Receiver, run: Run) -> None:
    run(
        """
options["flush_interval"] = 0.01
begin(max_batch_events=20)
done = threading.Event()


def record(name):
    number = 0
    while not done.is_set():
        queue.append(span(number, name))
        number += 1
        time.sleep(0.001)
    totals[name] = number


totals = {}
threads = [threading.Thread(target=record, args=(f"t{index}",)) for index in range(3)]
for thread in threads:
    thread.start()
for number in range(12):
    pid = os.fork()
    if pid == 0:
        queue.append(span(number, "children"))
        assert end()
        assert worker.stats().delivered == 1, worker.stats()
        os._exit(0)
    child_is_well(pid)
done.set()
for thread in threads:
    thread.join()
assert end()
assert worker.stats().delivered == sum(totals.values())
"""
    )
    assert span_ids(receiver, "children") == [str(number) for number in range(12)]
    for name in ("t0", "t1", "t2"):
        ids = span_ids(receiver, name)
        assert list(ids) == [str(number) for number in range(len(ids))]


def test_a_fork_while_the_sender_imports_and_connects_for_the_first_time(
    receiver: Receiver, run: Run
) -> None:
    # An import that a fork cuts in two blocks the child's for ever.
    run(
        """
begin()
queue.append(span(0, "parent"))
worker._inbox.put(None)
threading.Thread(target=worker.flush, args=(10,), daemon=True).start()
while "httpx" not in sys.modules:
    time.sleep(0.0005)
pids = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        queue.append(span(number, "child"))
        assert end()
        os._exit(0)
    pids.append(pid)
for pid in pids:
    child_is_well(pid)
assert end()
"""
    )
    assert sorted(span_ids(receiver, "child")) == ["0", "1", "2"]
    assert span_ids(receiver, "parent") == ["0"]


def test_parent_and_child_write_to_one_local_store(run: Run, tmp_path: Path) -> None:
    run(
        """
def real_span(number, experiment_id):
    return span(number, experiment_id, dataset_id="d", duration=1, name="n", project_id="p", start_ns=1,
                status="ok", trace_id="t")


begin(LocalDestination(directory / "x.db"))
queue.append(real_span(0, "parent"))
assert worker.flush(10)
queue.append(real_span(1, "parent"))
pid = os.fork()
if pid == 0:
    queue.append(real_span(0, "child"))
    assert end()
    os._exit(0)
child_is_well(pid)
queue.append(real_span(2, "parent"))
assert end()
"""
    )
    with Store(tmp_path / "x.db", read_only=True) as store:
        query = (
            "SELECT id, count(*) FROM span JOIN experiment ON experiment.key = span.experiment GROUP BY id"
        )
        rows = list(store.select(query))
    assert sorted(rows) == [("child", 1), ("parent", 3)]


def test_a_child_that_only_ends_neither_sends_nor_disturbs(receiver: Receiver, run: Run) -> None:
    run(
        """
begin()
queue.append(span(0))
assert worker.flush(10)
pid = os.fork()
if pid == 0:
    sys.exit(0)
child_is_well(pid)
queue.append(span(1))
assert end()
"""
    )
    assert span_ids(receiver) == ["0", "1"]
    assert receiver.connections() == 1, "the parent's connection outlives its child"


# --- gevent -------------------------------------------------------------------------------------------------


def test_a_program_patched_by_gevent_delivers_and_does_not_freeze(receiver: Receiver, run: Run) -> None:
    receiver.script(Reply(delay_seconds=0.3))
    run(
        """
import gevent

begin(flush_interval=0.05)
moments = 0


def others():
    global moments
    while worker.stats().delivered < 1:
        moments += 1
        gevent.sleep(0.01)


queue.append(span(0))
gevent.spawn(others).join(20)
assert worker.stats().delivered == 1
assert moments > 5, moments
queue.append(span(1))
assert end()
""",
        before="from gevent import monkey; monkey.patch_all()",
    )
    assert span_ids(receiver) == ["0", "1"]
