"""What a call costs beside the same work written by hand: decorated, as a block, as a coroutine, as a stream.

The floors of the first two are `benchmarks.inlined`'s. A coroutine's floor is that span inlined into a
coroutine. A stream's floor is what each chunk needs: it is kept, and the span is the active one while the
stream's own code runs, so that what that code calls has its parent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import repeat

from benchmarks import inlined
from benchmarks.figures import Figure, Plan, ratios
from benchmarks.peers import OURS
from benchmarks.rows import our_url, sending_to
from benchmarks.timing import Timed, rounds
from llmobs_trace import configure, experiment_span, shutdown


def measure(plan: Plan) -> Iterator[Figure]:
    tables = inlined.tables(plan.scratch)
    for queue, (_, subjects) in zip(("journal", "memory"), tables, strict=False):
        with subjects as timed:
            wanted = {name: timed[name] for name in ("hand-inlined span", "decorated call", "with block")}
            seconds = rounds(wanted, plan.number, plan.repeats)
        yield ratios(f"call.{queue}", seconds["decorated call"], seconds["hand-inlined span"])
        yield ratios(f"block.{queue}", seconds["with block"], seconds["hand-inlined span"])

    configure(**sending_to(our_url(plan)), journal=plan.scratch / "calls", flush_interval=3600)
    seconds = rounds(
        {
            "coroutine": _awaiting(lambda: inlined.decorated_coroutine(inlined.MESSAGES)),
            "its floor": _awaiting(by_hand_coroutine),
            "chunk": _streaming(decorated_stream),
            "chunk's floor": _streaming(by_hand_stream),
        },
        plan.number,
        plan.repeats,
    )
    shutdown(60)
    plan.sink.received(OURS)  # what it has kept, it lets go of when it is asked
    yield ratios("coroutine", seconds["coroutine"], seconds["its floor"])
    yield ratios("chunk", seconds["chunk"], seconds["chunk's floor"], per="a chunk")


async def by_hand_coroutine() -> object:
    return inlined.by_hand()


def _awaiting(call: Callable[[], Awaitable[object]]) -> Timed:
    async def run(number: int) -> float:
        with experiment_span("root"):
            began = time.thread_time()
            for _ in repeat(None, number):
                await call()
            return time.thread_time() - began

    return inlined.delivering_after(lambda number: asyncio.run(run(number)))


def chunks(number: int) -> Iterator[str]:
    for _ in repeat(None, number):
        yield "Seine"


@experiment_span(name="stream")
def decorated_stream(number: int) -> Iterator[str]:
    for _ in repeat(None, number):
        yield "Seine"


_open_spans: list[str] = []


def by_hand_stream(number: int) -> Iterator[str]:
    kept: list[str] = []
    source = iter(chunks(number))
    while True:
        _open_spans.append("0123456789abcdef")
        try:
            chunk = next(source)
        except StopIteration:
            return
        finally:
            _open_spans.pop()
        kept.append(chunk)
        yield chunk


def _streaming(stream: Callable[[int], Iterator[str]]) -> Timed:
    def timed(number: int) -> float:
        with experiment_span("root"):
            opened = stream(number + 1)
            next(opened)  # the span's own beginning is not a chunk's
            began = time.thread_time()
            for _ in repeat(None, number):
                next(opened)
            seconds = time.thread_time() - began
            opened.close()  # type: ignore[attr-defined]
            return seconds

    return timed
