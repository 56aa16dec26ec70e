"""Puts one configuration to work: its recorder, its queue, its sender and its destination. Any thread."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.encode import Redactor
from llmobs_trace.settings import inherited
from llmobs_trace.settings.config import Config

if TYPE_CHECKING:
    from llmobs_trace.catalog.catalog import Catalog, Status
    from llmobs_trace.deliver.destination import Destination
    from llmobs_trace.deliver.named_experiments import Asking
    from llmobs_trace.journal import NamedRun, Queue

# Configurations that one process may have had before: what a journal's owner says of itself has a bound.
_MOST_RUNS: Final = 8

log = logging.getLogger("llmobs_trace")


def warn(message: str, *words: object) -> None:
    """Log a warning; a handler that raises is the user's, but the call that it would come out of is not."""
    with suppress(Exception):
        log.warning(message, *words)


class Pipeline:
    """One configuration at work: its recorder, its queue, its sender. What it opens, `close` closes."""

    is_closed = False
    _end_by = float("-inf")
    _told = 0  # so many were said to be pending

    def __init__(self, config: Config, runs_before: tuple[NamedRun, ...] = ()) -> None:
        """`runs_before` are runs of earlier configurations, whose spans may end in this one."""
        from llmobs_trace.deliver import LocalDestination, NamedExperiments, Worker
        from llmobs_trace.journal import adoptable, open_journal, this_process

        self.config = config
        self.destination = destination = _destination(config)
        journal = config.journal
        own = _named_run(config)
        before = [run for run in runs_before if own is None or run.mark != own.mark]
        self.runs = (*([] if own is None else [own]), *before[: _MOST_RUNS - 1])
        self.open_queue: Callable[[], Queue] = partial(
            open_journal,
            journal,
            owner=this_process(destination.name, config.experiment_id, config.experiment_name, self.runs),
            segment_bytes=config.segment_bytes,
            max_bytes=config.max_journal_bytes,
        )
        self.queue = self.open_queue()
        if self.queue.reason and self.queue.storage == "memory":
            warn("%s; spans are kept in memory, where a kill loses them", self.queue.reason)
        self.recorder = recorder_for(config, self.queue.append)
        self._named = NamedExperiments(
            _asking(config),
            destination=destination.name,
            directory=journal,
            runs=self.runs,
            real_ids=self.recorder.real_ids,
        )
        self.worker = Worker(
            self.queue,
            destination,
            flush_interval=config.flush_interval,
            request_timeout=config.request_timeout,
            max_batch_bytes=config.max_batch_bytes,
            # What ended processes left for this destination goes with our own.
            adopt=None if journal is None else lambda: adoptable(journal, destination.name),
            on_thread=active.mute_thread,
            rejected=journal,
            is_hearsay=self.recorder.is_hearsay,
            named=self._named,
            spare_time_slice=destination.use_spare_time
            if isinstance(destination, LocalDestination)
            else None,
        )
        self.worker.start()

    def seconds_to_end(self) -> float:
        """How long this end of the process may still take: `shutdown_timeout`, however many hooks it has.

        Long after it the process has not ended, and this is another end.
        """
        timeout, now = self.config.shutdown_timeout, time.monotonic()
        if now > self._end_by + timeout:
            self._end_by = now + timeout
        return max(self._end_by - now, 0.0)

    def shutdown(self, timeout_seconds: float, *, ends_run: bool = True) -> bool:
        """Deliver what can be within the time, and stop the sender; what remains stays in the journal. With
        `ends_run` it is said of the run's experiment how it ended, if this process began it.
        """
        from llmobs_trace.deliver.run_files import Ending

        ending = None
        if ends_run and self.config.mark and inherited.begins_its_run(os.environ):
            status, error = _how_it_ends()
            ending = Ending(mark=self.config.mark, status=status, error=error)
            self._named.note_end(ending)
        return self.worker.shutdown(timeout_seconds, ending)

    def close(self, *, keep: bool = True) -> None:
        """Let go of the journal; what is pending stays in it, if it is to be kept."""
        self.is_closed = True
        events, _ = self.queue.pending()
        self.queue.close(keep=keep and bool(events))

    def tell_what_is_pending(self) -> int:
        """Say what ends undelivered with this pipeline; how many of it are lost, for want of a journal."""
        from llmobs_trace.deliver.notices import events

        pending, _ = self.queue.pending()
        told, self._told = self._told, pending
        if not pending or pending == told:
            return pending if self.queue.storage == "memory" else 0
        if self.queue.storage != "memory":
            said = events(pending, "are")
            warn(
                "%s not delivered yet; the next run will deliver what is left, or: llmobs-trace resend", said
            )
            return 0
        warn("%s not delivered, and lost: there was no journal on disk", events(pending, "were"))
        return pending

    def tell_what_is_lost(self, *, and_pending: int = 0) -> None:
        """The totals of what will never arrive as it was recorded; `and_pending` was said already."""
        from llmobs_trace.deliver.notices import events
        from llmobs_trace.deliver.queue_warnings import why_dropped

        stats = self.worker.stats()
        if stats.rejected:
            said = events(stats.rejected, "were")
            warn("%s rejected by %s, and %s", said, self.destination.name, self.worker.where_rejected())
        if given_up := self.worker.given_up():
            said = events(given_up, "were")
            warn("%s dropped, and lost: only trace headers name their experiments, which are refused", said)
        if (dropped := stats.dropped - and_pending - given_up) > 0:
            warn("%s dropped, and lost: %s", events(dropped, "were"), why_dropped(self.queue))


