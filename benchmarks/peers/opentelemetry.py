"""The OpenTelemetry SDK with OTLP over HTTP; input and output as JSON in the attributes that its conventions
for generative AI name.

For production its documentation asks for a `BatchSpanProcessor`; all its defaults.
"""

from __future__ import annotations

import json
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from benchmarks.peers.worker import Tracer


def set_up(url: str, messages: Any, reply: Any) -> Tracer:
    provider = TracerProvider(resource=Resource.create({"service.name": "benchmark"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
    trace.set_tracer_provider(provider)
    tracer = trace.get_tracer("benchmark")

    def call() -> Any:
        with tracer.start_as_current_span("answered") as span:
            span.set_attribute("gen_ai.input.messages", json.dumps(messages))
            span.set_attribute("gen_ai.output.messages", json.dumps(reply))
            return reply

    return Tracer(
        call=call,
        root=lambda: tracer.start_as_current_span("root"),
        flush=provider.force_flush,
        distribution="opentelemetry-sdk",
    )
