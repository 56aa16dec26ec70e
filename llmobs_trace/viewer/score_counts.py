"""Counts, in SQL, what an experiment's metrics say by label. The thread that has the store.

The same facts as `store.scores` has from reading every trace, and from an index.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from llmobs_trace.store.queries import CUT_OFF_METRICS
from llmobs_trace.store.scores import Score
from llmobs_trace.store.store import Store
from llmobs_trace.viewer.histograms import Categories, Histogram, bin_sql, counted, even_edges

MOST_LABELS: Final = 200
_MOST_CATEGORIES: Final = 50


class ShownScore(Score, frozen=True, omit_defaults=False):
    """A label's score, and where its values lie."""

    histogram: Histogram | Categories | None = None


_ROWS: Final = (
    "SELECT count(*) FROM (SELECT DISTINCT in_row FROM metric INDEXED BY metric_by_label"
    " WHERE experiment = ? AND label = ? AND in_row IS NOT NULL)"
)
# Whether the rows have anything to do with it: what is said of a root of another kind is of the whole.
_OF_ROWS: Final = (
    "SELECT 1 FROM metric m WHERE experiment = ? AND label = ? AND NOT EXISTS (SELECT 1 FROM span s"
    " WHERE s.experiment = m.experiment AND s.span_id = m.span_id AND s.parent_id IS NULL"
    " AND s.in_row IS NULL) LIMIT 1"
)
_CATEGORIES: Final = (
    "SELECT categorical_value, count(*) FROM metric INDEXED BY metric_by_category"
    " WHERE experiment = ? AND label = ? AND length(categorical_value) <= 200 AND NOT failed"
    " AND score_value IS NULL AND boolean_value IS NULL"
    " {counted} GROUP BY categorical_value ORDER BY count(*) DESC, categorical_value LIMIT ?"
)


class _Sums(Struct):
    metric_type: str
    scored: int = 0
    failed: int = 0
    passed: int = 0
    not_passed: int = 0
    numbers: int = 0
    total: float = 0.0
    lowest: float | None = None
    highest: float | None = None
    trues: int = 0
    falses: int = 0
    categories: int = 0
    not_applicable: int = 0


_SUMS: Final = f"SELECT {', '.join(_Sums.__struct_fields__)} FROM label WHERE experiment = ? AND label = ?"

# Labels that attempts gave that were cut off, or still run: those metrics are in no count.
_OF_CUT_OFF: Final = f"SELECT DISTINCT m.label {CUT_OFF_METRICS.replace('e.key', '?')}"
_NOT_CUT_OFF: Final = (
    "AND (in_row IS NOT NULL OR NOT EXISTS (SELECT 1 FROM span s WHERE s.experiment = metric.experiment"
    " AND s.span_id = metric.span_id AND s.attempt IS NOT NULL))"
)
# As `summing` adds them up, of the metrics that count.
_COUNTED: Final = (
    "SELECT metric_type, sum(NOT failed AND NOT not_applicable), sum(failed),"
    " sum(assessment IS 'pass' AND NOT failed), sum(assessment IS 'fail' AND NOT failed),"
    " sum(score_value IS NOT NULL AND NOT failed), total(CASE WHEN NOT failed THEN score_value END),"
    " min(CASE WHEN NOT failed THEN score_value END), max(CASE WHEN NOT failed THEN score_value END),"
    " sum(boolean_value IS 1 AND score_value IS NULL AND NOT failed),"
    " sum(boolean_value IS 0 AND score_value IS NULL AND NOT failed),"
    " sum(categorical_value IS NOT NULL AND boolean_value IS NULL AND score_value IS NULL AND NOT failed),"
    f" sum(not_applicable) FROM metric WHERE experiment = ? AND label = ? {_NOT_CUT_OFF} GROUP BY metric_type"
)


def scores(store: Store, experiment: int, rows: int) -> list[ShownScore]:
    """By label, of the first `MOST_LABELS`; `rows` is how many the experiment has."""
    found = store.select(
        "SELECT DISTINCT label FROM label WHERE experiment = ? ORDER BY label LIMIT ?",
        (experiment, MOST_LABELS),
    )
    cut_off = {label for (label,) in store.select(_OF_CUT_OFF, (experiment,))}
    shown = (_score(store, experiment, rows, label, label in cut_off) for (label,) in list(found))
    return [score for score in shown if score is not None]


def _score(store: Store, experiment: int, rows: int, label: str, has_cut_off: bool) -> ShownScore | None:
    sums = _COUNTED if has_cut_off else _SUMS
    by_type = [_Sums(*found) for found in store.select(sums, (experiment, label))]
    if not by_type:
        return None
    ((with_label,),) = store.select(_ROWS, (experiment, label))
    if not with_label and not list(store.select(_OF_ROWS, (experiment, label))):
        rows = 0
    scored = sum(each.scored for each in by_type)
    numbers = sum(each.numbers for each in by_type)
    passed = sum(each.passed for each in by_type)
    not_passed = sum(each.not_passed for each in by_type)
    lowest = min((each.lowest for each in by_type if each.lowest is not None), default=None)
    highest = max((each.highest for each in by_type if each.highest is not None), default=None)
    counted = _NOT_CUT_OFF if has_cut_off else ""
    values, others = _values(store, experiment, label, by_type, counted)
    return ShownScore(
        label=label,
        # What failed is recorded as a `score` unless told otherwise: the scored ones know better.
        metric_type=max(by_type, key=lambda each: each.scored if scored else each.failed).metric_type,
        scored=scored,
        failed=sum(each.failed for each in by_type),
        missing=rows - with_label,
        not_applicable=sum(each.not_applicable for each in by_type),
        passed=passed,
        not_passed=not_passed,
        mean=sum(each.total for each in by_type) / numbers if numbers else None,
        lowest=lowest,
        highest=highest,
        values=dict(values) or None,
        histogram=_categories(values, others, passed, not_passed)
        if lowest is None or highest is None
        else _histogram(store, experiment, label, lowest, highest, counted),
    )


def _values(
    store: Store, experiment: int, label: str, by_type: list[_Sums], condition: str
) -> tuple[list[tuple[str, int]], int]:
    """Booleans and the most frequent categories with their counts; and how many others there are.

    Texts longer than categories are, are among the others.
    """
    trues = sum(each.trues for each in by_type)
    falses = sum(each.falses for each in by_type)
    values = [(name, count) for name, count in (("true", trues), ("false", falses)) if count]
    if any(each.categories for each in by_type):
        query = _CATEGORIES.format(counted=condition)
        values += list(store.select(query, (experiment, label, _MOST_CATEGORIES)))
    shown = sum(count for _, count in values)
    values.sort(key=lambda value: -value[1])
    return values, trues + falses + sum(each.categories for each in by_type) - shown


def _histogram(
    store: Store, experiment: int, label: str, lowest: float, highest: float, condition: str
) -> Histogram:
    edges = even_edges(lowest, highest)
    number, parameters = bin_sql("score_value", edges)
    bins = store.select(
        f"SELECT {number} AS bin, count(*) FROM metric INDEXED BY metric_by_label"
        " WHERE experiment = ? AND label = ? AND NOT failed AND score_value IS NOT NULL"
        f" {condition} GROUP BY bin",
        (*parameters, experiment, label),
    )
    return counted(edges, list(bins))


def _categories(
    values: list[tuple[str, int]], others: int, passed: int, not_passed: int
) -> Categories | None:
    if values:
        return Categories(values, others)
    if passed or not_passed:
        return Categories([("pass", passed), ("fail", not_passed)])
    return None
