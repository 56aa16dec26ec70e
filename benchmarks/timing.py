"""Subjects in, their times in interleaved rounds out, and the ratios between them."""

from __future__ import annotations

import time
from collections.abc import Callable

Timed = Callable[[int], float]


def rounds(subjects: dict[str, Timed], number: int, repeats: int) -> dict[str, list[float]]:
    """Seconds a call for each subject, `repeats` times in turn, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for counted in range(-1, repeats):
        for name, timed in subjects.items():
            taken = timed(number) / number
            if counted >= 0:
                seconds[name].append(taken)
    return seconds


def looped(call: Callable[[], object]) -> Timed:
    """Time `call` in a plain loop, by the thread's own clock: nothing here waits, and on a machine that has
    other work the wall clock counts that too.
    """

    def timed(number: int) -> float:
        began = time.thread_time()
        for _ in range(number):
            call()
        return time.thread_time() - began

    return timed
