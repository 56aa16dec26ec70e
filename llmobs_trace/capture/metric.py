"""A label and a value in, a metric's event out. User's thread; also for spans that have ended.

The type follows from the value (`bool` → boolean, numbers → score, `str` → categorical, a mapping → json)
unless it is named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from llmobs_trace.capture import active, stamps
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.entry import Active
from llmobs_trace.capture.event import as_text, redacted_text
from llmobs_trace.capture.failure import message_of
from llmobs_trace.capture.ids import NO_SPAN_ID
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.capture.span import Span
from llmobs_trace.capture.tags import encoded_tags, plain_tags
from llmobs_trace.encode import derives, encode, encode_text, fit, one_of, shape_expected
from llmobs_trace.wire import ASSESSMENTS, METRIC_TYPES, Assessment, MetricType

_VALUE_FIELDS: dict[MetricType, str] = {
    "score": "score_value",
    "categorical": "categorical_value",
    "boolean": "boolean_value",
    "json": "json_value",
}


def record_metric(
    label: str,
    value: object = None,
    *,
    span: Span | str | None = None,
    metric_type: MetricType | None = None,
    assessment: Assessment | None = None,
    reasoning: str | None = None,
    tags: Mapping[str, object] | None = None,
    metadata: Mapping[str, object] | None = None,
    error: str | BaseException | None = None,
    timestamp_ms: int | None = None,
) -> None:
    """Record what an evaluator says of a span: `record_metric("exact_match", True)`.

    `span` is a span, a span's id, or None for the active span; it may have ended. By an id alone the metric
    goes to the experiment that its span named, or else to the one that is configured now. `value` may be None
    beside an `error`: the evaluator failed, which is not a score of zero. A score that is not finite is sent
    as an error. `timestamp_ms` is milliseconds since the epoch, now by default. Misuse (no span, neither
    value nor error) is logged and records nothing.

    >>> record_metric("faithfulness", 0.8, assessment="pass", reasoning="quotes the passage")
    """
    try:
        recorder = slot.current or slot.get()
        if not recorder.enabled:
            return
        target = _target(recorder, span)
        if target is None:
            return
        scope, span_id = target
        fields = _fields(recorder, label, value, metric_type, assessment, reasoning, tags, metadata, error)
        if fields is not None:
            fixed = b'{"span_id":%b,' % encode_text(span_id)
            room = recorder.max_event_bytes - len(scope.metric_head) - len(fixed) - 200
            if sum(map(len, fields.values())) > room:
                fields = fit(fields, room)
            stamp_ms = stamps.now_ms() if timestamp_ms is None else _stamp_ms(timestamp_ms)
            recorder.append(scope.metric_head + stamps.stamped(fixed + _join(fields), stamp_ms) + b"}}\n")
    except RecursionError:
        slot.faults.count += 1  # no room for a call that says so
    except Exception as fault:
        slot.fault(fault)


def _target(recorder: Recorder, span: Span | str | None) -> tuple[Scope, str] | None:
    """Where the metric belongs; None where its trace is not recorded, or there is no span."""
    if isinstance(span, str):
        if not span:
            slot.misuse("record_metric: the span id is empty: nothing recorded")
            return None
        return None if span == NO_SPAN_ID else (slot.scope_of(span) or recorder.scope, span)
    found: Active | None = span if isinstance(span, Span) else None
    if span is not None and found is None:
        slot.misuse(
            f"record_metric: span is a {type(span).__name__}, not a span or a span's id: nothing recorded"
        )
        return None
    if found is None:
        found = active.now(active.caller(2))
    if found is None:
        slot.misuse("record_metric without a span: call it inside one, or pass span=: nothing recorded")
        return None
    return (found.scope, found.span_id) if found.sampled else None


def _fields(
    recorder: Recorder,
    label: object,
    value: object,
    metric_type: MetricType | None,
    assessment: Assessment | None,
    reasoning: object,
    tags: Mapping[str, object] | None,
    metadata: object,
    error: object,
) -> dict[str, bytes] | None:
    """The metric's members as JSON, redacted; None where there is nothing to record."""
    metric_type = _known("metric_type", metric_type, METRIC_TYPES)
    assessment = _known("assessment", assessment, ASSESSMENTS)
    if value is None and error is None:
        what = "record_metric without a value and without an error: nothing recorded"
        slot.misuse(what, f"the label {slot.shown('label', label)}")
        return None
    kind, encoded, problem = typed(value, metric_type)
    message = problem if error is None else message_of(error) if isinstance(error, BaseException) else error
    redact = _Redacted(recorder)
    fields = {"label": redact.text("label", label), "metric_type": encode_text(kind)}
    if encoded is not None:
        redacted = redact.value("value", encoded)
        # What a redactor made of a number or a truth value may no longer be one: then it is said, not sent.
        _, encoded, problem = typed(_decode(redacted), kind) if redacted != encoded else (kind, encoded, None)
        if encoded is not None:
            fields[_VALUE_FIELDS[kind]] = encoded
        elif message is None:
            message = "the value was redacted"
    if assessment is not None:
        fields["assessment"] = encode_text(assessment)
    if reasoning is not None:
        fields["reasoning"] = redact.text("reasoning", reasoning)
    if metadata is not None and (redacted := redact.value("metadata", encode(metadata))) != b"null":
        fields["metadata"] = shape_expected(redacted)
    if plain := plain_tags(tags):
        fields["tags"] = b"[%b]" % b",".join(encoded_tags(plain, recorder.redactor))
    if message is not None:
        fields["error"] = b'{"message":%b}' % redact.text("error.message", message)
    return fields