def _how_it_ends() -> tuple[Status, str | None]:
    """By an exception that nobody caught, if Python has told of one; in a session of a person's one of any
    earlier moment. Of what it says nothing is told: no redactor has seen it.
    """
    error = getattr(sys, "last_value", None)
    if error is None or hasattr(sys, "ps1"):
        return "completed", None
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed", type(error).__qualname__


def _destination(config: Config) -> Destination:
    from llmobs_trace.deliver import DatadogDestination, LocalDestination

    if config.destination == "datadog" and config.api_key is not None and config.app_key is not None:
        return DatadogDestination(config.base_url, config.api_key, config.app_key)
    return LocalDestination(config.database, config.experiment_name, config.experiment_id)


@contextmanager
def catalog_of(config: Config) -> Iterator[Catalog]:
    """What keeps the projects, datasets and experiments of where a configuration's events go; open within the
    block, which loses no more than half a minute to failures.
    """
    if config.destination == "datadog" and config.api_key is not None and config.app_key is not None:
        from llmobs_trace.catalog.http_catalog import HttpCatalog

        with closing(HttpCatalog(config.base_url, config.api_key, config.app_key, in_all=True)) as catalog:
            yield catalog
        return
    from llmobs_trace.catalog.local_catalog import LocalCatalog
    from llmobs_trace.store.store import Store

    with Store(config.database) as store:
        yield LocalCatalog(store)


@contextmanager
def catalog_named(name: str, config: Config) -> Iterator[Catalog | None]:
    """The catalog that a run was entered into, by its name; None where it is gone, or can't be asked with
    what is configured. It is made anew nowhere, and keys go nowhere but where they are configured for.
    """
    if name == config.base_url and config.api_key is not None and config.app_key is not None:
        from llmobs_trace.catalog.http_catalog import HttpCatalog

        with closing(HttpCatalog(name, config.api_key, config.app_key)) as catalog:
            yield catalog
        return
    from llmobs_trace.catalog.local_catalog import LocalCatalog
    from llmobs_trace.store.opening import is_there
    from llmobs_trace.store.store import Store

    if not is_there(Path(name)):
        yield None
        return
    with Store(Path(name)) as store:
        yield LocalCatalog(store)


def _asking(config: Config) -> Asking | None:
    """How to find or make what is named; not where names are ids."""
    if config.destination != "datadog" or config.api_key is None or config.app_key is None:
        return None
    from llmobs_trace.deliver.named_experiments import asking_datadog

    return asking_datadog(config.base_url, config.api_key, config.app_key)


def _named_run(config: Config) -> NamedRun | None:
    """What names stand for that are not ids yet, if any are in use."""
    from llmobs_trace.journal import NamedRun

    if not config.mark:
        return None
    given = config.given
    return NamedRun(
        mark=config.mark,
        experiment_name=config.experiment_name,
        project_name=config.project_name or "",
        project_id=str(given.get("project_id", "")),
        dataset_name=config.dataset_name or "",
        dataset_id=str(given.get("dataset_id", "")),
        is_begun_here=inherited.begins_its_run(os.environ),
    )


def redactor(config: Config) -> Redactor | None:
    return None if config.redact is None else Redactor(config.redact, slot.say)


def recorder_for(config: Config, append: Callable[[bytes], None], *, enabled: bool = True) -> Recorder:
    """What capture is to know of a configuration, and where the records go."""
    return Recorder(
        append,
        Scope(config.experiment_id, config.project_id, config.dataset_id),
        enabled=enabled,
        capture_input=config.capture_input,
        capture_output=config.capture_output,
        redactor=redactor(config),
        sample_rate=config.sample_rate,
        keep_media=config.keep_media,
        not_errors=config.not_errors,
        max_event_bytes=config.max_event_bytes,
        strict=config.strict,
    )
