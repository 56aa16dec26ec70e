"""Adds new metrics to the sums of their labels; within the transaction that adds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from llmobs_trace.store.columns import MetricColumns

if TYPE_CHECKING:
    import sqlite3


class _Sums(Struct):
    scored: int = 0
    failed: int = 0
    passed: int = 0
    not_passed: int = 0
    numbers: int = 0
    total: float = 0.0
    trues: int = 0
    falses: int = 0
    categories: int = 0
    not_applicable: int = 0
    lowest: float | None = None
    highest: float | None = None
    says_lower: int = 0
    says_higher: int = 0

    def add(self, metric: MetricColumns) -> None:
        if metric.lower_is_better is not None:
            self.says_lower += metric.lower_is_better
            self.says_higher += not metric.lower_is_better
        if metric.failed:
            self.failed += 1
            return
        if metric.not_applicable:
            self.not_applicable += 1
            return
        self.scored += 1
        self.passed += metric.assessment == "pass"
        self.not_passed += metric.assessment == "fail"
        number = metric.score_value
        if number is not None:
            self.numbers += 1
            self.total += number
            self.lowest = number if self.lowest is None else min(self.lowest, number)
            self.highest = number if self.highest is None else max(self.highest, number)
        elif metric.boolean_value is not None:
            self.trues += metric.boolean_value
            self.falses += not metric.boolean_value
        elif metric.categorical_value is not None:
            self.categories += 1


_COUNTS: Final = [name for name in _Sums.__struct_fields__ if name not in ("lowest", "highest")]
_ADD: Final = (
    f"INSERT INTO label (experiment, label, metric_type, lowest, highest, {', '.join(_COUNTS)})"
    f" VALUES (?,?,?,?,?{',?' * len(_COUNTS)})"
    " ON CONFLICT (experiment, label, metric_type) DO UPDATE SET"
    # `min` and `max` of a NULL are NULL.
    " lowest = coalesce(min(lowest, excluded.lowest), lowest, excluded.lowest),"
    " highest = coalesce(max(highest, excluded.highest), highest, excluded.highest),"
    f" {', '.join(f'{count} = {count} + excluded.{count}' for count in _COUNTS)}"
)


def add(connection: sqlite3.Connection, experiment: int, metrics: Iterable[MetricColumns]) -> None:
    """Add what the metrics say to the sums of their labels."""
    _add(connection, experiment, metrics, 1)


def take_away(connection: sqlite3.Connection, experiment: int, metrics: Iterable[MetricColumns]) -> None:
    """Take what the metrics say out of the sums of their labels, but for the extremes."""
    _add(connection, experiment, metrics, -1)
    connection.execute(
        "DELETE FROM label WHERE experiment = ? AND scored = 0 AND failed = 0 AND not_applicable = 0",
        (experiment,),
    )


def _add(
    connection: sqlite3.Connection, experiment: int, metrics: Iterable[MetricColumns], sign: int
) -> None:
    sums: dict[tuple[str, str], _Sums] = {}
    for metric in metrics:
        sums.setdefault((metric.label, metric.metric_type), _Sums()).add(metric)
    connection.executemany(
        _ADD,
        [
            (experiment, *of, each.lowest, each.highest, *(sign * getattr(each, count) for count in _COUNTS))
            for of, each in sums.items()
        ],
    )
