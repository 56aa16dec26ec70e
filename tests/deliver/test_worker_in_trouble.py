"""The thread against bad servers, short budgets, ends and faults of its own; real sockets."""

from __future__ import annotations

import _thread
import logging
import socket
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from support.delivery import (
    API_KEY,
    APP_KEY,
    LONG,
    OwnDestination,
    datadog,
    delivered_ids,
    span,
    wait_until,
)
from support.receiver import Receiver, Reply

from llmobs_trace.deliver import Answer, Batch, DatadogDestination, Worker
from llmobs_trace.journal import Queue, open_journal, this_process
from llmobs_trace.settings.checks import Secret

MakeWorker = Callable[..., Worker]


# --- Trouble ------------------------------------------------------------------------------------------------


def test_after_an_outage_everything_arrives(
    receiver: Receiver, make_worker: MakeWorker, memory_queue: Queue
) -> None:
    worker = make_worker(datadog(receiver), flush_interval=0.05)
    receiver.stop_listening()
    for number in range(3000):
        memory_queue.append(span(number))
    assert not worker.flush(0.5)
    assert worker.stats().pending == 3000
    assert "ConnectError" in str(worker.stats().last_error)
    receiver.listen_again()
    assert worker.flush(LONG)
    assert delivered_ids(receiver) == [str(number) for number in range(3000)]
    stats = worker.stats()
    assert (stats.recorded, stats.delivered) == (3000, 3000)
    assert stats.retried >= 1


def test_busy_broken_and_cut_answers_are_tried_again(
    receiver: Receiver, make_worker: MakeWorker, memory_queue: Queue
) -> None:
    worker = make_worker(datadog(receiver))
    receiver.script(
        Reply(status=500), Reply(close=True), Reply(status=408), Reply(close_after_bytes=9), Reply(status=503)
    )
    memory_queue.append(span(0))
    assert worker.flush(LONG)
    assert delivered_ids(receiver) == ["0"]
    assert worker.stats().retried == 5


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(lambda: {"Retry-After": "1"}, id="Retry-After in seconds"),
        pytest.param(lambda: {"X-RateLimit-Reset": "1"}, id="X-RateLimit-Reset"),
        pytest.param(
            lambda: {"Retry-After": formatdate(1e9 + 1, usegmt=True), "Date": formatdate(1e9, usegmt=True)},
            id="Retry-After as a date",
        ),
    ],
)
def test_the_server_is_left_alone_for_as_long_as_it_asks(
    receiver: Receiver,
    make_worker: MakeWorker,
    memory_queue: Queue,
    headers: Callable[[], dict[str, str]],
) -> None:
    worker = make_worker(datadog(receiver))
    receiver.script(Reply(status=429, headers=headers()))
    memory_queue.append(span(0))
    assert worker.flush(LONG)
    first, second = receiver.requests()
    assert second.at_s - first.at_s >= 1.0


