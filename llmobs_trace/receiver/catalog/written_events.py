"""Answers with an experiment's spans and metrics, as they were pushed. The service's threads.

v3 answers in pages; v2 the same in one, v1 as a list of spans; ddtrace's SDK reads rows alone, by a path of
its own. A summary metric is one without a span, or with the tag `metric_source:summary`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from llmobs_trace.receiver.catalog import answers
from llmobs_trace.receiver.catalog.asked import Asked, Refused, cursor
from llmobs_trace.receiver.catalog.ddtrace import NO_PARENT, SUMMARY
from llmobs_trace.receiver.http import Reply
from llmobs_trace.receiver.problems import problem
from llmobs_trace.store import made_experiments, projects
from llmobs_trace.store.paged_events import (
    PagedMetric,
    PagedSpan,
    metrics_of,
    metrics_that_say,
    span_pages,
)
from llmobs_trace.store.store import Store
from llmobs_trace.wire import CONTENT_TYPE

# A page ends where its spans come to so much.
_PAGE_BYTES: Final = 8 << 20
_AT_ONCE: Final = 200
_ALL: Final = 1 << 62
_AMOUNTS: Final = ("input_tokens", "output_tokens", "total_tokens", "cost_usd")

_encode: Final = msgspec.json.Encoder().encode


class _Span(Struct):
    """A span as it came, its values as their bytes."""

    span_id: str
    trace_id: str
    name: str
    start_ns: int
    duration: int
    status: str
    tags: list[str] = []
    meta: Raw | UnsetType = UNSET


class _Metric(Struct):
    tags: list[str] = []


_span: Final = msgspec.json.Decoder(_Span).decode
_metric: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_tags: Final = msgspec.json.Decoder(_Metric).decode


def v3(store: Store, asked: Asked) -> Reply:
    return _whole(store, asked.ids[0], asked, asked.limit)


def v2(store: Store, asked: Asked) -> Reply:
    return _whole(store, asked.ids[0], asked, _ALL)


def v1(store: Store, asked: Asked) -> Reply:
    spans, _ = _spans(store, asked.ids[0], asked.after, _ALL)
    resources = [{"id": each["id"], "type": "experiments", "attributes": each} for each in spans]
    return answers.several(resources, {})


def rows(store: Store, asked: Asked) -> Reply:
    """Rows alone: ddtrace's SDK takes each span that it gets for one."""
    return _whole(store, asked.ids[0], asked, _ALL, rows_only=True)


def rows_by_name(store: Store, asked: Asked) -> Reply:
    """The same of the latest run of a name."""
    names = asked.one("filter[project_name]"), asked.one("filter[experiment_name]")
    if None in names:
        raise Refused(problem(400, "name a project and an experiment", parameter="filter[experiment_name]"))
    project = next(projects.find_projects(store, name=names[0]), None)
    found = None
    if project is not None:
        of_project = made_experiments.find_experiments(store, project_id=project.id)
        found = next((each for each in of_project if names[1] in (each.name, each.unique_name)), None)
    if found is None:
        raise Refused(problem(404, f"the project {names[0]!r} has no experiment {names[1]!r}"))
    return _whole(store, found.id, asked, _ALL, rows_only=True)


def _whole(store: Store, experiment_id: str, asked: Asked, limit: int, *, rows_only: bool = False) -> Reply:
    spans, after = _spans(store, experiment_id, asked.after, limit, rows_only=rows_only)
    summary = [] if asked.after else list(_summary(store, experiment_id))
    data = {
        "id": experiment_id,
        "type": "experiment_events",
        "attributes": {"spans": spans, "summary_metrics": summary},
    }
    meta = {"after": None if after is None else cursor(after, asked.filters)}
    return Reply(200, _encode({"data": data, "meta": meta}), CONTENT_TYPE)


def _spans(
    store: Store, experiment_id: str, after: int | None, limit: int, *, rows_only: bool = False
) -> tuple[list[dict[str, Any]], int | None]:
    """A page of spans with their metrics, and where the next begins, if there is one."""
    shown: list[dict[str, Any]] = []
    beyond, size_bytes = after or 0, 0
    with store.snapshot():
        for part in span_pages(store, experiment_id, beyond, min(limit, _AT_ONCE), rows_only=rows_only):
            metrics = metrics_of(store, experiment_id, [span.span_id for span in part])
            for span in part:
                is_full = limit != _ALL and (len(shown) == limit or size_bytes > _PAGE_BYTES)
                if is_full and shown:
                    return shown, beyond
                shown.append(_shown(span, metrics.get(span.span_id, ())))
                beyond, size_bytes = span.place, size_bytes + len(span.event)
        return shown, None


def _shown(span: PagedSpan, metrics: Iterable[PagedMetric]) -> dict[str, Any]:
    event = _span(span.event)
    said = dict(tag.split(":", 1) for tag in event.tags if ":" in tag)
    amounts = {name: float(said[name]) for name in _AMOUNTS if _is_number(said.get(name))}
    meta = Raw(b"{}") if event.meta is UNSET else event.meta
    return {
        "id": event.span_id,
        "span_id": event.span_id,
        "trace_id": event.trace_id,
        "parent_id": span.parent_id or NO_PARENT,
        "name": event.name,
        "start_ns": event.start_ns,
        "duration": event.duration,
        "status": event.status,
        "tags": event.tags,
        "dataset_record_id": span.row_id,
        "meta": meta,
        "metrics": amounts,
        "eval_metrics": [
            _metric_shown(metric, event.trace_id, "custom") for metric in metrics if not _is_summary(metric)
        ],
    }


def _summary(store: Store, experiment_id: str) -> Iterator[dict[str, Any]]:
    said = metrics_that_say(store, experiment_id, SUMMARY)
    return (_metric_shown(metric, "", "summary") for metric in said if _is_summary(metric))


def _metric_shown(metric: PagedMetric, trace_id: str, source: str) -> dict[str, Any]:
    event: dict[str, Any] = dict(_metric(metric.event))
    more = {
        "id": str(metric.place),
        "trace_id": trace_id,
        "metric_source": source,
        "eval_source_type": "custom",
    }
    return {"tags": [], **event, **more}


def _is_summary(metric: PagedMetric) -> bool:
    return not metric.span_id or (SUMMARY.encode() in metric.event and SUMMARY in _tags(metric.event).tags)


def _is_number(text: str | None) -> bool:
    try:
        return text is not None and abs(float(text)) < float("inf")
    except ValueError:
        return False
