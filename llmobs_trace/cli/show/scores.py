"""Draws scores by label as a table, with scored, failed, missing and what does not apply apart, and what rows
took; on the main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from llmobs_trace.cli.terminal import table, units
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.table import Cell, Column
from llmobs_trace.cli.terminal.text import cut
from llmobs_trace.store.amounts import Amount, Amounts
from llmobs_trace.store.scores import Score

_COLUMNS = (
    Column("score", cuts=True),
    Column("type"),
    Column("scored", right=True),
    Column("failed", right=True),
    Column("missing", right=True),
    Column("of the scored ones", cuts=True),
)
_NOT_APPLICABLE = Column("not applicable", right=True)  # where there is any
_BEFORE_STATISTICS = 5
_CATEGORIES = 4


def lines(scores: Sequence[Score], amounts: Amounts, screen: Screen) -> Iterator[str]:
    """The titles, then a line for each label, then one for each amount that rows took; none of nothing."""
    rows: list[Sequence[Cell | str]] = [
        (
            Cell(score.label, "bold"),
            Cell(score.metric_type, "dim"),
            str(score.scored),
            Cell(str(score.failed), "red" if score.failed else "dim"),
            Cell(str(score.missing), "yellow" if score.missing else "dim"),
            _statistics(score),
        )
        for score in scores
    ]
    took = [
        ("latency", "time", amounts.duration_ns, lambda number: units.duration(round(number))),
        ("tokens in", "tokens", amounts.input_tokens, _count),
        ("tokens out", "tokens", amounts.output_tokens, _count),
        ("cost", "dollars", amounts.cost_usd, units.dollars),
    ]
    rows += [
        (
            Cell(name, "bold"),
            Cell(what, "dim"),
            str(amount.rows),
            Cell("0", "dim"),
            Cell(str(amount.unknown), "yellow" if amount.unknown else "dim"),
            _spent(name, amount, shown, "~" if name == "cost" and amounts.worked_out else ""),
        )
        for name, what, amount, shown in took
        if amount is not None
    ]
    columns = list(_COLUMNS)
    if any(score.not_applicable for score in scores):
        columns.insert(_BEFORE_STATISTICS, _NOT_APPLICABLE)
        counts = [str(score.not_applicable) for score in scores] + ["0"] * (len(rows) - len(scores))
        rows = [
            (*row[:_BEFORE_STATISTICS], Cell(count, "dim"), *row[_BEFORE_STATISTICS:])
            for row, count in zip(rows, counts, strict=True)
        ]
    return table.lines(columns, rows, screen) if rows else iter(())


def _count(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) or number >= 100 else units.number(number)


def _spent(name: str, amount: Amount, shown: Callable[[float], str], about: str) -> str:
    """The mean and the range of a row; of what adds up, the sum."""
    spread = f"mean {about}{shown(amount.mean)} ({shown(amount.lowest)} to {shown(amount.highest)})"
    return spread if name == "latency" else f"{spread} · in all {about}{shown(amount.total)}"


def _statistics(score: Score) -> str:
    parts = []
    if score.mean is not None and score.lowest is not None and score.highest is not None:
        spread = f"{units.number(score.lowest)} to {units.number(score.highest)}"
        parts.append(f"mean {units.number(score.mean)} ({spread})")
    if score.values:
        total = sum(score.values.values())
        shown = [
            f"{cut(value, 24)} {units.share(count, total)}"
            for value, count in list(score.values.items())[:_CATEGORIES]
        ]
        if len(score.values) > _CATEGORIES:
            shown.append(f"{len(score.values) - _CATEGORIES} more")
        parts.append(", ".join(shown))
    judged = score.passed + score.not_passed
    if judged:
        parts.append(f"pass {units.share(score.passed, judged)}")
    return " · ".join(parts)
