"""Brings a row's evaluators to their ends, and puts what each said on disk. The run's threads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import msgspec

from llmobs_trace.experiment import attempt, remote
from llmobs_trace.experiment.attempt import Outcome, Place, is_awaitable
from llmobs_trace.experiment.calling import Caller, CancelledWithin
from llmobs_trace.experiment.counts import TWICE
from llmobs_trace.experiment.evaluators import Evaluator, kept, metric_records, with_direction
from llmobs_trace.experiment.limits import AttemptTimeout
from llmobs_trace.experiment.made_ids import UnitIds
from llmobs_trace.experiment.retrying import Retries, pause_before_another
from llmobs_trace.experiment.routing import Following, Live
from llmobs_trace.experiment.rows import Row
from llmobs_trace.experiment.score import Judged, failed, judged
from llmobs_trace.experiment.states import MOST_DEATHS, State
from llmobs_trace.experiment.steps import Ended, Evaluated, Kept
from llmobs_trace.experiment.task_steps import Undecoded
from llmobs_trace.experiment.throttle import Stopping, Throttle
from llmobs_trace.experiment.work import Work

NOTHING = nullcontext()


class EvaluatorSteps:
    """The evaluators of a run, each with limits of its own."""

    def __init__(
        self,
        work: Work,
        caller: Caller,
        evaluators: Sequence[Evaluator],
        pool: remote.Pool | None = None,
    ) -> None:
        self.work = work
        self.caller = caller
        self.pool = pool
        self.throttles = {
            each.label: Throttle(each.label, work.options.jobs, work.lock, work.changed, work.stops)
            for each in evaluators
        }

    def of(
        self,
        row: Row,
        repeat: int,
        ids: UnitIds,
        ended: Ended,
        output: Any,
        error: BaseException | None,
        children: list[bytes],
        state: State,
    ) -> Evaluation:
        """One row's: `children` are what its task recorded, `state` how far it had come."""
        known = {
            "input": row.input,
            "output": output,
            "expected_output": row.expected_output,
            "metadata": row.metadata,
            "config": self.work.config,
            "row": row,
            "tags": row.tags,
            "error": error,
        }
        return Evaluation(self, ids, repeat, ended, known, children, state)


