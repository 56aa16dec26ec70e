"""What arrives is all there was, as documented: every body as it came over a socket, read by two readers."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.delivery import API_KEY, APP_KEY
from support.examples import examples
from support.machine import Machine
from support.receiver import Received, Receiver
from support.wire_schema import NAMES_THE_OFFICIAL_CLIENT_CANNOT_TAKE, load_official, load_strict

from llmobs_trace import configure, delivery_stats, experiment_span, flush
from llmobs_trace.deliver import Batch
from llmobs_trace.wire import KINDS

EXPERIMENT = "é 1/2?a=b#c%d&e"

# Every kind of span, of callable, of metric, and of value.
EVERYTHING = """
import asyncio, dataclasses, datetime, decimal, enum, json, pathlib, sys, uuid
from llmobs_trace.wire import KINDS

@dataclasses.dataclass
class Document:
    title: str
    score: float

class Color(enum.Enum):
    RED = 1

class Retriever:
    @experiment_span(kind="retrieval")
    def search(self, query, *more, top=3, **options):
        return [Document("a", 0.5)]
    @classmethod
    @experiment_span
    def build(cls, size): return cls
    @staticmethod
    @experiment_span
    def clean(text): return text.strip()

@experiment_span
def nothing(): return None
@experiment_span("renamed", kind="tool", tags={"a": "b", "n": 1, "list": [1, None], "when": Color.RED})
def named(x): raise KeyError(x)
@experiment_span
async def coroutine(x): await asyncio.sleep(0); return x
@experiment_span
def stream(n):
    for word in ("to", "ken", "s")[:n]: yield word
@experiment_span
async def astream(n):
    for i in range(n): yield {"i": i}

VALUES = [
    "text", "", 0, -1, 1.5, True, False, 2**63, 2**64, -(2**80), float("nan"), float("inf"), [], {}, None,
    [1, "a", None], [[1.0, 2.0], [3.0]], [{"a": [[None]]}], {"a": None, 1: "x", "1": "y", None: 2},
    b"\\x00\\xff", {1, 2}, (1, (2,)), "\\ud800", "\\x00\\u2028", datetime.datetime(2024, 1, 2),
    decimal.Decimal("1.10"), uuid.UUID(int=7), pathlib.Path("/a"), Color.RED, Document("t", 1.0),
    ValueError("bad"), object(), range(3), lambda: 1, 3+4j,
]
roots = []
for kind in KINDS:
    with experiment_span("root " + kind, kind=kind, input={"kind": kind}) as root:
        roots.append(root.span_id)
        with experiment_span("child", kind=kind): pass

with experiment_span("values", tags={"top": "x"}) as root:
    roots.append(root.span_id)
    for number, value in enumerate(VALUES):
        with experiment_span(f"value {number}", input=value, expected_output=value) as span:
            span.set_output(value)
            span.set_tags({"value": value, "key with : colon": "a:b"})

with experiment_span("callables") as root:
    roots.append(root.span_id)
    nothing()
    retriever = Retriever()
    retriever.search("q", 1, 2, lang="de"); Retriever.build(3); Retriever.clean(" a ")
    list(stream(3)); next(stream(2))
    async def all_of_them():
        await coroutine(1)
        async for _ in astream(2): pass
    asyncio.run(all_of_them())
    for raises in (lambda: named("k"),):
        try: raises()
        except KeyError as error:
            try: raise RuntimeError("second") from error
            except RuntimeError as second: root.record_exception(second)

with experiment_span("metrics") as root:
    roots.append(root.span_id)
    root.record_metric("score", 0.25, assessment="pass", reasoning="why", tags={"v": 1},
        metadata={"a": [1, None]})
    root.record_metric("integer", 7)
    root.record_metric("boolean", False, assessment="fail")
    root.record_metric("category", "good")
    root.record_metric("object", {"a": {"b": None}})
    root.record_metric("an array as json", [1, 2], metric_type="json")
    root.record_metric("not finite", float("nan"))
    root.record_metric("failed", error=ValueError("no answer"))
    root.record_metric("failed as boolean", error="no answer", metric_type="boolean")
    root.record_metric("at", 1, timestamp_ms=1700000000000)
    root.record_metric("twice", 1, timestamp_ms=5)
    root.record_metric("twice", 1, timestamp_ms=5)
record_metric("by span", "late", span=root)
record_metric("by id", 1.0, span=root.span_id)

