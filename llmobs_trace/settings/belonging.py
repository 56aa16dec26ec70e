"""Decides which experiment, project and dataset events belong to: as given, or made up; set-up only.

On Datadog what is given by its name alone has no id before it is found or made there, which the sender does.
Until then ids stand for it that are made up from the run: the same in every process of the run, and in
whoever delivers what is left of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5
from zlib import crc32

from llmobs_trace.settings.inherited import Handed
from llmobs_trace.settings.options import BY_NAME
from llmobs_trace.wire import as_id, made_up_id

IDS: Final = ("experiment_id", "project_id", "dataset_id")
# What events need to go to Datadog, each by its id or its name. An experiment always has a name.
_EITHER: Final = (("project_name", "project_id"), ("dataset_name", "dataset_id"))


class Belonging(NamedTuple):
    """The ids that events have and the experiment's name; `mark` is the run's where some ids are made up."""

    experiment_id: str
    project_id: str
    dataset_id: str
    experiment_name: str
    mark: str


def lacking(values: Mapping[str, Any]) -> list[str]:
    """What events lack to go to Datadog, in words."""
    return [
        " or ".join(f"{name} ({BY_NAME[name].environment[0]})" for name in either)
        for either in _EITHER
        if not any(values[name] for name in either)
    ]


def belonging(values: Mapping[str, Any], parent: Handed) -> Belonging:
    """Decide, from all options and from what the process that started this one has made up."""
    made = {**made_names(), **{name: made for name, made in parent.made.items() if made}}
    called = values["experiment_name"] or made["experiment_name"]
    experiment_id, project_id, dataset_id = (values[name] for name in IDS)
    if values["destination"] == "datadog" and not all(values[name] for name in IDS) and not lacking(values):
        mark = _mark(values, parent.run, called)
        return Belonging(
            experiment_id or made_up_id(mark),
            project_id or made_up_id(mark, "project"),
            dataset_id or made_up_id(mark, "dataset"),
            called,
            mark,
        )
    return Belonging(
        # One experiment a run; two where it names two, one after the other.
        experiment_id or str(uuid5(UUID(parent.run), called)),
        # The local store has one word for both: whatever is fit for a name is fit for an id.
        project_id or values["project_name"] or made["project_id"],
        dataset_id or values["dataset_name"] or made["dataset_id"],
        called,
        "",
    )


def _mark(values: Mapping[str, Any], run: str, called: str) -> str:
    """One a run, and another where it is told other names, or to go elsewhere."""
    said = (values["base_url"], *(values[name] or "" for either in _EITHER for name in either), called)
    return uuid5(UUID(run), "\n".join(said)).hex


def made_names() -> dict[str, str]:
    """Ids for the local store that a person recognises, the same whenever a program runs in its directory."""
    program = _program_name()
    try:
        directory = Path.cwd()
    except OSError:  # it has been deleted
        directory = Path("/")
    mark = f"{crc32(os.fsencode(directory)):08x}"
    return {
        "project_id": as_id(f"{directory.name[:200] or 'root'}-{mark}"),
        "dataset_id": as_id(f"{program[:200]}-{mark}"),
        "experiment_name": as_id(program),
    }


def _program_name() -> str:
    started = Path(sys.argv[0] if getattr(sys, "argv", None) else "")
    if started.stem == "__main__":  # python -m package
        return started.parent.name or "python"
    return started.stem if started.stem not in ("", "-c", "-m", "-") else "python"
