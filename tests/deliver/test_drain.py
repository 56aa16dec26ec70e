"""What was left behind, delivered in the caller's thread."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.delivery import QUICK, USUAL, OwnDestination, datadog, span
from support.receiver import Receiver, Reply

from llmobs_trace.deliver import Answer, Pace, drain
from llmobs_trace.journal import AdoptedJournal, adoptable, open_journal, this_process


@pytest.fixture
def left_behind(tmp_path: Path) -> AdoptedJournal:
    queue = open_journal(tmp_path, owner=this_process("there"))
    for number in range(100):
        queue.append(span(number, "ab"[number % 2]))
    queue.close(keep=True)
    return next(adoptable(tmp_path, "there"))


def test_everything_is_delivered_through_trouble(receiver: Receiver, left_behind: AdoptedJournal) -> None:
    receiver.script(Reply(status=503), Reply(close=True), Reply(status=429, headers={"Retry-After": "0"}))
    destination = datadog(receiver)
    done = drain(left_behind, destination, timeout=20.0, max_batch_events=7, pace=QUICK, **USUAL)
    destination.close()
    assert (done.delivered, done.rejected, done.pending) == (100, 0, 0)
    assert sum(len(request.spans) for request in receiver.accepted()) == 100


def test_what_is_refused_is_kept_and_not_waited_for(left_behind: AdoptedJournal) -> None:
    destination = OwnDestination(lambda batch: Answer(status=403 if batch.experiment_id == "a" else 202))
    done = drain(left_behind, destination, timeout=5.0, pace=Pace(), **USUAL)
    assert (done.delivered, done.pending, done.last_error) == (50, 50, "HTTP 403: not authorised")
    assert len(destination.sent) == 2


def test_it_ends_in_time_whatever_the_server_does(receiver: Receiver, left_behind: AdoptedJournal) -> None:
    receiver.usual(Reply(silent=True))
    destination = datadog(receiver)
    begin = time.monotonic()
    done = drain(left_behind, destination, timeout=0.3, **{**USUAL, "request_timeout": 3600.0})
    destination.close()
    assert time.monotonic() - begin < 10
    assert (done.delivered, done.pending) == (0, 100)
