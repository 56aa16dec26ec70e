"""What tests of the span processor share: a provider of their own, and a table of who is whose child."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import Tracer

from llmobs_trace.otel import SpanProcessor


@contextmanager
def tracing(
    only: Callable[[ReadableSpan], bool] | None = None, *, sampler: Sampler | None = None, **more: Any
) -> Iterator[Tracer]:
    """A tracer whose spans become ours; its provider is no one else's."""
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False, **more)
    provider.add_span_processor(SpanProcessor(only))
    try:
        yield provider.get_tracer("tests")
    finally:
        provider.shutdown()


def parents_of(spans: Any) -> dict[str, str | None]:
    """The names of the spans that have ended, each with its parent's, whose trace it is in."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(list(spans)), "a span id came twice"
    found: dict[str, str | None] = {}
    for span in spans:
        assert span.name not in found, f"{span.name!r} was recorded twice"
        parent = by_id.get(span.parent_id)
        if parent is not None:
            assert span.trace_id == parent.trace_id, f"{span.name!r} is in another trace than its parent"
        found[span.name] = parent.name if parent is not None else span.parent_id and "unknown"
    roots = [span.trace_id for span in spans if span.parent_id is None]
    assert len(set(roots)) == len(roots), "two roots share a trace"
    return found
