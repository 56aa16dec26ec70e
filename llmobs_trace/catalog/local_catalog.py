"""Keeps projects, datasets and experiments in the local store. Any thread, one at a time.

All that is SQL is the store's; here its answers become those of `Catalog`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

from llmobs_trace.catalog.catalog import (
    NOTHING,
    CatalogDataset,
    CatalogError,
    CatalogExperiment,
    CatalogProject,
    NewExperiment,
    Record,
    Status,
)
from llmobs_trace.errors import StoreError
from llmobs_trace.store import datasets, made_experiments, projects, records
from llmobs_trace.store.made_experiments import MadeExperiment, ToMake
from llmobs_trace.store.naming import NameTaken, UnknownId
from llmobs_trace.store.store import Store


class LocalCatalog:
    """`Catalog` over an open store, which whoever opened it closes."""

    def __init__(self, store: Store) -> None:
        self.name = str(store.path)
        self._store = store

    def project(self, name: str) -> CatalogProject:
        with _told():
            found = projects.project(self._store, name)
        return CatalogProject(id=found.id, name=found.name)

    def dataset(
        self, project_id: str, name: str, rows: Iterable[Record] | None = None, *, mirror: bool = False
    ) -> CatalogDataset | None:
        with _told():
            if rows is None:
                named = datasets.find_datasets(self._store, project_id=project_id, name=name)
                found = next(named, None)
                return None if found is None else _dataset(found)
            made = datasets.dataset(self._store, project_id, name)
            held = records.hold(self._store, made.id, map(_new_record, rows), mirror=mirror)
            return _dataset(held)

    def records(self, dataset: CatalogDataset, version: int | None = None) -> Iterator[Record]:
        with _told():
            found = next(datasets.find_datasets(self._store, id=dataset.id), None)
            if found is None:
                raise UnknownId(f"there is no dataset of the id {dataset.id!r}")
            number = dataset.version if version is None else version
            yield from map(record_of, records.records(self._store, found, number))

    def experiment(self, new: NewExperiment) -> CatalogExperiment:
        wanted = ToMake(
            id=new.id,
            run=new.run,
            name=new.name,
            project_id=new.project_id,
            dataset_id=new.dataset_id,
            dataset_version=new.dataset_version,
            description=new.description,
            config=_json(new.config),
            metadata=_json(new.metadata),
            run_count=new.repeats,
            parent_id=new.parent_id,
        )
        with _told():
            return _experiment(made_experiments.make_experiment(self._store, wanted))

    def status(
        self, experiment_id: str, status: Status, error: str | None = None, metadata: msgspec.Raw = NOTHING
    ) -> None:
        with _told():
            made_experiments.change_experiment(
                self._store, experiment_id, status=status, error=error, metadata=_json(metadata)
            )

    def find(
        self,
        *,
        project_id: str | None = None,
        name: str | None = None,
        run: str | None = None,
        experiment_id: str | None = None,
    ) -> Iterator[CatalogExperiment]:
        ids = None if experiment_id is None else [experiment_id]
        with _told():
            found = made_experiments.find_experiments(
                self._store, project_id=project_id, name=name, run=run, ids=ids
            )
            yield from map(_experiment, found)


@contextmanager
def _told() -> Iterator[None]:
    """What the store raises, as a catalog says it."""
    try:
        yield
    except StoreError as error:
        raise CatalogError(str(error)) from error
    except (UnknownId, NameTaken) as error:
        raise CatalogError(str(error), is_final=True) from error


def _dataset(found: datasets.StoredDataset) -> CatalogDataset:
    return CatalogDataset(id=found.id, project_id=found.project_id, name=found.name, version=found.version)


def record_of(stored: records.StoredRecord) -> Record:
    """A record of the store as catalogs have it."""
    return Record(
        id=stored.id,
        input=msgspec.Raw(stored.input),
        expected_output=msgspec.Raw(stored.expected_output),
        metadata=msgspec.Raw(stored.metadata),
        tags=stored.tags,
    )


def _new_record(record: Record) -> records.NewRecord:
    return records.NewRecord(
        id=record.id,
        input=bytes(record.input),
        expected_output=bytes(record.expected_output),
        metadata=bytes(record.metadata),
        tags=record.tags,
    )


def _experiment(found: MadeExperiment) -> CatalogExperiment:
    return CatalogExperiment(
        id=found.id,
        name=found.name,
        unique_name=found.unique_name,
        project_id=found.project_id,
        dataset_id=found.dataset_id or "",
        dataset_version=found.dataset_version,
        description=found.description,
        config=_raw(found.config),
        metadata=_raw(found.metadata),
        status=found.status,
        error=found.error,
        repeats=found.run_count,
        parent_id=found.parent_id,
    )


def _json(raw: msgspec.Raw) -> bytes | None:
    """Null is nothing."""
    json = bytes(raw)
    return None if json == bytes(NOTHING) else json


def _raw(json: bytes | None) -> msgspec.Raw:
    return NOTHING if json is None else msgspec.Raw(json)
