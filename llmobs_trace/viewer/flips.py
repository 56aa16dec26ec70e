"""Finds the labels that say something else of a row in two experiments. The thread that has the store.

All metrics of one label in a row's tree say one thing: that they failed, if one did; else the mean of their
numbers; else the first and last of their categories; else the share of them that passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llmobs_trace.store.store import Store
from llmobs_trace.viewer.metrics import Shown

# Of a mean of floats.
_SAME: Final = 1e-9

Said = str | float


def said_of(store: Store, experiment: int, label: str) -> dict[int, Said]:
    """What the metrics of a label say of each row, by the row's key; nothing where there are none."""
    ((others,),) = store.select(
        "SELECT total(scored - numbers - trues - falses) FROM label WHERE experiment = ? AND label = ?",
        (experiment, label),
    )
    if not others:
        # Numbers alone are in the label's index, which makes it half the time.
        numbers = store.select(
            "SELECT in_row, max(failed), avg(coalesce(score_value, boolean_value)) FROM metric"
            " WHERE experiment = ? AND label = ? AND in_row IS NOT NULL GROUP BY in_row",
            (experiment, label),
        )
        return {row: "failed" if failed else number for row, failed, number in numbers}
    found = store.select(
        "SELECT in_row, max(failed), avg(coalesce(score_value, boolean_value)), min(categorical_value),"
        " max(categorical_value), avg(assessment = 'pass') FROM metric"
        " WHERE experiment = ? AND label = ? AND in_row IS NOT NULL GROUP BY in_row",
        (experiment, label),
    )
    said = ((row, _said(*columns)) for row, *columns in found)
    return {row: value for row, value in said if value is not None}


def flips(first: Sequence[Shown], second: Sequence[Shown]) -> list[str]:
    """The labels that both have and that say something else; scores, which mostly differ, are left out."""
    before, after = _by_label(first), _by_label(second)
    return sorted(
        label
        for label in before.keys() & after.keys()
        if _is_plain(before[label]) and _is_plain(after[label]) and _differ(before[label], after[label])
    )


def _by_label(metrics: Sequence[Shown]) -> dict[str, list[Shown]]:
    found: dict[str, list[Shown]] = {}
    for metric in metrics:
        found.setdefault(metric.label, []).append(metric)
    return found


def _is_plain(metrics: list[Shown]) -> bool:
    return not any(
        isinstance(metric.value, float | int) and not isinstance(metric.value, bool) for metric in metrics
    )


def _differ(first: list[Shown], second: list[Shown]) -> bool:
    before, after = _said_by(first), _said_by(second)
    if isinstance(before, float) and isinstance(after, float):
        return abs(before - after) > _SAME
    return before is not None and after is not None and before != after


def _said_by(metrics: list[Shown]) -> Said | None:
    numbers = [float(metric.value) for metric in metrics if isinstance(metric.value, bool)]
    names = {
        str(metric.value) for metric in metrics if metric.metric_type != "json" and metric.value is not None
    }
    passed = [metric.assessment == "pass" for metric in metrics if metric.assessment is not None]
    return _said(
        any(metric.failed for metric in metrics),
        sum(numbers) / len(numbers) if numbers else None,
        min(names, default=None),
        max(names, default=None),
        sum(passed) / len(passed) if passed else None,
    )


def _said(
    failed: object, number: float | None, first: str | None, last: str | None, passed: float | None
) -> Said | None:
    if failed:
        return "failed"
    if number is not None:
        return float(number)
    if first is not None:
        return first if first == last else f"{first} to {last}"
    return passed
