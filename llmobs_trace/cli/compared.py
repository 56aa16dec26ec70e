"""One metric of a comparison in, its numbers as a person reads them out; any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmobs_trace.cli import units

if TYPE_CHECKING:
    from llmobs_trace.compare import Comparison, Metric

_SHARES = ("boolean", "assessment", "errors")
_FLIPS = 3


def mean(metric: Metric, value: float | None) -> str:
    """A share in percent, a latency in its unit, a score as it is."""
    if value is None:
        return "-"
    if metric.kind in _SHARES:
        return f"{100 * value:.1f}%"
    return units.duration(round(value)) if metric.kind == "latency" else units.number(value)


def difference(metric: Metric) -> str:
    """With its sign; of shares in percentage points."""
    return "-" if metric.difference is None else _signed(metric, metric.difference) + _unit(metric)


def interval(metric: Metric) -> str:
    if metric.interval is None:
        return "-"
    low, high = metric.interval
    return f"{_signed(metric, low)} to {_signed(metric, high)}"


def margin(metric: Metric) -> str:
    if metric.margin is None:
        return "-"
    return _size(metric, metric.margin) + _unit(metric)


def counts(metric: Metric) -> str:
    """Wins, losses and ties; of a category, how many changed."""
    if metric.agreement is not None:
        return f"{metric.wins} changed"
    return f"{metric.wins}/{metric.losses}/{metric.ties}" if metric.difference is not None else "-"


def settling(metric: Metric) -> str:
    """What would settle it, where that is known and needed."""
    if metric.rows_needed is None:
        return ""
    return f"about {units.counted(metric.rows_needed, 'row')} would settle it"


def flips(metric: Metric) -> str:
    """The most frequent ways from one category to another."""
    if not metric.flips:
        return ""
    shown = [f"{a} → {b} {count}" for a, b, count in metric.flips[:_FLIPS]]
    more = len(metric.flips) - _FLIPS
    return ", ".join(shown) + (f", {more} more" if more > 0 else "")


def rows(comparison: Comparison) -> str:
    """Which rows were compared, and which are in one alone."""
    paired = units.counted(comparison.rows.paired, "row") + " in both"
    found = comparison.rows
    alone = [
        f"{count:,} in {side} alone, not compared" + _repeats(count, repeats, other)
        for side, other, count, repeats in (
            ("A", "B", found.only_a, found.repeats_a),
            ("B", "A", found.only_b, found.repeats_b),
        )
        if count
    ]
    return "; ".join([paired, *alone])


def _repeats(count: int, repeats: int, other: str) -> str:
    """As where several runs went into one experiment."""
    if not repeats:
        return ""
    return f" ({'all' if repeats == count else f'{repeats:,}'} repeat a row that {other} has fewer times)"


def _signed(metric: Metric, value: float) -> str:
    text = _size(metric, abs(value))
    is_zero = not any(digit in "123456789" for digit in text.partition("e")[0])
    return text if is_zero else f"{'+' if value > 0 else '-'}{text}"


def _size(metric: Metric, value: float) -> str:
    if metric.kind == "latency":
        return f"{100 * value:,.{1 if value < 10 else 0}f}%"
    return (
        f"{100 * value:.1f}" if metric.kind in _SHARES or metric.kind == "category" else units.number(value)
    )


def _unit(metric: Metric) -> str:
    return " points" if metric.kind in _SHARES or metric.kind == "category" else ""
