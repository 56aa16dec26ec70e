"""Reads the columns that the store indexes from an event's JSON. The store's thread.

Unknown fields are let through, since the file keeps the event itself; who must refuse them, does so before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from llmobs_trace.store.preview import LARGE_BYTES, preview_of
from llmobs_trace.store.words import text_of
from llmobs_trace.wire import (
    ATTEMPT_TAG,
    CACHED_TOKENS_TAG,
    COST_TAG,
    INPUT_TOKENS_TAG,
    INT64_MAX,
    ITERATION_TAG,
    KIND_TAG,
    LOWER_TAG,
    MODEL_CALLS_TAG,
    MODEL_TAG,
    NOT_APPLICABLE_TAG,
    OUTPUT_TOKENS_TAG,
    PARENT_TAG,
    PROVIDER_TAG,
    ROW_TAG,
    Assessment,
    Int64,
    MetricType,
    Status,
)

# A batch as columns is several times its size, and stays with the process as holes in its heap: measured with
# batches of 3.6 MB, 12 MB in one part, 3 MB in parts of this size, in the same time.
PART_BYTES: Final = 256 << 10

_PARENT = PARENT_TAG + ":"
_KIND = KIND_TAG + ":"
_ROW = ROW_TAG + ":"
_ITERATION = ITERATION_TAG + ":"
_ATTEMPT = ATTEMPT_TAG + ":"
_NOT_APPLICABLE = NOT_APPLICABLE_TAG + ":true"
_SAID = {f"{LOWER_TAG}:{word}": word == "true" for word in ("true", "false")}
_ABSENT = msgspec.Raw(b"null")


class _Error(Struct):
    type: str | None = None
    message: str | None = None


class _Meta(Struct):
    error: _Error | None = None
    input: msgspec.Raw = _ABSENT
    output: msgspec.Raw = _ABSENT
    expected_output: msgspec.Raw = _ABSENT


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
    tags: list[str] | None = None


_NO_ERROR = _Error()
_NO_META = _Meta()

_span = msgspec.json.Decoder(_Span)
_metric = msgspec.json.Decoder(_Metric)
decode_span: Final = _span.decode
decode_metric: Final = _metric.decode


class CallColumns(NamedTuple):
    """What a model call's tags say of it; on a root, what they say of all calls of its tree."""

    model: str | None = None
    provider: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    model_calls: int | None = None
    cost_usd: float | None = None


NO_CALL: Final = CallColumns()
# Which tag each is read from.
CALL_TAGS: Final = dict(
    zip(
        CallColumns._fields,
        (
            *(MODEL_TAG, PROVIDER_TAG, INPUT_TOKENS_TAG, OUTPUT_TOKENS_TAG, CACHED_TOKENS_TAG),
            *(MODEL_CALLS_TAG, COST_TAG),
        ),
        strict=True,
    )
)
_SAYS_A_CALL: Final = frozenset(CALL_TAGS.values())


class SpanColumns(NamedTuple):
    """A span, ready to be written."""

    span_id: str
    trace_id: str
    parent_id: str | None
    kind: str | None
    row_id: str | None
    run_iteration: int | None
    attempt: int | None
    name: str
    start_ns: int
    duration_ns: int
    status: str
    output_hash: int | None
    expected_hash: int | None
    error_type: str | None
    error_message: str | None
    call: CallColumns
    event: str
    preview: bytes | None  # of a large event


class MetricColumns(NamedTuple):
    """A metric, ready to be written."""

    digest: bytes
    span_id: str
    label: str
    metric_type: str
    timestamp_ms: int
    score_value: float | None
    categorical_value: str | None
    boolean_value: bool | None
    assessment: str | None
    error_message: str | None
    failed: bool
    not_applicable: bool
    event: str
    lower_is_better: bool | None = None  # as it says itself; summed up by label


class Indexed(NamedTuple):
    """A part of a batch, ready to be written."""

    spans: list[SpanColumns]
    metrics: list[MetricColumns]
    scopes: set[tuple[str, str]]


def span_columns(event: bytes) -> tuple[SpanColumns, tuple[str, str]]:
    """A span's columns, and its project and dataset; raises `ValueError` where it isn't a span."""
    text, span = _decoded(_span, event)
    parent = kind = row = iteration = attempt = None
    for tag in span.tags or ():
        # The first of each counts: capture writes its own before the user's.
        if tag.startswith(_PARENT):
            parent = parent or tag[len(_PARENT) :] or None
        elif tag.startswith(_KIND):
            kind = kind or tag[len(_KIND) :] or None
        elif tag.startswith(_ROW):
            row = row or tag[len(_ROW) :] or None
        elif tag.startswith(_ITERATION):
            iteration = iteration or _from_one(tag[len(_ITERATION) :])
        elif tag.startswith(_ATTEMPT):
            attempt = attempt or _from_one(tag[len(_ATTEMPT) :])
    meta = span.meta or _NO_META
    error = meta.error or _NO_ERROR
    columns = SpanColumns(
        span_id=span.span_id,
        trace_id=span.trace_id,
        parent_id=parent,
        kind=kind,
        row_id=row,
        run_iteration=iteration,
        attempt=attempt,
        name=span.name,
        start_ns=span.start_ns,
        duration_ns=span.duration,
        status=span.status,
        output_hash=_hash(bytes(meta.output)),
        expected_hash=_hash(bytes(meta.expected_output)),
        error_type=error.type,
        error_message=error.message,
        call=call_columns(span.tags or ()),
        event=text,
        preview=preview_of(text) if len(text) > LARGE_BYTES else None,
    )
    return columns, (span.project_id, span.dataset_id)


