"""The pytest plugin: the fixture `llmobs_spans` hands a test what it recorded, in memory. The test's thread.

Nothing leaves the process while the fixture is in use: no journal, no store, no network, whatever was
configured. A test that calls `configure` itself has what it asked for from there on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import pytest

if TYPE_CHECKING:
    from llmobs_trace.capture.recorder import Recorder


@dataclass(frozen=True)
class RecordedSpan:
    """A span as it would have been sent, with its tags taken apart."""

    name: str
    span_id: str
    trace_id: str
    parent_id: str | None
    kind: str
    status: str
    tags: dict[str, str]
    input: Any
    output: Any
    expected_output: Any
    error: dict[str, str] | None
    start_ns: int
    duration_ns: int
    row_id: str | None
    experiment_id: str
    project_id: str
    dataset_id: str
    wire: dict[str, Any]


@dataclass(frozen=True)
class RecordedMetric:
    """A metric as it would have been sent; `value` is whichever of the four value fields it has, or None."""

    label: str
    value: Any
    metric_type: str
    span_id: str
    timestamp_ms: int
    assessment: str | None
    reasoning: str | None
    tags: list[str]
    metadata: Any
    error: str | None
    experiment_id: str
    wire: dict[str, Any]


class RecordedSpans(Sequence[RecordedSpan]):
    """The finished spans in the order of their ends; `metrics` beside them, `tree()` over them."""

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._decoded = 0
        self._spans: list[RecordedSpan] = []
        self._metrics: list[RecordedMetric] = []

    def append_record(self, record: bytes) -> None:
        self._records.append(record)

    def _read(self) -> None:
        import msgspec

        while self._decoded < len(self._records):
            event = msgspec.json.decode(self._records[self._decoded])
            self._decoded += 1
            if "span" in event:
                self._spans.append(_span(event["experiment"], event["span"]))
            else:
                self._metrics.append(_metric(event["experiment"], event["metric"]))

    @property
    def metrics(self) -> list[RecordedMetric]:
        """The metrics in the order they were recorded."""
        self._read()
        return list(self._metrics)

    @property
    def records(self) -> list[bytes]:
        """The records as they would have been journalled, one JSON line each."""
        return list(self._records)

    def named(self, name: str) -> RecordedSpan:
        """The one span of this name; an `AssertionError` where there is none or several."""
        found = [span for span in self if span.name == name]
        assert len(found) == 1, (
            f"spans named {name!r}: {len(found)}, not 1; recorded: {[span.name for span in self]}"
        )
        return found[0]

    def tree(self) -> dict[str, Any]:
        """Names nested as spans are: `{"row": {"retrieve": {}, "model": {}}}`. Equal names beside each other
        get `#2`, `#3`, …

        Siblings are in the order of their starts.
        """
        spans = sorted(self, key=lambda span: span.start_ns)
        nodes: dict[str, dict[str, Any]] = {span.span_id: {} for span in spans}
        root: dict[str, Any] = {}
        for span in spans:
            beside = nodes.get(span.parent_id or "", root)
            name, number = span.name, 1
            while name in beside:
                number += 1
                name = f"{span.name}#{number}"
            beside[name] = nodes[span.span_id]
        return root

    def clear(self) -> None:
        """Forget what was recorded so far."""
        self._records.clear()
        self._spans.clear()
        self._metrics.clear()
        self._decoded = 0

    @overload
    def __getitem__(self, index: int) -> RecordedSpan: ...
    @overload
    def __getitem__(self, index: slice) -> list[RecordedSpan]: ...
    def __getitem__(self, index: int | slice) -> RecordedSpan | list[RecordedSpan]:
        self._read()
        return self._spans[index]

    def __len__(self) -> int:
        self._read()
        return len(self._spans)

    def __repr__(self) -> str:
        return f"<{'1 span' if len(self) == 1 else f'{len(self)} spans'}: {[span.name for span in self]}>"


def _span(experiment_id: str, wire: dict[str, Any]) -> RecordedSpan:
    from llmobs_trace.wire import KIND_TAG, PARENT_TAG, ROW_TAG

    tags = dict(tag.split(":", 1) for tag in wire["tags"])
    meta = wire["meta"]
    return RecordedSpan(
        name=wire["name"],
        span_id=wire["span_id"],
        trace_id=wire["trace_id"],
        parent_id=tags.pop(PARENT_TAG, None),
        kind=tags.pop(KIND_TAG),
        status=wire["status"],
        row_id=tags.get(ROW_TAG),
        tags=tags,
        input=meta.get("input"),
        output=meta.get("output"),
        expected_output=meta.get("expected_output"),
        error=meta.get("error"),
        start_ns=wire["start_ns"],
        duration_ns=wire["duration"],
        experiment_id=experiment_id,
        project_id=wire["project_id"],
        dataset_id=wire["dataset_id"],
        wire=wire,
    )


def _metric(experiment_id: str, wire: dict[str, Any]) -> RecordedMetric:
    return RecordedMetric(
        label=wire["label"],
        value=wire.get(f"{wire['metric_type']}_value"),
        metric_type=wire["metric_type"],
        span_id=wire["span_id"],
        timestamp_ms=wire["timestamp_ms"],
        assessment=wire.get("assessment"),
        reasoning=wire.get("reasoning"),
        tags=wire.get("tags", []),
        metadata=wire.get("metadata"),
        error=wire["error"]["message"] if "error" in wire else None,
        experiment_id=experiment_id,
        wire=wire,
    )


def _recorder(spans: RecordedSpans) -> Recorder:
    from llmobs_trace.capture.recorder import Recorder, Scope

    scope = Scope("test-experiment", "test-project", "test-dataset")
    return Recorder(spans.append_record, scope, strict=_is_strict())


def _is_strict() -> bool:
    """As it was configured, else as the environment has it: it is for tests."""
    from llmobs_trace.capture import recorder as slot
    from llmobs_trace.config import find_strict

    return find_strict(os.environ) if slot.current is None else slot.current.strict


@pytest.fixture
def llmobs_spans() -> Iterator[RecordedSpans]:
    """What the test records: a sequence of finished spans with `.metrics`, `.named(name)`, `.tree()` and
    `.clear()`.

    It records whatever the environment says, also under `LLMOBS_TRACE_ENABLED=0`, and is as strict as that or
    `configure` said. What was configured before is back afterwards, unless the test called `configure`.
    """
    from llmobs_trace.runtime import recording_to

    spans = RecordedSpans()
    with recording_to(_recorder(spans)):
        yield spans
