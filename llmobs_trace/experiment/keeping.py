"""Says how much runs take on disk, and removes finished ones that are old. The calling thread.

A run that is not finished stays, however old it is: what was paid for is in it. Nor is anything removed while
a living process has it locked.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment.steps import Steps

KEPT_DAYS: Final = 30


class RunsOnDisk(Struct, frozen=True):
    """The directory where runs keep their steps, how many there are, and how many bytes all of it takes."""

    directory: str
    runs: int
    disk_bytes: int


def on_disk(runs: Path) -> RunsOnDisk:
    """What is there now."""
    directories = list(_directories(runs))
    return RunsOnDisk(str(runs), len(directories), sum(map(disk_bytes, directories)))


def disk_bytes(directory: Path) -> int:
    """How many bytes the files of a run have."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):  # somebody is removing it
                total += os.stat(os.path.join(folder, name)).st_size
    return total


def remove_old(runs: Path, now_seconds: float | None = None) -> None:
    """Remove finished runs to which nothing was added for `KEPT_DAYS`."""
    oldest = (time.time() if now_seconds is None else now_seconds) - KEPT_DAYS * 86_400
    for directory in _directories(runs):
        with contextlib.suppress(OSError, ConfigurationError):
            if os.stat(directory / "steps.jsonl").st_mtime >= oldest:
                continue
            steps = Steps.open_existing(directory)
            if steps.finished() is None:
                continue
            steps.lock()  # raises where a living process has it
            try:
                shutil.rmtree(directory)
            finally:
                steps.let_go()


def _directories(runs: Path) -> Iterator[Path]:
    try:
        yield from [each for each in runs.iterdir() if each.is_dir()]
    except OSError:
        return
