"""A million spans recorded and delivered by one process: whether the last cost more than the first, whether
memory grew, and what the sender's thread worked for each.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

from benchmarks import inlined
from benchmarks.figures import Figure, Plan
from benchmarks.peers import OURS
from benchmarks.rows import alone, our_url, sending_to
from llmobs_trace import configure, delivery_stats, experiment_span, flush, shutdown
from llmobs_trace.deliver.worker import THREAD_NAME

BLOCK = 1_000
# Delivered before the next are recorded: well within the journal's bound.
FLUSH_EVERY = 20 * BLOCK


def measure(plan: Plan) -> Iterator[Figure]:
    spans = 100_000 if plan.quick else 1_000_000
    told = []
    for _ in range(1 if plan.quick else 3):
        told.append(alone("benchmarks.rows.soak", plan, our_url(plan), spans))
        plan.sink.received(OURS)  # what it has kept, it lets go of when it is asked
    last = told[-1]
    of = f"{spans:,} spans, {last['delivered']:,} delivered"
    yield Figure("soak.time", tuple(each["late_ns"] / each["early_ns"] for each in told), of)
    yield Figure(
        "soak.memory",
        tuple(each["grown_bytes"] / 1e6 for each in told),
        f"{of}; {last['early_bytes'] / 1e6:.1f} MB of its own after {last['early_spans']:,}",
    )
    if all(each["sender_cpu_ns"] is not None for each in told):
        yield Figure(
            "cpu",
            tuple(each["sender_cpu_ns"] / each["capture_cpu_ns"] for each in told),
            f"{last['sender_cpu_ns'] / 1e3:.2f} against {last['capture_cpu_ns'] / 1e3:.2f} µs a span",
        )
    else:
        yield Figure("cpu", (), "this system has no clock for another thread's CPU")


def main(url: str, spans_text: str) -> int:
    spans = int(spans_text)
    configure(**sending_to(url))
    call, messages = inlined.decorated, inlined.MESSAGES
    block_ns: list[int] = []
    early_bytes = early_spans = 0
    with experiment_span("root"):
        for number in range(spans // BLOCK):
            began = time.thread_time_ns()
            for _ in repeat(None, BLOCK):
                call(messages)
            block_ns.append(time.thread_time_ns() - began)
            recorded = (number + 1) * BLOCK
            if recorded % FLUSH_EVERY == 0:
                flush(60)
            if recorded == spans // 5:
                early_bytes, early_spans = _own_bytes(), recorded
        flush(60)
        grown_bytes = _own_bytes() - early_bytes
    sender_ns = cpu_ns_of(THREAD_NAME)
    few = min(50, len(block_ns) // 4)
    told = {
        # The very first block warms caches up; the thousandth span is at its end.
        "early_ns": statistics.median(block_ns[1 : 1 + few]) / BLOCK,
        "late_ns": statistics.median(block_ns[-few:]) / BLOCK,
        "early_bytes": early_bytes,
        "early_spans": early_spans,
        "grown_bytes": grown_bytes,
        "capture_cpu_ns": sum(block_ns) / spans,
        "sender_cpu_ns": None if sender_ns is None else sender_ns / spans,
        "delivered": delivery_stats().delivered,
    }
    shutdown(60)
    print(json.dumps(told))
    return 0


def _own_bytes() -> int:
    """The process's own memory; pages of the journal's file, which the system can take back, are not."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    return 0


def cpu_ns_of(name: str) -> int | None:
    if not hasattr(time, "pthread_getcpuclockid"):
        return None
    for thread in threading.enumerate():
        if thread.name == name and thread.ident is not None:
            return time.clock_gettime_ns(time.pthread_getcpuclockid(thread.ident))
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
