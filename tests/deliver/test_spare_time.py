"""What the sender does when no events come, and when it leaves that alone."""

from __future__ import annotations

import threading
from collections.abc import Callable

from support.delivery import LONG, OwnDestination, span

from llmobs_trace.deliver import Worker
from llmobs_trace.deliver.spare_time import SpareTime
from llmobs_trace.journal import Queue


def test_slices_follow_a_second_without_events_until_nothing_is_left() -> None:
    left = [True, True, False]
    spare_time = SpareTime(lambda: left.pop(0))
    assert spare_time.next_due is None
    spare_time.was_busy(10.0)
    spare_time.was_busy(10.5)
    spare_time.use(11.4)
    assert len(left) == 3
    for _ in range(5):
        spare_time.use(11.5)
    assert not left
    assert spare_time.next_due is None


def test_the_sender_does_slices_when_it_was_quiet_and_its_last_ones_as_it_ends(
    make_worker: Callable[..., Worker], memory_queue: Queue
) -> None:
    done, goes_on = threading.Event(), [True] * 3

    def slice() -> bool:
        if goes_on:
            return goes_on.pop()
        done.set()
        return False

    worker = make_worker(OwnDestination(), spare_time_slice=slice, flush_interval=0.01)
    memory_queue.append(span(1))
    assert worker.flush(LONG)
    assert not done.is_set()
    assert done.wait(LONG)
    done.clear()
    memory_queue.append(span(2))
    assert worker.shutdown(LONG)
    assert done.is_set()
