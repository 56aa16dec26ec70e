"""One event as it came goes in, the columns that the store indexes come out; the store's thread.

Only what the columns need is decoded: inputs and outputs are passed over. Unknown fields are let through,
since the file keeps the event itself; who must refuse them, does so before.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeVar

import msgspec
from msgspec import Struct

from llmobs_trace.wire import KIND_TAG, PARENT_TAG, ROW_TAG, Assessment, Int64, MetricType, Status

_PARENT = PARENT_TAG + ":"
_KIND = KIND_TAG + ":"
_ROW = ROW_TAG + ":"
_ABSENT = msgspec.Raw(b"null")


class _Error(Struct):
    type: str | None = None
    message: str | None = None


class _Meta(Struct):
    error: _Error | None = None


class _Span(Struct):
    span_id: str
    trace_id: str
    name: str
    start_ns: Int64
    duration: Int64
    status: Status
    project_id: str
    dataset_id: str
    tags: list[str] | None = None
    meta: _Meta | None = None


class _Metric(Struct):
    span_id: str
    label: str
    metric_type: MetricType
    timestamp_ms: Int64
    score_value: float | None = None
    categorical_value: str | None = None
    boolean_value: bool | None = None
    json_value: msgspec.Raw = _ABSENT
    assessment: Assessment | None = None
    error: _Error | None = None


_span = msgspec.json.Decoder(_Span)
_metric = msgspec.json.Decoder(_Metric)

SpanColumns = tuple[
    str, str, str | None, str | None, str | None, str, int, int, str, str | None, str | None, str
]  # in the order of the table's columns, from span_id on
MetricColumns = tuple[
    bytes, str, str, str, int, float | None, str | None, bool | None, str | None, str | None, bool, str
]  # likewise, from digest on


class Indexed(Struct, frozen=True):
    """A batch, ready to be written."""

    spans: list[SpanColumns]
    metrics: list[MetricColumns]
    scopes: set[tuple[str, str]]


def span_columns(event: bytes) -> tuple[SpanColumns, tuple[str, str]]:
    """A span's columns, and its project and dataset; raises `ValueError` where it isn't a span."""
    text, span = _decoded(_span, event)
    parent = kind = row = None
    for tag in span.tags or ():
        # The first of each counts: capture writes its own before the user's.
        if tag.startswith(_PARENT):
            parent = parent or tag[len(_PARENT) :] or None
        elif tag.startswith(_KIND):
            kind = kind or tag[len(_KIND) :] or None
        elif tag.startswith(_ROW):
            row = row or tag[len(_ROW) :] or None
    error = span.meta.error if span.meta is not None else None
    columns = (
        span.span_id,
        span.trace_id,
        parent,
        kind,
        row,
        span.name,
        span.start_ns,
        span.duration,
        span.status,
        error.type if error is not None else None,
        error.message if error is not None else None,
        text,
    )
    return columns, (span.project_id, span.dataset_id)


def metric_columns(event: bytes) -> MetricColumns:
    """A metric's columns; raises `ValueError` where it isn't a metric."""
    text, metric = _decoded(_metric, event)
    message = None if metric.error is None else metric.error.message or ""
    return (
        blake2b(text.encode(), digest_size=16).digest(),
        metric.span_id,
        metric.label,
        metric.metric_type,
        metric.timestamp_ms,
        metric.score_value,
        metric.categorical_value,
        metric.boolean_value,
        metric.assessment,
        message,
        bool(message) or not _says_something(metric),
        text,
    )


def _says_something(metric: _Metric) -> bool:
    return (
        metric.score_value is not None
        or metric.categorical_value is not None
        or metric.boolean_value is not None
        or bytes(metric.json_value) != b"null"
        or metric.assessment is not None
    )


def indexed(spans: list[bytes], metrics: list[bytes]) -> Indexed:
    """A batch's columns; raises `ValueError` that says which event is no event."""
    span_rows: list[SpanColumns] = []
    metric_rows: list[MetricColumns] = []
    scopes: set[tuple[str, str]] = set()
    for position, event in enumerate(spans):
        try:
            columns, scope = span_columns(event)
        except ValueError as error:
            raise ValueError(f"spans[{position}]: {error}") from None
        span_rows.append(columns)
        scopes.add(scope)
    for position, event in enumerate(metrics):
        try:
            metric_rows.append(metric_columns(event))
        except ValueError as error:
            raise ValueError(f"metrics[{position}]: {error}") from None
    return Indexed(spans=span_rows, metrics=metric_rows, scopes=scopes)


_Read = TypeVar("_Read")


def _decoded(decoder: msgspec.json.Decoder[_Read], event: bytes) -> tuple[str, _Read]:
    try:
        read = decoder.decode(event)
        # Strings that the decoder passes over are not checked by it: SQLite's text is.
        if b"\n" in event or b"\r" in event:
            # One event is one line wherever it goes on to.
            event = msgspec.json.format(event, indent=-1)
        return event.decode(), read
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
