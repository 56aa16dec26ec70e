"""Enters an experiment that several processes run together, as the workers of a test session do, once for all
of them; and says at the end what became of it. The calling thread.

All of them make the same id for it. Under that one a directory is locked by whoever enters it first; the
others find there what was made. As with every loop of a user's own, a directory that says "running" and that
nobody holds is that of an experiment which was interrupted.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from llmobs_trace.capture import recorder as slot
from llmobs_trace.catalog.catalog import Status
from llmobs_trace.errors import ConfigurationError, ExperimentError
from llmobs_trace.experiment import entering, silent_labels
from llmobs_trace.experiment.counts import Counts
from llmobs_trace.experiment.dataset import Dataset
from llmobs_trace.experiment.passing_on import has_been_told
from llmobs_trace.experiment.result import rows_raised
from llmobs_trace.experiment.steps import Manifest, Step, Steps
from llmobs_trace.experiment.whereabouts import loops, there
from llmobs_trace.process import life

_PATIENCE_SECONDS, _LOOK_SECONDS = 60.0, 0.05


class Entered(NamedTuple):
    """`steps` is held by the process that entered it, until that closes it."""

    manifest: Manifest
    steps: Steps | None = None


def enter(known: Manifest, *, project: str | None, dataset: Dataset) -> Entered:
    """Find or make the project, the dataset and the experiment, or take what another process made. Raises
    `ExperimentError`.
    """
    recorder = slot.current or slot.get()
    pipeline = life.at_work()
    if pipeline is None or pipeline.recorder is not recorder:
        return Entered(known)  # nothing is recorded, or somebody else takes it
    directory = loops()
    if directory is None:
        entering.enter(pipeline, known, recorder, project=project, dataset=dataset)
        return Entered(known)
    place = directory / known.experiment_id
    steps = _made_by_others_or_to_make(directory, place, known)
    if not isinstance(steps, Steps):
        return Entered(steps)
    try:
        entering.enter(pipeline, known, recorder, project=project, dataset=dataset)
        steps.begin()
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        steps.close()
        raise
    entering.say(steps, pipeline, "running")
    return Entered(known, steps)


def _made_by_others_or_to_make(directory: Path, place: Path, known: Manifest) -> Steps | Manifest:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with suppress(ConfigurationError):
            found = Steps.open_existing(place)
            if found.has_begun:
                return found.manifest
        with suppress(ConfigurationError):  # another process has it, and may die over it
            return Steps.make(directory, known)
        if time.monotonic() > until:
            raise ExperimentError(f"{known.name}: another process has been making it for a minute")
        time.sleep(_LOOK_SECONDS)


def end(
    mark: str,
    project: str | None,
    rows: int,
    counts: Counts,
    steps_of_rows: Callable[[], Iterable[Step]],
    *,
    is_interrupted: bool,
) -> None:
    """Record what evaluators left unsaid and say how the experiment ended that was entered under the id
    `mark`, once no process works at it any more.
    """
    directory = loops()
    if directory is None:
        return
    try:
        steps = Steps.open_existing(directory / mark)
        steps.lock()
    except ConfigurationError:  # it was never entered
        return
    known = steps.manifest
    try:
        with there(project, known.dataset_name):
            recorder = slot.current or slot.get()
            scope = recorder.scope_for(known.experiment_id, known.project_id, known.dataset_id)
            if recorder.enabled:
                for record in silent_labels.records(recorder, scope, steps_of_rows, counts):
                    recorder.append(record)
            life.flush()
            status: Status = "interrupted" if is_interrupted else "completed"
            entering.say(steps, life.at_work(), status, rows_raised(counts.raised, rows))
    finally:
        if has_been_told(steps):
            shutil.rmtree(steps.directory, ignore_errors=True)
        steps.close()
