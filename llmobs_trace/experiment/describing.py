"""Describes what a run is: its manifest, and what everybody who looks at it is told. The calling thread."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import msgspec

from llmobs_trace.capture.recorder import Scope
from llmobs_trace.catalog.catalog import experiment_metadata
from llmobs_trace.encode import encode
from llmobs_trace.experiment import git
from llmobs_trace.experiment.definition import Definition
from llmobs_trace.experiment.steps import Code, Manifest
from llmobs_trace.wire import as_id


def manifest(
    experiment: Definition, selected: list[str], default: Scope, parent: Manifest | None
) -> Manifest:
    """What is about to run. Its ids are made up until the experiment is entered into a catalog."""
    dataset = experiment.dataset
    known = _begun(experiment.name, dataset.name or experiment.name, default, experiment.config)
    known.description, known.tags = experiment.description, dict(experiment.tags)
    known.fingerprint, known.selected, known.repeats = dataset.fingerprint, selected, experiment.repeats
    known.task = experiment.task_code
    known.evaluators = [each.code for each in experiment.evaluators]
    known.summary_evaluators = [code for _, code in experiment.summaries]
    if parent is not None:
        known.parent_experiment_id, known.parent_catalog = parent.experiment_id, parent.catalog
    return known


def opened(
    name: str,
    dataset_name: str,
    default: Scope,
    *,
    config: Mapping[str, object] | None,
    description: str | None,
    tags: Mapping[str, str],
    version: str | None,
) -> Manifest:
    """What a loop of the user's own is about to record."""
    known = _begun(name, dataset_name, default, config)
    known.description, known.tags, known.task = description, dict(tags), Code("", "", version)
    return known


def _begun(name: str, dataset_name: str, default: Scope, config: object) -> Manifest:
    """What is known of everything that begins here and now, whatever runs."""
    return Manifest(
        library=_version(),
        run=str(uuid.uuid4()),
        experiment_id=str(uuid.uuid4()),
        project_id=default.project_id,
        dataset_id=as_id(dataset_name),
        name=name,
        dataset_name=dataset_name,
        fingerprint="",
        selected=[],
        repeats=1,
        config=msgspec.Raw(encode(config)),
        task=Code("", ""),
        evaluators=[],
        git_commit=git.commit(Path.cwd()),
        host=socket.gethostname(),
        made_ns=time.time_ns(),
    )


def row_tags(known: Manifest) -> dict[str, object]:
    """A row's tags, as ddtrace's experiments have them, so that one page serves both."""
    return {
        "experiment_id": known.experiment_id,
        "experiment_name": known.name,
        "project_id": known.project_id,
        **({"project_name": known.project_name} if known.project_name else {}),
        "dataset_id": known.dataset_id,
        "dataset_name": known.dataset_name,
        "run_id": known.run,
        **known.tags,
    }


def catalog_metadata(known: Manifest, summary: Mapping[str, object] | None = None) -> msgspec.Raw:
    """What the experiment carries in a catalog: tags as ddtrace's, and the mark by which its run finds it."""
    tags = {
        "project_name": known.project_name,
        "project_id": known.project_id,
        "dataset_name": known.dataset_name,
        "experiment_name": known.name,
        "git.commit.sha": known.git_commit,
        **known.tags,
    }
    ours: dict[str, object] = {
        "run": known.run,
        # Of a loop of the user's own nobody knows.
        "dataset_fingerprint": known.fingerprint or None,
        "rows": len(known.selected) or None,
        "repeats": known.repeats,
        "task": known.task,
        "evaluators": [*known.evaluators, *known.summary_evaluators],
        "git": known.git_commit,
        "library": known.library,
    }
    if summary:
        ours["summary"] = msgspec.Raw(encode(dict(summary)))
    return experiment_metadata(tags, ours)


def _version() -> str:
    try:
        return metadata.version("llmobs-trace")
    except metadata.PackageNotFoundError:  # run from its source, which nobody installed
        return "unknown"
