"""Turns a label and a value into a metric's event. User's thread; also for spans that have ended.

The type follows from the value (`bool` → boolean, numbers → score, `str` → categorical, a mapping → json)
unless it is named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from llmobs_trace.capture import metric_times
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.message import message_of
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.capture.user_tags import encoded_tags, plain_tags
from llmobs_trace.capture.values import as_text, redacted_text
from llmobs_trace.encode import derives, encode, encode_text, fit, one_of, shape_expected
from llmobs_trace.wire import ASSESSMENTS, LOWER_TAG, METRIC_TYPES, NOT_APPLICABLE_TAG, Assessment, MetricType

_VALUE_FIELDS: dict[MetricType, str] = {
    "score": "score_value",
    "categorical": "categorical_value",
    "boolean": "boolean_value",
    "json": "json_value",
}

# A label and a value of so many bytes leave room for all else in the smallest event that can be configured.
_SHORT_BYTES = 1024

_NOT_APPLICABLE = b'"%b:true"' % NOT_APPLICABLE_TAG.encode()


def record(
    recorder: Recorder,
    scope: Scope,
    span_id: str,
    label: object,
    value: object,
    metric_type: MetricType | None,
    assessment: Assessment | None,
    reasoning: object,
    tags: Mapping[str, object] | None,
    metadata: object,
    error: object,
    timestamp_ms: object,
    lower_is_better: object,
) -> None:
    """Record a metric of the span with this id; misuse is logged, and records nothing."""
    made = metric_record(
        recorder,
        scope,
        span_id,
        label,
        value,
        metric_type,
        assessment,
        reasoning,
        tags,
        metadata,
        error,
        timestamp_ms,
        lower_is_better,
    )
    if made is not None:
        recorder.append(made)


def metric_record(
    recorder: Recorder,
    scope: Scope,
    span_id: str,
    label: object,
    value: object,
    metric_type: MetricType | None,
    assessment: Assessment | None,
    reasoning: object,
    tags: Mapping[str, object] | None,
    metadata: object,
    error: object,
    timestamp_ms: object,
    lower_is_better: object,
    *,
    not_applicable: bool = False,
) -> bytes | None:
    """The record of a metric as it is journalled; None for misuse. What is `not_applicable` has neither a
    value nor anything to say of its error.
    """
    own = [] if lower_is_better is None else _own_tags(lower_is_better)
    if not_applicable:
        own = [*own, _NOT_APPLICABLE]
        error = ""
    fields = _fields(recorder, label, value, metric_type, assessment, reasoning, tags, metadata, error, own)
    if fields is None:
        return None
    if not_applicable:
        fields["error"] = b"{}"
    fixed = b'{"span_id":%b,' % encode_text(span_id)
    room = recorder.max_event_bytes - len(scope.metric_head) - len(fixed) - 200
    if sum(map(len, fields.values())) > room:
        fields = fit(fields, room)
    stamp_ms = metric_times.now_ms() if timestamp_ms is None else _stamp_ms(timestamp_ms)
    return scope.metric_head + metric_times.stamped(fixed + _join(fields), stamp_ms) + b"}}\n"


def value_record(
    recorder: Recorder, scope: Scope, span_id: str, label: str, kind: MetricType, encoded: bytes
) -> bytes | None:
    """The same of a label and a value, JSON of that type, with nothing beside them, as most evaluators give
    it: in a fifth of the time.
    """
    name = encode_text(label)
    if recorder.redactor is not None or len(name) + len(encoded) > _SHORT_BYTES or not label.strip():
        value = _decode(encoded)
        return metric_record(
            recorder, scope, span_id, label, value, kind, None, None, None, None, None, None, None
        )
    metric = b'{"span_id":"%b","label":%b,"metric_type":"%b","%b":%b' % (
        span_id.encode(),
        name,
        kind.encode(),
        _VALUE_FIELDS[kind].encode(),
        encoded,
    )
    return scope.metric_head + metric_times.stamped(metric, metric_times.now_ms()) + b"}}\n"


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
    own_tags: list[bytes],
) -> dict[str, bytes] | None:
    """The metric's members as JSON, redacted; None where there is nothing to record."""
    metric_type = _known("metric_type", metric_type, METRIC_TYPES)
    assessment = _known("assessment", assessment, ASSESSMENTS)
    if wrong := _label_problem(label, value):
        slot.misuse(f"record_metric: the label {wrong}: nothing recorded", slot.shown("label", label))
        return None
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
        # Ours first, since the first of a name counts; the redactor has nothing to say to it.
        own_tags = own_tags + encoded_tags(plain, recorder.redactor)
    if own_tags:
        fields["tags"] = b"[%b]" % b",".join(own_tags)
    if message is not None:
        fields["error"] = b'{"message":%b}' % redact.text("error.message", message)
    return fields


