"""Makes of an event what two of it have in common, wherever they were kept. Pure.

A span is known by its id, a metric by its span, label and time. A digest says whether two of them say the
same: a server may give JSON back in another order and numbers in another form. Tags are left out: some say
where an event belongs, and a server adds its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from llmobs_trace.catalog.digests import digest_of

_NULL: Final = Raw(b"null")


class _Meta(Struct):
    input: Raw = _NULL
    output: Raw = _NULL
    expected_output: Raw = _NULL
    error: Raw = _NULL


class _Span(Struct):
    span_id: str
    trace_id: str = ""
    name: str = ""
    start_ns: int = 0
    duration: float = 0
    status: str = ""
    meta: _Meta | None = None
    eval_metrics: list[Raw] = []


class _Metric(Struct):
    label: str
    span_id: str = ""
    metric_type: str = ""
    timestamp_ms: int = 0
    score_value: Raw = _NULL
    boolean_value: Raw = _NULL
    categorical_value: Raw = _NULL
    json_value: Raw = _NULL
    assessment: str | None = None
    reasoning: str | None = None


class Fingerprint(Struct, frozen=True):
    """`what` is `span` or `metric`; `key` what it is known by, `digest` what it says."""

    what: str
    key: tuple[str, ...]
    digest: bytes


_span = msgspec.json.Decoder(_Span, strict=False).decode
_metric = msgspec.json.Decoder(_Metric, strict=False).decode
_encode = msgspec.json.Encoder().encode


def of_span(event: bytes | Raw) -> tuple[Fingerprint, list[Raw]]:
    """A span's, and its metrics, where it brings any."""
    span = _span(event)
    meta = span.meta or _Meta()
    said = (span.trace_id, span.name, span.start_ns, int(span.duration), span.status)
    values = (meta.input, meta.output, meta.expected_output, meta.error)
    return Fingerprint("span", (span.span_id,), _digest(said, values)), span.eval_metrics


def of_metric(event: bytes | Raw) -> Fingerprint:
    """A metric's."""
    metric = _metric(event)
    values = (metric.score_value, metric.boolean_value, metric.categorical_value, metric.json_value)
    said = (metric.metric_type, metric.assessment, metric.reasoning or None)
    return Fingerprint(
        "metric", (metric.span_id, metric.label, str(metric.timestamp_ms)), _digest(said, values)
    )


def _digest(said: tuple[object, ...], values: Iterable[Raw]) -> bytes:
    return digest_of([Raw(_encode(said)), *values], _NULL)
