"""Takes the events of experiments as ddtrace's SDK sends them: metrics under a path of its own, spans to its
intake. The writer's thread.

Both become events of the documented endpoint, so that whatever looks at an experiment knows one shape:

    ddtrace                                       here
    parent_id: "undefined"                        a root; else the tag parent_id
    meta.span.kind; meta["span.kind"] of a rerun  the tag span_kind
    no dataset_id among the tags, in a rerun      that of the experiment
    meta.input, output: {"value": x}              x; an output's `{"messages": […]}`: the messages, or the one
    meta.expected_output                          an object, or {"value": …}
    meta.model_name, model_provider, metrics      tags of these names; metadata: tags metadata.<name>
    a metric's error {message, type, stack}       its message; type and stack are in the metric's metadata
    metric_source: "summary"                      the tag metric_source:summary
    a metric without value and error              a score that does not apply (the tag not_applicable:true)

Spans that name no experiment are other telemetry, and not taken.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from llmobs_trace.encode.shape import shape_expected, shape_io
from llmobs_trace.receiver.catalog.asked import Asked
from llmobs_trace.receiver.catalog.requests import refused
from llmobs_trace.receiver.compact import NoJSON, compact
from llmobs_trace.receiver.http import Reply
from llmobs_trace.receiver.problems import Fault, problem
from llmobs_trace.store import made_experiments
from llmobs_trace.store.store import Store
from llmobs_trace.wire import (
    KIND_TAG,
    NOT_APPLICABLE_TAG,
    PARENT_TAG,
    Assessment,
    Int64,
    MetricType,
    Status,
)

NO_PARENT: Final = "undefined"
# The tag of a metric that is about the experiment and not about a row.
SUMMARY: Final = "metric_source:summary"
_NULL: Final = Raw(b"null")
_MODEL: Final = ("model_name", "model_provider")
_VALUES: Final = ("score_value", "boolean_value", "categorical_value", "json_value")


class _Error(Struct):
    message: str | None = None
    type: str | None = None
    stack: str | None = None


class _Kind(Struct, frozen=True):
    kind: str = "task"


class _Meta(Struct, frozen=True):
    span: _Kind = _Kind()
    rerun_kind: str | None = msgspec.field(default=None, name="span.kind")
    input: Raw = _NULL
    output: Raw = _NULL
    expected_output: Raw = _NULL
    metadata: dict[str, Raw] | None = None
    model_name: str | None = None
    model_provider: str | None = None
    error: _Error | None = None


class _Span(Struct):
    span_id: str
    trace_id: str
    name: str
    start_ns: Int64
    duration: Int64
    status: Status
    parent_id: str = NO_PARENT
    meta: _Meta = _Meta()
    metrics: dict[str, float | int | None] | None = None
    tags: list[str] = []


class _SpanEvent(Struct):
    spans: list[_Span] = []


class _Metric(Struct):
    label: str
    metric_type: MetricType
    timestamp_ms: Int64
    span_id: str = ""
    metric_source: str = "custom"
    score_value: float | None = None
    boolean_value: bool | None = None
    categorical_value: str | None = None
    json_value: Raw = _NULL
    error: _Error | None = None
    assessment: Assessment | None = None
    reasoning: str | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None


class _Attributes(Struct):
    metrics: list[_Metric] | None = None
    spans: list[_Span] | None = None


class _Data(Struct):
    attributes: _Attributes


class _Body(Struct):
    data: _Data


_events: Final = msgspec.json.Decoder(_Body).decode
_intake: Final = msgspec.json.Decoder(list[_SpanEvent] | _SpanEvent).decode
_encode: Final = msgspec.json.Encoder().encode
_dict: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_list: Final = msgspec.json.Decoder(list[Raw]).decode


def events(store: Store, asked: Asked) -> Reply:
    """Metrics of an experiment, and of a rerun its spans."""
    attributes = _read(_events, asked.body).data.attributes
    made = next(made_experiments.find_experiments(store, ids=[asked.ids[0]]), None)
    dataset_id = "" if made is None else made.dataset_id or ""
    spans = [_span(each, dataset_id) for each in attributes.spans or ()]
    store.add(asked.ids[0], spans, [_metric(each) for each in attributes.metrics or ()])
    return Reply(202)


def intake(store: Store, asked: Asked) -> Reply:
    """Spans of any number of experiments, each of which its tags name."""
    found = _read(_intake, asked.body)
    of_experiments: dict[str, list[bytes]] = defaultdict(list)
    others = 0
    for event in found if isinstance(found, list) else [found]:
        for span in event.spans:
            experiment_id = _tag(span.tags, "experiment_id")
            if experiment_id:
                of_experiments[experiment_id].append(_span(span))
            else:
                others += 1
    for experiment_id, spans in of_experiments.items():
        store.add(experiment_id, spans, ())
    if others:
        said = f"{others} spans name no experiment: this server keeps those of experiments alone"
        return problem(501, said)
    return Reply(202)


def _read(decode: Any, body: bytes) -> Any:
    try:
        return decode(compact(body))
    except NoJSON as error:
        raise refused(Fault("", f"the body is not JSON: {error}", "json")) from None
    except (msgspec.ValidationError, RecursionError) as error:
        raise refused(Fault("", f"the body is none of ddtrace's: {error}", "type")) from None


def _span(span: _Span, dataset_id: str = "") -> bytes:
    meta = span.meta
    tags = [*span.tags, f"{KIND_TAG}:{meta.rerun_kind or meta.span.kind}"]
    if span.parent_id != NO_PARENT:
        tags.append(f"{PARENT_TAG}:{span.parent_id}")
    tags += [f"{name}:{getattr(meta, name)}" for name in _MODEL if getattr(meta, name)]
    tags += [f"{name}:{amount:g}" for name, amount in (span.metrics or {}).items() if amount is not None]
    tags += [f"metadata.{name}:{_as_text(value)}" for name, value in (meta.metadata or {}).items()]
    values = {
        "input": _unwrapped(meta.input),
        "output": _unwrapped(meta.output, of_answers=True),
        "expected_output": shape_expected(bytes(meta.expected_output)),
    }
    shown: dict[str, Any] = {name: Raw(value) for name, value in values.items() if not _is_null(value)}
    if span.status == "error" and values["output"] == b'{"value":{}}':
        del shown["output"]  # what it sends for an answer that never came
    if meta.error is not None:
        shown["error"] = {name: text for name, text in msgspec.structs.asdict(meta.error).items() if text}
    return _encode(
        {
            "dataset_id": _tag(span.tags, "dataset_id") or dataset_id,
            "duration": span.duration,
            "meta": shown,
            "name": span.name,
            "project_id": _tag(span.tags, "project_id"),
            "span_id": span.span_id,
            "start_ns": span.start_ns,
            "status": span.status,
            "tags": tags,
            "trace_id": span.trace_id,
        }
    )


def _metric(metric: _Metric) -> bytes:
    event: dict[str, Any] = {
        "label": metric.label,
        "metric_type": metric.metric_type,
        "span_id": metric.span_id,
        "timestamp_ms": metric.timestamp_ms,
    }
    values = {name: getattr(metric, name) for name in _VALUES}
    values = {name: value for name, value in values.items() if value is not None and value != _NULL}
    event |= values
    tags = list(metric.tags or ())
    if metric.metric_source == "summary":
        tags.append(SUMMARY)
    metadata = dict(metric.metadata or {})
    if metric.error is not None:
        event["error"] = {"message": metric.error.message or metric.error.type or "it failed"}
        told = {"error_type": metric.error.type, "stack": metric.error.stack}
        metadata |= {name: text for name, text in told.items() if text}
    elif not values and metric.assessment is None:
        event |= {"metric_type": "score", "error": {}}
        tags.append(f"{NOT_APPLICABLE_TAG}:true")
    more: dict[str, Any] = {
        "assessment": metric.assessment,
        "reasoning": metric.reasoning,
        "metadata": metadata,
        "tags": tags,
    }
    return _encode(event | {name: value for name, value in more.items() if value})


def _tag(tags: list[str], name: str) -> str:
    return next((tag[len(name) + 1 :] for tag in tags if tag.startswith(f"{name}:")), "")


def _unwrapped(value: Raw, *, of_answers: bool = False) -> bytes:
    """A value out of the object that ddtrace puts around what is none, in the wire's shape."""
    json = bytes(value)
    if json[:1] == b"{":
        members = _dict(json)
        if members.keys() == {"value"}:
            json = bytes(members["value"])
        elif of_answers and members.keys() == {"messages"} and bytes(members["messages"])[:1] == b"[":
            messages = _list(members["messages"])
            json = bytes(messages[0] if len(messages) == 1 else members["messages"])
    return json if _is_null(json) else shape_io(json)


def _is_null(json: bytes) -> bool:
    return json in (b"null", b'{"value":null}')


def _as_text(value: Raw) -> str:
    json = bytes(value)
    return msgspec.json.decode(json, type=str) if json[:1] == b'"' else json.decode()