def test_a_refused_experiment_waits_alone_and_arrives_when_it_is_mended(
    receiver: Receiver,
    make_worker: MakeWorker,
    memory_queue: Queue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = make_worker(datadog(receiver), flush_interval=0.05)
    receiver.usual(Reply(status=404, body='{"errors":[{"title":"Not Found"}]}'), experiment_id="unknown")
    for number in range(50):
        memory_queue.append(span(number, "unknown"))
        memory_queue.append(span(number, "e"))
    wait_until(lambda: worker.stats().delivered == 50)
    assert delivered_ids(receiver) == [str(number) for number in range(50)]
    assert worker.stats().pending == 50
    receiver.usual(Reply(), experiment_id="unknown")
    wait_until(lambda: worker.stats().pending == 0)
    assert delivered_ids(receiver, "unknown") == [str(number) for number in range(50)]
    wait_until(lambda: len(caplog.messages) == 2)
    paused, mended = caplog.messages
    assert "experiment 'unknown'" in paused
    assert "HTTP 404: Not Found" in paused
    assert "works again" in mended


def test_an_endpoint_that_flaps_is_two_lines_a_minute(
    receiver: Receiver,
    make_worker: MakeWorker,
    memory_queue: Queue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = make_worker(datadog(receiver))
    for number in range(6):
        receiver.script(*[Reply(status=503)] * 2, Reply())
        memory_queue.append(span(number))
        assert worker.flush(LONG)
    worker.shutdown(LONG)
    assert worker.stats().retried == 12
    fails, works = caplog.messages
    assert "fails, events are kept: HTTP 503" in fails
    assert "works again: 2 failed in" in works


def test_keys_are_in_no_log_line_and_no_count(
    receiver: Receiver,
    make_worker: MakeWorker,
    memory_queue: Queue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="llmobs_trace")
    worker = make_worker(datadog(receiver))
    receiver.usual(Reply(status=401, body=f"wrong: {API_KEY} {APP_KEY}"))
    memory_queue.append(span(0))
    assert not worker.flush(0.3)
    assert API_KEY not in caplog.text + str(worker.stats())
    assert APP_KEY not in caplog.text + str(worker.stats())
    assert "HTTP 401: wrong: *** ***" in caplog.text


# --- One time budget ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [Reply(silent=True), Reply(drip_seconds=1.0)], ids=["silence", "drip"])
def test_flush_and_shutdown_keep_their_budget_whatever_the_server_does(
    receiver: Receiver, make_worker: MakeWorker, memory_queue: Queue, reply: Reply
) -> None:
    receiver.usual(reply)
    worker = make_worker(datadog(receiver), request_timeout=3600.0)
    memory_queue.append(span(0))
    begin = time.monotonic()
    assert not worker.flush(0.3)
    assert not worker.shutdown(0.3)
    assert time.monotonic() - begin < 10
    assert worker.stats().pending == 1
    # Nor does the thread stay behind: its request was cut.
    wait_until(lambda: not worker._has_sender())


def test_flush_and_shutdown_keep_their_budget_while_a_name_server_hangs(
    make_worker: MakeWorker, memory_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def hang(*_: object, **__: object) -> Any:
        answered.wait(LONG)
        raise socket.gaierror("nobody knows")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    worker = make_worker(DatadogDestination("https://api.datadoghq.com", Secret("a"), Secret("b")))
    memory_queue.append(span(0))
    begin = time.monotonic()
    assert not worker.flush(0.2)
    assert not worker.shutdown(0.2)
    assert time.monotonic() - begin < 10
    answered.set()
    wait_until(lambda: not worker._has_sender())
    assert worker.stats().pending == 1


def test_flush_answers_early_where_the_server_wants_more_time_than_there_is(
    receiver: Receiver, make_worker: MakeWorker, memory_queue: Queue
) -> None:
    worker = make_worker(datadog(receiver))
    receiver.usual(Reply(status=429, headers={"Retry-After": "1000"}))
    memory_queue.append(span(0))
    begin = time.monotonic()
    assert not worker.flush(500.0)
    assert time.monotonic() - begin < LONG


def test_flush_does_not_wait_for_what_is_recorded_after_it(
    make_worker: MakeWorker, memory_queue: Queue
) -> None:
    def answer(batch: Batch) -> Answer:
        memory_queue.append(span(len(destination.sent), "another"))
        return Answer(status=202) if batch.experiment_id == "e" else Answer(status=403)

    destination = OwnDestination(answer)
    worker = make_worker(destination)
    memory_queue.append(span(0))
    assert worker.flush(LONG)


def test_flush_with_nothing_recorded_is_true_at_once(make_worker: MakeWorker) -> None:
    destination = OwnDestination()
    assert make_worker(destination).flush(LONG)
    assert destination.sent == []


def test_a_log_handler_that_flushes_does_not_wait_for_itself(
    make_worker: MakeWorker, memory_queue: Queue
) -> None:
    class Flushing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            memory_queue.append(span(1, "logged"))
            answers.append(worker.flush(LONG))

    answers: list[bool] = []
    handler = Flushing()
    logger = logging.getLogger("llmobs_trace")
    logger.addHandler(handler)
    try:
        worker = make_worker(OwnDestination(lambda batch: Answer(status=401)))
        memory_queue.append(span(0))
        assert not worker.flush(0.5)
    finally:
        logger.removeHandler(handler)
    assert answers[0] is False


def test_flush_ends_while_others_record_without_end(make_worker: MakeWorker, memory_queue: Queue) -> None:
    worker = make_worker(OwnDestination(), max_batch_bytes=4096)
    done = threading.Event()

    def record() -> None:
        while not done.is_set():
            memory_queue.append(span(0, "another"))

    threads = [threading.Thread(target=record) for _ in range(2)]
    for thread in threads:
        thread.start()
    memory_queue.append(span(0))
    try:
        assert worker.flush(LONG)
        recorded = worker.stats().recorded
        wait_until(lambda: worker.stats().recorded > recorded)  # it did not wait for their end
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_a_full_queue_that_keeps_asking_for_room_is_still_emptied(make_worker: MakeWorker) -> None:
    queue = open_journal(None, owner=this_process("x"), segment_bytes=4096, memory_bytes=16384)
    worker = make_worker(OwnDestination(), queue, max_batch_bytes=4096)
    done = threading.Event()

    def record() -> None:
        while not done.is_set():
            queue.append(span(0, filling="x" * 500))

    threads = [threading.Thread(target=record) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: worker.stats().dropped > 100 and worker.stats().delivered > 100)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert worker.flush(LONG)
    stats = worker.stats()
    assert stats.recorded == stats.delivered + stats.dropped


# --- The end ------------------------------------------------------------------------------------------------


def test_shutdown_delivers_and_leaves_no_thread(make_worker: MakeWorker, memory_queue: Queue) -> None:
    destination = OwnDestination()
    worker = make_worker(destination)
    memory_queue.append(span(0))
    assert worker.shutdown(LONG)
    assert destination.span_ids() == ["0"]
    assert destination.is_closed
    assert worker._thread is not None
    worker._thread.join(LONG)  # it has let go of everything; the interpreter may be a moment behind
    assert not worker._thread.is_alive()
    assert worker.shutdown(LONG)
    assert worker.flush(LONG)


def test_after_shutdown_nothing_of_the_queue_is_touched(make_worker: MakeWorker, memory_queue: Queue) -> None:
    released = threading.Event()

    def answer(batch: Batch) -> Answer:
        released.wait(LONG)
        return Answer(status=202)

    worker = make_worker(OwnDestination(answer))
    memory_queue.append(span(0))
    assert not worker.shutdown(0.2)
    released.set()
    wait_until(lambda: not worker._has_sender())
    assert memory_queue.pending()[0] == 1, "it is settled after its answer, and that came too late"
    assert not worker.flush(0.1)


def test_hundreds_of_workers_leave_nothing_behind() -> None:
    before = threading.active_count()
    for number in range(300):
        queue = open_journal(None, owner=this_process("x"), segment_bytes=4096)
        worker = Worker(queue, OwnDestination())
        queue.append(span(number))
        assert worker.shutdown(LONG)
        queue.close(keep=False)
    wait_until(lambda: threading.active_count() <= before)


def test_shutdown_before_anything_was_recorded(make_worker: MakeWorker) -> None:
    destination = OwnDestination()
    assert make_worker(destination).shutdown(LONG)
    assert destination.is_closed


# --- Faults of our own --------------------------------------------------------------------------------------


def test_an_exception_in_the_loop_is_counted_and_logged_and_everything_arrives(
    make_worker: MakeWorker,
    memory_queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    read = memory_queue.read
    faults = iter([OSError("canary"), ValueError("canary")])

    def failing(*arguments: Any) -> Any:
        for fault in faults:
            raise fault
        return read(*arguments)

    monkeypatch.setattr(memory_queue, "read", failing)
    destination = OwnDestination()
    worker = make_worker(destination, flush_interval=0.05)
    memory_queue.append(span(0))
    wait_until(lambda: destination.span_ids() == ["0"])
    assert worker.flush(LONG)
    assert worker.stats().sender_faults == 2
    assert caplog.messages == [
        "OSError inside the sender; it goes on",
        "ValueError inside the sender; it goes on",
    ]


def test_a_destination_that_raises_once_is_tried_again(make_worker: MakeWorker, memory_queue: Queue) -> None:
    faults = iter([RuntimeError("canary")])

    def answer(batch: Batch) -> Answer:
        for fault in faults:
            raise fault
        return Answer(status=202)

    worker = make_worker(OwnDestination(answer))
    memory_queue.append(span(0))
    assert worker.flush(LONG)
    stats = worker.stats()
    assert (stats.delivered, stats.sender_faults, stats.retried) == (1, 1, 1)


def test_a_sender_that_somebody_tells_to_exit_goes_on(make_worker: MakeWorker, memory_queue: Queue) -> None:
    exits = iter([SystemExit()])

    def answer(batch: Batch) -> Answer:
        for end in exits:
            raise end
        return Answer(status=202)

    destination = OwnDestination(answer)
    worker = make_worker(destination, flush_interval=0.05)
    memory_queue.append(span(0))
    wait_until(lambda: destination.span_ids() == ["0", "0"])
    assert worker.stats().sender_faults == 1


@pytest.mark.parametrize("error", [RuntimeError("canary"), SystemExit()])
def test_a_log_handler_that_always_raises_stops_no_delivery(
    make_worker: MakeWorker, memory_queue: Queue, error: BaseException
) -> None:
    class Raising(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise error

    raising = Raising()
    logging.getLogger("llmobs_trace").addHandler(raising)
    try:
        answers = iter([Answer(status=503)] * 3)
        destination = OwnDestination(lambda batch: next(answers, Answer(status=202)))
        worker = make_worker(destination, flush_interval=0.05)
        memory_queue.append(span(0))
        wait_until(lambda: worker.stats().delivered == 1)
    finally:
        logging.getLogger("llmobs_trace").removeHandler(raising)


def test_a_sender_that_was_killed_is_started_by_the_next_record(
    make_worker: MakeWorker, memory_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    exits = iter([BaseException()])

    def answer(batch: Batch) -> Answer:
        for end in exits:
            raise end
        return Answer(status=202)

    destination = OwnDestination(answer)
    worker = make_worker(destination, flush_interval=0.05)
    memory_queue.append(span(0))
    wait_until(lambda: len(destination.sent) == 1 and not worker._has_sender())
    memory_queue.append(span(1))
    assert worker.flush(LONG)
    assert sorted(set(destination.span_ids())) == ["0", "1"]


def refuse_raw_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)


def refuse_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.parametrize("refuse", [refuse_raw_threads, refuse_threads])
def test_where_no_thread_can_be_had_flush_delivers_in_the_callers(
    receiver: Receiver,
    make_worker: MakeWorker,
    memory_queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
    refuse: Callable[[pytest.MonkeyPatch], None],
) -> None:
    refuse(monkeypatch)
    worker = make_worker(datadog(receiver))
    receiver.script(Reply(status=503))
    for number in range(100):
        memory_queue.append(span(number))
    assert worker.flush(LONG)
    assert delivered_ids(receiver) == [str(number) for number in range(100)]
    receiver.usual(Reply(silent=True))
    memory_queue.append(span(100))
    begin = time.monotonic()
    assert not worker.flush(0.5)
    assert not worker.shutdown(0.5)
    assert time.monotonic() - begin < LONG
    assert worker.stats().pending == 1
