"""Lists the runs whose steps are kept, and how far each is. The calling thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

from msgspec import Struct

from llmobs_trace.errors import ExperimentError
from llmobs_trace.experiment.keeping import disk_bytes, remove_old
from llmobs_trace.experiment.passing_on import pass_on_what_the_dead_left
from llmobs_trace.experiment.steps import Ended, all_runs
from llmobs_trace.experiment.whereabouts import loops, runs
from llmobs_trace.settings.config import Config, from_environment


class KeptRun(Struct, frozen=True):
    """One run: `rows` are rows x repeats; `at work` says that a living process holds it."""

    id: str
    name: str
    begun_ns: int
    rows: int
    done: int
    left: int
    failed: int
    state: Literal["at work", "interrupted", "finished"]
    disk_bytes: int


def tell_of_dead_runs(config: Config) -> None:
    """Have catalogs know of runs whose processes died, as far as this configuration can ask them."""
    with suppress(ExperimentError):  # no directory, no runs
        pass_on_what_the_dead_left(runs(), config)
        if (kept := loops()) is not None:
            pass_on_what_the_dead_left(kept, config, only_until_told=True)


def listed() -> Iterator[KeptRun]:
    """All of them, the newest first. The catalogs of those whose processes died hear of it, and finished ones
    that are old are removed.
    """
    tell_of_dead_runs(from_environment(os.environ)[0])
    remove_old(runs())
    for steps in all_runs(runs()):
        ended = {
            (step.row, step.repeat): step.error is not None
            for step in steps.read()
            if isinstance(step, Ended)
        }
        units = len(steps.manifest.selected) * steps.manifest.repeats
        if steps.finished() is not None:
            state: Literal["at work", "interrupted", "finished"] = "finished"
        else:
            state = "at work" if steps.is_at_work() else "interrupted"
        yield KeptRun(
            steps.manifest.experiment_id,
            steps.manifest.name,
            steps.manifest.made_ns,
            units,
            len(ended),
            units - len(ended),
            sum(ended.values()),
            state,
            disk_bytes(steps.directory),
        )
