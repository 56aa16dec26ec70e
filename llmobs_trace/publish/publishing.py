"""Makes what an experiment needs at Datadog, and sends its events there. The command's thread.

How far it is stands in the store after each part, so the same command goes on after a kill. A part that was
sent and not noted is sent again, which changes nothing there: spans are known by their ids, and metrics are
the same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Raw, Struct, structs

from llmobs_trace.catalog.catalog import NOTHING, OUR_METADATA, Catalog, CatalogExperiment, NewExperiment
from llmobs_trace.deliver.destination import Destination
from llmobs_trace.deliver.drain import Drained, drain, log_notices
from llmobs_trace.journal import open_journal, this_process
from llmobs_trace.publish.dataset_rows import rows_of
from llmobs_trace.publish.naming import Names, mark_of
from llmobs_trace.publish.other_ids import OtherIds
from llmobs_trace.store import publications
from llmobs_trace.store.paged_events import (
    PagedMetric,
    PagedSpan,
    count_beyond,
    metric_pages,
    span_pages,
)
from llmobs_trace.store.publications import Publication
from llmobs_trace.store.queries import Experiment
from llmobs_trace.store.store import Store

_Pages = Callable[[Store, str, int, int], "Iterator[list[PagedSpan]] | Iterator[list[PagedMetric]]"]
# A part has at most so many events, and what is sent of it waits in so much memory.
_PART_EVENTS: Final = 2000
_QUEUE_BYTES: Final = 32 << 20


class Way(Struct, frozen=True):
    """How to get there: `destination` takes events, `catalog` the rest; `rejected` is where what is refused
    for good is kept. Times are seconds.
    """

    catalog: Catalog
    destination: Destination
    rejected: Path | None
    timeout: float
    request_timeout: float
    max_batch_bytes: int


class Part(Struct, frozen=True):
    """What one part came to: so many events of it were done with; `error` says why some were not."""

    events: int
    reached: Publication
    error: str | None = None


def new_experiment(
    experiment: Experiment, names: Names, project_id: str, dataset_id: str, version: int | None
) -> NewExperiment:
    """What to ask for."""
    made, mark = names.made, mark_of(experiment, names.made)
    metadata = json.loads(made.metadata) if made is not None and made.metadata is not None else {}
    ours = metadata.get(OUR_METADATA)
    metadata[OUR_METADATA] = {**(ours if isinstance(ours, dict) else {}), "run": mark}
    return NewExperiment(
        id=experiment.id,
        run=mark,
        name=names.experiment,
        project_id=project_id,
        dataset_id=dataset_id,
        dataset_version=version,
        description=None if made is None else made.description,
        config=NOTHING if made is None or made.config is None else Raw(made.config),
        metadata=Raw(msgspec.json.encode(metadata)),
        repeats=1 if made is None else made.run_count,
    )


def publish(
    store: Store, experiment: Experiment, names: Names, way: Way, *, again: bool = False
) -> Iterator[Part]:
    """Send what is not there yet, or everything `again`; a part at a time, until one has an error.

    Raises `CatalogError` where project, dataset or experiment can't be found or made, and `StoreError`.
    """
    where = way.destination.name
    known = publications.publication(store, experiment.id, where)
    if known is None or again:
        known = Publication(run=mark_of(experiment, names.made))
        publications.keep(store, experiment.id, where, known)
    made = _made(store, experiment, names, way.catalog)
    reached = structs.replace(known, experiment_id=made.id)
    publications.keep(store, experiment.id, where, reached)
    ids = OtherIds(made.project_id, made.dataset_id, made.id, _tags(names, made))
    for lines, next_reached in _parts(store, experiment.id, reached, ids):
        drained = _sent(lines, way, made.id)
        done = drained.delivered + drained.rejected
        if drained.pending:
            yield Part(done, reached, drained.last_error or "nothing was taken in time")
            return
        reached = structs.replace(
            next_reached,
            delivered=reached.delivered + drained.delivered,
            rejected=reached.rejected + drained.rejected,
        )
        publications.keep(store, experiment.id, where, reached)
        yield Part(done, reached)
    status = None if names.made is None else names.made.status
    way.catalog.status(made.id, status or "completed", None if names.made is None else names.made.error)
    reached = structs.replace(reached, finished_ns=time.time_ns())
    publications.keep(store, experiment.id, where, reached)
    yield Part(0, reached)


def left(store: Store, experiment: Experiment, where: str, *, again: bool = False) -> int:
    """How many events are to be sent."""
    known = None if again else publications.publication(store, experiment.id, where)
    return left_of(store, experiment.id, known or Publication(run=""))


def left_of(store: Store, experiment_id: str, reached: Publication) -> int:
    """How many events came after those that were sent. Of marks by hand that is the latest alone."""
    return count_beyond(store, experiment_id, reached.spans, reached.metrics)


def _made(store: Store, experiment: Experiment, names: Names, catalog: Catalog) -> CatalogExperiment:
    project = catalog.project(names.project)
    rows = rows_of(store, experiment.id, names.made)
    dataset = catalog.dataset(project.id, names.dataset, rows)
    assert dataset is not None  # it was given rows
    return catalog.experiment(new_experiment(experiment, names, project.id, dataset.id, dataset.version))


def _tags(names: Names, made: CatalogExperiment) -> dict[str, str]:
    """The tags that name what is called otherwise there."""
    return {
        "experiment_id": made.id,
        "experiment_name": names.experiment,
        "project_id": made.project_id,
        "project_name": names.project,
        "dataset_id": made.dataset_id,
        "dataset_name": names.dataset,
    }


def _parts(
    store: Store, experiment_id: str, reached: Publication, ids: OtherIds
) -> Iterator[tuple[list[bytes], Publication]]:
    """Records that are not there yet, spans first, each part with how far it reaches."""
    kinds: tuple[tuple[str, _Pages, Callable[[bytes], bytes]], ...] = (
        ("spans", span_pages, ids.span),
        ("metrics", metric_pages, ids.metric),
    )
    for kind, pages, record in kinds:
        for page in pages(store, experiment_id, getattr(reached, kind), _PART_EVENTS):
            reached = structs.replace(reached, **{kind: page[-1].place})
            yield [record(each.event) for each in page], reached


def _sent(lines: list[bytes], way: Way, experiment_id: str) -> Drained:
    """Deliver them as any events are: in batches, again where that helps, without the one that is refused.

    In memory: whatever becomes of this process, the store has them.
    """
    owner = this_process(way.destination.name, experiment_id)
    queue = open_journal(None, owner=owner, memory_bytes=_QUEUE_BYTES + sum(map(len, lines)))
    queue.wake = lambda: None
    try:
        for line in lines:
            queue.append(line)
        return drain(
            queue,
            way.destination,
            timeout=way.timeout,
            request_timeout=way.request_timeout,
            max_batch_bytes=way.max_batch_bytes,
            rejected=way.rejected,
            notices=log_notices(),
        )
    finally:
        queue.close(keep=False)
