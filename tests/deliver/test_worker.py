"""The thread as a whole: real queue, real sockets, a receiver in another process."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.delivery import (
    LONG,
    OwnDestination,
    datadog,
    delivered_ids,
    metric,
    span,
    wait_until,
)
from support.receiver import Receiver, Reply

from llmobs_trace.deliver import Answer, Batch, Worker
from llmobs_trace.deliver.worker import THREAD_NAME
from llmobs_trace.journal import Queue, adoptable, open_journal, this_process

MakeWorker = Callable[..., Worker]


def senders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


# --- What is recorded arrives -------------------------------------------------------------------------------


def test_flush_delivers_what_was_recorded(
    receiver: Receiver, make_worker: MakeWorker, memory_queue: Queue
) -> None:
    worker = make_worker(datadog(receiver))
    for number in range(2500):
        memory_queue.append(span(number))
    memory_queue.append(metric(0, "another"))
    assert worker.flush(LONG)
    assert delivered_ids(receiver) == [str(number) for number in range(2500)]
    assert [request.metrics for request in receiver.requests() if request.experiment_id == "another"] == [
        [{"span_id": "0"}]
    ]
    stats = worker.stats()
    assert (stats.recorded, stats.delivered, stats.pending, stats.pending_bytes) == (2501, 2501, 0, 0)
    assert (stats.rejected, stats.dropped, stats.retried, stats.last_error) == (0, 0, 0, None)


def test_nothing_starts_before_the_first_record_and_then_one_daemon_thread(
    make_worker: MakeWorker, memory_queue: Queue
) -> None:
    before = len(senders())
    destination = OwnDestination()
    worker = make_worker(destination, flush_interval=0.05)
    assert len(senders()) == before
    for number in range(10):
        memory_queue.append(span(number))
    wait_until(lambda: len(destination.span_ids()) == 10)
    worker.start()
    assert worker.flush(LONG)
    [thread] = [thread for thread in senders() if thread.name in destination.threads]
    assert thread.daemon
    assert destination.threads == {THREAD_NAME}


def test_the_interval_delivers_without_a_flush(
    receiver: Receiver, make_worker: MakeWorker, memory_queue: Queue
) -> None:
    make_worker(datadog(receiver), flush_interval=0.1)
    for number in range(3):
        memory_queue.append(span(number))
        receiver.wait_for(number + 1)
    assert delivered_ids(receiver) == ["0", "1", "2"]


def test_enough_bytes_are_delivered_before_the_interval(
    receiver: Receiver, make_worker: MakeWorker, memory_queue: Queue
) -> None:
    make_worker(datadog(receiver), flush_interval=3600.0, max_batch_bytes=50_000)
    for number in range(12):
        memory_queue.append(span(number, filling="x" * 5000))
    assert all(len(request.body) <= 50_000 for request in receiver.wait_for(1))


def test_an_idle_sender_does_nothing_at_all(make_worker: MakeWorker, memory_queue: Queue) -> None:
    worker = make_worker(OwnDestination(), flush_interval=0.05)
    memory_queue.append(span(0))
    assert worker.flush(LONG)
    turns = 0
    prepare = memory_queue.prepare

    def counted() -> None:
        nonlocal turns
        turns += 1
        prepare()

    memory_queue.prepare = counted  # type: ignore[method-assign]
    time.sleep(0.4)
    assert turns <= 1
    memory_queue.append(span(1))
    wait_until(lambda: memory_queue.pending()[0] == 0)


def test_a_first_record_from_a_signal_handler_is_delivered(
    make_worker: MakeWorker, memory_queue: Queue
) -> None:
    destination = OwnDestination()
    make_worker(destination, flush_interval=0.05)
    before = signal.signal(signal.SIGUSR1, lambda *_: memory_queue.append(span(0)))
    try:
        signal.raise_signal(signal.SIGUSR1)
        wait_until(lambda: destination.span_ids() == ["0"])
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_many_threads_record_and_flush_at_once(make_worker: MakeWorker, memory_queue: Queue) -> None:
    destination = OwnDestination()
    worker = make_worker(destination)
    reached: list[bool] = []

    def record(base: int) -> None:
        for number in range(50):
            memory_queue.append(span(base + number))
            if number % 10 == 0:
                reached.append(worker.flush(LONG))

    threads = [threading.Thread(target=record, args=(1000 * index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worker.flush(LONG)
    assert len(reached) == 40
    assert all(reached)
    assert len(destination.span_ids()) == len(set(destination.span_ids())) == 400


# --- Counts -------------------------------------------------------------------------------------------------


def test_the_counts_balance_at_every_moment(make_worker: MakeWorker, memory_queue: Queue) -> None:
    worker = make_worker(OwnDestination(), flush_interval=0.01)
    done = threading.Event()

    def record() -> None:
        for number in range(5000):
            memory_queue.append(span(number))
        done.set()

    thread = threading.Thread(target=record)
    thread.start()
    recorded = 0
    while not done.is_set():
        stats = worker.stats()
        assert stats.recorded == stats.delivered + stats.pending + stats.rejected + stats.dropped
        assert stats.recorded >= recorded
        recorded = stats.recorded
    thread.join()
    assert worker.stats().recorded == 5000


# --- What ended processes left ------------------------------------------------------------------------------


@pytest.fixture
def left_behind(tmp_path: Path) -> Path:
    """A directory with the journal of a process that has ended."""
    queue = open_journal(tmp_path, owner=this_process("there"))
    for number in range(1000):
        queue.append(span(number, "old"))
    queue.close(keep=True)
    return tmp_path


def test_what_an_ended_process_left_is_delivered_and_not_counted_as_ours(
    receiver: Receiver, make_worker: MakeWorker, left_behind: Path
) -> None:
    queue = open_journal(left_behind, owner=this_process("there"))
    worker = make_worker(
        datadog(receiver), queue, adopt=lambda: adoptable(left_behind, "there"), flush_interval=0.05
    )
    queue.append(span(0))
    wait_until(lambda: len(delivered_ids(receiver, "old")) == 1000)
    assert worker.flush(LONG)
    assert delivered_ids(receiver) == ["0"]
    assert worker.stats().recorded == worker.stats().delivered == 1
    assert worker.shutdown(LONG)
    assert list(adoptable(left_behind, "there")) == []
    queue.close(keep=True)


def test_what_is_adopted_and_refused_is_kept_and_holds_nothing_of_ours_up(
    receiver: Receiver, make_worker: MakeWorker, left_behind: Path, memory_queue: Queue
) -> None:
    receiver.usual(Reply(status=403), experiment_id="old")
    worker = make_worker(datadog(receiver), adopt=lambda: adoptable(left_behind, "there"))
    worker.start()
    receiver.wait_for(1)
    memory_queue.append(span(0))
    assert worker.flush(LONG)
    assert worker.shutdown(LONG)
    [journal] = adoptable(left_behind, "there")
    assert journal.pending()[0] == 1000
    journal.close(keep=True)


def test_while_a_flush_waits_for_its_server_what_was_left_keeps_nobody_awake(
    make_worker: MakeWorker, left_behind: Path, memory_queue: Queue
) -> None:
    turns, turns_at_requests = 0, []
    answers = [Answer(status=202), Answer(status=503, retry_after_seconds=0.3)]  # the last first
    prepare, is_asked = memory_queue.prepare, threading.Event()

    def counted() -> None:
        nonlocal turns
        turns += 1
        prepare()

    def answer(batch: Batch) -> Answer:
        if batch.experiment_id == "old":
            is_asked.set()
            wait_until(lambda: not worker._inbox.empty())  # the flush, which comes first from here on
            return Answer(status=503)
        turns_at_requests.append(turns)
        return answers.pop()

    memory_queue.prepare = counted  # type: ignore[method-assign]
    memory_queue.append(span(0))
    worker = make_worker(OwnDestination(answer), adopt=lambda: adoptable(left_behind, "there"))
    worker.start()
    assert is_asked.wait(LONG)
    assert worker.flush(LONG)
    first, second = turns_at_requests
    assert second - first <= 3


def test_trouble_with_adopting_does_not_disturb_our_own(make_worker: MakeWorker, memory_queue: Queue) -> None:
    def fail() -> Any:
        raise PermissionError("canary")

    worker = make_worker(OwnDestination(), adopt=fail)
    memory_queue.append(span(0))
    assert worker.flush(LONG)
    assert worker.stats().delivered == 1
