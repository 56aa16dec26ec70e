"""A program that an instrumentation of OpenTelemetry's watches: tools, a stream, an error, embeddings. It
prints, as JSON, the spans that came of it.

    python program.py INSTRUMENTATION BASE_URL
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import suppress
from typing import Any

INSTRUMENTORS = {
    "openai-v2": ("opentelemetry.instrumentation.openai_v2", "OpenAIInstrumentor"),
    "openllmetry": ("opentelemetry.instrumentation.openai", "OpenAIInstrumentor"),
    "openinference": ("openinference.instrumentation.openai", "OpenAIInstrumentor"),
}

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
}


def main(name: str, base_url: str) -> None:
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
    os.environ.setdefault("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_only")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    module, instrumentor = INSTRUMENTORS[name]
    getattr(importlib.import_module(module), instrumentor)().instrument(tracer_provider=provider)
    calls(base_url)
    print(json.dumps([as_told(span) for span in exporter.get_finished_spans()]))


def calls(base_url: str) -> None:
    import openai

    client = openai.OpenAI(base_url=base_url, api_key="sk-canary", max_retries=0)
    said: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How is Oslo?"},
    ]
    first = client.chat.completions.create(
        model="gpt-4.1-mini", messages=said, tools=[WEATHER], temperature=0.2
    )
    call = first.choices[0].message.tool_calls[0]
    said += [
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": "weather", "arguments": call.function.arguments},
                }
            ],
        },
        {"role": "tool", "tool_call_id": call.id, "content": "rain"},
    ]
    for _ in client.chat.completions.create(
        model="gpt-4.1-mini", messages=said, stream=True, stream_options={"include_usage": True}
    ):
        pass
    client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    with suppress(openai.APIStatusError):
        client.chat.completions.create(model="gpt-4.1-mini", messages=said[:2])


def as_told(span: Any) -> dict[str, Any]:
    return {
        "name": span.name,
        "kind": span.kind.name,
        "scope": span.instrumentation_scope.name,
        "attributes": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in (span.attributes or {}).items()
        },
        "events": [{"name": event.name, "attributes": dict(event.attributes or {})} for event in span.events],
        "status": {"code": span.status.status_code.name, "description": span.status.description},
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
