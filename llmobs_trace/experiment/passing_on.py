"""Passes a run's status on to its catalog, also that of a run whose process died before it could. The calling
thread.

What is to be said is written into the run's directory first, then said, then marked as said. A run that says
"running", and whose lock nobody holds, was interrupted.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from pathlib import Path

import msgspec

from llmobs_trace.catalog.catalog import NOTHING, CatalogError, Status
from llmobs_trace.errors import ConfigurationError, StoreError
from llmobs_trace.experiment import describing
from llmobs_trace.experiment.result import rows_raised
from llmobs_trace.experiment.steps import Steps, Summarised, put
from llmobs_trace.experiment.summing_up import by_label
from llmobs_trace.pipeline import catalog_named
from llmobs_trace.settings.config import Config

_log = logging.getLogger("llmobs_trace")


class Told(msgspec.Struct, omit_defaults=True):
    """What the catalog is to know of a run, and whether it does."""

    status: Status
    error: str | None = None
    metadata: msgspec.Raw = NOTHING
    is_told: bool = False


_FILE = "status.json"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Told).decode


def tell(steps: Steps, config: Config, told: Told) -> bool:
    """Say a status, or leave it to whoever comes next: then it is False. This process has the run locked."""
    put(steps.directory / _FILE, _encode(told))
    manifest = steps.manifest
    try:
        with catalog_named(manifest.catalog, config) as catalog:
            if catalog is None:
                return False
            catalog.status(manifest.experiment_id, told.status, told.error, told.metadata)
    except (CatalogError, StoreError) as error:
        if not (isinstance(error, CatalogError) and error.is_final):
            _log.warning("the status of %s is not known at %s: %s", manifest.name, manifest.catalog, error)
            return False
    told.is_told = True
    put(steps.directory / _FILE, _encode(told))
    return True


def has_been_told(steps: Steps) -> bool:
    """Whether the catalog knows all that there was to say."""
    told = _read(steps.directory)
    return told is None or told.is_told


def pass_on_what_the_dead_left(runs: Path, config: Config, *, only_until_told: bool = False) -> None:
    """Say what became of runs that nobody is at work at, where their catalogs don't know it yet. Of some
    nothing is kept after that.
    """
    try:
        directories = list(runs.iterdir())
    except OSError:
        return
    silent: set[str] = set()  # they are not asked again for each of many runs
    for directory in directories:
        told = _read(directory)
        if told is None or (told.is_told and told.status != "running"):
            continue
        with contextlib.suppress(ConfigurationError, OSError):
            steps = Steps.open_existing(directory)
            steps.lock()  # a living process says it itself
            try:
                # Somebody may have said it before this lock.
                wanted = _to_tell(steps)
                catalog = steps.manifest.catalog
                if wanted is not None and catalog not in silent and not tell(steps, config, wanted):
                    silent.add(catalog)
                if only_until_told and has_been_told(steps):
                    shutil.rmtree(directory)
            finally:
                steps.close()


def _read(directory: Path) -> Told | None:
    try:
        return _decode((directory / _FILE).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None


def _to_tell(steps: Steps) -> Told | None:
    """What a run's catalog is to be told, while no other process holds the run."""
    told = _read(steps.directory)
    if told is None:
        return None
    if told.status != "running":
        return None if told.is_told else told
    if (finished := steps.finished()) is None:
        return Told("interrupted", "its process ended without a word")
    summary = next((by_label(step) for step in steps.read() if isinstance(step, Summarised)), {})
    error = rows_raised(finished.failed, finished.rows)
    return Told("completed", error, describing.catalog_metadata(steps.manifest, summary))