class _SearchedSpan(Struct):
    name: str
    tags: list[str] | None = None
    meta: _Meta | None = None


_searched_span = msgspec.json.Decoder(_SearchedSpan)


def searched_text(event: bytes) -> str:
    """What a search looks at of a span that is in the store."""
    span = _searched_span.decode(event)
    meta = span.meta or _NO_META
    error = meta.error or _NO_ERROR
    row = next((tag for tag in span.tags or () if tag.startswith(_ROW) and tag != _ROW), _ROW)
    return text_of(
        [span.name, row[len(_ROW) :], error.type or "", error.message or ""],
        [meta.input, meta.output, meta.expected_output],
    )


class _LateMeta(Struct):
    expected_output: msgspec.Raw = _ABSENT


class _LateSpan(Struct):
    tags: list[str] | None = None
    meta: _LateMeta | None = None


_late_span = msgspec.json.Decoder(_LateSpan)


def late_span_columns(event: bytes) -> tuple[int | str | float | None, ...]:
    """Of a span that is in the store, what older versions had no columns for: which repeat of its row it is,
    which attempt, the hash of its expected output, and what its model call took.
    """
    span = _late_span.decode(event)
    iteration = attempt = None
    for tag in span.tags or ():
        if tag.startswith(_ITERATION):
            iteration = iteration or _from_one(tag[len(_ITERATION) :])
        elif tag.startswith(_ATTEMPT):
            attempt = attempt or _from_one(tag[len(_ATTEMPT) :])
    expected = _ABSENT if span.meta is None else span.meta.expected_output
    return (iteration, attempt, _hash(bytes(expected)), *call_columns(span.tags or ()))


def call_columns(tags: Iterable[str]) -> CallColumns:
    """What the tags say of a model call; the first of each name counts, and what is no amount is none."""
    said: dict[str, str] = {}
    for tag in tags:
        name, _, value = tag.partition(":")
        if value and name in _SAYS_A_CALL:
            said.setdefault(name, value)
    if not said:
        return NO_CALL
    return CallColumns(
        model=said.get(MODEL_TAG),
        provider=said.get(PROVIDER_TAG),
        input_tokens=_count(said.get(INPUT_TOKENS_TAG)),
        output_tokens=_count(said.get(OUTPUT_TOKENS_TAG)),
        cached_tokens=_count(said.get(CACHED_TOKENS_TAG)),
        model_calls=_count(said.get(MODEL_CALLS_TAG)),
        cost_usd=_amount(said.get(COST_TAG)),
    )


def _count(text: str | None) -> int | None:
    if text is None or len(text) > 19 or not (text.isascii() and text.isdigit()):
        return None
    count = int(text)
    return count if count <= INT64_MAX else None


def _from_one(text: str) -> int | None:
    return _count(text) or None


def _amount(text: str | None) -> float | None:
    try:
        amount = float(text or "")
    except ValueError:
        return None
    # Not `abs`: what a provider pays back is no cost.
    return amount if 0 <= amount < math.inf else None


def _hash(value: bytes) -> int | None:
    """Of a value's JSON without spaces, as SQLite's integers are: the same answer has the same one. None of
    null.
    """
    if value == b"null":
        return None
    if value[:1] in b"{[" and (b" " in value or b"\n" in value):
        value = msgspec.json.format(value, indent=-1)
    return int.from_bytes(blake2b(value, digest_size=8).digest(), "big", signed=True)


def metric_columns(event: bytes) -> MetricColumns:
    """A metric's columns; raises `ValueError` where it isn't a metric."""
    text, metric = _decoded(_metric, event)
    message = None if metric.error is None else metric.error.message or ""
    says_nothing = not message and not _has_value(metric)
    not_applicable = says_nothing and _NOT_APPLICABLE in (metric.tags or ())
    return MetricColumns(
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
        bool(message) or (says_nothing and not not_applicable),
        not_applicable,
        text,
        next((_SAID[tag] for tag in metric.tags or () if tag in _SAID), None),
    )


def _has_value(metric: _Metric) -> bool:
    return (
        metric.score_value is not None
        or metric.categorical_value is not None
        or metric.boolean_value is not None
        or bytes(metric.json_value) != b"null"
        or metric.assessment is not None
    )


def indexed(spans: Iterable[bytes], metrics: Iterable[bytes]) -> Iterator[Indexed]:
    """A batch's columns, a part of some `PART_BYTES` of its events at a time, at least one part.

    Raises `ValueError` that says which event is no event.
    """
    part, size_bytes = Indexed([], [], set()), 0
    for name, events in (("spans", spans), ("metrics", metrics)):
        for position, event in enumerate(events):
            if size_bytes >= PART_BYTES:
                yield part
                part, size_bytes = Indexed([], [], set()), 0
            try:
                if name == "spans":
                    columns, scope = span_columns(event)
                    part.spans.append(columns)
                    part.scopes.add(scope)
                else:
                    part.metrics.append(metric_columns(event))
            except ValueError as error:
                raise ValueError(f"{name}[{position}]: {error}") from None
            size_bytes += len(event)
    yield part


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
