"""Says what an evaluator leaves unsaid: a label that it gives on some rows does not apply to the others where
it ended without an error. The calling thread.

Which labels there are is known when rows have ended, so that this comes last. It is made of the steps alone,
each of which holds: whoever takes the run up makes the same events again, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.experiment.counts import Counts
from llmobs_trace.experiment.evaluators import metric_records
from llmobs_trace.experiment.score import Judged
from llmobs_trace.experiment.states import Unit
from llmobs_trace.experiment.steps import Ended, Evaluated, Step

Reading = Callable[[], Iterable[Step]]


def records(recorder: Recorder, scope: Scope, steps: Reading, counts: Counts) -> Iterator[bytes]:
    """A record for each label and row; none where every evaluator gave all of its labels."""
    silent = _silent(steps, counts.labels_with_silence())
    if not silent:
        return
    for step in steps():
        if isinstance(step, Ended) and (labels := silent.pop((step.row, step.repeat), None)) is not None:
            at_ms = (step.start_ns + step.duration_ns) // 1_000_000
            metrics = [Judged(label) for label in labels]
            yield from metric_records(recorder, scope, step.span_id, metrics, timestamp_ms=at_ms)


def _silent(steps: Reading, labels: Mapping[str, set[str]]) -> dict[Unit, list[str]]:
    """The labels that each row lacks, of evaluators that ended there in order."""
    found: dict[Unit, list[str]] = {}
    if not labels:
        return found
    for step in steps():
        if isinstance(step, Evaluated) and step.evaluator in labels and step.ended_in_order:
            given = {kept.label for kept in step.metrics}
            if lacking := sorted(labels[step.evaluator] - given):
                found.setdefault((step.row, step.repeat), []).extend(lacking)
    return found
