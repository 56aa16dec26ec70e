"""Takes a run up, works at it and ends it: what one call of `run` does. The thread that calls it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.encode import encode
from llmobs_trace.errors import ConfigurationError, ExperimentError
from llmobs_trace.experiment import silent_labels, stop_signals, taking_up
from llmobs_trace.experiment.counts import Counts
from llmobs_trace.experiment.definition import Definition, Selection
from llmobs_trace.experiment.interrupted import ExperimentInterrupted
from llmobs_trace.experiment.limits import RetryOn
from llmobs_trace.experiment.progress import ProgressLine
from llmobs_trace.experiment.rerun import Rerun
from llmobs_trace.experiment.result import Result, rows
from llmobs_trace.experiment.rows import Row
from llmobs_trace.experiment.run import Run
from llmobs_trace.experiment.states import Progress, Unit, read
from llmobs_trace.experiment.steps import Finished, Manifest, Started, Steps
from llmobs_trace.experiment.summing_up import summarise
from llmobs_trace.experiment.taking_up import Resume
from llmobs_trace.experiment.work import Options, Stop, Work
from llmobs_trace.process import life
from llmobs_trace.settings.places import state_directory
from llmobs_trace.store.store import Store
from llmobs_trace.wire import as_id


@dataclass(frozen=True)
class Plan:
    """What `run()` would do: nothing was touched to find out.

    >>> print(Experiment("sums", dataset=[("2+2?", "4")], task=str.upper).plan())
    a new run: 1 rows; 0 done, 1 left
    """

    rows: int
    repeats: int
    done: int
    continues: str | None
    said: str | None = None

    @property
    def left(self) -> int:
        """How many rows x repeats would run."""
        return self.rows * self.repeats - self.done

    def __str__(self) -> str:
        what = f"continues {self.continues}" if self.continues else "a new run"
        times = f" x {self.repeats}" if self.repeats > 1 else ""
        told = f"\n{self.said}" if self.said else ""
        return f"{what}: {self.rows:,} rows{times}; {self.done:,} done, {self.left:,} left{told}"


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


class Session:
    """One process's part in a run."""

    def __init__(
        self,
        experiment: Definition,
        options: Options,
        selection: Selection,
        resume: Resume,
        progress: bool | None,
        rerun: Rerun | None = None,
    ) -> None:
        self._experiment = experiment
        self._options = options
        self._selection = selection
        self._resume = resume
        self._rerun = rerun
        self._wants_progress = progress
        self._run: Run | None = None
        self._stop_before: Stop | None = None
        self._signals = 0

    def plan(self) -> Plan:
        selected = self._selection.of(self._experiment.dataset)
        decision = taking_up.decide(runs(), self._manifest(selected, Scope("", "", "")), self._resume)
        done = 0
        if decision.steps is not None:
            done = len(self._read(decision.steps, Counts()).whole)
        experiment_id = None if decision.steps is None else decision.steps.manifest.experiment_id
        return Plan(len(selected), self._experiment.repeats, done, experiment_id, decision.said)

    def interrupt(self, why: str, *, at_once: bool = False) -> None:
        """End the run as by Ctrl-C. Any thread, and signal handlers."""
        stop = Stop("interrupted", why, 130, at_once)
        self._stop_before = stop
        if self._run is not None:
            self._run.work.end(stop)

    def _signalled(self, name: str, run: Run, line: ProgressLine) -> None:
        """Ctrl-C and SIGTERM end the run in order; twice at once."""
        self._signals += 1
        if self._signals == 1 and run.work.in_flight:
            line.say(f"{run.work.in_flight} rows are running, waiting for them; {name} again stops now")
        self.interrupt(f"interrupted by {name}", at_once=self._signals > 1)

    def run(self) -> Result:
        experiment = self._experiment
        selected = self._selection.of(experiment.dataset)
        recorder = slot.current or slot.get()
        pipeline = life.at_work()
        if pipeline is not None and pipeline.config.destination != "local":
            raise ExperimentError(
                "nothing was run: runs go to the local store, since nobody makes their experiments at "
                "Datadog yet; configure(destination='local')"
            )
        steps, said = self._taken_up(selected, recorder.scope)
        manifest = steps.manifest
        scope = recorder.scope_for(manifest.experiment_id, manifest.project_id, manifest.dataset_id)
        counts = Counts(
            {each.label: each.options.bounds for each in experiment.evaluators if each.options.bounds}
        )
        progress = self._read(steps, counts)
        units = len(selected) * experiment.repeats
        work = Work(
            steps, recorder, scope, experiment.config, self._options, counts, lambda text: line.say(text)
        )
        run = self._run = Run(
            work,
            experiment.task,
            experiment.evaluators,
            progress,
            tags=self._tags(manifest),
            decode=experiment.decode,
            is_durable=_is_durable(),
        )
        line = ProgressLine(
            lambda: _progress_text(experiment.name, run, units),
            lambda: counts.ended / units,
            self._wants_progress,
        )
        if said:
            line.say(said)
        if (database := _database()) is not None:
            # The wire has no field for it.
            with Store(database) as store:
                store.add(manifest.experiment_id, (), (), name=experiment.name)
        if self._stop_before is not None:
            work.end(self._stop_before)
        steps.write(Started(os.getpid(), time.time_ns(), _destination()))
        try:
            with stop_signals.taken(lambda name: self._signalled(name, run, line)):
                self._work(run, progress, frozenset(selected), line)
                summary = self._finish(run, steps, recorder, scope, progress, selected)
        finally:
            line.end()
            steps.close()
        result = self._result(run, steps, selected, units, summary)
        if self._wants_progress is not False:
            for text in result.lines():
                line.say(text)
        return self._ended(run, result)

    def _taken_up(self, selected: list[str], default: Scope) -> tuple[Steps, str | None]:
        wanted = self._manifest(selected, default)
        decision = taking_up.decide(runs(), wanted, self._resume)
        if decision.steps is None:
            try:
                return self._made(wanted), decision.said
            except OSError as error:
                raise ExperimentError(f"nothing was run: its steps can't be kept ({error})") from error
        steps = decision.steps
        steps.lock()
        known = steps.manifest
        known.selected, known.repeats = selected, self._experiment.repeats
        known.fingerprint, known.evaluators = wanted.fingerprint, wanted.evaluators
        steps.write_manifest()
        return steps, decision.said

    def _made(self, wanted: Manifest) -> Steps:
        rerun = self._rerun
        if rerun is None:
            return Steps.make(runs(), wanted)
        steps = Steps.make(runs(), wanted, rerun.steps(wanted))
        rerun.take_blobs(steps.directory)
        return steps

    def _read(self, steps: Steps, counts: Counts) -> Progress:
        evaluators = self._experiment.evaluators
        return read(
            steps.read(),
            _destination(),
            counts,
            [each.label for each in evaluators],
            [each.label for each in evaluators if each.asks_for_errors],
        )

    def _work(self, run: Run, progress: Progress, selected: frozenset[str], line: ProgressLine) -> None:
        suspects = frozenset(unit for unit, state in progress.unfinished.items() if state.deaths)
        if suspects:
            # One at a time, to find out which of them it was.
            run.units(self._units(progress, selected, only=suspects), 1, line.tick)
        if run.work.stop is None:
            progress.whole |= suspects
            run.units(self._units(progress, selected), self._options.jobs, line.tick)
        run.close()

    def _units(
        self, progress: Progress, selected: frozenset[str], only: frozenset[Unit] | None = None
    ) -> Iterator[tuple[Row, int]]:
        """The rows and repeats that are left: a row's repeats one after the other."""
        for row in self._experiment.dataset:
            if row.id in selected:
                for repeat in range(1, self._experiment.repeats + 1):
                    unit = (row.id, repeat)
                    if unit not in progress.whole and (only is None or unit in only):
                        yield row, repeat

    def _finish(
        self,
        run: Run,
        steps: Steps,
        recorder: Recorder,
        scope: Scope,
        progress: Progress,
        selected: list[str],
    ) -> dict[str, Any]:
        """The summary evaluators, then everything on its way, then that the run is whole."""
        experiment = self._experiment
        stop = run.work.stop
        if recorder.enabled and (stop is None or not stop.at_once):
            for record in silent_labels.records(recorder, scope, steps, run.work.counts):
                recorder.append(record)
        if stop is not None:
            life.flush()
            return {}
        summary = summarise(
            experiment.summaries,
            lambda: rows(steps, experiment.dataset, frozenset(selected)),
            experiment.config,
            recorder,
            scope,
            steps,
            progress.summarised,
            run.work.counts,
        )
        life.flush()
        steps.write(Finished("completed", run.work.counts.ended, run.work.counts.raised))
        return summary

    def _result(
        self, run: Run, steps: Steps, selected: list[str], units: int, summary: Mapping[str, Any]
    ) -> Result:
        stop, counts, dataset = run.work.stop, run.work.counts, self._experiment.dataset
        labels = [each.label for each in self._experiment.evaluators]
        errors = [(text, count, counts.error_rows[text]) for text, count in counts.errors.most_common(3)]
        limit = frozenset(selected)
        return Result(
            steps.manifest.experiment_id,
            self._experiment.name,
            "completed" if stop is None else stop.status,
            None if stop is None else stop.why,
            units,
            counts.ended,
            counts.raised,
            counts.scores(units, labels),
            summary,
            errors,
            lambda: rows(steps, dataset, limit),
            exit_code=0 if stop is None else stop.exit_code,
            database=_database(),
        )

    def _ended(self, run: Run, result: Result) -> Result:
        stop = run.work.stop
        if stop is None:
            return result
        if stop.exit_code == 130:
            raise ExperimentInterrupted(
                f"{stop.why}: the same command continues, {result.left:,} rows left", result
            )
        if stop.error is not None:
            raise stop.error
        return result

    # --- What the run is ------------------------------------------------------------------------------------

    def _manifest(self, selected: list[str], default: Scope) -> Manifest:
        experiment = self._experiment
        name = experiment.dataset.name or experiment.name
        return Manifest(
            library=_version(),
            run=str(uuid.uuid4()),
            experiment_id=str(uuid.uuid4()),
            project_id=as_id(experiment.project) if experiment.project else default.project_id,
            dataset_id=as_id(name),
            name=experiment.name,
            dataset_name=name,
            fingerprint=experiment.dataset.fingerprint,
            selected=selected,
            repeats=experiment.repeats,
            config=msgspec.Raw(encode(experiment.config)),
            task=experiment.task_code,
            evaluators=[each.code for each in experiment.evaluators],
            summary_evaluators=[code for _, code in experiment.summaries],
            description=experiment.description,
            tags=dict(experiment.tags),
            parent_experiment_id=None if self._rerun is None else self._rerun.source.manifest.experiment_id,
            git_commit=_git_commit(),
            host=socket.gethostname(),
            made_ns=time.time_ns(),
        )

    def _tags(self, manifest: Manifest) -> dict[str, object]:
        """A row's tags, as ddtrace's experiments have them, so that one page serves both."""
        return {
            "experiment_id": manifest.experiment_id,
            "experiment_name": manifest.name,
            "project_id": manifest.project_id,
            "dataset_id": manifest.dataset_id,
            "dataset_name": manifest.dataset_name,
            "run_id": manifest.run,
            **self._experiment.tags,
        }


