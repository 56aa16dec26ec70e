"""Says where a run's steps are kept, and where its events go. The calling thread."""

from __future__ import annotations

import os
from pathlib import Path

from llmobs_trace.errors import ExperimentError
from llmobs_trace.process import life
from llmobs_trace.settings.places import state_directory


def runs() -> Path:
    """Where runs keep their steps."""
    state = state_directory(os.environ)
    if state is None:
        raise ExperimentError(
            "nothing was run: this user has no directory to keep its steps in; set XDG_STATE_HOME"
        )
    return state / "runs"


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
