"""Who may be where: the sender inside, a fork only while it is outside.

Time stands still here unless a test has it pass, and nobody's wait ends by itself: who goes on was woken.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Condition

import pytest

from llmobs_trace.deliver.fork_gate import FORK_PATIENCE_SECONDS, IMPORT_PATIENCE_SECONDS, Gate, GateClosed

# For what happens at once, or never.
PATIENCE_SECONDS = 10


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.seconds = 2.0

    def now(self) -> float:
        return self.seconds


@dataclass
class Scene:
    """A gate, its sender, and a thread that forks or closes."""

    gate: Gate
    sender: ThreadPoolExecutor
    other: ThreadPoolExecutor
    clock: Clock
    condition: Condition
    # How long each wait was meant to be, put there as it begins.
    waits: SimpleQueue[float | None]

    def begun_wait(self) -> float | None:
        return self.waits.get(timeout=PATIENCE_SECONDS)

    def sender_enters(self) -> None:
        self.sender.submit(self.gate.enter).result(PATIENCE_SECONDS)

    def sender_leaves(self) -> None:
        self.sender.submit(self.gate.leave).result(PATIENCE_SECONDS)

    def have_pass(self, seconds: float) -> None:
        with self.condition:
            self.clock.seconds += seconds
            self.condition.notify_all()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    waits: SimpleQueue[float | None] = SimpleQueue()
    conditions: list[Condition] = []

    class Watched(Condition):
        def __init__(self, lock: object) -> None:
            super().__init__(lock)  # type: ignore[arg-type]
            conditions.append(self)

        def wait(self, timeout: float | None = None) -> bool:
            waits.put(timeout)
            assert super().wait(2 * PATIENCE_SECONDS), "nobody was woken"
            return True

    clock = Clock()
    monkeypatch.setattr("llmobs_trace.deliver.fork_gate.Condition", Watched)
    monkeypatch.setattr("llmobs_trace.deliver.fork_gate.Clock", clock)
    gate = Gate()
    with ThreadPoolExecutor(1) as sender, ThreadPoolExecutor(1) as other:
        yield Scene(gate, sender, other, clock, conditions[0], waits)
        gate.close(0)
        gate.leave()
        with conditions[0]:
            conditions[0].notify_all()


def test_a_fork_waits_until_the_sender_is_outside(scene: Scene) -> None:
    scene.sender_enters()
    forking = scene.other.submit(scene.gate.hold)
    assert scene.begun_wait() == FORK_PATIENCE_SECONDS
    assert not forking.done()
    scene.sender_leaves()
    assert forking.result(PATIENCE_SECONDS)


def test_the_sender_stays_outside_until_the_last_fork_is_done(scene: Scene) -> None:
    assert scene.gate.hold()
    assert scene.gate.hold()
    entering = scene.sender.submit(scene.gate.enter)
    assert scene.begun_wait() is None
    scene.gate.let_go()
    assert scene.begun_wait() is None
    assert not entering.done()
    scene.gate.let_go()
    entering.result(PATIENCE_SECONDS)


def test_a_sender_that_waits_for_a_network_keeps_no_fork_waiting_and_comes_back(
    scene: Scene,
) -> None:
    def sends() -> bool:
        with scene.gate.open_for_forks():
            return scene.other.submit(scene.gate.hold).result(PATIENCE_SECONDS)

    scene.sender_enters()
    sending = scene.sender.submit(sends)
    assert scene.begun_wait() is None
    scene.gate.let_go()
    assert sending.result(PATIENCE_SECONDS)
    forking = scene.other.submit(scene.gate.hold)
    assert scene.begun_wait() == FORK_PATIENCE_SECONDS
    scene.sender_leaves()
    assert forking.result(PATIENCE_SECONDS)


def test_a_fork_gives_up_waiting_for_a_sender_that_does_not_come_out(scene: Scene) -> None:
    scene.sender_enters()
    forking = scene.other.submit(scene.gate.hold)
    assert scene.begun_wait() == FORK_PATIENCE_SECONDS
    scene.have_pass(FORK_PATIENCE_SECONDS - 0.25)
    assert scene.begun_wait() == 0.25
    scene.have_pass(0.5)
    assert forking.result(PATIENCE_SECONDS) is False


def test_a_fork_waits_longer_for_an_import_and_until_the_sender_is_outside_after_it(scene: Scene) -> None:
    scene.sender_enters()
    importing = scene.gate.importing()
    scene.sender.submit(importing.__enter__).result(PATIENCE_SECONDS)
    forking = scene.other.submit(scene.gate.hold)
    assert scene.begun_wait() == IMPORT_PATIENCE_SECONDS
    scene.have_pass(5)
    assert scene.begun_wait() == IMPORT_PATIENCE_SECONDS - 5
    scene.sender.submit(importing.__exit__, None, None, None).result(PATIENCE_SECONDS)
    assert scene.begun_wait() == FORK_PATIENCE_SECONDS
    assert not forking.done()
    scene.sender_leaves()
    assert forking.result(PATIENCE_SECONDS)


def test_a_fork_waits_no_longer_for_an_import_and_what_follows_than_for_an_import(scene: Scene) -> None:
    scene.sender_enters()
    importing = scene.gate.importing()
    scene.sender.submit(importing.__enter__).result(PATIENCE_SECONDS)
    forking = scene.other.submit(scene.gate.hold)
    assert scene.begun_wait() == IMPORT_PATIENCE_SECONDS
    scene.have_pass(IMPORT_PATIENCE_SECONDS - 0.5)
    assert scene.begun_wait() == 0.5
    scene.sender.submit(importing.__exit__, None, None, None).result(PATIENCE_SECONDS)
    assert scene.begun_wait() == 0.5
    scene.have_pass(0.5)
    assert forking.result(PATIENCE_SECONDS) is False


def test_a_fork_waits_no_longer_once_all_was_imported_whatever_is_opened_for_later_requests(
    scene: Scene,
) -> None:
    scene.sender_enters()
    with scene.gate.importing():
        pass
    scene.have_pass(60)
    with scene.gate.importing():
        forking = scene.other.submit(scene.gate.hold)
        assert scene.begun_wait() == FORK_PATIENCE_SECONDS
        scene.have_pass(FORK_PATIENCE_SECONDS)
        assert forking.result(PATIENCE_SECONDS) is False


def test_an_import_that_fails_is_over(scene: Scene) -> None:
    scene.sender_enters()
    with pytest.raises(ImportError), scene.gate.importing():
        raise ImportError
    forking = scene.other.submit(scene.gate.hold)
    assert scene.begun_wait() == FORK_PATIENCE_SECONDS
    scene.sender_leaves()
    assert forking.result(PATIENCE_SECONDS)


def test_a_fork_gives_up_waiting_for_an_import_that_does_not_end(scene: Scene) -> None:
    scene.sender_enters()
    with scene.gate.importing():
        forking = scene.other.submit(scene.gate.hold)
        assert scene.begun_wait() == IMPORT_PATIENCE_SECONDS
        scene.have_pass(IMPORT_PATIENCE_SECONDS)
        assert forking.result(PATIENCE_SECONDS) is False


def test_the_sender_may_fork_or_end_itself(scene: Scene) -> None:
    scene.gate.enter()
    assert scene.gate.hold()
    scene.gate.let_go()
    assert scene.gate.close(5)
    assert scene.waits.empty()


def test_after_close_nobody_comes_in_or_goes_on(scene: Scene) -> None:
    scene.gate.enter()
    scene.gate.check()
    with pytest.raises(GateClosed), scene.gate.open_for_forks():
        assert scene.gate.close(5)
    with pytest.raises(GateClosed):
        scene.gate.enter()
    with pytest.raises(GateClosed):
        scene.gate.check()


def test_close_turns_a_sender_away_that_a_fork_keeps_waiting(scene: Scene) -> None:
    assert scene.gate.hold()
    entering = scene.sender.submit(scene.gate.enter)
    assert scene.begun_wait() is None
    assert scene.gate.close(5)
    try:
        with pytest.raises(GateClosed):
            entering.result(PATIENCE_SECONDS)
    finally:
        scene.gate.let_go()


def test_close_says_whether_the_sender_is_out(scene: Scene) -> None:
    scene.sender_enters()
    closing = scene.other.submit(scene.gate.close, 5.0)
    assert scene.begun_wait() == 5
    scene.have_pass(6)
    assert closing.result(PATIENCE_SECONDS) is False
    closing = scene.other.submit(scene.gate.close, 5.0)
    assert scene.begun_wait() == 5
    scene.sender_leaves()
    assert closing.result(PATIENCE_SECONDS)


def test_a_fork_waits_for_a_second_and_for_fifteen_while_the_sender_imports() -> None:
    assert (FORK_PATIENCE_SECONDS, IMPORT_PATIENCE_SECONDS) == (1.0, 15.0)