def runs() -> Path:
    """Where runs keep their steps."""
    state = state_directory(os.environ)
    if state is None:
        raise ExperimentError(
            "nothing was run: this user has no directory to keep its steps in; set XDG_STATE_HOME"
        )
    return state / "runs"


def _destination() -> str:
    """Where events go now, as its name says."""
    pipeline = life.at_work()
    return "" if pipeline is None else pipeline.destination.name


def _database() -> Path | None:
    """The local store's file, where events go there."""
    pipeline = life.at_work()
    if pipeline is None or pipeline.config.destination != "local":
        return None
    return pipeline.config.database


def _is_durable() -> bool:
    """Whether what is recorded outlives this process without having been delivered."""
    pipeline = life.at_work()
    return pipeline is not None and pipeline.queue.storage != "memory"


def _version() -> str:
    try:
        return metadata.version("llmobs-trace")
    except metadata.PackageNotFoundError:  # run from its source, which nobody installed
        return "unknown"


def _git_commit() -> str | None:
    with suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
        return said.stdout.strip() or None
    return None


def _progress_text(name: str, run: Run, units: int) -> str:
    counts = run.work.counts
    parts = [f"{name}  {counts.ended:,}/{units:,} rows"]
    if counts.raised:
        parts.append(f"{counts.raised:,} failed")
    if waits := run.waits():
        parts.append(f"waiting {waits:.0f} s (429)")
    return " · ".join(parts)
