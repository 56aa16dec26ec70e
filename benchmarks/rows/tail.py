"""How long the slowest calls take while the sender flushes at full rate: every call is timed by itself."""

from __future__ import annotations

import json
import sys
import time
from array import array
from collections.abc import Callable, Iterator

from benchmarks import inlined
from benchmarks.figures import Figure, Plan
from benchmarks.rows import alone, our_url, sending_to
from llmobs_trace import configure, delivery_stats, experiment_span, shutdown


def measure(plan: Plan) -> Iterator[Figure]:
    calls = 30_000 if plan.quick else 200_000
    told = [alone("benchmarks.rows.tail", plan, our_url(plan), calls) for _ in range(3 if plan.quick else 7)]
    last = told[-1]
    ours, alone_ns = last["ours_ns"], last["inlined_ns"]
    note = (
        f"{ours['p50']} ns p50, {ours['p99']} p99, {ours['p99.9']} p99.9; a hand-inlined span with nobody "
        f"sending {alone_ns['p50']}, {alone_ns['p99']}, {alone_ns['p99.9']}; {last['dropped']} dropped"
    )
    for name in ("p99", "p99.9"):
        values = tuple(each["ours_ns"][name] / each["ours_ns"]["p50"] for each in told)
        yield Figure(name, values, note if name == "p99" else "")


def main(url: str, calls: str) -> int:
    inlined_ns = _percentiles(inlined.by_hand, int(calls) // 4)
    configure(**sending_to(url), flush_interval=0.1)
    with experiment_span("root"):
        _each(lambda: inlined.decorated(inlined.MESSAGES), 5_000)  # the sender is at work from here on
        ours_ns = _percentiles(lambda: inlined.decorated(inlined.MESSAGES), int(calls))
    shutdown(60)
    print(json.dumps({"ours_ns": ours_ns, "inlined_ns": inlined_ns, "dropped": delivery_stats().dropped}))
    return 0


def _percentiles(call: Callable[[], object], calls: int) -> dict[str, int]:
    single_ns = sorted(_each(call, calls))
    return {
        name: single_ns[int(len(single_ns) * share)]
        for name, share in {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}.items()
    }


def _each(call: Callable[[], object], calls: int) -> array[int]:
    single_ns = array("q", bytes(8 * calls))
    clock = time.perf_counter_ns
    for at in range(calls):
        began = clock()
        call()
        single_ns[at] = clock() - began
    return single_ns


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
