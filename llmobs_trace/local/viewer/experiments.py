"""The store comes in, its experiments and how often it changed go out; the thread that has the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from llmobs_trace.local import queries
from llmobs_trace.local.queries import Experiment, UnknownExperiment
from llmobs_trace.local.store import Store
from llmobs_trace.local.viewer.parameters import Parameters
from llmobs_trace.local.viewer.response import Refused

MOST: Final = 500


class Listed(Struct, frozen=True):
    """One experiment, counted; times since the Unix epoch."""

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
    """Another one means that something in the store changed."""

    revision: str


class Experiments(Struct, frozen=True):
    """A page of them, the one with the latest span first; `total` is of all that were asked for."""

    revision: str
    total: int
    experiments: list[Listed]


def revision(store: Store, query: Mapping[str, str]) -> Revision:
    return Revision(revision_of(store))


def listing(store: Store, query: Mapping[str, str]) -> Experiments:
    """`q` is looked for in ids and names, whatever its case."""
    parameters = Parameters(query)
    text = (parameters.text("q") or "").casefold()
    limit = parameters.whole("limit", 100, most=MOST)
    offset = parameters.whole("offset", 0)
    found = [
        each
        for each in queries.experiments(store)
        if text in each.id.casefold() or text in (each.name or "").casefold()
    ]
    return Experiments(
        revision_of(store), len(found), [listed(each) for each in found[offset : offset + limit]]
    )


def revision_of(store: Store) -> str:
    """Only whether it is another one says anything."""
    ((number,),) = store.select("SELECT revision FROM state")
    return str(number)


def find(store: Store, experiment_id: str) -> tuple[int, Experiment]:
    """An experiment of the store with its key; by its whole id, as links name it."""
    try:
        ((key,),) = store.select("SELECT key FROM experiment WHERE id = ?", (experiment_id,))
        return key, queries.find_experiment(store, experiment_id)
    except (UnknownExperiment, ValueError):
        raise Refused(404, f'the store holds no experiment of the id "{experiment_id[:300]}"') from None


def listed(found: Experiment) -> Listed:
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
