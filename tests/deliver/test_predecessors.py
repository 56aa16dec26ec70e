"""However many left something: few are held at a time, and none starves. Real journals, a simulated clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.delivery import LONG, OwnDestination, span
from support.examples import examples
from support.journals import leave
from support.lane_bench import Bench

from llmobs_trace.deliver import Answer, Batch, Worker
from llmobs_trace.deliver.predecessors import _MOST, Predecessors
from llmobs_trace.journal import Queue, adoptable, open_journal, this_process

MINUTE = 60.0


class Sender:
    """What the sender's thread does with what others left, a turn at a time."""

    def __init__(self, root: Path) -> None:
        self.bench = Bench(open_journal(None, owner=this_process("there")))
        self.destination = self.bench.destination
        self.faults: list[BaseException] = []
        self.predecessors = Predecessors(
            lambda: adoptable(root, "there"), self.bench.sending, self.faults.append
        )
        self.most_held = 0

    def turn(self) -> None:
        """Until it would sleep."""
        self.bench.sending.gate.enter()
        while True:
            self.predecessors.deliver(self.bench.clock(), None, lambda: False)
            self.most_held = max(self.most_held, len(self.predecessors.lanes))
            if not self.predecessors.is_waiting(self.bench.clock()):
                break
        self.bench.sending.gate.leave()

    def wait(self, seconds: float = MINUTE) -> None:
        self.bench.clock.now += seconds
        self.turn()

    def tried(self) -> list[str]:
        """The experiments of the requests since this was asked last."""
        sent = [batch.experiment_id for batch in self.destination.sent]
        self.destination.sent.clear()
        return sent


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    sender = Sender(tmp_path)
    yield sender
    sender.predecessors.close()
    assert sender.faults == []
    assert sender.most_held <= _MOST


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def test_what_many_left_is_delivered_in_one_go_oldest_first_with_few_held(
    tmp_path: Path, sender: Sender
) -> None:
    leave(tmp_path, *names("e", 100))
    sender.turn()
    assert sender.tried() == names("e", 100)
    assert list(adoptable(tmp_path)) == []


def test_those_that_are_refused_make_place_at_once_for_those_that_had_no_turn(
    tmp_path: Path, sender: Sender
) -> None:
    leave(tmp_path, *names("gone", 3 * _MOST), "well")
    sender.destination.answer = lambda batch: Answer(status=404 if "gone" in batch.experiment_id else 202)
    sender.turn()
    assert sender.tried() == [*names("gone", 3 * _MOST), "well"], "each once"


def test_what_is_left_later_behind_many_that_are_refused_has_its_turn_and_they_are_tried_slowly(
    tmp_path: Path, sender: Sender
) -> None:
    leave(tmp_path, *names("gone", 3 * _MOST))
    sender.destination.answer = lambda batch: Answer(status=404 if "gone" in batch.experiment_id else 202)
    sender.turn()
    sender.tried()
    leave(tmp_path, "well")
    for _ in range(5):
        sender.wait()
        tried = sender.tried()
        assert len(tried) <= 2 * _MOST, "those that are due, and as many that make place"
        if "well" in tried:
            return
    raise AssertionError("it starved")


@pytest.mark.parametrize("status", [503, None], ids=["busy", "broken"])
def test_in_an_outage_only_those_that_are_held_are_tried_and_when_it_is_over_all_are_delivered(
    tmp_path: Path, sender: Sender, status: int | None
) -> None:
    leave(tmp_path, *names("e", 3 * _MOST))
    sender.destination.answer = lambda batch: Answer(status=status)
    sender.turn()
    assert sender.tried() == names("e", _MOST)
    sender.destination.answer = lambda batch: Answer(status=202)
    sender.wait(1.0)
    assert sorted(sender.tried()) == sorted(names("e", 3 * _MOST))


def test_one_that_fails_for_ever_holds_up_none_behind_it(tmp_path: Path, sender: Sender) -> None:
    leave(tmp_path, *names("busy", _MOST), *names("well", 5))
    sender.destination.answer = lambda batch: Answer(status=503 if "busy" in batch.experiment_id else 202)
    sender.turn()
    assert sender.tried() == names("busy", _MOST)
    sender.wait()
    assert sender.tried()[:5] == names("well", 5)


ANSWERS = st.sampled_from([202, 202, 401, 404, 429, 503, None])


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.lists(ANSWERS, min_size=1, max_size=4), min_size=1, max_size=12), st.data())
def test_whatever_is_answered_meanwhile_each_is_delivered_once_in_the_end(
    answers: list[list[int | None]], data: st.DataObject
) -> None:
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmobs_trace.deliver.predecessors._MOST", 3)
        root = Path(directory)
        sender = Sender(root)
        accepted = []

        def answer(batch: Batch) -> Answer:
            mine = answers[int(batch.experiment_id)]
            status = mine.pop(0) if mine else 202
            if status == 202:
                accepted.append(batch.experiment_id)
            return Answer(status=status)

        sender.destination.answer = answer
        left = [str(number) for number in range(len(answers))]
        while left:
            some = data.draw(st.integers(1, len(left)))
            leave(root, *left[:some])
            del left[:some]
            sender.wait(data.draw(st.floats(0.1, 200)))
        for _ in range(50):
            if len(accepted) == len(answers):
                break
            sender.wait(10 * MINUTE)
        assert sorted(accepted, key=int) == [str(number) for number in range(len(answers))]
        assert sender.most_held <= 3
        assert sender.faults == []
        assert list(adoptable(root)) == []
        sender.predecessors.close()


def test_a_short_run_delivers_what_waits_behind_many_that_are_refused(
    tmp_path: Path, memory_queue: Queue
) -> None:
    leave(tmp_path, *names("gone", 2 * _MOST), "well")
    destination = OwnDestination(lambda batch: Answer(status=404 if "gone" in batch.experiment_id else 202))
    worker = Worker(memory_queue, destination, adopt=lambda: adoptable(tmp_path, "there"))
    memory_queue.append(span(0))
    assert worker.shutdown(LONG)
    assert "well" in [batch.experiment_id for batch in destination.sent]
