"""The queue of this process: what is appended comes out, once, whatever the append meets with."""

from __future__ import annotations

import errno
import gc
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.journals import everything, line, numbers

from llmobs_trace.journal import Counts, Position, Queue, adoptable, filesystem, survey
from llmobs_trace.journal.journal import Journal
from llmobs_trace.journal.memory import MemoryShelf
from llmobs_trace.journal.segment import Segment

OpenQueue = Callable[..., Queue]

# A bound on a journal of segments of 1000 bytes; under a larger one, those that were filled last stay mapped.
NONE_STAYS_MAPPED = 7000


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Threads take turns as often as the interpreter can be made to."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class InterruptedShelf(MemoryShelf):
    """Memory in which making a segment is interrupted, as a signal handler or a finalizer would."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupt: Callable[[], None] | None = None

    def make(self, size_bytes: int) -> Segment:
        interrupt, self.interrupt = self.interrupt, None
        if interrupt is not None:
            interrupt()
        return super().make(size_bytes)


def test_what_is_appended_is_read_in_order(open_queue: OpenQueue, storage: str) -> None:
    queue = open_queue(storage)
    for number in range(100):
        queue.append(line(number))

    assert queue.storage == storage
    assert numbers(everything(queue)) == list(range(100))
    assert queue.pending() == (100, sum(len(line(number)) for number in range(100)))
    assert queue.recorded() == 100


def test_reading_goes_on_where_it_left_off(open_queue: OpenQueue, storage: str) -> None:
    queue = open_queue(storage)
    queue.append(line(1))
    records, at = queue.read(queue.start(), 1 << 20)
    assert numbers(records) == [1]
    nothing, stays = queue.read(at, 1 << 20)
    assert (len(nothing), stays) == (0, at)

    queue.append(line(2))
    assert numbers(queue.read(at, 1 << 20)[0]) == [2]


def test_a_read_gives_no_more_than_asked_for_but_at_least_one(open_queue: OpenQueue) -> None:
    queue = open_queue()
    for number in range(5):
        queue.append(line(number, 100))

    records, at = queue.read(queue.start(), 250)
    assert numbers(records) == [0, 1]
    records, at = queue.read(at, 1)
    assert numbers(records) == [2]
    assert numbers(everything(queue, at)) == [3, 4]


def test_a_read_over_several_segments_gives_what_was_asked_for(open_queue: OpenQueue, storage: str) -> None:
    queue = open_queue(storage)
    for number in range(35):
        queue.append(line(number, 100))
    for max_bytes in range(1, 3_600, 13):
        records, at = queue.read(queue.start(), max_bytes)
        assert numbers(records) == list(range(min(35, max(1, max_bytes // 100))))
        assert numbers(everything(queue, at)) == list(range(len(records), 35))


def test_segments_that_are_done_with_are_passed_over(open_queue: OpenQueue, storage: str) -> None:
    queue = open_queue(storage)
    for number in range(55):
        queue.append(line(number, 100))
    records = everything(queue)
    queue.acknowledge(records[10:20])
    queue.acknowledge(records[30:40])
    left = [*range(10), *range(20, 30), *range(40, 55)]
    assert numbers(queue.read(queue.start(), 1 << 20)[0]) == left
    at, read = queue.start(), []
    for _ in range(12):
        found, at = queue.read(at, 300)
        read += numbers(found)
    assert read == left


def test_settled_records_are_not_read_again_and_are_counted_by_outcome(
    open_queue: OpenQueue, storage: str
) -> None:
    queue = open_queue(storage)
    for number in range(30):
        queue.append(line(number, 100))
    records = everything(queue)

    queue.acknowledge(records[20:] + records[:5])
    queue.acknowledge(records[5:8], "rejected")
    queue.acknowledge(records[:5], "rejected")  # already delivered: the first outcome stands

    assert numbers(everything(queue)) == list(range(8, 20))
    assert queue.counts() == (15, 12, 3, 0, 12 * 100)
    assert queue.recorded() == 30


def test_segments_that_are_done_with_are_removed(open_queue: OpenQueue, tmp_path: Path) -> None:
    queue = open_queue()
    for number in range(50):
        queue.append(line(number, 100))
    before = len(list(tmp_path.rglob("*.segment")))

    records = everything(queue)
    queue.acknowledge(records[::2])
    assert len(list(tmp_path.rglob("*.segment"))) == before
    queue.acknowledge(records[1::2])

    assert len(list(tmp_path.rglob("*.segment"))) == 1
    assert queue.start() <= queue.end()
    assert queue.counts() == (50, 0, 0, 0, 0)


def test_a_segment_settled_before_it_was_full_is_removed_later(open_queue: OpenQueue, tmp_path: Path) -> None:
    queue = open_queue()
    queue.append(line(1))
    queue.acknowledge(everything(queue))
    queue.append(line(2, 1000))
    queue.prepare()

    queue.acknowledge(everything(queue))

    assert queue.counts().delivered == 2
    assert len(list(tmp_path.rglob("*.segment"))) == 2  # the newest and the spare


def test_an_empty_queue_ends_where_it_starts(open_queue: OpenQueue, storage: str) -> None:
    queue = open_queue(storage)
    assert queue.start() == queue.end() == Position(0, 0)
    records, at = queue.read(queue.start(), 100)
    assert (len(records), at) == (0, Position(0, 0))


def test_the_end_is_after_everything_appended_before(open_queue: OpenQueue, storage: str) -> None:
    queue = open_queue(storage)
    for number in range(60):
        before = queue.end()
        queue.append(line(number, 50 + number % 7 * 40))
        end = queue.end()
        assert before < end
        records, at = queue.read(before, 1 << 20)
        assert numbers(records) == [number]
        assert at >= end or queue.read(at, 1)[1] >= end


def test_a_record_larger_than_a_segment_is_stored(open_queue: OpenQueue, storage: str) -> None:
    queue = open_queue(storage)
    queue.append(line(1))
    queue.append(line(2, 50_000))
    queue.append(line(3))

    records = everything(queue, max_bytes=10)

    assert numbers(records) == [1, 2, 3]
    assert len(records[1].line) == 49_999
    queue.acknowledge(records)
    assert queue.pending() == (0, 0)


def test_a_record_that_just_fills_a_segment_is_read(open_queue: OpenQueue, storage: str) -> None:
    queue = open_queue(storage)
    for number in range(4):
        queue.append(line(number, 1024))

    assert numbers(everything(queue)) == [0, 1, 2, 3]
    queue.acknowledge(everything(queue))
    assert queue.pending() == (0, 0)
    nothing, stays = queue.read(queue.end(), 1)
    assert (len(nothing), stays) == (0, queue.end())
    queue.append(line(4))
    assert numbers(everything(queue)) == [4]


def test_past_its_bound_the_newest_are_dropped_and_counted(open_queue: OpenQueue, storage: str) -> None:
    queue = open_queue(storage, segment_bytes=1000, max_bytes=4000)
    for number in range(100):
        queue.append(line(number, 100))
        if number % 10 == 5:
            queue.prepare()

    kept = everything(queue)
    assert 30 <= len(kept) <= 40
    assert numbers(kept) == list(range(len(kept)))
    assert queue.dropped() == 100 - len(kept)
    assert queue.recorded() == 100

    queue.acknowledge(kept)
    queue.append(line(100, 100))
    assert numbers(everything(queue)) == [100]


def test_a_huge_record_that_finds_no_room_keeps_no_small_one_out(open_queue: OpenQueue) -> None:
    queue = open_queue(segment_bytes=1000, max_bytes=10_000)
    queue.append(line("huge", 50_000))
    for number in range(30):
        queue.append(line(number, 100))

    assert numbers(everything(queue)) == list(range(30))
    assert queue.dropped() == 1


def test_the_sender_is_woken_once_when_it_asked_for_it_and_at_every_roll_over(open_queue: OpenQueue) -> None:
    queue = open_queue()
    woken: list[None] = []
    queue.wake = lambda: woken.append(None)

    queue.append(line(1))
    assert woken == []
    queue.armed = True
    queue.append(line(2))
    queue.append(line(3))
    assert len(woken) == 1
    assert not queue.armed
    queue.append(line(4, 1000))
    assert len(woken) == 2


def test_a_refused_record_wakes_nobody(open_queue: OpenQueue) -> None:
    queue = open_queue(segment_bytes=1000, max_bytes=2000)
    woken: list[None] = []
    queue.wake = lambda: woken.append(None)
    for number in range(100):
        queue.append(line(number, 100))
    assert queue.dropped() > 70
    assert len(woken) == 1


def test_a_wake_that_raises_harms_no_append(open_queue: OpenQueue) -> None:
    queue = open_queue()
    queue.wake = lambda: 1 // 0  # type: ignore[assignment]
    queue.armed = True
    queue.append(line(1))
    queue.append(line(2, 1000))
    assert numbers(everything(queue)) == [1, 2]


def test_a_handler_that_records_in_the_middle_of_a_roll_over_finds_room() -> None:
    shelf = InterruptedShelf()
    queue = Journal(shelf, segment_bytes=100, max_bytes=10_000)
    queue.append(line(1, 90))

    def handler() -> None:
        queue.append(line("handler", 80))
        assert "handler" in numbers(everything(queue))
        assert queue.pending()[0] == 2

    shelf.interrupt = handler
    queue.append(line(2, 90))
    queue.append(line(3, 90))

    assert sorted(map(str, numbers(everything(queue)))) == ["1", "2", "3", "handler"]
    assert queue.counts().recorded == 4


def test_an_interrupt_in_the_middle_of_a_roll_over_loses_nothing_and_holds_nothing() -> None:
    shelf = InterruptedShelf()
    queue = Journal(shelf, segment_bytes=100, max_bytes=10_000)
    queue.append(line(1, 90))

    shelf.interrupt = _interrupt
    with pytest.raises(KeyboardInterrupt):
        queue.append(line(2, 90))
    queue.append(line(3, 90))

    assert numbers(everything(queue)) == [1, 2, 3]


def test_an_error_in_the_middle_of_a_roll_over_drops_one_record_with_a_reason() -> None:
    shelf = InterruptedShelf()
    queue = Journal(shelf, segment_bytes=100, max_bytes=10_000)
    queue.append(line(1, 90))

    shelf.interrupt = lambda: 1 // 0  # type: ignore[assignment]
    queue.append(line(2, 90))
    queue.append(line(3, 90))

    assert numbers(everything(queue)) == [1, 3]
    assert queue.dropped() == 1
    assert "ZeroDivisionError" in queue.reason


def test_a_signal_handler_that_records_loses_nothing(open_queue: OpenQueue) -> None:
    queue = open_queue(segment_bytes=500)
    handled: list[int] = []

    def record(number: int, frame: object) -> None:
        queue.append(line(["signal", len(handled)], 90))
        handled.append(number)

    before = signal.signal(signal.SIGALRM, record)
    count = 0
    try:
        while len(handled) < 300:
            # One signal at a time, at a moment that wanders over the appends.
            signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + count % 50))
            for _ in range(7):
                queue.append(line(["main", count], 90))
                count += 1
            if not count % 700:
                queue.acknowledge(everything(queue))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    counts = queue.counts()
    assert counts.recorded == count + len(handled)
    assert counts.dropped == 0


def test_a_finalizer_that_records_loses_nothing(open_queue: OpenQueue) -> None:
    queue = open_queue(segment_bytes=500)

    class Recording:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            queue.append(line("finalizer", 90))

    before = gc.get_threshold()
    gc.set_threshold(5)
    try:
        for number in range(300):
            Recording()
            queue.append(line(number, 90))
    finally:
        gc.set_threshold(*before)
    gc.collect()

    found = numbers(everything(queue))
    assert found.count("finalizer") == 300
    assert [number for number in found if number != "finalizer"] == list(range(300))


@pytest.mark.usefixtures("eager_switching")
def test_threads_record_while_the_sender_reads_and_every_record_comes_out_once(
    open_queue: OpenQueue, storage: str
) -> None:
    queue = open_queue(storage, segment_bytes=2000, max_bytes=64 << 20)
    threads = [threading.Thread(target=_record, args=(queue, thread, 1500)) for thread in range(4)]
    for thread in threads:
        thread.start()

    delivered: list[object] = []
    at = queue.start()
    is_over = False
    while not is_over:
        is_over = not any(thread.is_alive() for thread in threads)
        queue.prepare()
        while True:
            records, at = queue.read(at, 3000)
            if not records:
                break
            delivered += numbers(records)
            queue.acknowledge(records)
            counts = queue.counts()
            assert counts.delivered == len(delivered)
            assert counts.pending >= 0

    expected = [[thread, number] for thread in range(4) for number in range(1500)]
    assert sorted(delivered) == expected  # type: ignore[type-var]
    assert queue.counts() == (6000, 0, 0, 0, 0)


@pytest.mark.usefixtures("eager_switching")
def test_without_an_interpreter_lock_the_same_holds(
    open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    queue = open_queue(segment_bytes=2000, max_bytes=64 << 20)
    threads = [threading.Thread(target=_record, args=(queue, thread, 500)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers(everything(queue))) == [
        [thread, number] for thread in range(4) for number in range(500)
    ]


@pytest.mark.usefixtures("eager_switching")
def test_every_thread_finds_its_record_before_the_end_it_takes(open_queue: OpenQueue) -> None:
    queue = open_queue(segment_bytes=600, max_bytes=64 << 20)
    missed: list[object] = []

    def record_and_look(thread: int) -> None:
        for number in range(200):
            at = queue.end()
            queue.append(line([thread, number], 100))
            end = queue.end()
            found: list[object] = []
            while at < end:
                records, after = queue.read(at, 2000)
                found += numbers(records)
                if after == at:
                    break
                at = after
            if [thread, number] not in found:
                missed.append((thread, number, at, end))

    threads = [threading.Thread(target=record_and_look, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert missed == []
    assert queue.pending()[0] == 800


def test_where_the_disk_refuses_records_go_to_memory_up_to_a_bound(
    open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = open_queue(segment_bytes=1 << 20, max_bytes=1 << 30)
    queue.append(line(0, 600_000))
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", _disk_full)
        for number in range(1, 60):
            queue.append(line(number, 600_000))
        queue.prepare()

    kept = numbers(everything(queue))
    assert kept == list(range(len(kept)))
    assert 10 < len(kept) < 30
    assert queue.dropped() == 60 - len(kept)
    assert "No space left" in queue.reason

    later = time.monotonic() + 2
    monkeypatch.setattr("time.monotonic", lambda: later)
    queue.prepare()
    queue.append(line("after", 600_000))
    assert numbers(everything(queue))[-1] == "after"


def test_a_limit_on_the_size_of_files_is_kept_to(open_queue: OpenQueue) -> None:
    queue = open_queue(segment_bytes=1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        for number in range(30):
            queue.append(line(number, 100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert numbers(everything(queue)) == list(range(30))
    assert "ulimit" in queue.reason


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_segment_whose_file_was_removed_is_counted_as_dropped(
    open_queue: OpenQueue, tmp_path: Path, which: int
) -> None:
    queue = open_queue(segment_bytes=1000, max_bytes=NONE_STAYS_MAPPED)
    for number in range(35):
        queue.append(line(number, 100))
    queue.prepare()
    sorted(tmp_path.rglob("*.segment"))[which].unlink()

    assert numbers(everything(queue)) == [*range(10 * which), *range(10 * which + 10, 35)]
    assert queue.dropped() == 10
    assert queue.recorded() == 35


def test_records_read_before_their_file_was_removed_can_be_acknowledged(
    open_queue: OpenQueue, tmp_path: Path
) -> None:
    queue = open_queue(segment_bytes=1000, max_bytes=NONE_STAYS_MAPPED)
    for number in range(15):
        queue.append(line(number, 100))
    queue.prepare()
    records = everything(queue)
    min(tmp_path.rglob("*.segment")).unlink()

    queue.acknowledge(records)

    assert queue.pending() == (0, 0)
    assert queue.recorded() == 15


def test_a_segment_that_cannot_be_read_keeps_nothing_else_back_and_is_left_for_a_later_run(
    open_queue: OpenQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = open_queue(segment_bytes=1000, max_bytes=NONE_STAYS_MAPPED)
    for number in range(35):
        queue.append(line(number, 100))
    queue.prepare()
    damaged = str(sorted(tmp_path.rglob("*.segment"))[1])
    with monkeypatch.context() as patch:
        patch.setattr("os.open", _unless(damaged, OSError(errno.EIO, "Input/output error"), os.open))
        assert numbers(everything(queue)) == [*range(10), *range(20, 35)]
        queue.acknowledge(everything(queue))
        queue.prepare()
    assert queue.counts()[:4] == (25, 10, 0, 0)
    assert "Input/output error" in queue.reason
    queue.close(keep=True)

    [adopted] = adoptable(tmp_path / "journals")
    assert numbers(everything(adopted)) == list(range(10, 20))
    adopted.close(keep=True)


def test_what_was_acknowledged_is_not_read_again_where_the_disk_takes_no_mark(
    open_queue: OpenQueue, tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = open_queue(storage, segment_bytes=1000, max_bytes=NONE_STAYS_MAPPED)
    for number in range(25):
        queue.append(line(number, 100))
    queue.prepare()
    records = everything(queue)
    with monkeypatch.context() as patch:
        patch.setattr("os.open", _unless("segment", OSError(errno.EMFILE, "Too many open files"), os.open))
        queue.acknowledge(records[2:5])
        queue.acknowledge(records[3:12], "rejected")
        queue.prepare()
    assert queue.counts()[:4] == (3, 15, 7, 0)
    assert numbers(everything(queue)) == [0, 1, *range(12, 25)]
    if storage == "memory":
        return
    queue.prepare()

    assert [report.counts[:4] for report in survey(tmp_path / "journals")] == [(3, 15, 7, 0)]


def test_a_link_planted_where_a_segment_will_be_is_passed_over(open_queue: OpenQueue, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    queue = open_queue(segment_bytes=1000)
    [home] = (tmp_path / "journals").iterdir()
    for number in range(2, 6):
        (home / f"{number:08d}.segment").symlink_to(victim)

    for number in range(40):
        queue.append(line(number, 100))

    assert numbers(everything(queue)) == list(range(40))
    assert victim.read_text() == "precious"


def test_after_the_end_records_are_dropped_and_counted(open_queue: OpenQueue) -> None:
    queue = open_queue()
    queue.append(line(1))
    queue.close(keep=True)
    queue.append(line(2))
    queue.close(keep=True)

    assert queue.counts()[:4] == (0, 1, 0, 1)


def test_an_acknowledgement_after_the_end_is_kept_for_the_next_run(
    open_queue: OpenQueue, tmp_path: Path
) -> None:
    queue = open_queue(segment_bytes=1000)
    for number in range(25):
        queue.append(line(number, 100))
    records = everything(queue)
    queue.close(keep=True)

    queue.acknowledge(records[:22])
    queue.prepare()

    [report] = survey(tmp_path / "journals")
    assert report.counts == Counts(delivered=22, pending=3, pending_bytes=300)
    [adopted] = adoptable(tmp_path / "journals")
    assert numbers(everything(adopted)) == [22, 23, 24]
    adopted.close(keep=True)


def test_closing_for_good_drops_what_is_pending(open_queue: OpenQueue, storage: str) -> None:
    queue = open_queue(storage)
    queue.append(line(1))
    queue.close(keep=False)
    assert queue.counts() == (0, 0, 0, 1, 0)


def test_a_journal_in_which_nothing_was_recorded_leaves_nothing(
    open_queue: OpenQueue, tmp_path: Path
) -> None:
    queue = open_queue()
    queue.prepare()
    queue.close(keep=True)
    assert list((tmp_path / "journals").iterdir()) == []


def test_a_copying_journal_holds_no_more_memory_than_its_bound(
    open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "of", lambda directory: "nfs4")
    queue = open_queue(segment_bytes=4 << 20, max_bytes=1 << 30)
    for number in range(40):
        queue.append(line(number, 1 << 20))
    assert queue.pending()[0] <= 17

    queue.prepare()
    queue.append(line("after", 1 << 20))
    assert numbers(everything(queue))[-1] == "after"


def _record(queue: Queue, thread: int, count: int) -> None:
    for number in range(count):
        queue.append(line([thread, number], 60 + number % 100))


def _interrupt() -> None:
    raise KeyboardInterrupt


def _unless(name: str, error: OSError, really: Callable[..., int]) -> Callable[..., int]:
    """Opens files, but none whose path has that in it."""

    def opens(path: object, *arguments: Any, **options: Any) -> int:
        if name in str(path):
            raise error
        return really(path, *arguments, **options)

    return opens


def _disk_full(*arguments: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_positions_compare_in_the_order_of_reading() -> None:
    assert Position(0, 900) < Position(1, 0) < Position(1, 5)
