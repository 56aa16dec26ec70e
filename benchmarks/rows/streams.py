"""Whether a span costs more because somebody streams somewhere: decorated streams open, and a plain generator
suspended inside a block, which makes each new span look along the stack for its parent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import repeat

from benchmarks import inlined
from benchmarks.figures import Figure, Plan, ratios
from benchmarks.peers import OURS
from benchmarks.rows import our_url, sending_to
from benchmarks.timing import Timed, rounds
from llmobs_trace import configure, experiment_span, shutdown

DEPTH = 20


def measure(plan: Plan) -> Iterator[Figure]:
    configure(**sending_to(our_url(plan)), journal=plan.scratch / "streams", flush_interval=3600)
    seconds = rounds(
        {
            name: inlined.delivering_after(timed)
            for name, timed in {
                "none": _with_streams(0, 0),
                "1": _with_streams(1, 0),
                "1000": _with_streams(1000, 0),
                "deep": _with_streams(0, DEPTH),
                "held": _held(DEPTH),
            }.items()
        },
        plan.number,
        plan.repeats,
    )
    shutdown(60)
    plan.sink.received(OURS)  # what it has kept, it lets go of when it is asked
    yield ratios("streams.1", seconds["1"], seconds["none"])
    yield ratios("streams.1000", seconds["1000"], seconds["none"])
    yield ratios("held", seconds["held"], seconds["deep"])


@experiment_span(name="stream")
def _stream() -> Iterator[int]:
    yield from range(3)


def _holding_a_block() -> Iterator[None]:
    with experiment_span("held"):
        yield


def _with_streams(count: int, depth: int) -> Timed:
    def timed(number: int) -> float:
        opened = [_stream() for _ in repeat(None, count)]
        for stream in opened:
            next(stream)
        with experiment_span("root"):
            seconds = _calls(number, depth)
        for stream in opened:
            stream.close()  # type: ignore[attr-defined]
        return seconds

    return timed


def _held(depth: int) -> Timed:
    def timed(number: int) -> float:
        held = _holding_a_block()
        next(held)
        with experiment_span("root"):
            seconds = _calls(number, depth)
        held.close()  # type: ignore[attr-defined]
        return seconds

    return timed


def _calls(number: int, depth: int) -> float:
    """Time the calls, so many frames further down."""
    if depth:
        return _calls(number, depth - 1)
    call, messages = inlined.decorated, inlined.MESSAGES
    began = time.thread_time()
    for _ in repeat(None, number):
        call(messages)
    return time.thread_time() - began