class Evaluation:
    """One row and repeat whose task has ended."""

    def __init__(
        self,
        steps: EvaluatorSteps,
        ids: UnitIds,
        repeat: int,
        ended: Ended,
        known: dict[str, Any],
        children: list[bytes],
        state: State,
    ) -> None:
        self._steps = steps
        self._work = steps.work
        self._ids = ids
        self._repeat = repeat
        self._ended = ended
        self._known = known
        self._children = children
        self._state = state

    def evaluate(self, evaluator: Evaluator) -> None:
        """Have one evaluator say what it says; it is on disk and in the journal then."""
        work, label, options = self._work, evaluator.label, evaluator.options
        throttle = self._steps.throttles[label]
        retries = Retries(work.options.retries if options.retries is None else options.retries)
        deaths = 0
        while True:
            throttle.enter()
            started = time.monotonic()
            succeeded = False
            try:
                metrics, error, record = self._asked(evaluator)
                if not work.is_this_process:  # a child that the evaluator forked came back in its place
                    raise Stopping
                succeeded = error is None
            finally:
                throttle.leave(succeeded=succeeded)
            if error is None:
                break
            deaths += isinstance(error, remote.LostWorker)
            pause = pause_before_another(work, throttle, error, retries, started)
            if pause is None or deaths >= MOST_DEATHS:
                break
            throttle.sleep(pause)
        records = [msgspec.Raw(record[:-1])] if record else []
        self._keep(label, with_direction(metrics, options.lower_is_better), records)

    def _keep(self, label: str, metrics: list[Judged], records: list[msgspec.Raw]) -> None:
        """Put what an evaluator said on disk."""
        work = self._work
        if work.router is not None:
            for made in metric_records(work.recorder, work.scope, self._ended.span_id, metrics):
                records.append(msgspec.Raw(made[:-1]))
        keeps: list[Kept] = [kept(one) for one in metrics]
        evaluated = Evaluated(self._ended.row, self._repeat, label, keeps, records)
        work.steps.write(evaluated)
        self._state.evaluated[label] = evaluated

    def end(self) -> None:
        """After the last evaluator: what they said goes into the journal, and counts. Of two that gave one
        label neither does; which these are is known only now.
        """
        work, state = self._work, self._state
        if not work.is_this_process:
            return
        labels = [one.label for each in state.evaluated.values() for one in each.metrics]
        if len(set(labels)) < len(labels):
            twice = {label for label in labels if labels.count(label) > 1}
            for evaluated in [*state.evaluated.values()]:
                if any(one.label in twice and one.error != TWICE for one in evaluated.metrics):
                    self._keep_instead(evaluated, twice)
        for evaluated in state.evaluated.values():
            work.send(evaluated.records)
        with work.lock:
            state.count(work.counts)

    def _keep_instead(self, evaluated: Evaluated, twice: set[str]) -> None:
        """The same without the labels that others gave too: these are errors."""
        work, count = self._work, len(evaluated.metrics)
        keeps: list[Kept] = []
        records = evaluated.records[:-count]  # a span of its own
        for number, one in enumerate(evaluated.metrics):
            if one.label not in twice:
                keeps.append(one)
                records += evaluated.records[-count:][number : number + 1]
                continue
            error = Judged(one.label, error=TWICE)
            keeps.append(kept(error))
            if work.router is not None:
                made = metric_records(work.recorder, work.scope, self._ended.span_id, [error])
                records += [msgspec.Raw(record[:-1]) for record in made]
        instead = Evaluated(evaluated.row, evaluated.repeat, evaluated.evaluator, keeps, records, True)
        work.steps.write(instead)
        self._state.evaluated[evaluated.evaluator] = instead

    def _asked(self, evaluator: Evaluator) -> tuple[list[Judged], BaseException | None, bytes]:
        """What an evaluator says; its exception where it raised; and the record of its span, where it
        recorded anything itself.
        """
        output = self._known["output"]
        if isinstance(output, Undecoded):
            return [failed(evaluator.label, output.error, decode=True)], output.error, b""
        is_remote = evaluator.options.remote and self._steps.pool is not None
        outcome, record = self._remote(evaluator) if is_remote else self._here(evaluator)
        if is_awaitable(outcome.output):
            outcome = Outcome(error=TypeError("returned an awaitable: declare it with `async def`"))
        if outcome.error is not None:
            return [failed(evaluator.label, outcome.error)], outcome.error, record
        return judged(outcome.output, evaluator.label, passes=evaluator.options.passes), None, record

    def _here(self, evaluator: Evaluator) -> tuple[Outcome, bytes]:
        work, callee, place = self._work, evaluator.callee, self._place(evaluator)
        known = self._known_to(evaluator)
        span, live = None, Live(0, watched=place.span_id)
        following: Following | nullcontext[None] = NOTHING
        if work.router is not None:
            span = attempt.below_row(work.recorder, work.scope, place, self._ended.span_id)
            following = work.router.following(place.trace_id, live)
        with following:
            try:
                outcome = self._steps.caller.call(
                    callee.is_async,
                    lambda: attempt.run(callee, known, place, span, keeps_record=False),
                    lambda: attempt.run_async(callee, known, place, span, keeps_record=False),
                    self._timeout(evaluator),
                )
            except (AttemptTimeout, CancelledWithin) as error:
                outcome = Outcome(error=error)
        if span is None or not live.found:
            return outcome, b""
        if outcome.error is None:
            span.give_output(outcome.output)
        return outcome, span.record

    def _remote(self, evaluator: Evaluator) -> tuple[Outcome, bytes]:
        """The same on the executor."""
        work, pool = self._work, self._steps.pool
        assert pool is not None
        known, capture = dict(self._known_to(evaluator)), remote.Capture.of(work.recorder)
        known["error"] = remote.sendable(known["error"])
        job = remote.Job(
            evaluator.callee,
            known,
            known["row"],
            self._place(evaluator),
            work.scope.ids,
            capture,
            self._timeout(evaluator),
            self._ended.span_id,
        )
        try:
            returned = pool.run(job)
        except Exception as error:  # also where what it was given, or what it returned, could not be sent
            return Outcome(error=error), b""
        work.take_home(returned, self._ended.row)
        outcome = returned.outcome
        if returned.is_late:
            return Outcome(error=AttemptTimeout(f"took longer than {job.timeout:g} s")), b""
        return outcome, outcome.record if outcome.children else b""

    def _place(self, evaluator: Evaluator) -> Place:
        ids, label = self._ids, evaluator.label
        span_id = ids.span_id(label)
        return Place(self._ended.row, self._repeat, 0, ids.trace_id, span_id, "", f"evaluate {label}")

    def _timeout(self, evaluator: Evaluator) -> float | None:
        own = evaluator.options.timeout
        return self._work.options.timeout if own is None else own

    def _known_to(self, evaluator: Evaluator) -> dict[str, Any]:
        if not evaluator.asks_for_spans:
            return self._known
        from llmobs_trace.recorded import RecordedSpans

        spans = RecordedSpans()
        for record in (*self._children, *map(bytes, self._ended.records)):
            spans.append_record(record)
        return {**self._known, "spans": spans}
