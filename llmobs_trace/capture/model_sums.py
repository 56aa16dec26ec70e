"""Sums up what the model calls of each trace took, for the trace's root to say at its end. User's thread.

A call is a span of kind `llm` or `embedding` that says its model, its tokens or its cost, whoever set these
tags; an agent's are totals of calls that were counted, and so are those of a call that holds counted ones. A
trace without model calls is never in the table: its root looks whether there is any, and that is all.
"""

from __future__ import annotations

import math
import threading
from typing import Final

from llmobs_trace.wire import COST_TAG, INPUT_TOKENS_TAG, MODEL_CALLS_TAG, MODEL_TAG, OUTPUT_TOKENS_TAG

COUNTED_KINDS: Final = frozenset({"llm", "embedding"})
_TOLD_BY: Final = frozenset({MODEL_TAG, INPUT_TOKENS_TAG, OUTPUT_TOKENS_TAG, COST_TAG})

# By trace. Those whose root ends elsewhere, or ended before, leave only when there are too many.
by_trace: dict[str, Sums] = {}
_MOST_TRACES: Final = 1 << 14
_MOST_PARENTS: Final = 1 << 12
_BATCH: Final = 64

_Call = tuple[float | None, float | None, float | None]


class Sums:
    """What the calls of one trace took. Any thread may add at any moment, a finalizer in the middle of
    another addition too: what is added waits in a list, in one step, until somebody has the lock.
    """

    __slots__ = ("_added", "_calls", "_cost", "_input", "_lock", "_output", "parents")

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the sums
        self._added: list[_Call] = []
        self._calls = 0
        self._input: float | None = None
        self._output: float | None = None
        self._cost: float | None = 0  # None once a call's is not known
        self.parents: set[str | None] = set()

    def add(self, call: _Call) -> None:
        self._added.append(call)
        if len(self._added) >= _BATCH:
            self._sum_up(0)

    def _sum_up(self, timeout_seconds: float) -> None:
        if not self._lock.acquire(timeout=timeout_seconds):
            return
        try:
            while self._added:
                given, made, cost = self._added.pop()
                self._calls += 1
                if given is not None:
                    self._input = given + (self._input or 0)
                if made is not None:
                    self._output = made + (self._output or 0)
                self._cost = None if cost is None or self._cost is None else self._cost + cost
        finally:
            self._lock.release()

    def tags(self) -> dict[str, float]:
        """The root's tags; what no call said is not there."""
        self._sum_up(1)
        cost = None if self._cost is None else round(self._cost, 12)
        said = {INPUT_TOKENS_TAG: self._input, OUTPUT_TOKENS_TAG: self._output, COST_TAG: cost}
        return {
            MODEL_CALLS_TAG: self._calls,
            **{name: value for name, value in said.items() if value is not None},
        }


def count(trace_id: str, span_id: str, parent_id: str | None, tags: dict[str, object]) -> None:
    """A span of a kind that counts has ended with these tags."""
    if _TOLD_BY.isdisjoint(tags):
        return
    sums = by_trace.get(trace_id)
    if sums is None:
        sums = by_trace.setdefault(trace_id, Sums())
        if len(by_trace) > _MOST_TRACES:
            for old in list(by_trace)[: _MOST_TRACES // 2]:
                by_trace.pop(old, None)
    if len(sums.parents) < _MOST_PARENTS:
        sums.parents.add(parent_id)
    if span_id not in sums.parents:
        get = tags.get
        sums.add((_number(get(INPUT_TOKENS_TAG)), _number(get(OUTPUT_TOKENS_TAG)), _number(get(COST_TAG))))


def _number(value: object) -> float | None:
    if value is None or type(value) is int:
        return value
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
    is_number = type(value) in (int, float)
    return value if is_number and math.isfinite(value) else None  # type: ignore[arg-type, return-value]


def take(trace_id: str) -> dict[str, float]:
    """What the root of a trace has to say, once."""
    sums = by_trace.pop(trace_id, None)
    return {} if sums is None else sums.tags()


def forget() -> None:
    """In a forked child: its parent's traces are its parent's."""
    by_trace.clear()
