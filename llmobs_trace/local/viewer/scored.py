"""An experiment's key comes in, what its metrics say by label goes out, counted by SQLite.

The same facts as `local.scores` has from reading every trace, and from an index.
"""

from __future__ import annotations

from typing import Any, Final

from llmobs_trace.local.scores import Score
from llmobs_trace.local.store import Store
from llmobs_trace.local.viewer.histograms import Categories, Histogram, bin_sql, counted, even_edges
from llmobs_trace.wire import METRIC_TYPES

MOST_LABELS: Final = 200
_MOST_CATEGORIES: Final = 50


class ShownScore(Score, frozen=True, omit_defaults=False):
    """A label's score, and where its values lie."""

    histogram: Histogram | Categories | None = None


_TYPES: Final = ", ".join(
    f"sum(metric_type = '{kind}' AND NOT failed), sum(metric_type = '{kind}' AND failed)"
    for kind in METRIC_TYPES
)
_LABELS: Final = f"""
    SELECT label, sum(NOT failed), sum(failed),
           sum(assessment IS 'pass' AND NOT failed), sum(assessment IS 'fail' AND NOT failed),
           count(CASE WHEN NOT failed THEN score_value END),
           total(CASE WHEN NOT failed THEN score_value END),
           min(CASE WHEN NOT failed THEN score_value END),
           max(CASE WHEN NOT failed THEN score_value END),
           sum(NOT failed AND score_value IS NULL AND boolean_value IS 1),
           sum(NOT failed AND score_value IS NULL AND boolean_value IS 0),
           {_TYPES}
    FROM metric INDEXED BY metric_by_label WHERE experiment = ? GROUP BY label ORDER BY label LIMIT ?"""
_ROWS: Final = (
    "SELECT count(*) FROM (SELECT DISTINCT in_row FROM metric INDEXED BY metric_by_label"
    " WHERE experiment = ? AND label = ? AND in_row IS NOT NULL)"
)
_CATEGORIES: Final = (
    "SELECT categorical_value, count(*) FROM metric WHERE experiment = ? AND label = ? AND NOT failed"
    " AND score_value IS NULL AND boolean_value IS NULL AND categorical_value IS NOT NULL"
    " GROUP BY categorical_value ORDER BY count(*) DESC, categorical_value"
)


def scores(store: Store, experiment: int, rows: int) -> list[ShownScore]:
    """By label, of the first `MOST_LABELS`; `rows` is how many the experiment has."""
    return [
        _score(store, experiment, rows, found) for found in store.select(_LABELS, (experiment, MOST_LABELS))
    ]


def _score(store: Store, experiment: int, rows: int, found: tuple[Any, ...]) -> ShownScore:
    label, scored, failed, passed, not_passed, numbers, total, lowest, highest, true, false = found[:11]
    ((with_label,),) = store.select(_ROWS, (experiment, label))
    by_type = {kind: found[11 + 2 * n : 13 + 2 * n] for n, kind in enumerate(METRIC_TYPES)}
    # What failed is recorded as a `score` unless told otherwise: the scored ones know better.
    which = 0 if scored else 1
    kind = max(by_type, key=lambda each: by_type[each][which])
    values: list[tuple[str, int]] = []
    others = 0
    if scored and numbers + true + false < scored and by_type["json"][0] < scored:
        values = list(store.select(_CATEGORIES, (experiment, label)))
        others = sum(count for _, count in values[_MOST_CATEGORIES:])
        values = values[:_MOST_CATEGORIES]
    booleans = [(name, count) for name, count in (("true", true), ("false", false)) if count]
    values = sorted(booleans + values, key=lambda value: -value[1])
    return ShownScore(
        label=label,
        metric_type=kind,
        scored=scored,
        failed=failed,
        missing=rows - with_label,
        passed=passed,
        not_passed=not_passed,
        mean=total / numbers if numbers else None,
        lowest=lowest,
        highest=highest,
        values=dict(values) or None,
        histogram=_histogram(store, experiment, label, lowest, highest)
        if numbers
        else _categories(values, others, passed, not_passed),
    )


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
