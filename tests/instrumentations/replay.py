"""Makes the spans of a sample anew, so that a span processor sees what the instrumentation's had shown it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer


def replay(spans: Iterable[dict[str, Any]], tracer: Tracer) -> None:
    """Open and end each of them, under its name."""
    for told in spans:
        span = tracer.start_span(told["name"], kind=SpanKind[told["kind"]], attributes=told["attributes"])
        for event in told["events"]:
            span.add_event(event["name"], event["attributes"])
        status = told["status"]
        span.set_status(Status(StatusCode[status["code"]], status["description"]))
        span.end()


def plain(span: Any) -> dict[str, Any]:
    """What was recorded of a span, without what is said of the run and by the attributes' own names."""
    tags = {
        name: value
        for name, value in span.tags.items()
        if "." not in name and name != "time_to_first_item_ns"
    }
    error = span.error and {name: span.error[name] for name in ("type", "message")}
    return {"kind": span.kind, "input": span.input, "output": span.output, "tags": tags, "error": error}
