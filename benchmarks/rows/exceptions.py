"""What an exception costs on its way out of decorated calls: each level adds its own frames to what the inner
ones told of it, so that a level costs the same however deep it is, and runaway recursion ends soon.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from benchmarks.figures import Figure, Plan, microseconds, ratios
from llmobs_trace import experiment_span
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.process.life import recording_to

# The second is about as deep as a stack is told.
DEEP, DEEPER = 30, 90


def measure(plan: Plan) -> Iterator[Figure]:
    kept: list[bytes] = []

    def append(record: bytes) -> None:
        kept[:] = [record]

    with recording_to(Recorder(append, Scope("experiment", "project", "dataset"))):
        _level(DEEP)
        deep = [_level(DEEP) for _ in range(plan.repeats)]
        deeper = [_level(DEEPER) for _ in range(plan.repeats)]
        plain = [_seconds(_runaway) for _ in range(plan.repeats)]
        runaway = [_seconds(_traced_runaway) for _ in range(plan.repeats)]
    yield Figure("exceptions.level", tuple(each * 1e6 for each in deep), f"{DEEP} deep")
    yield ratios("exceptions.depth", deeper, deep, per=f"a level, {DEEPER} against {DEEP} deep")
    beyond = tuple(traced - 2 * bare for traced, bare in zip(runaway, plain, strict=True))
    note = f"{microseconds(runaway)} against {microseconds(plain)} µs"
    yield Figure("exceptions.limit", beyond, note)


def _level(depth: int) -> float:
    """Seconds a level, without those of its frames' first time."""
    times = 20
    return sum(_seconds(lambda: _down(depth)) for _ in range(times)) / times / (depth + 1)


def _seconds(call: Callable[[], object]) -> float:
    began = time.thread_time()
    try:
        call()
    except (ValueError, RecursionError):
        return time.thread_time() - began
    raise AssertionError("it returned")


@experiment_span
def _down(depth: int) -> int:
    if depth == 0:
        raise ValueError(depth)
    return _between(depth - 1)


def _between(depth: int) -> int:
    return _down(depth)


def _runaway() -> object:
    return _runaway()


@experiment_span
def _traced_runaway() -> object:
    return _traced_runaway()
