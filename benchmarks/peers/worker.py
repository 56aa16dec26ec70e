"""One tracer in a process of its own, told by lines on stdin what to run. Runs in that tracer's environment.

    python -m benchmarks.peers.worker NAME URL      first line in: the message to record; out: the version

    time SECONDS        calls in bursts, each flushed after it, until they have taken so long; only the calls
                        are timed. "cpu_seconds" are those of all threads, flushes included
    burst CALLS EVERY   so many calls as fast as they come, flushed after every so many and at the end; all of
                        it is timed. EVERY 0: at the end alone

Each line is answered by one: {"calls", "seconds", "cpu_seconds"}.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import version
from itertools import repeat
from typing import Any, NamedTuple

# Below the smallest queue among the tracers (1,000), so that none drops what is timed.
BURST_CALLS = 500


class Tracer(NamedTuple):
    """What a tracer's module hands over, from `set_up(url, messages, reply)`."""

    # One traced call, named "answered": the messages are its input, the reply its output.
    call: Callable[[], object]
    # The span around the calls of a burst, as most calls have one.
    root: Callable[[], AbstractContextManager[Any]]
    # Returns when what was recorded has been handed to the server.
    flush: Callable[[], object]
    distribution: str


def main(name: str, url: str) -> int:
    # What a tracer prints must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    message = json.loads(sys.stdin.readline())
    tracer: Tracer = importlib.import_module(f"benchmarks.peers.{name}").set_up(url, **message)
    _in_bursts(tracer, 0.001)
    print(json.dumps({"version": version(tracer.distribution)}), file=answers, flush=True)
    for line in sys.stdin:
        command, *numbers = line.split()
        cpu_began = time.process_time()
        if command == "time":
            calls, seconds = _in_bursts(tracer, float(numbers[0]))
        else:
            calls, seconds = _end_to_end(tracer, int(numbers[0]), int(numbers[1]))
        told = {"calls": calls, "seconds": seconds, "cpu_seconds": time.process_time() - cpu_began}
        print(json.dumps(told), file=answers, flush=True)
    return 0


def _in_bursts(tracer: Tracer, at_least_seconds: float) -> tuple[int, float]:
    calls, seconds = 0, 0.0
    while seconds < at_least_seconds:
        seconds += _burst(tracer, BURST_CALLS)
        calls += BURST_CALLS
        tracer.flush()
    return calls, seconds


def _end_to_end(tracer: Tracer, calls: int, every: int) -> tuple[int, float]:
    began = time.perf_counter()
    done = 0
    while done < calls:
        part = min(every or calls, calls - done)
        _burst(tracer, part)
        done += part
        tracer.flush()
    return calls, time.perf_counter() - began


def _burst(tracer: Tracer, calls: int) -> float:
    call = tracer.call
    with tracer.root():
        began = time.perf_counter()
        for _ in repeat(None, calls):
            call()
        return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
