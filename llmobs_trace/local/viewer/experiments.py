"""The store comes in, the list of its experiments goes out; the thread that has the store."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from llmobs_trace.local import queries
from llmobs_trace.local.store import Store


class Listed(Struct, frozen=True):
    """One experiment, as the viewer lists it."""

    id: str
    name: str | None
    created_ns: int
    began_ns: int
    active_ns: int
    rows: int
    spans: int
    errors: int
    metrics: int
    failed_metrics: int
    project_ids: list[str]
    dataset_ids: list[str]


class Revision(Struct, frozen=True):
    revision: str


class Experiments(Struct, frozen=True):
    revision: str
    experiments: list[Listed]


def revision(store: Store, query: Mapping[str, str]) -> Revision:
    return Revision(_revision(store))


def listing(store: Store, query: Mapping[str, str]) -> Experiments:
    found = queries.experiments(store)
    return Experiments(_revision(store), [_listed(each) for each in found])


def _revision(store: Store) -> str:
    ((spans, metrics, experiments),) = store.select(
        "SELECT (SELECT max(key) FROM span), (SELECT max(key) FROM metric), (SELECT max(key) FROM experiment)"
    )
    return f"{spans or 0}-{metrics or 0}-{experiments or 0}"


def _listed(found: queries.Experiment) -> Listed:
    return Listed(
        id=found.id,
        name=found.name,
        created_ns=found.created_ns,
        began_ns=found.began_ns,
        active_ns=found.active_ns,
        rows=found.rows,
        spans=found.spans,
        errors=found.errors,
        metrics=found.metrics,
        failed_metrics=found.failed_metrics,
        project_ids=found.project_ids,
        dataset_ids=found.dataset_ids,
    )
