"""Answers for the store: one of its experiments, and how often it changed. The thread that has the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from llmobs_trace.store import queries
from llmobs_trace.store.queries import Experiment, UnknownExperiment
from llmobs_trace.store.store import Store
from llmobs_trace.viewer.response import CannotAnswer

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
    repeats: int
    status: str | None
    left: int
    note: str | None


class Revision(Struct, frozen=True):
    """Another one means that something in the store changed."""

    revision: str


def revision(store: Store, query: Mapping[str, str]) -> Revision:
    return Revision(revision_of(store))


def revision_of(store: Store) -> str:
    """Only whether it is another one says anything."""
    # With when the first experiment came: a store that takes another's place begins to count anew.
    query = "SELECT revision, (SELECT created_ns FROM experiment ORDER BY key LIMIT 1) FROM state"
    ((number, since_ns),) = store.select(query)
    return f"{number}-{since_ns or 0}"


def find(store: Store, experiment_id: str) -> tuple[int, Experiment]:
    """An experiment of the store with its key; by its whole id, as links name it."""
    try:
        ((key,),) = store.select("SELECT key FROM experiment WHERE id = ?", (experiment_id,))
        return key, queries.find_experiment(store, experiment_id)
    except (UnknownExperiment, ValueError):
        raise CannotAnswer(404, f'the store holds no experiment of the id "{experiment_id[:300]}"') from None


def listed(found: Experiment) -> Listed:
    return Listed(**{name: getattr(found, name) for name in Listed.__struct_fields__})
