"""Sums the metrics of an experiment's rows up, label by label. Any thread.

A row counts for a label where any span of its tree has a metric of that label. What failed is neither a zero
nor left out: scored, failed, missing and what does not apply are counted apart, so that they add up to the
rows where each has one metric; the statistics are those of the scored ones alone. What attempts recorded that
were cut off is in none of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from llmobs_trace.store import queries
from llmobs_trace.store.amounts import RowAmounts
from llmobs_trace.store.forest import Tree, trees
from llmobs_trace.store.queries import StoredMetric
from llmobs_trace.store.store import Store


class Score(Struct, frozen=True, omit_defaults=True):
    """The metrics of one label. `mean`, `lowest` and `highest` are of numbers; `values` counts the others."""

    label: str
    metric_type: str  # of most of them
    scored: int  # metrics with a value or an assessment
    failed: int  # metrics with an error in the value's place
    missing: int  # rows without any metric of this label; of one that says nothing of rows none
    not_applicable: int = 0  # metrics that say that their evaluator does not apply
    passed: int = 0  # assessments
    not_passed: int = 0
    mean: float | None = None
    lowest: float | None = None
    highest: float | None = None
    values: dict[str, int] | None = None  # true and false, or categories, the most frequent first


class _Tally:
    """What one label has come to so far."""

    def __init__(self) -> None:
        self.types: Counter[str] = Counter()
        self.failed_types: Counter[str] = Counter()
        self.other_types: Counter[str] = Counter()
        self.scored = 0
        self.failed = 0
        self.not_applicable = 0
        self.rows = 0
        self.is_of_rows = False
        self.assessments: Counter[str] = Counter()
        self.values: Counter[str] = Counter()
        self.numbers = 0
        self.total = 0.0
        self.lowest = float("inf")
        self.highest = float("-inf")

    def add(self, metric: StoredMetric) -> None:
        if metric.failed:
            self.failed += 1
            self.failed_types[metric.metric_type] += 1
            return
        if metric.not_applicable:
            self.not_applicable += 1
            self.other_types[metric.metric_type] += 1
            return
        self.scored += 1
        self.types[metric.metric_type] += 1
        if metric.assessment is not None:
            self.assessments[metric.assessment] += 1
        if metric.score_value is not None:
            self.numbers += 1
            self.total += metric.score_value
            self.lowest = min(self.lowest, metric.score_value)
            self.highest = max(self.highest, metric.score_value)
        elif metric.boolean_value is not None:
            self.values["true" if metric.boolean_value else "false"] += 1
        elif metric.categorical_value is not None:
            self.values[metric.categorical_value] += 1

    def score(self, label: str, rows: int) -> Score:
        # What failed is recorded as a `score` unless told otherwise: the scored ones know better.
        types = self.types or self.failed_types or self.other_types
        return Score(
            label=label,
            metric_type=types.most_common(1)[0][0],
            scored=self.scored,
            failed=self.failed,
            missing=rows - self.rows if self.is_of_rows else 0,
            not_applicable=self.not_applicable,
            passed=self.assessments["pass"],
            not_passed=self.assessments["fail"],
            mean=self.total / self.numbers if self.numbers else None,
            lowest=self.lowest if self.numbers else None,
            highest=self.highest if self.numbers else None,
            values=dict(self.values.most_common()) or None,
        )


class Scores:
    """Add every tree with its metrics, and the metrics whose span is not there; then ask for the summary.

    `amounts` are of the rows among them.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.amounts = RowAmounts()
        self._tallies: dict[str, _Tally] = {}

    def add_tree(self, tree: Tree, metrics: Mapping[str, Sequence[StoredMetric]]) -> None:
        if tree.is_cut_off:
            return
        seen: set[str] = set()
        # What is said of a root of another kind, as by a summary evaluator, is of the whole.
        is_of_rows = tree.is_row or tree.first.parent_id is not None
        for branch in tree.branches:
            for metric in metrics.get(branch.span.span_id, ()):
                tally = self._tally(metric.label)
                tally.add(metric)
                tally.is_of_rows = tally.is_of_rows or is_of_rows
                seen.add(metric.label)
        if tree.is_row:
            self.rows += 1
            self.amounts.add(tree.first)
            for label in seen:
                self._tally(label).rows += 1

    def add_homeless(self, metrics: Iterable[StoredMetric]) -> int:
        """Metrics whose span is not there: counted, though no row has them. Gives how many there were."""
        count = 0
        for metric in metrics:
            tally = self._tally(metric.label)
            tally.add(metric)
            tally.is_of_rows = True
            count += 1
        return count

    def summary(self) -> list[Score]:
        """By label."""
        return [tally.score(label, self.rows) for label, tally in sorted(self._tallies.items())]

    def _tally(self, label: str) -> _Tally:
        found = self._tallies.get(label)
        if found is None:
            found = self._tallies[label] = _Tally()
        return found


def summary(store: Store, experiment_id: str) -> list[Score]:
    """All labels of an experiment, read from the store trace by trace."""
    scores = Scores()
    for trace_id in queries.trace_ids(store, experiment_id):
        metrics = queries.trace_metrics(store, experiment_id, trace_id)
        for tree in trees(queries.trace(store, experiment_id, trace_id)):
            scores.add_tree(tree, metrics)
    scores.add_homeless(queries.homeless_metrics(store, experiment_id))
    return scores.summary()
