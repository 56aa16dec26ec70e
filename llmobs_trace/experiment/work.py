"""Holds what the threads of a run share: its steps, its counts, where records go, and whether it ends. The
calling thread, and the run's own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment.counts import Counts
from llmobs_trace.experiment.limits import RetryOn
from llmobs_trace.experiment.routing import Router
from llmobs_trace.experiment.steps import Steps

if TYPE_CHECKING:
    from llmobs_trace.experiment.remote import Returned


@dataclass(frozen=True)
class Options:
    """The arguments of `Experiment.run` that say how, not what."""

    jobs: int = 8
    executor: Executor | Callable[[], Executor] | None = None
    timeout: float | None = None
    retries: int = 5
    retry_on: RetryOn | None = None
    max_wait: float = 600.0
    raise_errors: bool = False
    max_failures: float | None = None


def options(
    jobs: int,
    executor: Executor | Callable[[], Executor] | None,
    timeout: float | None,
    retries: int,
    retry_on: RetryOn | None,
    max_wait: float,
    raise_errors: bool,
    max_failures: float | None,
) -> Options:
    """The arguments, checked. Raises `ConfigurationError`."""
    for name, value in (("jobs", jobs), ("retries", retries)):
        least = 1 if name == "jobs" else 0
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigurationError(f"{name}: given {value!r}; expected a number from {least}")
    for name, seconds in (("timeout", timeout), ("max_wait", max_wait), ("max_failures", max_failures)):
        if seconds is not None and (not isinstance(seconds, (int, float)) or not seconds >= 0):
            raise ConfigurationError(f"{name}: given {seconds!r}; expected a number from 0")
    if isinstance(retry_on, type):
        retry_on = (retry_on,)
    if retry_on is not None and not (callable(retry_on) or isinstance(retry_on, tuple)):
        raise ConfigurationError(f"retry_on: given {retry_on!r}; expected exception types or a function")
    return Options(jobs, executor, timeout, retries, retry_on, max_wait, raise_errors, max_failures)


@dataclass(frozen=True)
class Stop:
    """Why a run ends before its rows do. `at_once` leaves rows in the middle."""

    status: Literal["interrupted", "failed"]
    why: str
    exit_code: int
    at_once: bool = False
    error: BaseException | None = None


class Work:
    """One run at work."""

    def __init__(
        self,
        steps: Steps,
        recorder: Recorder,
        scope: Scope,
        config: Any,
        options: Options,
        counts: Counts,
        say: Callable[[str], None],
    ) -> None:
        self.steps = steps
        self.recorder = recorder
        self.scope = scope
        self.config = config
        self.options = options
        self.counts = counts
        self.say = say
        self.lock = threading.RLock()  # guards all that changes below, the counts and the throttles
        self.changed = threading.Condition(self.lock)  # for those that wait for a throttle
        self._pid = os.getpid()
        self.stop: Stop | None = None
        self.in_flight = 0
        # None where nothing is recorded; set while the run is at work.
        self.router: Router | None = None

    @property
    def is_this_process(self) -> bool:
        """False in a child that a task forked: the run is its parent's."""
        return os.getpid() == self._pid

    def stops(self) -> bool:
        """Whether the run ends before its rows do."""
        return self.stop is not None

    def end(self, stop: Stop) -> None:
        """End the run before its rows do; the first reason counts, but for one that is at once. Any thread,
        and signal handlers.
        """
        with self.changed:
            if self.stop is None or (stop.at_once and not self.stop.at_once):
                self.stop = stop
            self.changed.notify_all()

    def take_home(self, returned: Returned, row_id: str) -> None:
        """Hand on what a worker of the executor recorded."""
        if returned.cut:
            self.say(f"{returned.cut:,} spans of row {row_id} were cut: more than 64 MiB came home")
        if self.router is not None:
            for record in returned.outcome.children:
                self.router.onwards(record)

    def send(self, records: Iterable[bytes]) -> None:
        """Hand records to the journal as they are, each without its newline."""
        if self.router is not None:
            for record in records:
                self.router.onwards(bytes(record) + b"\n")
