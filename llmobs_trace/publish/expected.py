"""Lists what must be at Datadog of an experiment: what was published, or what a run's steps say. The
command's thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw

from llmobs_trace.experiment.steps import Ended, Evaluated, Steps, Summarised, Tried
from llmobs_trace.publish import fingerprints
from llmobs_trace.publish.fingerprints import Fingerprint
from llmobs_trace.store.paged_events import metric_pages, span_pages
from llmobs_trace.store.publications import Publication
from llmobs_trace.store.store import Store

_AT_ONCE = 500


_record = msgspec.json.Decoder(dict[str, Raw]).decode


def of_store(store: Store, experiment_id: str, reached: Publication) -> Iterator[Fingerprint]:
    """What was published of an experiment of the local store, but for metrics of spans that are not here:
    metrics are read back with their spans.
    """
    span_ids = {""}
    for page in span_pages(store, experiment_id, 0, _AT_ONCE):
        for span in page:
            if span.place > reached.spans:
                break
            span_ids.add(span.span_id)
            yield fingerprints.of_span(span.event)[0]
    for metrics in metric_pages(store, experiment_id, 0, _AT_ONCE):
        for metric in metrics:
            if metric.place > reached.metrics:
                break
            if metric.span_id in span_ids:
                yield fingerprints.of_metric(metric.event)


def of_steps(steps: Steps) -> Iterator[Fingerprint]:
    """What a run that went there itself recorded in its steps: rows, attempts and scores. What was recorded
    within a row is in the journal alone.
    """
    for step in steps.read_what_holds():
        if isinstance(step, Tried):
            yield from _of_records([step.record])
        elif isinstance(step, (Ended, Evaluated, Summarised)):
            yield from _of_records(step.records)


def _of_records(records: Iterable[Raw]) -> Iterator[Fingerprint]:
    for record in records:
        if bytes(record) == b"null":
            continue
        members = _record(record)
        if "span" in members:
            yield fingerprints.of_span(members["span"])[0]
        elif "metric" in members:
            yield fingerprints.of_metric(members["metric"])
