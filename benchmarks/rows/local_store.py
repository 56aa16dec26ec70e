"""What the local store costs the program that is traced: its sender's processor time for each event, and how
fast the program goes flat out, to an empty queue, beside the same with delivery to a receiver.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

from benchmarks import inlined
from benchmarks.figures import Figure, Plan, ratios
from benchmarks.peers import OURS
from benchmarks.rows import alone, our_url, sending_to
from benchmarks.rows.soak import THREAD_NAME, cpu_ns_of
from llmobs_trace import configure, experiment_span, flush, shutdown

CALLS = 20_000
# So many calls below each row, as in a program that asks a model now and then.
CALLS_A_ROW = 20


def measure(plan: Plan) -> Iterator[Figure]:
    told: dict[str, list[dict[str, float]]] = {"local": [], "receiver": []}
    for _ in range(1 if plan.quick else 5):
        told["local"].append(alone("benchmarks.rows.local_store", plan, "local"))
        told["receiver"].append(alone("benchmarks.rows.local_store", plan, our_url(plan)))
        plan.sink.received(OURS)  # what it has kept, it lets go of when it is asked
    rates = {name: [each["seconds"] / CALLS for each in runs] for name, runs in told.items()}
    yield ratios("store.rate", rates["receiver"], rates["local"], f"{CALLS:,} calls")
    if all(each["sender_cpu_ns"] for each in told["local"]):
        yield Figure(
            "store.cpu",
            tuple(each["sender_cpu_ns"] / CALLS / 1e3 for each in told["local"]),
            f"with delivery to a receiver {told['receiver'][-1]['sender_cpu_ns'] / CALLS / 1e3:.1f}",
        )


def main(to: str) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        here: dict[str, Any] = {"database": Path(scratch, "x.db"), "experiment_id": "experiment"}
        options = here if to == "local" else sending_to(to)
        configure(**options, journal=Path(scratch, "journal"))
        _rows(CALLS_A_ROW)
        flush(60)  # what is loaded once is loaded
        cpu_ns = cpu_ns_of(THREAD_NAME)
        began = time.perf_counter()
        _rows(CALLS)
        done = flush(60)
        seconds = time.perf_counter() - began
        after_ns = cpu_ns_of(THREAD_NAME)
        shutdown(60)
    taken_ns = None if cpu_ns is None or after_ns is None else after_ns - cpu_ns
    print(json.dumps({"seconds": seconds, "sender_cpu_ns": taken_ns, "flushed": done}))
    return 0


def _rows(calls: int) -> None:
    call, messages = inlined.decorated, inlined.MESSAGES
    for _ in repeat(None, calls // CALLS_A_ROW):
        with experiment_span("row"):
            for _ in repeat(None, CALLS_A_ROW - 1):
                call(messages)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
