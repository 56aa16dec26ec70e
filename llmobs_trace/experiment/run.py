"""Runs rows: a row's task, then its evaluators, then the next row, `jobs` of them at a time. The thread that
called `run`, and the run's own.

Each row is one thread's from its first attempt to its last metric. Each step is on disk before its events are
in the journal, so that whoever takes the run up again knows both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from llmobs_trace.experiment import remote
from llmobs_trace.experiment.calling import Caller
from llmobs_trace.experiment.evaluator_steps import EvaluatorSteps
from llmobs_trace.experiment.evaluators import Evaluator
from llmobs_trace.experiment.made_ids import UnitIds
from llmobs_trace.experiment.parameters import Callee
from llmobs_trace.experiment.routing import routed
from llmobs_trace.experiment.rows import Row
from llmobs_trace.experiment.states import Progress, State, Unit
from llmobs_trace.experiment.steps import Sent, Stopped, TaskError
from llmobs_trace.experiment.task_steps import TaskSteps
from llmobs_trace.experiment.throttle import Stopping
from llmobs_trace.experiment.work import Stop, Work


class Run:
    """Takes a run from where it is to its end, or to where it stops."""

    def __init__(
        self,
        work: Work,
        task: Callee,
        evaluators: Sequence[Evaluator],
        progress: Progress,
        *,
        tags: Mapping[str, object],
        decode: Callable[[Any], Any] | None,
        is_durable: bool,
    ) -> None:
        self.work = work
        self._progress = progress
        self._evaluators = evaluators
        self._is_durable = is_durable
        self._needs_loop = task.is_async or any(each.callee.is_async for each in evaluators)
        self.caller = Caller(work)
        self._pool = None if work.options.executor is None else remote.Pool(work.options.executor)
        collects = any(evaluator.asks_for_spans for evaluator in evaluators)
        self._attempts = TaskSteps(work, self.caller, task, self._pool, tags, decode, collects=collects)
        self._evaluations = EvaluatorSteps(work, self.caller, evaluators, self._pool)

    def waits(self) -> float:
        """For how many more seconds a provider has nothing start."""
        throttles = [self._attempts.throttle, *self._evaluations.throttles.values()]
        return max(throttle.waits() for throttle in throttles)

    # --- The calling thread ---------------------------------------------------------------------------------

    def units(self, units: Iterator[tuple[Row, int]], jobs: int, tick: Callable[[], None]) -> None:
        """Run rows and repeats; `tick` is called every now and then. Returns when all are done, or the run
        stopped.
        """
        work = self.work
        with ExitStack() as stack:
            if work.recorder.enabled:
                work.router = stack.enter_context(routed(work.recorder))
            if self._needs_loop:
                self.caller.start_loop(stack)
            source = _Shared(units, jobs)
            for number in range(jobs):
                threading.Thread(
                    target=self._worker, args=(source,), name=f"llmobs-run-{number}", daemon=True
                ).start()
            self._wait_for(source, tick)

    def close(self) -> None:
        """After the last row: what was made for them goes."""
        if self._pool is not None:
            self._pool.close()
        if self.work.stop is not None:
            self.work.steps.write(Stopped(self.work.stop.why))

    def _wait_for(self, source: _Shared, tick: Callable[[], None]) -> None:
        """Until all threads have left. Woken by nothing else: a row that ends is not this thread's to see."""
        work, synced = self.work, time.monotonic()
        while not source.left_by_all.acquire(timeout=0.1):
            if work.stop is not None and work.stop.at_once:
                return
            if time.monotonic() - synced >= 1.0:
                synced = time.monotonic()
                work.steps.sync()
            tick()

    # --- A row's thread -------------------------------------------------------------------------------------

    def _worker(self, source: _Shared) -> None:
        work = self.work
        try:
            while work.stop is None and work.is_this_process:
                found = source.take()
                if found is None:
                    return
                with work.lock:
                    work.in_flight += 1
                try:
                    self._unit(*found)
                except Stopping:
                    pass
                finally:
                    with work.lock:
                        work.in_flight -= 1
        except BaseException as error:  # the dataset's own, or the disk's: nobody else would hear of it
            work.end(Stop("interrupted", f"{type(error).__name__}: {error}", 3, error=error))
        finally:
            source.leave()

    def _unit(self, row: Row, repeat: int) -> None:
        work = self.work
        unit: Unit = (row.id or "", repeat)
        state = self._progress.unfinished.get(unit) or State()
        ids = UnitIds(work.scope.experiment_id, *unit)
        output: Any = None
        error: BaseException | None = None
        children: list[bytes] = []
        if state.ended is None:
            ended, output, error, children = self._attempts.ended(row, repeat, ids, state)
            with work.lock:
                work.counts.task(ended)
        else:
            ended = state.ended
            output = self._attempts.as_evaluators_see(work.steps.output_of(ended))
            if ended.error is not None:
                error = RecordedError(ended.error)
        work.send(ended.records)
        evaluation = self._evaluations.of(row, repeat, ids, ended, output, error, children, state)
        try:
            for evaluator in self._evaluators:
                if evaluator.label not in state.evaluated and (error is None or evaluator.asks_for_errors):
                    evaluation.evaluate(evaluator)
        finally:
            evaluation.end()
        work.steps.write_later(Sent(unit[0], repeat, self._is_durable))
        self._look_at_failures(error)

    def _look_at_failures(self, error: BaseException | None) -> None:
        work = self.work
        if error is not None and work.options.raise_errors:
            work.end(Stop("failed", f"{type(error).__name__}: {error}", 1, error=error))
        most = work.options.max_failures
        if most is None:
            return
        with work.lock:
            raised, ended = work.counts.raised, work.counts.ended
            is_too_much = raised > most if most >= 1 else ended >= 20 and raised / ended > most
            if is_too_much:
                commonest = work.counts.errors.most_common(1)
                what = commonest[0][0].partition(":")[0] if commonest else "an error"
                work.end(Stop("failed", f"{raised:,} of the first {ended:,} rows raised {what}", 1))


class _Shared:
    """Rows for whoever takes the next one; `left_by_all` can be acquired once the last one has left."""

    def __init__(self, units: Iterator[tuple[Row, int]], takers: int) -> None:
        self._units = units
        self._lock = threading.Lock()  # guards the iterator, which is the user's, and the takers
        self._takers = takers
        self.left_by_all = threading.Lock()
        self.left_by_all.acquire()

    def leave(self) -> None:
        with self._lock:
            self._takers -= 1
            if not self._takers:
                self.left_by_all.release()

    def take(self) -> tuple[Row, int] | None:
        with self._lock:
            return next(self._units, None)


class RecordedError(Exception):
    """A task's error as an evaluator of a resumed row gets it; `type` is the name of its type."""

    def __init__(self, error: TaskError) -> None:
        super().__init__(f"{error.type}: {error.message}")
        self.type = error.type
