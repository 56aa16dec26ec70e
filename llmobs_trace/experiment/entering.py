"""Enters a run into the catalog of its destination, and says there how far it is. The calling thread.

The run's mark is on disk before anything is asked for, and what is made carries it: a process that dies
before it hears what was made leaves a mark by which the next one finds it. What the catalog is told of the
run's end is on disk, too, before it is told, so that whoever comes after a process that died there says it in
its place: see `passing_on`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from llmobs_trace.capture.recorder import Recorder
from llmobs_trace.catalog.catalog import (
    NOTHING,
    Catalog,
    CatalogDataset,
    CatalogError,
    CatalogProject,
    NewExperiment,
    Record,
    Status,
)
from llmobs_trace.encode import encode
from llmobs_trace.errors import ExperimentError, StoreError
from llmobs_trace.experiment import describing
from llmobs_trace.experiment.dataset import Dataset
from llmobs_trace.experiment.passing_on import Told, tell
from llmobs_trace.experiment.project import project_of
from llmobs_trace.experiment.steps import Manifest, Steps
from llmobs_trace.pipeline import Pipeline, catalog_of


def enter(
    pipeline: Pipeline,
    known: Manifest,
    recorder: Recorder,
    *,
    project: str | None,
    dataset: Dataset | None,
    was_begun: bool = False,
) -> None:
    """Find or make the run's project, dataset and experiment, and write their ids into its manifest. Where it
    `was_begun` over the same rows, its dataset has them. Raises `ExperimentError`: nothing was run.
    """
    try:
        with catalog_of(pipeline.config) as catalog:
            found = project_of(catalog, pipeline.config, project)
            before = _still_there(catalog, found, known) if was_begun else None
            known.project_id, known.project_name = found.id, found.name
            held = before or _dataset(catalog, found, dataset, known.dataset_name, recorder)
            known.dataset_id, known.dataset_version = held.id, held.version
            made = catalog.experiment(_wanted(known, recorder, catalog.name))
            known.experiment_id, known.unique_name = made.id, made.unique_name
            known.dataset_version = made.dataset_version
            known.catalog = catalog.name
    except (CatalogError, StoreError) as error:
        raise ExperimentError(f"nothing was run: {error}") from error


def say(
    steps: Steps,
    pipeline: Pipeline | None,
    status: Status,
    error: str | None = None,
    summary: Mapping[str, object] | None = None,
    *,
    has_grown: bool = False,
) -> None:
    """Tell the catalog how far the run is. Where that can't be now, whoever comes next does. What `has_grown`
    may have other rows and repeats than when it was entered.
    """
    if pipeline is None or not steps.manifest.catalog:
        return
    is_described = summary or has_grown
    metadata = describing.catalog_metadata(steps.manifest, summary) if is_described else NOTHING
    tell(steps, pipeline.config, Told(status, error, metadata))


def _wanted(known: Manifest, recorder: Recorder, catalog: str) -> NewExperiment:
    return NewExperiment(
        id=known.experiment_id,
        run=known.run,
        name=known.name,
        project_id=known.project_id,
        dataset_id=known.dataset_id,
        dataset_version=known.dataset_version,
        description=known.description,
        config=_redacted(recorder, "config", bytes(known.config)),
        metadata=describing.catalog_metadata(known),
        repeats=known.repeats,
        parent_id=known.parent_experiment_id if known.parent_catalog == catalog else None,
    )


def _still_there(catalog: Catalog, project: CatalogProject, known: Manifest) -> CatalogDataset | None:
    """The dataset that a run was begun over, if it is the one of its name."""
    if (known.catalog, known.project_id) != (catalog.name, project.id):
        return None
    named = catalog.dataset(project.id, known.dataset_name)
    return named if named is not None and named.id == known.dataset_id else None


def _dataset(
    catalog: Catalog, project: CatalogProject, dataset: Dataset | None, name: str, recorder: Recorder
) -> CatalogDataset:
    """The dataset that the rows are in: theirs, where they came from this catalog; else the one of the name,
    which holds them from now on.
    """
    if dataset is None:
        named = catalog.dataset(project.id, name, ())
        assert named is not None  # it is made where there is none
        return named
    source = dataset.source
    if source is not None and (source.catalog, source.dataset.project_id) == (catalog.name, project.id):
        return source.dataset
    found = catalog.dataset(project.id, name, _records(dataset, recorder), mirror=dataset.sync == "mirror")
    assert found is not None  # rows were given
    return found


def _records(dataset: Dataset, recorder: Recorder) -> Iterator[Record]:
    for row in dataset:
        yield Record(
            id=row.id or "",
            input=_redacted(recorder, "input", encode(row.input)),
            expected_output=_redacted(recorder, "expected_output", encode(row.expected_output)),
            metadata=_redacted(recorder, "metadata", encode(row.metadata)),
            tags=row.tags,
        )


def _redacted(recorder: Recorder, field: str, encoded: bytes) -> msgspec.Raw:
    """A value as a redactor leaves it: what is kept of a run is what is recorded of it."""
    if recorder.redactor is not None and encoded != b"null":
        encoded = recorder.redactor.apply(field, encoded)
    return msgspec.Raw(encoded)
