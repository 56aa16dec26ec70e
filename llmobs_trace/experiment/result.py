"""Gives what a run came to: its counts at once, its rows from the steps on disk. Any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmobs_trace.catalog.catalog import Status
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment import gate
from llmobs_trace.experiment.counts import ScoreSummary
from llmobs_trace.experiment.gate import Bound, GateVerdict
from llmobs_trace.experiment.score import Score
from llmobs_trace.experiment.steps import Ended, Evaluated, Kept, Steps, TaskError

if TYPE_CHECKING:
    from llmobs_trace.experiment.dataset import Dataset
    from llmobs_trace.experiment.rows import Row


@dataclass(frozen=True)
class ResultRow:
    """One row and repeat: what it was given, what came of it, and how it scored.

    >>> result = Experiment("sums", dataset=[("2+2?", "4")], task=str.upper).run(progress=False)
    >>> [(row.input, row.output, row.error) for row in result.rows]
    [('2+2?', '2+2?', None)]

    - `row_id`, `run_iteration` (from 1), `input`, `expected_output`, `metadata`
    - `output`: None where the task raised, or the row is left; `error`: None, or the exception's type and
      message
    - `scores`: by label; None where the evaluator does not apply; `errors`: by label, why there is no score
    - `span_id`, `trace_id`, `start_ns`, `duration_ns`: of its root span
    """

    row_id: str
    run_iteration: int
    input: Any
    expected_output: Any
    metadata: Mapping[str, Any] | None
    output: Any
    error: TaskError | None
    scores: dict[str, Score | None] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    span_id: str | None = None
    start_ns: int = 0
    duration_ns: int = 0


class Result:
    """What a run came to.

    >>> result = Experiment("sums", dataset=[("2+2?", "4")], task=str.upper).run(progress=False)
    >>> result.status, result.done, result.failed, result.left
    ('completed', 1, 0, 0)

    - `experiment_id`, `name`, `status` (`completed`, `failed`, `interrupted`), `why` it ended before its rows
      did
    - `row_count` (rows x repeats), `done`, `failed`, `left`
    - `scores`: by label, what all rows came to; `summary`: what the summary evaluators said, by label
    - `rows`: one after the other from disk, in the dataset's order, what is left included
    - `url`: where to look, or None
    """

    def __init__(
        self,
        experiment_id: str,
        name: str,
        status: Status,
        why: str | None,
        units: int,
        done: int,
        failed: int,
        scores: Mapping[str, ScoreSummary],
        summary: Mapping[str, Any],
        errors: list[tuple[str, int, str]],
        rows: Callable[[], Iterator[ResultRow]],
        url: str | None = None,
        exit_code: int = 0,
        database: Path | None = None,
    ) -> None:
        self.experiment_id: str = experiment_id
        self.name: str = name
        self.status: Status = status
        self.why: str | None = why
        self.scores: dict[str, ScoreSummary] = dict(scores)
        self.summary: dict[str, Any] = dict(summary)
        self.errors: list[tuple[str, int, str]] = errors
        self.url: str | None = url
        self.exit_code: int = exit_code
        self.row_count: int = units
        self.done: int = done
        self.failed: int = failed
        self._rows = rows
        self._database = database

    @property
    def in_short(self) -> str | None:
        """Why it is not what one hoped for, in a line; None where nothing failed."""
        if self.why:
            return self.why
        return rows_raised(self.failed, self.row_count)

    @property
    def left(self) -> int:
        """How many rows x repeats did not run."""
        return self.row_count - self.done

    @property
    def rows(self) -> Iterator[ResultRow]:
        """Every row and repeat in order, read from disk one at a time."""
        return self._rows()

    def to_pandas(self) -> Any:
        """A table with a line for each row and repeat; needs pandas."""
        import pandas

        return pandas.DataFrame(
            {
                "row_id": row.row_id,
                "run_iteration": row.run_iteration,
                "input": row.input,
                "expected_output": row.expected_output,
                "output": row.output,
                "error": None if row.error is None else f"{row.error.type}: {row.error.message}",
                "seconds": row.duration_ns / 1e9,
                **{label: None if score is None else score.value for label, score in row.scores.items()},
                **{f"{label}.error": error for label, error in row.errors.items()},
            }
            for row in self.rows
        )

    def gate(
        self,
        gates: Mapping[str, Bound] | None = None,
        *,
        baseline: str | None = None,
        fail_if_worse: bool = False,
        fail_if_unsure: bool = False,
    ) -> GateVerdict:
        """Judge the run: each gate by a label of `scores`, or `row errors`, the share of rows that raised.

        A gate passes only if it holds whatever the failed and missing rows had come to, fails only if it
        fails whatever they had; else it can't be told. `baseline` is an experiment of the local store (an id,
        a name, `latest` for the one before) that the run is compared with; `fail_if_worse` and
        `fail_if_unsure` say what becomes of that. Raises `ConfigurationError` for a name that is not there.
        """
        verdict = gate.judge(
            gates or {}, self.scores, units=self.row_count, failed=self.failed, left=self.left
        )
        if baseline is None:
            return verdict
        if self._database is None:
            raise ConfigurationError("baseline: the run was not recorded in a local store to compare in")
        from llmobs_trace.experiment import baseline as baselines

        comparison = baselines.against(self._database, baseline, self.experiment_id)
        outcome, said = baselines.outcome(
            comparison, fail_if_worse=fail_if_worse, fail_if_unsure=fail_if_unsure
        )
        lines = (*verdict.lines, f"baseline {baseline}: {said}")
        return GateVerdict(gate.together([verdict.outcome, outcome]), lines)

    def __repr__(self) -> str:
        rows = f"{self.done:,}/{self.row_count:,} rows"
        return f"<Result {self.name!r} {self.experiment_id}: {self.status}, {rows}>"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """The summary as it is printed at a run's end."""
        failed = f" · {self.failed:,} failed" if self.failed else ""
        left = f" · {self.left:,} left" if self.left else ""
        rows = f"{self.done:,}/{self.row_count:,} rows{failed}{left}"
        yield f"{self.name}  {self.experiment_id}  {self.status}: {rows}"
        if self.why:
            yield f"  {self.why}"
        if self.status == "interrupted" and self.left:
            yield f"  the same command continues: {self.left:,} rows left"
        width = max(map(len, (*self.scores, *self.summary)), default=0)
        for label, score in self.scores.items():
            yield f"  {label:<{width}}  {score}"
        for label, value in self.summary.items():
            yield f"  {label:<{width}}  {value}"
        for text, count, row in self.errors[:3]:
            yield f"  {count:,} x {text}  (row {row})"