def _label_problem(label: object, value: object) -> str | None:
    """What keeps a label from naming a metric; None if nothing does. A number may, as in
    `record_metric(5, recall)`, but not beside a text, which is then what was meant.
    """
    kind = type(label)
    if derives(kind, str):
        return None if str.strip(label) else "is empty"  # type: ignore[arg-type]
    encoded = encode(label)
    if encoded[:1] == b'"' and encoded[:2] != b'"<' and _number(label, encoded) is None:
        return None if encoded != b'""' else "is empty"  # a member of an enum, say
    if derives(type(value), str):
        return f"is a {kind.__name__} and the value a text: label and value look swapped"
    if _number(label, encoded) is not None and not derives(kind, bool):
        return None
    return f"is a {kind.__name__}, not a text"


def _own_tags(lower_is_better: object) -> list[bytes]:
    """The tag that says which values are better."""
    encoded = encode(lower_is_better)
    if encoded not in (b"true", b"false"):
        what = "record_metric: lower_is_better is neither True nor False: ignored"
        slot.misuse(what, slot.shown("value", lower_is_better))
        return []
    return [b'"%b:%b"' % (LOWER_TAG.encode(), encoded)]


def _known(argument: str, given: object, allowed: tuple[str, ...]) -> Any:
    """What was given of a closed set, else None."""
    known = None if given is None else one_of(given, allowed)
    if known is None and given is not None:
        what = f"record_metric: {argument} is not one of {', '.join(allowed)}: ignored"
        slot.misuse(what, slot.shown("value", given))
    return known


_decode = msgspec.json.Decoder().decode
# What most values are, and how they begin as JSON: a float that is not finite does not begin so.
_PLAIN_TYPES: dict[type, MetricType] = {bool: "boolean", float: "score", str: "categorical"}
_BEGINS: dict[MetricType, bytes] = {"boolean": b"tf", "score": b"-0123456789", "categorical": b'"'}
# How other libraries' values say that there is none.
_MISSING = (b"null", b'"<NA>"', b'"NaT"')


def typed(value: object, metric_type: MetricType | None) -> tuple[MetricType, bytes | None, str | None]:
    """The metric's type, its value as JSON or None, and what is wrong with the value or None."""
    if value is None:
        return metric_type or "score", None, None
    encoded = encode(value)
    plain = _PLAIN_TYPES.get(type(value))
    if plain is not None and metric_type in (None, plain) and encoded[:1] in _BEGINS[plain]:
        return plain, encoded, None
    if encoded in _MISSING and not derives(type(value), str):
        return metric_type or "score", None, f"the value is missing: {encoded.decode()}"
    number = _number(value, encoded)
    if metric_type is None:
        metric_type = _type_of(encoded, number)
    if metric_type == "boolean":
        if encoded in (b"true", b"false"):
            return metric_type, encoded, None
        return metric_type, None, f"the value is not a boolean: {_shown(encoded)}"
    if metric_type == "score":
        if number is None:
            return metric_type, None, f"the value is not a number: {_shown(encoded)}"
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
    what = "record_metric: timestamp_ms is not milliseconds since the epoch: the current time is recorded"
    slot.misuse(what, slot.shown("value", given))
    return metric_times.now_ms()