def _known(argument: str, given: object, allowed: tuple[str, ...]) -> Any:
    """What was given of a closed set, else None."""
    known = None if given is None else one_of(given, allowed)
    if known is None and given is not None:
        what = f"record_metric: {argument} is not one of {', '.join(allowed)}: ignored"
        slot.misuse(what, slot.shown("value", given))
    return known


_decode = msgspec.json.Decoder().decode
# How other libraries' values say that there is none.
_MISSING = (b"null", b'"<NA>"', b'"NaT"')


def typed(value: object, metric_type: MetricType | None) -> tuple[MetricType, bytes | None, str | None]:
    """The metric's type, its value as JSON or None, and what is wrong with the value or None."""
    if value is None:
        return metric_type or "score", None, None
    encoded = encode(value)
    if encoded in _MISSING and not derives(type(value), str):
        return metric_type or "score", None, f"the value is missing: {encoded.decode()}"
    number = _number(value, encoded)
    if metric_type is None:
        metric_type = _type_of(encoded, number)
    if metric_type == "boolean":
        if encoded in (b"true", b"false"):
            return metric_type, encoded, None
        return metric_type, None, f"the value is no boolean: {_shown(encoded)}"
    if metric_type == "score":
        if number is None:
            return metric_type, None, f"the value is no number: {_shown(encoded)}"
        if not math.isfinite(number):
            return metric_type, None, f"the score is not finite: {number}"
        # Beyond 64 bits, or a number type of another library's: the double is what the wire takes.
        return metric_type, encoded if encoded[:1] in b"-0123456789" else encode(number), None
    if metric_type == "categorical":
        return metric_type, as_text(encoded), None
    return metric_type, shape_expected(encoded), None


def _number(value: object, encoded: bytes) -> float | None:
    """The value as a double, infinite where it is beyond one; None where it is no number. A boolean is 0
    or 1.
    """
    # Not `isinstance`, which asks a value's `__class__`: proxies answer for what they stand for.
    kind = type(value)
    if derives(kind, float):
        return float.__float__(value)  # type: ignore[arg-type]
    if derives(kind, int):
        try:
            return float(int.__int__(value))  # type: ignore[arg-type]
        except OverflowError:
            return math.inf if int.__gt__(value, 0) else -math.inf  # type: ignore[operator]
    if encoded[:1] in b"-0123456789":
        return float(encoded)  # a number type of another library's
    if kind.__module__ == "numpy" or kind.__name__ == "Decimal":
        try:
            return float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return None
    return None


def _type_of(encoded: bytes, number: float | None) -> MetricType:
    if encoded in (b"true", b"false"):
        return "boolean"
    if number is not None:
        return "score"
    return "categorical" if encoded[:1] == b'"' else "json"


def _shown(encoded: bytes) -> str:
    return encoded[:200].decode(errors="replace")


class _Redacted:
    """A metric's fields through the redactor, where there is one."""

    __slots__ = ("_redactor",)

    def __init__(self, recorder: Recorder) -> None:
        self._redactor = recorder.redactor

    def value(self, field: str, encoded: bytes) -> bytes:
        return encoded if self._redactor is None else self._redactor.apply(field, encoded)

    def text(self, field: str, value: object) -> bytes:
        encoded = encode_text(value) if type(value) is str else as_text(encode(value))
        return encoded if self._redactor is None else redacted_text(self._redactor, field, encoded)


def _join(fields: dict[str, bytes]) -> bytes:
    return b",".join([b'"%b":%b' % (name.encode(), encoded) for name, encoded in fields.items()])


def _stamp_ms(given: object) -> int:
    """The time a user gave; now, where that is none: the metric is worth more than its time."""
    number = None if isinstance(given, bool) else _number(given, encode(given))
    # The wire takes 64 bits; false for NaN and the infinities too.
    if number is not None and abs(number) < 2.0**62:
        return int(number)
    what = "record_metric: timestamp_ms is not a number of milliseconds since the epoch: now is recorded"
    slot.misuse(what, slot.shown("value", given))
    return stamps.now_ms()
