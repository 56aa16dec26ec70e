"""Counts, in SQL, what an experiment's metrics say by label. The thread that has the store.

The same facts as `store.scores` has from reading every trace, and from an index.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

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
_CATEGORIES: Final = (
    "SELECT categorical_value, count(*) FROM metric INDEXED BY metric_by_category"
    " WHERE experiment = ? AND label = ? AND length(categorical_value) <= 200 AND NOT failed"
    " AND score_value IS NULL AND boolean_value IS NULL"
    " GROUP BY categorical_value ORDER BY count(*) DESC, categorical_value LIMIT ?"
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


_SUMS: Final = f"SELECT {', '.join(_Sums.__struct_fields__)} FROM label WHERE experiment = ? AND label = ?"


def scores(store: Store, experiment: int, rows: int) -> list[ShownScore]:
    """By label, of the first `MOST_LABELS`; `rows` is how many the experiment has."""
    found = store.select(
        "SELECT DISTINCT label FROM label WHERE experiment = ? ORDER BY label LIMIT ?",
        (experiment, MOST_LABELS),
    )
    return [_score(store, experiment, rows, label) for (label,) in list(found)]


def _score(store: Store, experiment: int, rows: int, label: str) -> ShownScore:
    by_type = [_Sums(*found) for found in store.select(_SUMS, (experiment, label))]
    ((with_label,),) = store.select(_ROWS, (experiment, label))
    scored = sum(each.scored for each in by_type)
    numbers = sum(each.numbers for each in by_type)
    passed = sum(each.passed for each in by_type)
    not_passed = sum(each.not_passed for each in by_type)
    lowest = min((each.lowest for each in by_type if each.lowest is not None), default=None)
    highest = max((each.highest for each in by_type if each.highest is not None), default=None)
    values, others = _values(store, experiment, label, by_type)
    return ShownScore(
        label=label,
        # What failed is recorded as a `score` unless told otherwise: the scored ones know better.
        metric_type=max(by_type, key=lambda each: each.scored if scored else each.failed).metric_type,
        scored=scored,
        failed=sum(each.failed for each in by_type),
        missing=rows - with_label,
        passed=passed,
        not_passed=not_passed,
        mean=sum(each.total for each in by_type) / numbers if numbers else None,
        lowest=lowest,
        highest=highest,
        values=dict(values) or None,
        histogram=_categories(values, others, passed, not_passed)
        if lowest is None or highest is None
        else _histogram(store, experiment, label, lowest, highest),
    )


def _values(
    store: Store, experiment: int, label: str, by_type: list[_Sums]
) -> tuple[list[tuple[str, int]], int]:
    """Booleans and the most frequent categories with their counts; and how many others there are.

    Texts longer than categories are, are among the others.
    """
    trues = sum(each.trues for each in by_type)
    falses = sum(each.falses for each in by_type)
    values = [(name, count) for name, count in (("true", trues), ("false", falses)) if count]
    if any(each.categories for each in by_type):
        values += list(store.select(_CATEGORIES, (experiment, label, _MOST_CATEGORIES)))
    shown = sum(count for _, count in values)
    values.sort(key=lambda value: -value[1])
    return values, trues + falses + sum(each.categories for each in by_type) - shown


def _histogram(store: Store, experiment: int, label: str, lowest: float, highest: float) -> Histogram:
    edges = even_edges(lowest, highest)
    number, parameters = bin_sql("score_value", edges)
    bins = store.select(
        f"SELECT {number} AS bin, count(*) FROM metric INDEXED BY metric_by_label"
        " WHERE experiment = ? AND label = ? AND NOT failed AND score_value IS NOT NULL GROUP BY bin",
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
