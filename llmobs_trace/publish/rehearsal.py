"""Shows what publishing an experiment would send, sending nothing. The command's thread."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from llmobs_trace.catalog.asking import PREFIX
from llmobs_trace.catalog.changes import Held, body_of
from llmobs_trace.catalog.http_catalog import experiment_attributes
from llmobs_trace.publish.dataset_rows import rows_of
from llmobs_trace.publish.naming import Names
from llmobs_trace.publish.other_ids import OtherIds
from llmobs_trace.publish.publishing import new_experiment
from llmobs_trace.store.paged_events import metric_pages, span_pages
from llmobs_trace.store.queries import Experiment
from llmobs_trace.store.store import Store

# What is found or made first has no id yet.
_PROJECT, _DATASET, _EXPERIMENT = "<project>", "<dataset>", "<experiment>"
_FEW = 3
_encode = msgspec.json.Encoder().encode


def bodies(store: Store, experiment: Experiment, names: Names) -> Iterator[bytes]:
    """A request a line, as its method, path and body, with the first few records and events alone."""
    yield _line(f"{PREFIX}/projects", _of("projects", {"name": names.project}))
    datasets = f"{PREFIX}/{_PROJECT}/datasets"
    yield _line(datasets, _of("datasets", {"name": names.dataset}))
    rows = islice(rows_of(store, experiment.id, names.made), _FEW)
    batch = body_of(Held().changes_for(rows, mirror=False), _DATASET, is_first=True)
    yield _line(f"{datasets}/{_DATASET}/batch_update", msgspec.Raw(batch))
    new = new_experiment(experiment, names, _PROJECT, _DATASET, None)
    yield _line(f"{PREFIX}/experiments", _of("experiments", experiment_attributes(new)))
    ids = OtherIds(_PROJECT, _DATASET, _EXPERIMENT, {"experiment_id": _EXPERIMENT})
    spans = [ids.span(span.event) for span in next(span_pages(store, experiment.id, 0, _FEW), [])]
    metrics = [ids.metric(metric.event) for metric in next(metric_pages(store, experiment.id, 0, _FEW), [])]
    events = {"spans": _events(spans, "span"), "metrics": _events(metrics, "metric")}
    yield _line(f"{PREFIX}/experiments/{_EXPERIMENT}/events", _of("events", events))


def _events(records: list[bytes], what: str) -> list[msgspec.Raw]:
    return [msgspec.json.decode(record, type=dict[str, msgspec.Raw])[what] for record in records]


def _of(type: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"type": type, "attributes": attributes}}


def _line(path: str, body: dict[str, Any] | msgspec.Raw) -> bytes:
    return _encode({"method": "POST", "path": path, "body": body})
