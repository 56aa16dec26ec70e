"""Reads a dataset's rows from the local store, page by page. Any thread, one pass at a time."""

from __future__ import annotations

from collections.abc import Iterator

from llmobs_trace.catalog.catalog import CatalogDataset
from llmobs_trace.errors import ConfigurationError, StoreError
from llmobs_trace.experiment.rows import Row, row_of_record
from llmobs_trace.process import life


class StoreRows:
    """The rows of the dataset of this name, at one version, whatever is put in later. Looks for it at once.
    Raises `ConfigurationError`.
    """

    def __init__(self, name: str, project: str | None, version: int | None) -> None:
        from llmobs_trace.store.datasets import find_datasets
        from llmobs_trace.store.projects import find_projects
        from llmobs_trace.store.store import Store

        self._database = life.configured().database
        try:
            with Store(self._database, read_only=True) as store:
                self.catalog = str(store.path)
                projects = {each.id: each.name for each in find_projects(store)}
                named = list(find_datasets(store, name=name))
        except StoreError as error:
            raise ConfigurationError(f"from_store: {error}") from None
        found = [each for each in named if project is None or projects.get(each.project_id) == project]
        if len(found) != 1:
            there = ", ".join(sorted(projects.get(each.project_id, each.project_id) for each in named))
            wrong = f"several projects have a dataset {name!r}: say project=, of" if found else ""
            missing = f"there is no dataset {name!r} in {self._database}"
            where = " of that project; of others" if named else "; a run over rows makes one"
            raise ConfigurationError(f"from_store: {wrong or missing + where}{': ' + there if named else ''}")
        self._found = found[0]
        self.project = projects.get(self._found.project_id)
        if version is not None and not 0 <= version <= self._found.version:
            raise ConfigurationError(
                f"from_store: the dataset {name!r} has no version {version}; the current one is"
                f" {self._found.version}"
            )
        self.dataset = CatalogDataset(
            id=self._found.id,
            project_id=self._found.project_id,
            name=name,
            version=self._found.version if version is None else version,
        )

    def __iter__(self) -> Iterator[Row]:
        from llmobs_trace.store.records import records
        from llmobs_trace.store.store import Store

        try:
            with Store(self._database, read_only=True) as store:
                yield from map(row_of_record, records(store, self._found, self.dataset.version))
        except StoreError as error:
            raise ConfigurationError(f"from_store: {error}") from None
