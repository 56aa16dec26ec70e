"""Takes a run up, works at it and ends it: what one call of `run` does. The thread that calls it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.errors import ExperimentError
from llmobs_trace.experiment import describing, entering, silent_labels, stop_signals, taking_up
from llmobs_trace.experiment.counts import Counts
from llmobs_trace.experiment.definition import Definition, Selection
from llmobs_trace.experiment.interrupted import ExperimentInterrupted
from llmobs_trace.experiment.keeping import remove_old
from llmobs_trace.experiment.passing_on import pass_on_what_the_dead_left
from llmobs_trace.experiment.plan import Plan
from llmobs_trace.experiment.progress import ProgressLine
from llmobs_trace.experiment.progress_text import Pace, progress_text
from llmobs_trace.experiment.rerun import Rerun
from llmobs_trace.experiment.result import Result, rows
from llmobs_trace.experiment.rows import Row
from llmobs_trace.experiment.run import Run
from llmobs_trace.experiment.states import Progress, Unit, read
from llmobs_trace.experiment.steps import Finished, Manifest, Started, Steps
from llmobs_trace.experiment.summing_up import summarise
from llmobs_trace.experiment.taking_up import Resume
from llmobs_trace.experiment.whereabouts import (
    database,
    destination,
    is_durable,
    planned_destination,
    runs,
    there,
    url_of,
)
from llmobs_trace.experiment.work import Options, Stop, Work
from llmobs_trace.process import life


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
        self._is_successor = False  # of a process that took the run up before

    def plan(self) -> Plan:
        selected = self._selection.of(self._experiment.dataset)
        decision = taking_up.decide(runs(), self._manifest(selected, Scope("", "", "")), self._resume)
        done = 0
        if decision.steps is not None:
            done = len(self._read(decision.steps, Counts(), planned_destination(*self._belonging)).whole)
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
        selected = self._selection.of(self._experiment.dataset)
        with there(*self._belonging):
            return self._run_there(selected)

    @property
    def _belonging(self) -> tuple[str | None, str]:
        """The names of project, if one was given, and dataset."""
        return self._experiment.project, self._experiment.dataset.name or self._experiment.name

    def _run_there(self, selected: list[str]) -> Result:
        recorder = slot.current or slot.get()
        steps, said = self._taken_up(selected, recorder)
        try:
            result = self._ran(steps, selected, recorder, said)
        except BaseException as error:
            entering.say(steps, life.at_work(), "interrupted", f"{type(error).__name__}: {error}")
            raise
        finally:
            steps.close()
        return self._ended(result)

    def _ran(self, steps: Steps, selected: list[str], recorder: Recorder, said: str | None) -> Result:
        experiment, pipeline, manifest = self._experiment, life.at_work(), steps.manifest
        scope = recorder.scope_for(manifest.experiment_id, manifest.project_id, manifest.dataset_id)
        counts = Counts(
            {each.label: each.options.bounds for each in experiment.evaluators if each.options.bounds}
        )
        progress = self._read(steps, counts, destination())
        units = len(selected) * experiment.repeats
        self._is_successor = bool(counts.ended or progress.unfinished) and self._rerun is None
        if said is None and self._is_successor:
            short, left = manifest.experiment_id[:8], units - counts.ended
            said = f"continuing {short}: {counts.ended:,} of {units:,} rows done, {left:,} left"
        work = Work(
            steps, recorder, scope, experiment.config, self._options, counts, lambda text: line.say(text)
        )
        run = self._run = Run(
            work,
            experiment.task,
            experiment.evaluators,
            progress,
            tags=describing.row_tags(manifest),
            decode=experiment.decode,
            is_durable=is_durable(),
        )
        pace = Pace(counts.ended, time.monotonic())
        labels = [each.label for each in experiment.evaluators]

        def how_far() -> str:
            return progress_text(
                experiment.name,
                counts.ended,
                units,
                failed=counts.raised,
                rate=pace.rate(counts.ended, time.monotonic()),
                score=counts.running_mean(labels),
                repeats=experiment.repeats,
                waits=run.waits(),
            )

        line = ProgressLine(
            how_far,
            lambda: counts.ended / units,
            self._wants_progress,
        )
        if said:
            line.say(said)
        entering.say(steps, pipeline, "running", has_grown=self._is_successor)
        if self._stop_before is not None:
            work.end(self._stop_before)
        steps.write(Started(os.getpid(), time.time_ns(), destination()))
        try:
            with stop_signals.taken(lambda name: self._signalled(name, run, line)):
                self._work(run, progress, frozenset(selected), line)
                summary = self._finish(run, steps, recorder, scope, progress, selected)
                result = self._result(run, steps, selected, units, summary)
                entering.say(steps, pipeline, result.status, result.in_short, summary)
        finally:
            line.end()
        if self._wants_progress is not False:
            for text in result.lines():
                line.say(text)
        return result

    def _taken_up(self, selected: list[str], recorder: Recorder) -> tuple[Steps, str | None]:
        """The run to go on with, or a new one; locked, and known to the catalog of where its events go."""
        wanted = self._manifest(selected, recorder.scope)
        decision = taking_up.decide(runs(), wanted, self._resume)
        was_begun = False
        try:
            if (steps := decision.steps) is None:
                steps = Steps.make(runs(), wanted)
            else:
                steps.lock()
                known = steps.manifest
                was_begun = steps.has_begun and known.fingerprint == wanted.fingerprint
                known.selected, known.repeats = selected, self._experiment.repeats
                known.fingerprint, known.evaluators = wanted.fingerprint, wanted.evaluators
            try:
                self._begin(steps, recorder, was_begun=was_begun)
            except BaseException:
                steps.close()
                raise
        except OSError as error:
            raise ExperimentError(f"nothing was run: its steps can't be kept ({error})") from error
        return steps, decision.said

    def _begin(self, steps: Steps, recorder: Recorder, *, was_begun: bool) -> None:
        """Have the catalog know the run, and then its directory what the catalog made of it."""
        pipeline, rerun = life.at_work(), self._rerun
        if pipeline is not None:
            experiment = self._experiment
            entering.enter(
                pipeline,
                steps.manifest,
                recorder,
                project=experiment.project,
                dataset=experiment.dataset,
                was_begun=was_begun,
            )
            pass_on_what_the_dead_left(runs(), pipeline.config)
            remove_old(runs())
        if steps.has_begun:
            steps.write_manifest()
        elif rerun is None:
            steps.begin()
        else:
            rerun.take_blobs(steps.directory)
            steps.begin(rerun.steps(steps.manifest))

    def _read(self, steps: Steps, counts: Counts, to: str) -> Progress:
        evaluators = self._experiment.evaluators
        return read(
            steps.read(),
            to,
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
        with run.work.lock:
            for state in progress.unfinished.values():  # those that nobody came to
                state.count(run.work.counts)
        counts, units = run.work.counts, len(selected) * self._experiment.repeats
        if run.work.stop is None and counts.ended < units:
            gone = (
                f"{units - counts.ended:,} of {units:,} rows are no longer in the dataset, which has changed"
            )
            run.work.end(Stop("interrupted", gone, 3))
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
            for record in silent_labels.records(recorder, scope, steps.read_what_holds, run.work.counts):
                recorder.append(record)
        if stop is not None:
            self._deliver()
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
            run.caller,
        )
        self._deliver()
        steps.write(Finished("completed", run.work.counts.ended, run.work.counts.raised))
        return summary

    def _deliver(self) -> None:
        """What was recorded, and what a process left that was killed before this one."""
        life.flush()
        if self._is_successor:
            life.deliver_leftovers()

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
            url=url_of(steps.manifest.experiment_id),
            database=database(),
        )

    def _ended(self, result: Result) -> Result:
        assert self._run is not None
        stop = self._run.work.stop
        if stop is None:
            return result
        if stop.exit_code == 130:
            raise ExperimentInterrupted(
                f"{stop.why}: the same command continues, {result.left:,} rows left", result
            )
        if stop.error is not None:
            raise stop.error
        return result

    def _manifest(self, selected: list[str], default: Scope) -> Manifest:
        parent = None if self._rerun is None else self._rerun.source.manifest
        return describing.manifest(self._experiment, selected, default, parent)
