"""A sample of real servers, a part of every test run; `python -m tests.servers` runs all of them."""

from __future__ import annotations

import signal
import time

import pytest
from servers.cases import CASES, REQUESTS, UVICORN, Case, arrived, ended, web
from servers.command import carry_out
from support.machine import Machine
from support.receiver import Receiver, Reply

from llmobs_trace import configure
from llmobs_trace.process import life

SAMPLE = {case.name: case for case in CASES}


def assert_all_arrives(case: Case, machine: Machine, receiver: Receiver) -> None:
    recorded, came = carry_out(case, machine, receiver)
    assert came == recorded
    assert machine.pending() == 0


def test_a_worker_of_celery_delivers_before_it_leaves_what_its_shutdown_handlers_record_included(
    machine: Machine, receiver: Receiver
) -> None:
    assert_all_arrives(SAMPLE["celery, a task a worker"], machine, receiver)


def test_a_worker_of_celery_that_is_told_to_end_while_it_delivers_does_so_first(
    machine: Machine, receiver: Receiver
) -> None:
    # A pool that stops sends SIGTERM to those that aren't gone in a moment.
    machine.sends_to(receiver.url, flush_interval=3600)
    receiver.script(Reply(delay_seconds=1.0))
    worker = machine.start(
        """
        import queue
        from billiard.pool import Worker
        class Leaving(Worker):
            def __init__(self): self.on_exit, self.outq = None, queue.SimpleQueue()
        with experiment_span("task"): pass
        Leaving()._do_exit(1, 0)
        """
    )
    receiver.wait_for(1)
    ended(worker, 0, signal.SIGTERM)
    assert arrived(receiver) == {"task": 1}
    assert machine.pending() == 0


def test_a_work_horse_of_rq_delivers_before_it_leaves(machine: Machine, receiver: Receiver) -> None:
    assert_all_arrives(SAMPLE["RQ"], machine, receiver)


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn, interrupted", "uvicorn, 2 workers"])
def test_uvicorn_delivers_after_its_shutdown_and_before_the_signal_ends_it(
    name: str, machine: Machine, receiver: Receiver
) -> None:
    assert_all_arrives(SAMPLE[name], machine, receiver)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_uvicorn_says_once_what_it_could_not_deliver(
    machine: Machine, receiver: Receiver, number: signal.Signals
) -> None:
    machine.sends_to(receiver.url, shutdown_timeout=0.2)
    receiver.usual(Reply(status=503))
    drive = web(*UVICORN, code=-number if number == signal.SIGTERM else 0, number=number)
    said = drive(machine, receiver)
    assert said.count("not delivered") == 1
    assert f"{REQUESTS + 1} events are not delivered yet; the next run will deliver what is left" in said
    assert machine.pending() == REQUESTS + 1


def test_a_process_that_is_no_pool_s_delivers_at_its_end(machine: Machine, receiver: Receiver) -> None:
    # As celery's scheduler within a worker: a child of billiard's, which leaves by `os._exit` too.
    machine.sends_to(receiver.url, flush_interval=3600)
    program = machine.start(
        """
        import sys
        import billiard
        def work():
            with experiment_span("child"): pass
        if __name__ == "__main__":
            child = billiard.Process(target=work)
            child.start(); child.join()
            print("ended", flush=True)
            sys.stdin.readline()
        """
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ended\n"
    assert arrived(receiver) == {"child": 1}
    ended(program, 0)


def test_all_hooks_of_one_end_share_one_shutdown_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    # As of uvicorn that was interrupted: its own shutdown, then the interpreter's exit.
    configure(journal=None, shutdown_timeout=100)
    pipeline = life.at_work()
    assert pipeline is not None
    given: list[float] = []
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.worker, "flush", given.append)
        patch.setattr(pipeline.worker, "shutdown", lambda timeout, *_: given.append(timeout))
        for now in (1000.0, 1070.0, 1270.0):  # the last is another end
            patch.setattr(time, "monotonic", lambda now=now: now)
            life._before_a_signal_ends_it()
        patch.setattr(time, "monotonic", lambda: 1310.0)
        life._at_exit()
    assert given == [100, 30, 100, 60]