def rows_raised(failed: int, rows: int) -> str | None:
    """What there is to say of a run that came to its end."""
    return f"{failed:,} of {rows:,} rows raised" if failed else None


def rows(steps: Steps, dataset: Dataset, limit: frozenset[str]) -> Iterator[ResultRow]:
    """Each row and repeat of a run: what its steps say, in the dataset's order. One pass over the steps finds
    where each stands, and the rows are read from there.
    """
    ended: dict[tuple[str, int], Ended] = {}
    evaluated: dict[tuple[str, int], dict[str, Evaluated]] = {}
    for step in steps.read():
        if isinstance(step, Ended):
            step.records = []
            ended[step.row, step.repeat] = step
        elif isinstance(step, Evaluated):
            step.records = []
            evaluated.setdefault((step.row, step.repeat), {})[step.evaluator] = step
    labels_of: dict[str, set[str]] = {}
    for by_name in evaluated.values():
        for name, one in by_name.items():
            labels_of.setdefault(name, set()).update(kept.label for kept in one.metrics)
    for row in dataset:
        if row.id not in limit:
            continue
        for repeat in range(1, steps.manifest.repeats + 1):
            unit = (row.id or "", repeat)
            yield _row(steps, row, repeat, ended.get(unit), evaluated.get(unit, {}), labels_of)


def _row(
    steps: Steps,
    row: Row,
    repeat: int,
    ended: Ended | None,
    evaluated: Mapping[str, Evaluated],
    labels_of: Mapping[str, set[str]],
) -> ResultRow:
    scores: dict[str, Score | None] = {}
    errors: dict[str, str] = {}
    for name, one in evaluated.items():
        if one.ended_in_order:
            scores.update(dict.fromkeys(labels_of[name] or {name}))
        for kept in one.metrics:
            if kept.error is not None:
                errors[kept.label] = kept.error
            else:
                scores[kept.label] = None if kept.not_applicable else score_of(kept)
    return ResultRow(
        row.id or "",
        repeat,
        row.input,
        row.expected_output,
        row.metadata,
        None if ended is None or ended.error is not None else steps.output_of(ended),
        None if ended is None else ended.error,
        scores,
        errors,
        None if ended is None else ended.span_id,
        0 if ended is None else ended.start_ns,
        0 if ended is None else ended.duration_ns,
    )


def score_of(kept: Kept) -> Score:
    """A metric as it was kept."""
    assessment = kept.assessment if kept.assessment in ("pass", "fail") else None
    return Score(kept.value, kept.label, assessment, kept.reasoning)  # type: ignore[arg-type]