stats = delivery_stats()
told = {"roots": roots, "values": len(VALUES), "recorded": stats.recorded, "metrics": root.span_id}
print(json.dumps(told))
"""


def read(requests: list[Received]) -> list[dict[str, Any]]:
    """Every body, read by both readers; as plain JSON."""
    bodies = []
    for request in requests:
        load_official(request.body)
        bodies.append(load_strict(request.body))
    return bodies


def spans_of(requests: list[Received]) -> list[dict[str, Any]]:
    return [span for request in requests for span in request.spans]


def metrics_of(requests: list[Received]) -> list[dict[str, Any]]:
    return [metric for request in requests for metric in request.metrics]


def test_whatever_is_recorded_arrives_as_documented(machine: Machine, receiver: Receiver) -> None:
    machine.sends_to(receiver.url, EXPERIMENT)
    [told] = machine.run(EVERYTHING).told
    requests = receiver.requests()
    for request in requests:
        assert request.method == "POST"
        assert request.path == f"/api/v2/llm-obs/v1/experiments/{quote(EXPERIMENT, safe='')}/events"
        assert request.headers["dd-api-key"] == API_KEY
        assert request.headers["dd-application-key"] == APP_KEY
        assert request.headers["content-type"] == "application/json"
    read(requests)
    spans, metrics = spans_of(requests), metrics_of(requests)
    assert len(spans) + len(metrics) == told["recorded"]

    by_id = {span["span_id"]: span for span in spans}
    assert len(by_id) == len(spans)
    assert {span["project_id"] for span in spans} == {"p-1"}
    assert {span["dataset_id"] for span in spans} == {"d-1"}
    tags = {span["span_id"]: dict(tag.split(":", 1) for tag in span["tags"]) for span in spans}
    for span in spans:
        parent = tags[span["span_id"]].get("parent_id")
        assert (parent is None) == (span["span_id"] in told["roots"])
        assert parent is None or by_id[parent]["trace_id"] == span["trace_id"]
    assert Counter(
        tags[span["span_id"]]["span_kind"] for span in spans if span["name"] == "child"
    ) == Counter(KINDS)
    named = {span["name"]: span for span in spans}
    assert len([name for name in named if name.startswith("value ")]) == told["values"]
    assert {"Retriever.search", "Retriever.build", "Retriever.clean", "nothing", "stream"} <= set(named)
    assert named["Retriever.search"]["meta"]["input"] == {
        "query": "q",
        "more": [1, 2],
        "top": 3,
        "options": {"lang": "de"},
    }
    assert named["renamed"]["status"] == "error"
    assert named["renamed"]["meta"]["error"]["type"] == "KeyError"
    assert "KeyError: 'k'" in named["callables"]["meta"]["error"]["stack"]
    assert "meta" not in named["nothing"] or "input" not in named["nothing"]["meta"]

    assert {metric["span_id"] for metric in metrics} == {told["metrics"]}
    found = {metric["label"]: metric for metric in metrics}
    assert found["score"]["score_value"] == 0.25
    assert found["score"]["tags"] == ["v:1"]
    assert found["boolean"]["boolean_value"] is False
    assert found["category"]["categorical_value"] == "good"
    assert found["object"]["json_value"] == {"a": {"b": None}}
    assert found["at"]["timestamp_ms"] == 1700000000000
    assert found["by span"]["categorical_value"] == "late"
    assert found["by id"]["score_value"] == 1.0
    for failed in ("not finite", "failed", "failed as boolean"):
        assert not [name for name in found[failed] if name.endswith("_value")]
        assert found[failed]["error"]["message"]
    assert len({metric["timestamp_ms"] for metric in metrics if metric["label"] == "twice"}) == 2


def test_what_the_store_exports_is_what_the_endpoint_takes(machine: Machine) -> None:
    [told] = machine.run(EVERYTHING).told
    machine.command("demo")
    experiments = json.loads(machine.command("experiments", "--format", "json").out)
    assert [experiment["name"] for experiment in experiments] == ["demo", "program"]
    assert experiments[1]["spans"] + experiments[1]["metrics"] == told["recorded"]
    for prefix, experiment in zip(("latest", experiments[1]["id"][:8]), experiments, strict=True):
        exported = machine.command("export", prefix, "--format", "events").out
        counts: Counter[str] = Counter()
        for body in exported.encode().splitlines():
            load_official(body)
            attributes = load_strict(body)["data"]["attributes"]
            counts.update({name: len(events) for name, events in attributes.items()})
        assert counts == {"spans": experiment["spans"], "metrics": experiment["metrics"]}


def test_two_experiments_side_by_side_arrive_at_their_own_addresses(
    machine: Machine, receiver: Receiver
) -> None:
    machine.sends_to(receiver.url, "default")
    machine.run("""
        from concurrent.futures import ThreadPoolExecutor
        def row(arguments):
            experiment, number = arguments
            ids = {"experiment_id": experiment, "project_id": "p-" + experiment}
            with experiment_span("row", input=number, **ids) as span:
                with experiment_span("model", kind="llm"):
                    record_metric("inside", number)
            span.record_metric("after", True)
            record_metric("by id", "x", span=span.span_id)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(row, [(e, n) for n in range(20) for e in ("left", "right")]))
        with experiment_span("row"):
            record_metric("inside", 0)
    """)
    requests = receiver.requests()
    read(requests)
    for experiment, rows in (("left", 20), ("right", 20), ("default", 1)):
        own = [request for request in requests if request.experiment_id == experiment]
        spans, metrics = spans_of(own), metrics_of(own)
        assert Counter(span["name"] for span in spans)["row"] == rows
        project = "p-1" if experiment == "default" else f"p-{experiment}"
        assert {span["project_id"] for span in spans} == {project}
        assert {span["dataset_id"] for span in spans} == {"d-1"}
        if experiment != "default":
            assert Counter(metric["label"] for metric in metrics) == {"inside": 20, "after": 20, "by id": 20}
        assert {metric["span_id"] for metric in metrics} <= {span["span_id"] for span in spans}


# --- Any value ----------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Note:
    text: str
    more: Any


class Hostile:
    """Nothing of it may run."""

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __len__(self) -> int:
        raise RuntimeError("len")

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __iter__(self) -> Any:
        raise RuntimeError("iter")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


_any_text = st.text(st.characters(), max_size=12)
_names = _any_text.filter(lambda name: name not in NAMES_THE_OFFICIAL_CLIENT_CANNOT_TAKE)
_plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    _any_text,
    st.binary(max_size=12),
    st.decimals(),
    # The official client writes a year before 1000 with fewer digits, so that nobody can compare it.
    st.datetimes(datetime(1000, 1, 1), timezones=st.none() | st.just(timezone.utc)),
    st.dates(date(1000, 1, 1)),
    st.timedeltas(),
    st.uuids(),
    st.complex_numbers(),
    st.builds(Hostile),
    st.just(Path("/tmp/x")),
    st.just(ValueError("x")),
)
_keys = _names | st.integers() | st.booleans() | st.none() | st.floats() | st.tuples(st.integers())
_values = st.recursive(
    _plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(_keys, inner, max_size=4),
        st.sets(st.integers() | _any_text, max_size=3),
        st.builds(Note, _any_text, inner),
    ),
    max_leaves=12,
)


def record(value: object, more: object, name: str) -> None:
    """One row with this value wherever a value goes."""
    with experiment_span(name, input=value, expected_output=more, tags={name: value}) as span:
        label = name if name.strip() else "empty"
        span.record_metric(label, value, error=None if value is not None else "none")
        more_of_it = {"metadata": {name: value}, "reasoning": name, "error": name}
        span.record_metric(label, more, metric_type="json", **more_of_it)
        given_and_returned(value)
        span.set_output([value, more])


@experiment_span
def given_and_returned(value: object) -> object:
    return value


@given(value=_values, more=_values, name=_names)
@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_makes_a_body_that_both_readers_take(
    llmobs_spans: Any, value: object, more: object, name: str
) -> None:
    llmobs_spans.clear()
    record(value, more, name)
    events = [json.loads(line) for line in llmobs_spans.records]
    assert len(events) == 4
    # As bytes: what is sent is what was recorded, not what a decoder made of it.
    spans = [
        line.split(b'"span":', 1)[1].strip()[:-1]
        for line in llmobs_spans.records
        if b',"span":{' in line[:60]
    ]
    metrics = [
        line.split(b'"metric":', 1)[1].strip()[:-1]
        for line in llmobs_spans.records
        if b',"metric":{' in line[:60]
    ]
    body = Batch(experiment_id="e", spans=spans, metrics=metrics).body()
    attributes = load_strict(body)["data"]["attributes"]
    assert len(attributes["spans"]) == len(attributes["metrics"]) == 2
    load_official(body)


def test_any_value_arrives_over_a_socket(receiver: Receiver) -> None:
    configure(
        api_key=API_KEY,
        app_key=APP_KEY,
        base_url=receiver.url,
        experiment_id="e",
        project_id="p",
        dataset_id="d",
        max_event_bytes=4096,
        max_batch_bytes=16384,
    )
    recorded = 0

    @given(value=_values, more=_values, name=_names)
    @settings(max_examples=examples(60), database=None)
    def run(value: object, more: object, name: str) -> None:
        nonlocal recorded
        record(value, more, name)
        record("x" * 5000, value, name)
        recorded += 8

    run()
    assert flush(30)
    requests = receiver.requests()
    read(requests)
    assert len(spans_of(requests)) + len(metrics_of(requests)) == recorded == delivery_stats().delivered
    assert max(len(request.body) for request in requests) <= 16384
