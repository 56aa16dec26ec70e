"""Who may be where: the sender inside, a fork only while it is outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from llmobs_trace.deliver.gate import IMPORT_PATIENCE_SECONDS, Closed, Gate


def test_a_fork_waits_until_the_sender_is_outside_and_keeps_it_there() -> None:
    gate = Gate()
    happened: list[str] = []
    inside, may_leave = threading.Event(), threading.Event()

    def sender() -> None:
        gate.enter()
        inside.set()
        may_leave.wait(10)
        happened.append("left")
        gate.leave()
        gate.enter()
        happened.append("entered again")
        gate.leave()

    thread = threading.Thread(target=sender)
    thread.start()
    inside.wait(10)
    threading.Timer(0.02, may_leave.set).start()
    gate.hold()
    happened.append("forked")
    gate.let_go()
    thread.join(10)
    assert happened == ["left", "forked", "entered again"]


def test_a_sender_that_waits_for_a_network_keeps_no_fork_waiting() -> None:
    gate = Gate()
    outside, answered = threading.Event(), threading.Event()

    def sender() -> None:
        gate.enter()
        with gate.open_for_forks():
            outside.set()
            answered.wait(10)
        gate.leave()

    thread = threading.Thread(target=sender)
    thread.start()
    outside.wait(10)
    gate.hold()
    gate.let_go()
    answered.set()
    thread.join(10)


def test_a_fork_gives_up_waiting_for_a_sender_that_does_not_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmobs_trace.deliver.gate.FORK_PATIENCE_SECONDS", 0.01)
    gate = Gate()
    thread = threading.Thread(target=gate.enter)
    thread.start()
    thread.join(10)
    gate.hold()
    gate.let_go()


def test_a_fork_waits_longer_for_an_import_and_until_the_sender_is_outside_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("llmobs_trace.deliver.gate.FORK_PATIENCE_SECONDS", 0.05)
    gate = Gate()
    importing, is_outside = threading.Event(), threading.Event()

    def sender() -> None:
        gate.enter()
        with gate.importing():
            importing.set()
            is_outside.wait(0.2)
        is_outside.wait(0.01)
        is_outside.set()
        gate.leave()

    thread = threading.Thread(target=sender)
    thread.start()
    importing.wait(10)
    assert gate.hold()
    assert is_outside.is_set()
    gate.let_go()
    thread.join(10)


def opens_for_each_of_many_requests(gate: Gate, imported: threading.Event, gave_up: threading.Event) -> None:
    with gate.importing():
        imported.set()
    while not gave_up.is_set():
        with gate.importing():
            gave_up.wait(0.01)


def has_long_to_do_after_an_import(gate: Gate, imported: threading.Event, gave_up: threading.Event) -> None:
    with gate.importing():
        imported.set()
        gave_up.wait(0.2)
    gave_up.wait(2 * IMPORT_PATIENCE_SECONDS)


@pytest.mark.parametrize("work", [opens_for_each_of_many_requests, has_long_to_do_after_an_import])
def test_a_fork_gives_up_soon_once_all_is_imported(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[Gate, threading.Event, threading.Event], None]
) -> None:
    monkeypatch.setattr("llmobs_trace.deliver.gate.FORK_PATIENCE_SECONDS", 0.05)
    gate = Gate()
    imported, gave_up = threading.Event(), threading.Event()

    def sender() -> None:
        gate.enter()
        work(gate, imported, gave_up)
        gate.leave()

    thread = threading.Thread(target=sender)
    thread.start()
    imported.wait(10)
    began = time.monotonic()
    assert not gate.hold()
    assert time.monotonic() - began < IMPORT_PATIENCE_SECONDS / 2
    gave_up.set()
    gate.let_go()
    thread.join(10)


def test_a_fork_gives_up_waiting_for_an_import_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmobs_trace.deliver.gate.IMPORT_PATIENCE_SECONDS", 0.01)
    gate = Gate()

    def sender() -> None:
        gate.enter()
        gate.importing().__enter__()

    thread = threading.Thread(target=sender)
    thread.start()
    thread.join(10)
    assert not gate.hold()
    gate.let_go()


def test_the_sender_may_fork_itself() -> None:
    gate = Gate()
    gate.enter()
    gate.hold()
    gate.let_go()
    gate.leave()


def test_after_close_nobody_comes_in() -> None:
    gate = Gate()
    gate.enter()
    with pytest.raises(Closed), gate.open_for_forks():
        gate.close(1.0)
    with pytest.raises(Closed):
        gate.enter()


def test_close_says_whether_the_sender_is_out() -> None:
    gate = Gate()
    thread = threading.Thread(target=gate.enter)
    thread.start()
    thread.join(10)
    assert not gate.close(0.01)
    gate.leave()
    assert gate.close(0.01)
