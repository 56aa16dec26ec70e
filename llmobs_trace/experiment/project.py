"""Finds the project that an experiment belongs to, which is named in one of several ways. Any thread."""

from __future__ import annotations

from pathlib import Path

from llmobs_trace.catalog.catalog import Catalog, CatalogProject
from llmobs_trace.settings.config import Config


def project_of(catalog: Catalog, config: Config, named: str | None) -> CatalogProject:
    """The project of this name; of none, the configured one, by its name or its id; else that of the
    directory's name. It is made where there is none.
    """
    name = project_name(config, named)
    if name is None:
        return CatalogProject(id=config.project_id, name=config.project_id)
    return catalog.project(name)


def project_name(config: Config, named: str | None) -> str | None:
    """What that project is called; None where its id alone is configured."""
    name = named or config.project_name
    if name is None and "project_id" in config.given:
        return None
    return name or directory_name()


def directory_name() -> str:
    """What a project is called that nobody named."""
    try:
        return Path.cwd().name or "root"
    except OSError:  # it has been deleted
        return "root"
