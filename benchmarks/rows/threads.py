"""Several threads recording at once: what a call costs then, and how long they wait for locks of ours.

The interpreter's own lock lets one thread run at a time, so the cost of a call, as the time all take divided
by all their calls, can stay what it is with one thread and can't fall. Beside it stands a loop of pure
Python with no lock at all, as long as a call: what it loses to the threads' taking turns, nothing can avoid.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

from benchmarks.figures import Figure, Plan
from benchmarks.peers import OURS
from benchmarks.rows import alone, our_url, sending_to

THREADS = (1, 4, 16)


def measure(plan: Plan) -> Iterator[Figure]:
    calls = 8_000 if plan.quick else 48_000
    told = [_one(plan, "timed", calls) for _ in range(3 if plan.quick else 5)]
    waits = _one(plan, "locks", calls)
    for count in THREADS[1:]:
        ours = tuple(each["ours"][str(count)] / each["ours"]["1"] for each in told)
        bare = [each["bare"][str(count)] / each["bare"]["1"] for each in told]
        yield Figure(
            f"threads.{count}",
            ours,
            f"pure Python with no lock {Figure('', tuple(bare)).median:.2f}; "
            f"{waits['waited_ns'][str(count)]:.1f} ns a call waiting for any lock",
        )


def _one(plan: Plan, what: str, calls: int) -> dict[str, Any]:
    told = alone("benchmarks.rows.threads", plan, our_url(plan), what, calls)
    plan.sink.received(OURS)  # what it has kept, it lets go of when it is asked
    return told


class _TimedLock:
    """A lock that knows how long the recording threads have waited for it."""

    waited_ns: dict[int, int] = {}  # noqa: RUF012  # by thread, written by itself alone

    def __init__(self, real: Any) -> None:
        self._real = real

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._real.acquire(False):
            return True
        if not blocking:
            return False
        began = time.perf_counter_ns()
        got: bool = self._real.acquire(True, timeout)
        ident = threading.get_ident()
        if ident in self.waited_ns:
            self.waited_ns[ident] += time.perf_counter_ns() - began
        return got

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self._real.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _time_the_locks() -> None:
    """Before anything of ours is imported: every lock that Python code makes from here on is a timed one."""
    lock, rlock = threading.Lock, threading.RLock
    threading.Lock = lambda: _TimedLock(lock())  # type: ignore[assignment,return-value]
    threading.RLock = lambda: _TimedLock(rlock())  # type: ignore[assignment,return-value]


def main(url: str, what: str, calls_text: str) -> int:
    if what == "locks":
        _time_the_locks()
    from benchmarks import inlined
    from llmobs_trace import configure, experiment_span, shutdown

    calls = int(calls_text)
    configure(**sending_to(url), flush_interval=3600)
    call, messages = inlined.decorated, inlined.MESSAGES

    def recording(number: int) -> None:
        with experiment_span("root"):
            for _ in repeat(None, number):
                call(messages)

    def bare(number: int) -> None:
        for _ in repeat(None, number):
            for _ in repeat(None, 200):
                pass

    recording(1_000)
    told: dict[str, dict[int, float]] = {"ours": {}, "bare": {}, "waited_ns": {}}
    for count in THREADS:
        _TimedLock.waited_ns.clear()
        told["ours"][count] = _seconds(recording, count, calls) / calls
        told["waited_ns"][count] = sum(_TimedLock.waited_ns.values()) / calls
        told["bare"][count] = _seconds(bare, count, calls) / calls
    shutdown(60)
    print(json.dumps(told))
    return 0


def _seconds(work: Callable[[int], None], count: int, calls: int) -> float:
    start = threading.Barrier(count + 1)

    def run() -> None:
        _TimedLock.waited_ns[threading.get_ident()] = 0
        start.wait()
        _TimedLock.waited_ns[threading.get_ident()] = 0
        work(calls // count)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
