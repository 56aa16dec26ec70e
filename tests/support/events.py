"""Events as on the wire, for the tests of the store and of what reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

START_NS = 1_764_000_000_000_000_000


def span(
    span_id: str,
    *,
    trace_id: str = "t1",
    parent: str | None = None,
    kind: str | None = None,
    row: str | None = None,
    name: str = "step",
    start_ns: int = START_NS,
    duration_ns: int = 1_000_000,
    error: dict[str, str] | None = None,
    project_id: str = "p",
    dataset_id: str = "d",
    say: Mapping[str, object] | None = None,
    **meta: Any,
) -> bytes:
    """A span's event; `meta` are its input, output and expected_output, `say` its other tags."""
    tags = [
        f"{tag}:{value}"
        for tag, value in (("parent_id", parent), ("span_kind", kind), ("dataset_record_id", row))
        if value is not None
    ]
    tags += [f"{name}:{value}" for name, value in (say or {}).items()]
    event: dict[str, Any] = {
        "span_id": span_id,
        "trace_id": trace_id,
        "name": name,
        "start_ns": start_ns,
        "duration": duration_ns,
        "status": "ok" if error is None else "error",
        "project_id": project_id,
        "dataset_id": dataset_id,
        "tags": tags,
        "meta": meta if error is None else {**meta, "error": error},
    }
    return json.dumps(event, ensure_ascii=False).encode()


def metric(
    span_id: str,
    label: str,
    value: Any = None,
    *,
    metric_type: str | None = None,
    at_ms: int = 1,
    **fields: Any,
) -> bytes:
    """A metric's event; its type is the value's unless it is named."""
    types = {bool: "boolean", int: "score", float: "score", str: "categorical", dict: "json"}
    metric_type = metric_type or types.get(type(value), "score")
    event = {"span_id": span_id, "label": label, "metric_type": metric_type, "timestamp_ms": at_ms, **fields}
    if value is not None:
        event[f"{metric_type}_value"] = value
    return json.dumps(event, ensure_ascii=False).encode()


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_ids = st.text("ab01", min_size=1, max_size=3)
_int64 = st.integers(-(2**63), 2**63 - 1)
_json = st.recursive(
    st.none() | st.booleans() | _int64 | _text, lambda inner: st.lists(inner, max_size=3), max_leaves=4
)


_number = st.integers(0, 9) | st.floats(0, 9) | st.sampled_from(["", "-1", "many", "9" * 30, "nan", "inf"])
# What tags say of a model call, sense or nonsense.
said = st.dictionaries(
    st.sampled_from(
        [
            *("model_name", "model_provider", "input_tokens", "output_tokens", "cached_tokens"),
            *("model_calls", "cost_usd", "run_iteration"),
        ]
    ),
    _number | _text,
    max_size=4,
)


def everything_once() -> tuple[list[bytes], list[bytes]]:
    """Spans and metrics of an experiment in which everything happened once: a row with a tree and a row that
    failed, a span without its parent, metrics with and without values, and one of a span that is not there.
    """
    spans = [
        span("r1", trace_id="t1", kind="experiment", row="row-1", name="answer", input={"q": "Why?"}),
        span("c1", trace_id="t1", parent="r1", kind="llm", name="generate", start_ns=START_NS + 1),
        span("d1", trace_id="t1", parent="c1", kind="tool", name="look up", start_ns=START_NS + 2),
        span(
            "r2",
            trace_id="t2",
            kind="experiment",
            row="row-2",
            name="answer",
            start_ns=START_NS + 10,
            error={"type": "ValueError", "message": "no answer\nat all", "stack": "Traceback"},
        ),
        span("o", trace_id="t3", parent="gone", name="orphan", start_ns=START_NS + 20),
    ]
    metrics = [
        metric("r1", "exact", True, assessment="pass"),
        metric("r2", "exact", error={"message": "judge is down"}),
        metric("c1", "f1", 0.25),
        metric("nowhere", "f1", 0.75),
    ]
    return spans, metrics


@st.composite
def spans(draw: st.DrawFn) -> bytes:
    """Any span, of few ids, so that some come twice and some are parents of others, themselves included."""
    return span(
        draw(_ids),
        trace_id=draw(st.sampled_from(["t1", "t2"])),
        parent=draw(st.none() | _ids),
        kind=draw(st.sampled_from([None, "experiment", "llm", ""])),
        row=draw(st.none() | _text),
        name=draw(_text),
        start_ns=draw(_int64),
        duration_ns=draw(_int64),
        error=draw(st.none() | st.fixed_dictionaries({}, optional={"type": _text, "message": _text})),
        project_id=draw(_ids),
        say=draw(said),
        input=draw(_json),
        expected_output=draw(_json),
    )


@st.composite
def metrics(draw: st.DrawFn) -> bytes:
    """Any metric of few spans and labels, with a value, an error, both or neither."""
    value = draw(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | _text)
    error = draw(st.none() | st.fixed_dictionaries({}, optional={"message": _text}))
    fields: dict[str, Any] = {} if error is None else {"error": error}
    if draw(st.booleans()):
        fields["tags"] = ["not_applicable:true"]
    assessment = draw(st.sampled_from([None, "pass", "fail"]))
    if assessment is not None:
        fields["assessment"] = assessment
    return metric(draw(_ids), draw(st.sampled_from(["f1", "größe", ""])), value, at_ms=draw(_int64), **fields)
