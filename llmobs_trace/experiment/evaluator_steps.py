"""Brings one evaluator to its end on one row, and puts what it said on disk. The run's threads."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec

from llmobs_trace.capture.row_root import MadeSpan
from llmobs_trace.experiment import attempt, made_ids
from llmobs_trace.experiment.attempt import Outcome, Place
from llmobs_trace.experiment.calling import Caller, CancelledWithin
from llmobs_trace.experiment.evaluators import Evaluator, kept, metric_records, with_direction
from llmobs_trace.experiment.limits import AttemptTimeout
from llmobs_trace.experiment.retrying import Retries, pause_before_another
from llmobs_trace.experiment.routing import Live
from llmobs_trace.experiment.rows import Row
from llmobs_trace.experiment.score import Judged, clashing, failed, judged
from llmobs_trace.experiment.states import State
from llmobs_trace.experiment.steps import Ended, Evaluated
from llmobs_trace.experiment.throttle import Throttle
from llmobs_trace.experiment.work import Work


class EvaluatorSteps:
    """The evaluators of a run, each with limits of its own."""

    def __init__(self, work: Work, caller: Caller, evaluators: Sequence[Evaluator]) -> None:
        self.throttles = {
            each.label: Throttle(each.label, work.options.jobs, work.changed, work.stops)
            for each in evaluators
        }
        self._work = work
        self._caller = caller

    def known(
        self,
        row: Row,
        output: Any,
        error: BaseException | None,
        records: list[Any],
        children: list[bytes],
        evaluator: Evaluator,
    ) -> dict[str, Any]:
        work = self._work
        known = {
            "input": row.input,
            "output": output,
            "expected_output": row.expected_output,
            "metadata": row.metadata,
            "config": work.config,
            "row": row,
            "tags": row.tags,
            "error": error,
        }
        if evaluator.asks_for_spans:
            from llmobs_trace.recorded import RecordedSpans

            spans = known["spans"] = RecordedSpans()
            for record in (*children, *map(bytes, records)):
                spans.append_record(record)
        return known

    def evaluate(
        self,
        row: Row,
        repeat: int,
        ended: Ended,
        evaluator: Evaluator,
        known: dict[str, Any],
        state: State,
    ) -> None:
        work = self._work
        label = evaluator.label
        options, throttle = evaluator.options, self.throttles[label]
        timeout = work.options.timeout if options.timeout is None else options.timeout
        experiment_id = work.scope.experiment_id
        trace_id = made_ids.trace_id(experiment_id, ended.row, repeat)
        span_id = made_ids.span_id(experiment_id, ended.row, repeat, label)
        retries = Retries(work.options.retries if options.retries is None else options.retries)
        while True:
            throttle.enter()
            started = time.monotonic()
            span = self._evaluator_span(evaluator, trace_id, span_id, ended.span_id)
            try:
                metrics, error, has_children = self._asked(evaluator, known, timeout, span, trace_id, span_id)
            finally:
                throttle.leave()
            if error is None:
                throttle.succeeded()
                break
            pause = pause_before_another(work, throttle, error, retries, started)
            if pause is None:
                break
            throttle.sleep(pause)
        metrics = with_direction(metrics, options.lower_is_better)
        clash = clashing(
            [
                *(
                    (name, [Judged(each.label) for each in done.metrics])
                    for name, done in state.evaluated.items()
                ),
                (label, metrics),
            ]
        )
        metrics = [
            Judged(one.label, error="two evaluators gave this label for one row")
            if one.label in clash
            else one
            for one in metrics
        ]
        records = [msgspec.Raw(span.record.rstrip(b"\n"))] if span is not None and has_children else []
        if work.router is not None:
            made = metric_records(work.recorder, work.scope, ended.span_id, metrics)
            records += [msgspec.Raw(record.rstrip(b"\n")) for record in made]
        keeps = [each for one in metrics if (each := kept(one)) is not None]
        evaluated = Evaluated(ended.row, repeat, label, keeps, records)
        work.steps.write(evaluated)
        state.evaluated[label] = evaluated
        with work.changed:
            work.counts.evaluator(label, keeps, ended.row)
        work.send(records)

    def _evaluator_span(
        self, evaluator: Evaluator, trace_id: str, span_id: str, parent_id: str
    ) -> MadeSpan | None:
        work = self._work
        if work.router is None:
            return None
        name = f"evaluate {evaluator.label}"
        return MadeSpan(work.recorder, work.scope, name, trace_id, span_id, kind="task", parent_id=parent_id)

    def _asked(
        self,
        evaluator: Evaluator,
        known: Mapping[str, Any],
        timeout: float | None,
        span: MadeSpan | None,
        trace_id: str,
        span_id: str,
    ) -> tuple[list[Judged], BaseException | None, bool]:
        """What an evaluator says; its exception where it raised, and whether it recorded anything itself."""
        work = self._work
        live = Live(0, watched=span_id)
        place = Place("", 0, 0, trace_id, span_id, "", "")
        with ExitStack() as stack:
            if work.router is not None:
                stack.enter_context(work.router.following(trace_id, live))
            try:
                outcome = self._caller.call(
                    evaluator.callee.is_async,
                    lambda: attempt.run(evaluator.callee, known, place, span),
                    lambda: attempt.run_async(evaluator.callee, known, place, span),
                    timeout,
                )
                if inspect.isawaitable(outcome.output):
                    outcome = Outcome(error=TypeError("returned an awaitable: declare it with `async def`"))
                metrics = judged(outcome.output, evaluator.label, passes=evaluator.options.passes)
            except (AttemptTimeout, CancelledWithin) as error:
                outcome = Outcome(error=error)
        if outcome.error is not None:
            metrics = [failed(evaluator.label, outcome.error)]
        return metrics, outcome.error, live.found
