"""The subjects: a span written by hand into the code it measures (the floor), and the same work through the
library.

The floor is what nobody can do without: one wall clock and two monotonic reads, two ids, one msgspec encode
of the finished event with its input and output, one append under a lock. The message is a small chat, input
and output recorded.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec

from benchmarks.timing import Timed, looped
from llmobs_trace import configure, experiment_span, flush, shutdown

MESSAGES = [
    {"role": "system", "content": "You answer questions about geography in one short sentence."},
    {"role": "user", "content": "What is the capital of France, and which river does it lie on?"},
]
REPLY = {"role": "assistant", "content": "The capital of France is Paris, which lies on the Seine."}

_encode = msgspec.json.Encoder().encode
_lock = threading.Lock()
_records: list[bytes] = []


def by_hand() -> object:
    """A span inlined by hand into the function it measures."""
    start_ns = time.time_ns()
    began_ns = time.perf_counter_ns()
    output = REPLY
    event = _encode(
        {
            "span_id": f"{random.getrandbits(64):016x}",
            "trace_id": f"{random.getrandbits(128):032x}",
            "name": "by_hand",
            "project_id": "project",
            "dataset_id": "dataset",
            "start_ns": start_ns,
            "duration": time.perf_counter_ns() - began_ns,
            "status": "ok",
            "tags": ["parent_id:0123456789abcdef", "span_kind:task"],
            "meta": {"input": {"messages": MESSAGES}, "output": output},
        }
    )
    with _lock:
        _records.append(event)
        if len(_records) >= 1000:
            _records.clear()
    return output


@experiment_span
def decorated(messages: object) -> object:
    return REPLY


@experiment_span
async def decorated_coroutine(messages: object) -> object:
    return REPLY


def block() -> object:
    with experiment_span("block", input={"messages": MESSAGES}) as span:
        output = REPLY
        span.set_output(output)
    return output


def delivering_after(timed: Timed) -> Timed:
    """The same, with the queue emptied outside of the time: the sender would begin once 4 MiB wait."""

    def then(number: int) -> float:
        seconds = timed(number)
        flush(60)
        return seconds

    return then


def under_a_root(call: Callable[[], object]) -> Timed:
    """Inside one open span, as most calls are."""
    timed = looped(call)

    def within(number: int) -> float:
        with experiment_span("root"):
            return timed(number)

    return delivering_after(within)


def _awaited(number: int) -> float:
    async def run() -> float:
        with experiment_span("root"):
            began = time.thread_time()
            for _ in range(number):
                await decorated_coroutine(MESSAGES)
            return time.thread_time() - began

    return asyncio.run(run())


@contextmanager
def _configured(directory: Path, journal: Path | None) -> Iterator[dict[str, Timed]]:
    # The sender sleeps through a round: what is measured is what the caller pays.
    configure(destination="local", database=directory / "bench.db", journal=journal, flush_interval=3600)
    yield {
        "hand-inlined span": looped(by_hand),
        "decorated call": under_a_root(lambda: decorated(MESSAGES)),
        "with block": under_a_root(block),
        "decorated coroutine": delivering_after(_awaited),
    }
    shutdown(60)


@contextmanager
def _disabled() -> Iterator[dict[str, Timed]]:
    configure(enabled=False)
    yield {
        "hand-inlined span": looped(by_hand),
        "decorated call, disabled": looped(lambda: decorated(MESSAGES)),
        "with block, disabled": looped(block),
    }


def tables(directory: Path) -> list[tuple[str, AbstractContextManager[dict[str, Timed]]]]:
    """The tables to print, each with what sets its subjects up."""
    return [
        ("With the mapped journal", _configured(directory, directory / "journal")),
        ("With the queue in memory", _configured(directory, None)),
        ("Switched off", _disabled()),
    ]
