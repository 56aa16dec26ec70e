"""Looks whether what events are sent to by name is there, or would be made; on the main thread.

It asks as delivery does, once and by GET requests without a body, which make nothing. Whether the keys may
make what is not there, no such request tells.
"""

from __future__ import annotations

from contextlib import closing

from llmobs_trace.catalog.catalog import CatalogDataset, CatalogError, CatalogProject
from llmobs_trace.catalog.http_catalog import HttpCatalog
from llmobs_trace.cli.doctor.check import Check
from llmobs_trace.settings.config import Config
from llmobs_trace.wire import mark_of

_RIGHT = "the application key needs the right to read experiments of LLM Observability"


def look(config: Config, seconds: float) -> list[Check]:
    """What there is of a configuration's names, as far as these keys may see; each for so many seconds."""
    assert config.api_key is not None
    assert config.app_key is not None
    with closing(
        HttpCatalog(config.base_url, config.api_key, config.app_key, seconds=seconds, again=False)
    ) as catalog:
        checks = [*_project_and_dataset(config, catalog)]
    if mark_of(config.experiment_id) is not None:
        checks.append(Check("experiment", True, f"{config.experiment_name!r}: one is made for each run"))
    return checks


def _project_and_dataset(config: Config, catalog: HttpCatalog) -> list[Check]:
    checks, project_id = [], config.project_id
    project_name, dataset_name = config.project_name or "", config.dataset_name or ""
    if mark_of(project_id) is not None:
        try:
            project = catalog.known_project(project_name)
        except CatalogError as error:
            return [_unseen("project", project_name, error)]
        checks.append(_seen("project", project_name, project))
        project_id = "" if project is None else project.id
    if mark_of(config.dataset_id) is not None:
        if not project_id:
            checks.append(Check("dataset", True, f"{dataset_name!r} would be made with its project"))
            return checks
        try:
            checks.append(_seen("dataset", dataset_name, catalog.dataset(project_id, dataset_name)))
        except CatalogError as error:
            checks.append(_unseen("dataset", dataset_name, error))
    return checks


def _seen(what: str, name: str, found: CatalogProject | CatalogDataset | None) -> Check:
    if found is None:
        return Check(what, True, f"{name!r} is not there: the first events make it, if the keys may")
    return Check(what, True, f"{name!r} is there")


def _unseen(what: str, name: str, error: CatalogError) -> Check:
    """Only a refusal of these keys is sure to keep events from arriving, too."""
    is_refused = error.status in (401, 403)
    more = f"; {_RIGHT}" if is_refused else ""
    return Check(what, False if is_refused else None, f"{name!r} can't be looked for: {error}{more}")
