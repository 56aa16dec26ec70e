"""Says where a run's steps are kept, and where its events go. The calling thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from llmobs_trace.capture import recorder as slot
from llmobs_trace.errors import ExperimentError
from llmobs_trace.experiment.project import directory_name
from llmobs_trace.process import life
from llmobs_trace.process.meanwhile import Occupied, delivering, place_of
from llmobs_trace.settings import config as configuration
from llmobs_trace.settings.config import Config
from llmobs_trace.settings.inherited import Pickled
from llmobs_trace.settings.places import state_directory
from llmobs_trace.settings.sites import default_base_url, page_host
from llmobs_trace.wire import as_id


def runs() -> Path:
    """Where runs keep their steps."""
    state = state_directory(os.environ)
    if state is None:
        raise ExperimentError(
            "nothing was run: this user has no directory to keep its steps in; set XDG_STATE_HOME"
        )
    return state / "runs"


def wanted(project: str | None, dataset: str) -> Config | None:
    """Where the events of a run are to go: to Datadog where both keys and a project are there, unless
    something else was asked for. None where somebody else takes what is recorded, as a test does.
    """
    pipeline, recorder = life.at_work(), slot.current
    if recorder is not None and (pipeline is None or recorder is not pipeline.recorder):
        return None
    config = life.configured()
    asked = config.given.get("destination") or os.environ.get("LLMOBS_TRACE_DESTINATION", "").strip()
    named = project or config.project_name
    has_keys = config.api_key is not None and config.app_key is not None
    is_named = bool(named) or "project_id" in config.given or asked == "datadog"
    if config.destination == "datadog" or not config.enabled or asked == "local":
        return config
    if not (has_keys and is_named):
        return config
    given = {name: value for name, value in config.given.items() if not isinstance(value, Pickled)}
    if "project_id" not in given or project:
        given["project_name"] = named or directory_name()
    # What else is recorded meanwhile belongs to an experiment of the program's name, over the same rows.
    given = {"dataset_name": as_id(dataset), **given, "destination": "datadog"}
    return configuration.resolve(given, os.environ)


@contextmanager
def there(project: str | None, dataset: str) -> Iterator[None]:
    """Have what is recorded within the block go where the events of a run are to. Raises `ExperimentError`
    and `ConfigurationError`.
    """
    with ExitStack() as stack:
        if (config := wanted(project, dataset)) is not None:
            try:
                stack.enter_context(delivering(config))
            except Occupied as occupied:
                raise ExperimentError(
                    f"nothing was run: another experiment of this process is at work and goes to {occupied}, "
                    f"this one to {place_of(config)}; run one after the other"
                ) from None
        yield


def planned_destination(project: str | None, dataset: str) -> str:
    """Where the events of a run would go, as its name says."""
    config = wanted(project, dataset)
    return destination() if config is None else place_of(config)


def loops() -> Path | None:
    """Where experiments that `open_experiment` opened are kept in mind while they are open; None where this
    user has no directory for it.
    """
    state = state_directory(os.environ)
    return None if state is None else state / "loops"


def url_of(experiment_id: str) -> str | None:
    """Where to look at an experiment in a browser: at Datadog, where its events go there."""
    pipeline = life.at_work()
    if pipeline is None or pipeline.config.destination != "datadog":
        return None
    site = pipeline.config.site
    if pipeline.config.base_url != default_base_url(site):
        return None
    return f"https://{page_host(site)}/llm/experiments/{quote(experiment_id, safe='')}"


def destination() -> str:
    """Where events go now, as its name says."""
    pipeline = life.at_work()
    return "" if pipeline is None else pipeline.destination.name


def database() -> Path | None:
    """The local store's file, where events go there."""
    pipeline = life.at_work()
    if pipeline is None or pipeline.config.destination != "local":
        return None
    return pipeline.config.database


def is_durable() -> bool:
    """Whether what is recorded outlives this process without having been delivered."""
    pipeline = life.at_work()
    return pipeline is not None and pipeline.queue.storage != "memory"
