"""OpenTelemetry's spans that become ours: how many a second, with every one of them delivered.

A span is a chat with two messages in and one out, a model and its tokens, by the conventions of today, within
another. Beside it stands the same with a provider that nobody listens to. It is the CPU time of the thread.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.figures import Figure, Plan, microseconds
from benchmarks.peers import OURS
from benchmarks.rows import alone, our_url, sending_to

_MESSAGES = [
    {"role": "system", "parts": [{"type": "text", "content": "Answer in one sentence, and be kind."}]},
    {"role": "user", "parts": [{"type": "text", "content": "What is the weather like in Oslo today?"}]},
]
_ANSWER = {"role": "assistant", "parts": [{"type": "text", "content": "It rains."}], "finish_reason": "stop"}
_ATTRIBUTES = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4.1-mini",
    "gen_ai.response.model": "gpt-4.1-mini-2025-04-14",
    "gen_ai.usage.input_tokens": 31,
    "gen_ai.usage.output_tokens": 4,
    "gen_ai.input.messages": json.dumps(_MESSAGES),
    "gen_ai.output.messages": json.dumps([_ANSWER]),
}


def measure(plan: Plan) -> Iterator[Figure]:
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        yield Figure("otel", (), "opentelemetry-sdk is not installed")
        return
    number = 10_000 if plan.quick else 50_000
    told = []
    for _ in range(3 if plan.quick else 5):
        told.append(alone("benchmarks.rows.otel", plan, our_url(plan), number))
        plan.sink.received(OURS)
    lost = sum(each["lost"] for each in told)
    rates = tuple(0.0 if lost else each["number"] / each["seconds"] for each in told)
    each_span = [each["seconds"] / each["number"] for each in told]
    bare = [each["bare_seconds"] / each["number"] for each in told]
    said = f"{microseconds(each_span)} µs a span, {microseconds(bare)} of them the SDK's own; {lost} lost"
    yield Figure("otel", rates, said)


def main(url: str, number_text: str) -> int:
    from opentelemetry.sdk.trace import TracerProvider

    from llmobs_trace import configure, delivery_stats, flush
    from llmobs_trace.otel import SpanProcessor

    number = int(number_text)
    configure(**sending_to(url))
    bare, ours = TracerProvider(shutdown_on_exit=False), TracerProvider(shutdown_on_exit=False)
    bare_seconds = _seconds(bare.get_tracer("bench"), number)
    ours.add_span_processor(SpanProcessor())
    _seconds(ours.get_tracer("bench"), 1_000)
    seconds = _seconds(ours.get_tracer("bench"), number)
    flush(60)
    lost = number + 1_002 - delivery_stats().delivered
    print(json.dumps({"number": number, "seconds": seconds, "bare_seconds": bare_seconds, "lost": lost}))
    return 0


def _seconds(tracer: Any, number: int) -> float:
    began = time.thread_time()
    with tracer.start_as_current_span("row"):
        for _ in range(number):
            with tracer.start_as_current_span("chat gpt-4.1-mini", attributes=_ATTRIBUTES):
                pass
    return time.thread_time() - began


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
