"""Runs the summary evaluators over all rows, and records what they say on a span beside the rows. The calling
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import msgspec

from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.capture.row_root import MadeSpan
from llmobs_trace.experiment import made_ids
from llmobs_trace.experiment.calling import Caller
from llmobs_trace.experiment.counts import Counts
from llmobs_trace.experiment.evaluators import kept, metric_records
from llmobs_trace.experiment.parameters import Callee
from llmobs_trace.experiment.result import ResultRow
from llmobs_trace.experiment.score import failed, judged
from llmobs_trace.experiment.steps import Code, Kept, Steps, Summarised

SUMMARY = "summary"


def summarise(
    evaluators: Sequence[tuple[Callee, Code]],
    rows: Callable[[], Iterator[ResultRow]],
    config: Any,
    recorder: Recorder,
    scope: Scope,
    steps: Steps,
    done: Summarised | None,
    counts: Counts,
    caller: Caller,
) -> dict[str, Any]:
    """What each says, by label; on disk and recorded, once."""
    if not evaluators:
        return {}
    if done is None:
        done = _summarised(evaluators, rows, config, recorder, scope, counts, caller)
        steps.write(done)
    if recorder.enabled:
        for record in done.records:
            (slot.current or recorder).append(bytes(record) + b"\n")
    return by_label(done)


def by_label(summarised: Summarised) -> dict[str, Any]:
    """What the summary evaluators said."""
    return {
        one.label: one.error if one.error is not None else one.value
        for one in summarised.metrics
        if not one.not_applicable
    }


def _summarised(
    evaluators: Sequence[tuple[Callee, Code]],
    rows: Callable[[], Iterator[ResultRow]],
    config: Any,
    recorder: Recorder,
    scope: Scope,
    counts: Counts,
    caller: Caller,
) -> Summarised:
    all_rows = list(rows())
    known = {
        "rows": all_rows,
        "config": config,
        "metadata": None,
        # ddtrace's words: lists of equal length, with None in the place of what is not there.
        "inputs": [row.input for row in all_rows],
        "outputs": [row.output for row in all_rows],
        "expected_outputs": [row.expected_output for row in all_rows],
        "evaluators_results": _values_by_label(all_rows),
    }
    metrics = []
    trace_id = made_ids.trace_id(scope.experiment_id, SUMMARY, 0)
    span_id = made_ids.span_id(scope.experiment_id, SUMMARY, 0, SUMMARY)
    came_to = {"rows": counts.ended, "failed": counts.raised}
    span = MadeSpan(recorder, scope, SUMMARY, trace_id, span_id, kind="workflow", input=came_to)
    with ExitStack() as stack, span as opened:
        if any(callee.is_async for callee, _ in evaluators):
            caller.start_loop(stack)
        for callee, code in evaluators:
            try:
                call = partial(callee, known)
                metrics += judged(caller.call(callee.is_async, call, call, None), code.name)
            except Exception as error:
                metrics.append(failed(code.name, error))
        keeps: list[Kept] = [kept(one) for one in metrics]
        said = [one for one in keeps if one.error is None and not one.not_applicable]
        opened.set_output({one.label: one.value for one in said})
    if not recorder.enabled:
        return Summarised(keeps, [])
    made = metric_records(recorder, scope, span_id, metrics, tags={"metric_source": SUMMARY})
    return Summarised(keeps, [msgspec.Raw(record.rstrip(b"\n")) for record in (span.record, *made)])


def _values_by_label(rows: Sequence[ResultRow]) -> dict[str, list[Any]]:
    labels = dict.fromkeys(label for row in rows for label in (*row.scores, *row.errors))
    return {
        label: [None if (score := row.scores.get(label)) is None else score.value for row in rows]
        for label in labels
    }
