"""Words a comparison and each metric's numbers as a person reads them; on any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from llmobs_trace.cli.terminal import units
from llmobs_trace.compare import Comparison, MetricResult
from llmobs_trace.compare.results import Spread

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
    """Which rows were compared, how often they ran, and which are in one alone."""
    found = comparison.rows
    paired = units.counted(found.paired, "row") + " in both"
    if max(found.runs_a, found.runs_b) > found.paired:
        runs = [_runs(count, found.paired) for count in (found.runs_a, found.runs_b)]
        paired += f", {runs[0]} in A and {runs[1]} in B, each row judged by the mean of its repeats"
    alone = [
        f"{count:,} in {side} alone, not compared"
        for side, count in (("A", found.only_a), ("B", found.only_b))
        if count
    ]
    others = []
    if found.other_expected:
        have = "has" if found.other_expected == 1 else "have"
        others = [f"{units.counted(found.other_expected, 'row')} {have} another expected output in B"]
    return "; ".join([paired, *alone, *others])


def _runs(runs: int, rows: int) -> str:
    """How often rows ran; all together, where some ran more often than others."""
    if runs % rows:
        return f"{runs:,} runs"
    times = runs // rows
    return "once" if times == 1 else "twice" if times == 2 else f"{times:,} times"


def spread(metric: MetricResult) -> str:
    """By how much repeats of a row differ, and how much of that is the judge's; "" where nothing is known."""
    sides = [(name, each) for name, each in (("A", metric.spread_a), ("B", metric.spread_b)) if each]
    parts = []
    for what, of in _SPREADS:
        said = [f"{of(metric, each)} in {name}" for name, each in sides if of(metric, each)]
        if said:
            parts.append(f"{what} {', '.join(said)}")
    return "; ".join(parts)


def _deviation(metric: MetricResult, value: float | None) -> str:
    if value is None:
        return ""
    if metric.kind in _SHARES:
        return f"{100 * value:.0f} points"
    return units.number(value)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


_SPREADS: Final[tuple[tuple[str, Callable[[MetricResult, Spread], str]], ...]] = (
    ("repeats of a row differ by", lambda metric, each: _deviation(metric, each.repeats)),
    ("of that the judge's own votes by", lambda metric, each: _deviation(metric, each.judge)),
    ("repeats of a row agree in", lambda metric, each: _share(each.agreement)),
    ("the judge's votes agree in", lambda metric, each: _share(each.judge_agreement)),
)


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
