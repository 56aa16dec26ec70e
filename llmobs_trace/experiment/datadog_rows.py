"""Reads a dataset's rows from Datadog, or from who answers as it does. The calling thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

import msgspec

from llmobs_trace.catalog.catalog import CatalogError
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment.project import project_name
from llmobs_trace.experiment.rows import Row, row_of_record
from llmobs_trace.process import life

if TYPE_CHECKING:
    from llmobs_trace.catalog.http_catalog import HttpCatalog


class DatadogRows:
    """The records of the dataset of this name, at one version; the project of this name, else the configured
    one, has it. Looks for it at once, and makes nothing. Raises `ConfigurationError`.
    """

    def __init__(self, name: str, project: str | None, version: int | None) -> None:
        self._version = version
        with closing(_catalog()) as catalog:
            self.catalog = catalog.name
            config = life.configured()
            self.project = project_name(config, project)
            try:
                project_id = config.project_id
                if self.project is not None:
                    known = catalog.known_project(self.project)
                    project_id = _there(known, "project", self.project, catalog).id
                found = _there(catalog.dataset(project_id, name), "dataset", name, catalog)
            except CatalogError as error:
                raise ConfigurationError(str(error)) from None
        self._found = found
        self.dataset = found if version is None else msgspec.structs.replace(found, version=version)

    def __iter__(self) -> Iterator[Row]:
        with closing(_catalog()) as catalog:
            try:
                yield from map(row_of_record, catalog.records(self._found, self._version))
            except CatalogError as error:
                raise ConfigurationError(str(error)) from None


def _catalog() -> HttpCatalog:
    from llmobs_trace.catalog.http_catalog import HttpCatalog

    config = life.configured()
    if config.api_key is None or config.app_key is None:
        raise ConfigurationError(
            "from_datadog needs both keys: DD_API_KEY and DD_APP_KEY, or configure(api_key=…, app_key=…)"
        )
    return HttpCatalog(config.base_url, config.api_key, config.app_key)


_Thing = TypeVar("_Thing")


def _there(found: _Thing | None, what: str, name: str, catalog: HttpCatalog) -> _Thing:
    if found is None:
        raise ConfigurationError(f"from_datadog: there is no {what} {name!r} at {catalog.name}")
    return found
