"""Draws a comparison as a table for a terminal, verdicts first, then why; on the main thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from llmobs_trace.cli.compare import flipped, words
from llmobs_trace.cli.terminal import table
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.table import Cell, Column
from llmobs_trace.cli.terminal.text import harmless, width
from llmobs_trace.compare import Comparison, MetricResult

_STYLES: Final = {
    "better": "green bold",
    "worse": "red bold",
    "no different": "bold",
    "cannot tell": "yellow",
    "not judged": "yellow",
}

_CUT: Final = 6  # columns that a label may lose before a column goes


def lines(
    comparison: Comparison, screen: Screen, flips: dict[str, list[flipped.Way]] | None = None
) -> Iterator[str]:
    """What was compared, a line for each metric, and what can't be seen from the numbers."""
    for side, experiment in (("A", comparison.a), ("B", comparison.b)):
        name = f"  {harmless(experiment.name)}" if experiment.name else ""
        text = f"{side}  {harmless(experiment.id)}{name}"
        yield from (screen.style(part, "bold") for part in screen.fitted(text))
    yield from _dim(words.rows(comparison), screen)
    yield ""
    yield from _table(comparison, screen)
    yield ""
    for metric in comparison.metrics:
        yield from screen.fitted(f"{harmless(metric.label)}: {harmless(remark(metric))}")
    for line in words.advice(comparison.metrics):
        yield from _dim(line, screen)
    if flips:
        yield ""
        yield from flipped.lines(flips, comparison, screen)
    yield ""
    yield f"verdict: {screen.style(comparison.verdict, _STYLES[comparison.verdict])}"


def _dim(text: str, screen: Screen) -> Iterator[str]:
    return (screen.style(part, "dim") for part in screen.fitted(text))


def remark(metric: MetricResult) -> str:
    """Why the verdict is what it is, and what would settle it."""
    parts = [
        f"{verdict(metric)}: {metric.reason}",
        words.direction(metric),
        words.settling(metric),
        words.flips(metric),
    ]
    if metric.verdict == "no different" and metric.margin is not None:
        parts.append(f"margin {words.margin(metric)}")
    parts += [words.took(metric), words.spread(metric)]
    return "; ".join(part for part in parts if part)


def verdict(metric: MetricResult) -> str:
    """The verdict where there can be one."""
    return metric.verdict if metric.judged or metric.verdict == "not judged" else "no verdict"


def _table(comparison: Comparison, screen: Screen) -> Iterator[str]:
    """All columns where they fit; a narrow terminal does without some of them, and says without which."""
    columns = (
        Column("B is"),
        Column("metric", cuts=True),
        Column("better"),
        Column("A", right=True),
        Column("B", right=True),
        Column("difference", right=True),
        Column(f"{comparison.confidence:.0%} interval"),
        Column("win/loss/tie", right=True),
        Column("scored", right=True),
        Column("failed A/B", right=True),
        Column("missing A/B", right=True),
        Column("not applicable A/B", right=True),
    )
    cells = [_cells(metric) for metric in comparison.metrics]
    titles: list[Cell | str] = [column.title for column in columns]
    widths = [max(width(_text(row[index])) for row in [titles, *cells]) for index in range(len(columns))]
    shown = list(range(len(columns)))
    if not any(metric.not_applicable_a or metric.not_applicable_b for metric in comparison.metrics):
        del shown[-1]
    left_out: list[int] = []
    for droppable in (7, 6, 8, 11, 10, 9):
        if screen.columns is None or _taken(widths, shown) <= screen.columns + _CUT:
            break
        if droppable in shown:
            shown.remove(droppable)
            left_out.append(droppable)
    if screen.columns is not None and _taken(widths, shown) > screen.columns + _CUT:
        # Then one below the other, where there is room for all.
        shown, left_out = sorted([*shown, *left_out]), []
    yield from table.lines(
        [columns[index] for index in shown], [[row[index] for index in shown] for row in cells], screen
    )
    if left_out:
        titles_left_out = ", ".join(columns[index].title for index in sorted(left_out))
        yield from _dim(f"no room here for: {titles_left_out}; --format json has them", screen)


def _taken(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[index] + 2 for index in shown)


def _cells(metric: MetricResult) -> list[Cell | str]:
    return [
        Cell(shown if (shown := verdict(metric)) != "no verdict" else "-", _style(metric)),
        Cell(metric.label, "dim" if metric.builtin else "bold"),
        Cell(words.better(metric), "dim" if metric.direction_from != "assumed" else "yellow"),
        words.mean(metric, metric.mean_a),
        words.mean(metric, metric.mean_b),
        words.difference(metric),
        words.interval(metric),
        words.counts(metric),
        str(metric.n),
        _sides(metric.failed_a, metric.failed_b, "red"),
        _sides(metric.missing_a, metric.missing_b, "yellow"),
        _sides(metric.not_applicable_a, metric.not_applicable_b, ""),
    ]


def _style(metric: MetricResult) -> str:
    return _STYLES[metric.verdict] if metric.decides or metric.verdict == "not judged" else "dim"


def _sides(of_a: int, of_b: int, style: str) -> Cell:
    return Cell(f"{of_a}/{of_b}", style if of_a or of_b else "dim")


def _text(cell: Cell | str) -> str:
    return cell if isinstance(cell, str) else cell.text
