"""Decides what an experiment, its project and its dataset are called at Datadog. The command's thread."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import NAMESPACE_URL, uuid5

from msgspec import Struct

from llmobs_trace.experiment.project import directory_name
from llmobs_trace.settings.config import find_options
from llmobs_trace.store import made_experiments
from llmobs_trace.store.made_experiments import MadeExperiment
from llmobs_trace.store.queries import Experiment
from llmobs_trace.store.store import Store


class Names(Struct, frozen=True, kw_only=True):
    """What things are called there; `made` is what the store knows of an experiment that was made by name."""

    project: str
    dataset: str
    experiment: str
    made: MadeExperiment | None


def names_of(
    store: Store, experiment: Experiment, given: Mapping[str, str | None], environ: Mapping[str, str]
) -> Names:
    """Each by what was `given`, else by the environment, else by what it was recorded with, else by the
    working directory.
    """
    made = next(made_experiments.find_experiments(store, ids=[experiment.id]), None)
    chosen = find_options(environ, "project_name", "dataset_name", "experiment_name")
    name = experiment.name or experiment.id
    recorded_name = None if made is None else made.name

    def named(what: str, recorded: str | None, last: str) -> str:
        return given.get(what) or chosen.get(f"{what}_name") or recorded or last

    return Names(
        project=named("project", None if made is None else made.project_name, directory_name()),
        dataset=named("dataset", None if made is None else made.dataset_name, name),
        experiment=named("experiment", experiment.name or recorded_name, name),
        made=made,
    )


def mark_of(experiment: Experiment, made: MadeExperiment | None) -> str:
    """The mark of the experiment there: the run's own, or one that follows from what this store calls it, so
    that whoever publishes it again from here or a copy finds it.
    """
    if made is not None and made.run is not None:
        return made.run
    return str(uuid5(NAMESPACE_URL, f"llmobs-trace:{experiment.created_ns}:{experiment.id}"))
