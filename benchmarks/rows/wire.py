"""Bytes on the wire a span, request heads included, beside the least JSON that says the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import repeat

import msgspec

from benchmarks import inlined
from benchmarks.figures import Figure, Plan
from benchmarks.peers import OURS
from benchmarks.rows import alone, our_url, sending_to
from llmobs_trace import configure, experiment_span, flush, shutdown

CALLS = 5_000

# What the endpoint requires of a span, and what was recorded; ids, times and tags as long as they are.
MINIMAL = {
    "span_id": "0123456789abcdef",
    "trace_id": "0123456789abcdef0123456789abcdef",
    "name": "answered",
    "project_id": "project",
    "dataset_id": "dataset",
    "start_ns": 1_700_000_000_000_000_000,
    "duration": 1_000,
    "status": "ok",
    "tags": ["parent_id:0123456789abcdef", "span_kind:llm"],
    "meta": {"input": {"messages": inlined.MESSAGES}, "output": inlined.REPLY},
}


def measure(plan: Plan) -> Iterator[Figure]:
    minimal_bytes = len(msgspec.json.encode(MINIMAL))
    values, requests = [], 0
    for _ in range(1 if plan.quick else 3):
        before = plan.sink.received(OURS)
        alone("benchmarks.rows.wire", plan, our_url(plan))
        after = plan.sink.received(OURS)
        calls = after.calls - before.calls
        if calls != CALLS:
            yield Figure("wire", (), f"{calls:,} of {CALLS:,} spans came")
            return
        sent = after.body_bytes + after.head_bytes - before.body_bytes - before.head_bytes
        requests = after.requests - before.requests
        values.append(sent / calls / minimal_bytes)
    yield Figure(
        "wire",
        tuple(values),
        f"{values[-1] * minimal_bytes:.0f} of {minimal_bytes} bytes, {requests} requests for "
        f"{CALLS:,} spans; not compressed: the endpoint's documentation does not say that it takes that",
    )


def main(url: str) -> int:
    configure(**sending_to(url))

    @experiment_span("answered", kind="llm")
    def call(messages: object) -> object:
        return inlined.REPLY

    with experiment_span("root"):
        for _ in repeat(None, CALLS):
            call(inlined.MESSAGES)
    done = flush(60)
    shutdown(60)
    print(json.dumps({"flushed": done}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
