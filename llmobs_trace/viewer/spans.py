"""Answers for one span: the whole of it, as it came or as a page shows it. The store's thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from llmobs_trace.store.preview import WHOLE, previewed
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import metrics, tags
from llmobs_trace.viewer.experiments import find, revision_of
from llmobs_trace.viewer.metrics import Explained
from llmobs_trace.viewer.response import CannotAnswer

MOST: Final = 1 << 20  # characters of a span's values together
_MOST_TEXT: Final = 1 << 16  # of any other text of it


_ABSENT: Final = Raw(b"null")


class _Meta(Struct):
    input: Raw = _ABSENT
    output: Raw = _ABSENT
    expected_output: Raw = _ABSENT


class _Event(Struct):
    meta: _Meta | None = None


_event = msgspec.json.Decoder(_Event)


class InRow(Struct, frozen=True):
    """The row in whose tree a span is."""

    row_id: str | None
    span_id: str
    trace_id: str


class WholeSpan(Struct, frozen=True):
    """A span's event and its metrics' events, as JSON text: who reads JSON may change numbers in it."""

    revision: str
    span: str
    metrics: list[str]
    trace_id: str
    parent_id: str | None
    kind: str | None
    row: InRow | None


class ShownSpan(Struct, frozen=True):
    """What a trace shows of one of its spans, whole as far as `MOST` of it goes; values are JSON text."""

    revision: str
    error_message: str | None
    error_stack: str | None
    tags: list[str]
    input: str | None
    input_cut: bool
    input_left_out: int
    output: str | None
    output_cut: bool
    output_left_out: int
    expected_output: str | None
    expected_output_cut: bool
    metrics: list[Explained]


def shown(store: Store, experiment_id: str, span_id: str, query: Mapping[str, str]) -> ShownSpan:
    experiment, (event, message) = _found(
        store, experiment_id, span_id, "CAST(v.event AS BLOB), s.error_message FROM span s"
    )
    whole = previewed(None, event, _room(event), WHOLE)
    return ShownSpan(
        revision=revision_of(store),
        error_message=message and message[:_MOST_TEXT],
        error_stack=whole.error_stack,
        tags=tags.users(whole.tags),
        **whole.values(),
        metrics=metrics.of_spans(store, experiment, [span_id], _MOST_TEXT)[span_id],
    )


def _room(event: bytes) -> int:
    """How much of each value there is room for: all that is small, and the rest in equal parts."""
    if len(event) <= MOST:
        return MOST
    meta = _event.decode(event).meta or _Meta()
    left = MOST
    sizes = sorted(len(bytes(value)) for value in (meta.input, meta.output, meta.expected_output))
    for others, size in zip((3, 2, 1), sizes, strict=True):
        if size > left // others:
            return left // others
        left -= size
    return MOST


def _found(store: Store, experiment_id: str, span_id: str, columns: str) -> tuple[int, tuple[Any, ...]]:
    """The key of the experiment, and `columns` of the span `s` and its event `v`."""
    experiment, _ = find(store, experiment_id)
    query = f"SELECT {columns} JOIN span_event v ON v.key = s.key WHERE s.experiment = ? AND s.span_id = ?"
    for found in store.select(query, (experiment, span_id)):
        return experiment, found
    raise CannotAnswer(404, f'experiment "{experiment_id}" has no span of the id "{span_id[:300]}"')


def span(store: Store, experiment_id: str, span_id: str, query: Mapping[str, str]) -> WholeSpan:
    experiment, (event, trace_id, parent_id, kind, *row) = _found(
        store,
        experiment_id,
        span_id,
        "v.event, s.trace_id, s.parent_id, s.kind, r.row_id, r.span_id, r.trace_id"
        " FROM span s LEFT JOIN span r ON r.key = s.in_row",
    )
    metrics = store.select(
        "SELECT event FROM metric WHERE experiment = ? AND span_id = ? ORDER BY timestamp_ms, key",
        (experiment, span_id),
    )
    return WholeSpan(
        revision=revision_of(store),
        span=event,
        metrics=[each for (each,) in metrics],
        trace_id=trace_id,
        parent_id=parent_id,
        kind=kind,
        row=InRow(*row) if row[1] is not None else None,
    )
