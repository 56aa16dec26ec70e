"""Reads what a test recorded: spans and metrics as they would have been sent. The test's thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import msgspec

from llmobs_trace.wire import KIND_TAG, PARENT_TAG, ROW_TAG


@dataclass(frozen=True)
class RecordedSpan:
    """A span as it would have been sent, with its tags taken apart.

    >>> def test_a_row_is_named_by_its_id(llmobs_spans):
    ...     with experiment_span("answer", input="2+2?", row_id="7"):
    ...         pass
    ...     assert (llmobs_spans[0].input, llmobs_spans[0].row_id) == ("2+2?", "7")

    - `name`, `kind`, `span_id`, `trace_id`, `parent_id` (None for a root), `start_ns` and `duration_ns`
    - `status`: `ok` or `error`; `error`: None, or a mapping with `type`, `message` and `stack`
    - `input`, `output`, `expected_output`: as read back from JSON
    - `tags`: by name, all but those for kind and parent
    - `row_id`, `experiment_id`, `project_id`, `dataset_id`: where it belongs
    - `wire`: all of it, under the names that the endpoint takes
    """

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
    """A metric as it would have been sent.

    >>> def test_an_answer_is_scored(llmobs_spans):
    ...     with experiment_span("answer"):
    ...         record_metric("exact_match", True, assessment="pass")
    ...     (metric,) = llmobs_spans.metrics
    ...     assert (metric.label, metric.value, metric.assessment) == ("exact_match", True, "pass")

    - `label`, `metric_type`, `timestamp_ms` (since the epoch), `assessment`, `reasoning`, `metadata`
    - `value`: whichever of the four value fields it has, or None; `error`: the message, or None
    - `tags`: as sent, `name:value`
    - `span_id`, `experiment_id`: what it is a metric of
    - `wire`: all of it, under the names that the endpoint takes
    """

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
    """What a test recorded, as the fixture `llmobs_spans` hands it out: a sequence of the finished spans in
    the order of their ends, with the `metrics` beside them and the `tree()` over them.

    >>> def test_an_answer_asks_the_model_once(llmobs_spans):
    ...     with experiment_span("answer"), experiment_span("model", kind="llm") as model:
    ...         model.set_output("4")
    ...     assert llmobs_spans.tree() == {"answer": {"model": {}}}
    ...     assert llmobs_spans.named("model").output == "4"

    Those of child processes come after what was there when they are first looked for.
    """

    def __init__(self, of_children: Path | None = None) -> None:
        self._of_children = of_children  # there, once one has recorded something
        self._of_children_bytes = 0  # so many of it are in `_records`
        self._records: list[bytes] = []
        self._decoded = 0
        self._spans: list[RecordedSpan] = []
        self._metrics: list[RecordedMetric] = []

    def append_record(self, record: bytes) -> None:
        """Take in a record, as it would have been journalled; the fixture does."""
        self._records.append(record)

    def _collect(self) -> None:
        if self._of_children is not None and self._of_children.exists():
            with self._of_children.open("rb") as file:
                file.seek(self._of_children_bytes)
                new = [line for line in file if line.endswith(b"\n")]
            self._of_children_bytes += sum(map(len, new))
            self._records += new

    def _read(self) -> None:
        self._collect()
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
        self._collect()
        return list(self._records)

    def named(self, name: str) -> RecordedSpan:
        """The one span of this name. Raises `AssertionError` where there is none, or where there are
        several.
        """
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
        self._collect()
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
