"""Takes what is kept of a finished run over into a new one: rows under new ids, each saying whose it was. The
calling thread.

A finished experiment is never changed. What is rerun is a new one, whose parent it is; kept rows are in it
as if they had run there, and each says by a tag which span it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment import made_ids
from llmobs_trace.experiment.steps import Ended, Evaluated, Manifest, Step, Steps, all_runs

# ddtrace's word, by which its pages link the two.
PARENT_SPAN_TAG = "parent_experiment_span_id"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def finished_run(runs: Path, name: str, of: str) -> Steps:
    """The run that is meant: the latest finished one of that name that is no rerun itself, or one by its id.
    Raises `ConfigurationError` where there is none.
    """
    found = [
        steps for steps in all_runs(runs) if steps.manifest.name == name and steps.finished() is not None
    ]
    if of == "latest":
        found = [steps for steps in found if steps.manifest.parent_experiment_id is None]
        if not found:
            raise ConfigurationError(f"of='latest': there is no finished run of {name!r} on this machine")
        return found[0]
    found = [steps for steps in found if steps.manifest.experiment_id.startswith(of)]
    if len(found) != 1:
        count = "no finished run" if not found else f"{len(found)} finished runs"
        raise ConfigurationError(f"of={of!r}: there is {count} of {name!r} of that id")
    return found[0]


@dataclass(frozen=True)
class Rerun:
    """What a new run takes over: which rows, and whether with what their evaluators said."""

    source: Steps
    keeps: Callable[[Ended], bool]
    with_metrics: bool

    def steps(self, target: Manifest) -> Iterator[Step]:
        """The steps of the new run that come from the other one."""
        taken: dict[tuple[str, int], str] = {}
        wanted = set(target.selected)
        for step in self.source.read_what_holds():
            if isinstance(step, Ended) and step.row in wanted and self.keeps(step):
                old = step.span_id
                step.span_id = made_ids.span_id(target.experiment_id, step.row, step.repeat, step.attempt)
                step.records = [_row(record, target, step, old) for record in step.records[-1:]]
                taken[step.row, step.repeat] = step.span_id
                yield step
            elif isinstance(step, Evaluated) and self.with_metrics and (step.row, step.repeat) in taken:
                span_id = taken[step.row, step.repeat]
                events = [_decode(record) for record in step.records]
                step.records = [_metric(event, target, span_id) for event in events if "metric" in event]
                yield step

    def take_blobs(self, directory: Path) -> None:
        """Long outputs stand in files of their own."""
        blobs = self.source.directory / "blobs"
        if blobs.is_dir():
            shutil.copytree(blobs, directory / "blobs", dirs_exist_ok=True)


def _row(record: msgspec.Raw, target: Manifest, step: Ended, old: str) -> msgspec.Raw:
    event = _decode(record)
    span = event["span"]
    event["experiment"] = target.experiment_id
    span["project_id"], span["dataset_id"] = target.project_id, target.dataset_id
    span["span_id"] = step.span_id
    span["trace_id"] = made_ids.trace_id(target.experiment_id, step.row, step.repeat)
    of_the_run = {"experiment_id": target.experiment_id, "run_id": target.run}
    span["tags"] = [
        f"{name}:{of_the_run[name]}" if (name := tag.partition(":")[0]) in of_the_run else tag
        for tag in span["tags"]
    ]
    span["tags"].append(f"{PARENT_SPAN_TAG}:{old}")
    return msgspec.Raw(_encode(event))


def _metric(event: Any, target: Manifest, span_id: str) -> msgspec.Raw:
    event["experiment"] = target.experiment_id
    event["metric"]["span_id"] = span_id
    return msgspec.Raw(_encode(event))
