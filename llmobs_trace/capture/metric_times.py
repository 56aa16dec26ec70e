"""Stamps a metric with a time that no equal metric has. Any thread.

The wire knows a metric by nothing but its bytes, and a repeated delivery must be told from a repeated metric.
So of equal metrics each gets the next millisecond that is free. What is taken is kept as runs, since equal
metrics come by the thousand within one millisecond.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from typing import Final

_lock = threading.RLock()  # guards _taken; re-entrant, since a signal handler may record too
# By the hash of the metric, in the order of first use: where runs of taken milliseconds begin and end, in
# turn, ascending.
_taken: dict[int, list[int]] = {}
_forget_above = 0

# So many metrics are remembered, and of each so many runs.
_METRICS: Final = 4096
_RUNS: Final = 1024


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def stamped(body: bytes, stamp_ms: int) -> bytes:
    """The metric with `stamp_ms`, or the next millisecond after it that no equal one has."""
    metric = hash(body)
    with _lock:
        first = [stamp_ms, stamp_ms + 1]
        runs = _taken.setdefault(metric, first)
        if runs is not first:
            stamp_ms = _take(runs, stamp_ms)
            if len(runs) > 2 * _RUNS:
                del runs[:_RUNS]
        if len(_taken) > max(_forget_above, _METRICS):
            _forget_some()
    return b'%b,"timestamp_ms":%d' % (body, stamp_ms)


def _take(runs: list[int], stamp: int) -> int:
    """Add the first number from `stamp` on that is in no run, and give it."""
    place = bisect_right(runs, stamp)
    if place % 2:  # behind a beginning, so before an end: that one is free
        stamp = runs[place]
        place += 1
    follows = place > 0 and runs[place - 1] == stamp
    leads = place < len(runs) and runs[place] == stamp + 1
    runs[place - follows : place + leads] = [stamp] * (not follows) + [stamp + 1] * (not leads)
    return stamp


def _forget_some() -> None:
    """Forget the older half, but for what reaches into the future: time itself will ask for that again."""
    global _forget_above
    now = now_ms()
    for old in list(_taken)[: len(_taken) // 2]:
        if _taken[old][-1] <= now:
            del _taken[old]
    _forget_above = 2 * len(_taken)


def forget() -> None:
    """In a forked child, which must not find the lock held."""
    global _lock
    _lock = threading.RLock()
    _taken.clear()
