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
from llmobs_trace.catalog.catalog import OUR_METADATA
from llmobs_trace.encode import encode
from llmobs_trace.experiment import git
from llmobs_trace.experiment.definition import Definition
from llmobs_trace.experiment.steps import Code, Manifest
from llmobs_trace.wire import as_id


def manifest(
    experiment: Definition, selected: list[str], default: Scope, parent: Manifest | None
) -> Manifest:
    """What is about to run. Its ids are made up until the experiment is entered into a catalog."""
    name = experiment.dataset.name or experiment.name
    return Manifest(
        library=_version(),
        run=str(uuid.uuid4()),
        experiment_id=str(uuid.uuid4()),
        project_id=default.project_id,
        dataset_id=as_id(name),
        name=experiment.name,
        dataset_name=name,
        fingerprint=experiment.dataset.fingerprint,
        selected=selected,
        repeats=experiment.repeats,
        config=msgspec.Raw(encode(experiment.config)),
        task=experiment.task_code,
        evaluators=[each.code for each in experiment.evaluators],
        summary_evaluators=[code for _, code in experiment.summaries],
        description=experiment.description,
        tags=dict(experiment.tags),
        parent_experiment_id=None if parent is None else parent.experiment_id,
        parent_catalog="" if parent is None else parent.catalog,
        git_commit=git.commit(Path.cwd()),
        host=socket.gethostname(),
        made_ns=time.time_ns(),
    )


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
        task=Code("", "", version),
        evaluators=[],
        description=description,
        tags=dict(tags),
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
        "task": known.task,
        "evaluators": [*known.evaluators, *known.summary_evaluators],
        "git": known.git_commit,
        "library": known.library,
    }
    if summary:
        ours["summary"] = msgspec.Raw(encode(dict(summary)))
    said = {"tags": [f"{key}:{value}" for key, value in tags.items() if value], OUR_METADATA: ours}
    return msgspec.Raw(msgspec.json.encode(said))


def _version() -> str:
    try:
        return metadata.version("llmobs-trace")
    except metadata.PackageNotFoundError:  # run from its source, which nobody installed
        return "unknown"
