"""Words a comparison and each metric's numbers as a person reads them; on any thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from llmobs_trace.cli.terminal import units
from llmobs_trace.compare import Comparison, MetricResult

_SHARES = ("boolean", "assessment", "errors")
_AMOUNTS = ("latency", "tokens", "cost")
_FLIPS = 3


def mean(metric: MetricResult, value: float | None) -> str:
    """A share in percent, a latency and a cost in their units, a score as it is."""
    if value is None:
        return "-"
    if metric.kind in _SHARES:
        return f"{100 * value:.1f}%"
    if metric.kind == "tokens":
        return f"{value:,.0f}" if value >= 100 else units.number(value)
    if metric.kind == "cost":
        return units.dollars(value)
    return units.duration(round(value)) if metric.kind == "latency" else units.number(value)


def difference(metric: MetricResult) -> str:
    """With its sign; of shares in percentage points."""
    return "-" if metric.difference is None else _signed(metric, metric.difference) + _unit(metric)


def interval(metric: MetricResult) -> str:
    if metric.interval is None:
        return "-"
    low, high = metric.interval
    return f"{_signed(metric, low)} to {_signed(metric, high)}"


def margin(metric: MetricResult) -> str:
    if metric.margin is None:
        return "-"
    return _size(metric, metric.margin) + _unit(metric)


def counts(metric: MetricResult) -> str:
    """Wins, losses and ties; of a category, how many changed."""
    if metric.agreement is not None:
        return f"{metric.wins} changed"
    return f"{metric.wins}/{metric.losses}/{metric.ties}" if metric.difference is not None else "-"


def better(metric: MetricResult) -> str:
    """Which of its values are better, for a column: with a question mark where that was assumed."""
    if metric.direction is None:
        return "-"
    return metric.direction + ("?" if metric.direction_from == "assumed" else "")


def direction(metric: MetricResult) -> str:
    """The same in words, with who says so; "" where nobody does, or where it is the share of what passes."""
    if metric.kind == "assessment":
        return ""
    who = _WHO.get(metric.direction_from or "")
    return f"{metric.direction} is better, {who}" if metric.direction and who else ""


def advice(metrics: Iterable[MetricResult]) -> list[str]:
    """What to do about directions that nobody said, where there are any."""
    found = list(metrics)
    lines = []
    if any(metric.direction_from == "assumed" for metric in found):
        lines.append("? assumed, since nobody said so; --lower-is-better LABEL says otherwise")
    if any(metric.verdict == "not judged" and metric.direction_from != "said" for metric in found):
        lines.append(
            "not judged: --lower-is-better LABEL or --higher-is-better LABEL says which it is, for this once;"
            " record_metric(..., lower_is_better=True) for good"
        )
    return lines


_WHO: Final[dict[str, str]] = {
    "said": "as the options say",
    "recorded": "as recorded",
    "assessments": "as its assessments say",
}


def took(metric: MetricResult) -> str:
    """Of what rows took: the sums, and whether it decides; "" of anything else."""
    if metric.kind not in _AMOUNTS:
        return ""
    parts = []
    if metric.total_a is not None and metric.total_b is not None:
        totals = [mean(metric, total) for total in (metric.total_a, metric.total_b)]
        parts.append(f"in all {totals[0]} and {totals[1]}")
    if not metric.decides:
        parts.append(
            "decides nothing, since all rows of a run share its machine's load"
            if metric.kind == "latency"
            else f"decides nothing without --judge {metric.label}"
        )
    return "; ".join(parts)


def settling(metric: MetricResult) -> str:
    """What would settle it, where that is known and needed."""
    if metric.rows_needed is None:
        return ""
    return f"about {units.counted(metric.rows_needed, 'row')} would settle it"


def flips(metric: MetricResult) -> str:
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


def _signed(metric: MetricResult, value: float) -> str:
    text = _size(metric, abs(value))
    is_zero = not any(digit in "123456789" for digit in text.partition("e")[0])
    return text if is_zero else f"{'+' if value > 0 else '-'}{text}"


def _size(metric: MetricResult, value: float) -> str:
    if metric.kind in _AMOUNTS:
        return f"{100 * value:,.{1 if value < 10 else 0}f}%"
    return (
        f"{100 * value:.1f}" if metric.kind in _SHARES or metric.kind == "category" else units.number(value)
    )


def _unit(metric: MetricResult) -> str:
    return " points" if metric.kind in _SHARES or metric.kind == "category" else ""
