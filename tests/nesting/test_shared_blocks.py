"""One block object, open many times at once: each of its opens belongs to who opened it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading

import pytest

from llmobs_trace import continue_trace, current_span, experiment_span
from llmobs_trace.capture import recorder as slot
from llmobs_trace.process.life import recording_to

HEADERS = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}


def active_id():
    span = current_span()
    return span and span.span_id


class Opens(list):
    """A block's opens: `meanwhile` runs after a look at their number; looks at all of them are counted."""

    meanwhile = None
    looks = 0

    def __len__(self):
        length = super().__len__()
        if self.meanwhile is not None:
            self.meanwhile()
        return length

    def __iter__(self):
        self.looks += 1
        return super().__iter__()

    def __getitem__(self, place):
        self.looks += isinstance(place, slice)
        return super().__getitem__(place)


class Other:
    """Another thread that has the block open from `enter` to `leave`."""

    def __init__(self, block):
        self.block = block
        self.entered, self.may_leave = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        with self.block as self.span:
            self.entered.set()
            assert self.may_leave.wait(60)

    def enter(self):
        self.thread.start()
        assert self.entered.wait(60)

    def leave(self):
        self.may_leave.set()
        self.thread.join(60)


@pytest.mark.parametrize("look", [1, 2, 3])
def test_a_thread_that_enters_while_another_leaves_keeps_its_own_span(llmobs_spans, look):
    """After the one's first, second or third look at how many are open."""
    block = experiment_span("shared")
    block._open = opens = Opens()
    other, looks = Other(block), []

    def meanwhile():
        looks.append(None)
        if len(looks) == look:
            other.enter()

    with block as span:
        opens.meanwhile = meanwhile
    opens.meanwhile = None
    assert span._ended
    if look <= len(looks):
        assert not other.span._ended
        other.leave()
    assert current_span() is None
    assert block._open == []
    assert len(llmobs_spans) == min(look, len(looks)) - look + 2


def test_a_thread_that_leaves_first_or_last_leaves_its_own(llmobs_spans):
    block = experiment_span("shared")
    first, second, third = Other(block), Other(block), Other(block)
    for other in (first, second, third):
        other.enter()
    for other in (second, first, third):
        other.leave()
    expected = [second.span.span_id, first.span.span_id, third.span.span_id]
    assert [span.span_id for span in llmobs_spans] == expected


def test_many_threads_that_take_turns_within_a_microsecond_end_each_its_own(llmobs_spans):
    block = experiment_span("shared")
    wrong = []

    def work():
        for _ in range(500):
            with block as span:
                with block as inner:
                    pass
                if not inner._ended or span._ended:
                    wrong.append(inner)
            if not span._ended:
                wrong.append(span)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []
    assert len({span.span_id for span in llmobs_spans}) == len(llmobs_spans) == 8 * 500 * 2
    parents = {span.span_id: span.parent_id for span in llmobs_spans}
    assert sum(parent is None for parent in parents.values()) == 4000


@pytest.mark.parametrize("sample_rate", [1.0, 0.0], ids=["sampled", "not sampled"])
@pytest.mark.parametrize("make", [lambda: experiment_span("shared"), lambda: continue_trace(HEADERS)])
def test_leaving_one_of_many_tasks_looks_at_no_other(run, make, sample_rate):
    block = make()
    block._open = opens = Opens()
    recorder = slot.Recorder(slot.discard, slot.Scope("e", "p", "d"), sample_rate=sample_rate)

    async def use(number, gate):
        with block:
            before = active_id()
            await gate.wait()
            await asyncio.sleep(0.001 * (number % 3))
            assert active_id() == before
        assert current_span() is None

    async def main():
        gate = asyncio.Event()
        tasks = [asyncio.ensure_future(use(number, gate)) for number in range(50)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*tasks)

    with recording_to(recorder):
        run(main())
    assert opens == []
    assert opens.looks == 0


def test_one_object_in_threads_of_which_some_are_not_sampled(llmobs_spans):
    block = experiment_span("shared")
    left_out = slot.Recorder(slot.discard, slot.Scope("e", "p", "d"), sample_rate=0.0)
    with recording_to(left_out), experiment_span("unsampled"):
        block.__enter__()
    other = Other(block)
    other.enter()
    block.__exit__(None, None, None)
    assert not other.span._ended
    other.leave()
    assert other.span._ended
    assert block._open == []


def test_a_block_that_is_left_elsewhere_than_it_was_entered_is_still_left(llmobs_spans):
    """By another thread, though that has none of it open."""
    block = experiment_span("shared")
    with contextlib.ExitStack() as stack:
        stack.enter_context(block)
        other = Other(block)
        other.enter()
        elsewhere = threading.Thread(target=stack.pop_all().close)
        elsewhere.start()
        elsewhere.join(60)
        other.leave()
    assert block._open == []
    assert len(llmobs_spans) == 2
    assert current_span() is None


def test_streams_that_share_a_block_and_are_abandoned_end_each_its_own(llmobs_spans):
    block = experiment_span("shared")

    def stream():
        with block:
            yield

    streams = [stream(), stream()]
    for each in streams:
        next(each)
    with block:
        pass
    del each
    streams.clear()
    assert len(llmobs_spans) == 3
