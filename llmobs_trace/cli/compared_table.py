"""A comparison in, a table for a terminal out: verdicts first, then why; the main thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from llmobs_trace.cli import compared, table
from llmobs_trace.cli.screen import Screen
from llmobs_trace.cli.table import Cell, Column
from llmobs_trace.cli.text import harmless, width

if TYPE_CHECKING:
    from llmobs_trace.compare import Comparison, Metric

_STYLES: Final = {
    "better": "green bold",
    "worse": "red bold",
    "no different": "bold",
    "cannot tell": "yellow",
}

_CUT: Final = 6  # columns that a label may lose before a column goes


def lines(comparison: Comparison, screen: Screen) -> Iterator[str]:
    """What was compared, a line for each metric, and what can't be seen from the numbers."""
    for side, experiment in (("A", comparison.a), ("B", comparison.b)):
        name = f"  {harmless(experiment.name)}" if experiment.name else ""
        yield f"{side}  {screen.style(harmless(experiment.id), 'bold')}{name}"
    yield screen.style(compared.rows(comparison), "dim")
    yield ""
    yield from _table(comparison, screen)
    yield ""
    for metric in comparison.metrics:
        yield f"{harmless(metric.label)}: {harmless(remark(metric))}"
    yield ""
    verdict = screen.style(comparison.verdict, _STYLES[comparison.verdict])
    yield f"verdict: {verdict}"


def remark(metric: Metric) -> str:
    """Why the verdict is what it is, and what would settle it."""
    verdict = metric.verdict if metric.judged else "no verdict"
    parts = [f"{verdict}: {metric.reason}", compared.settling(metric), compared.flips(metric)]
    if metric.verdict == "no different" and metric.margin is not None:
        parts.append(f"margin {compared.margin(metric)}")
    if metric.kind == "latency":
        parts.append("decides nothing, since all rows of a run share its machine's load")
    return "; ".join(part for part in parts if part)


def _table(comparison: Comparison, screen: Screen) -> Iterator[str]:
    """All columns where they fit; a narrow terminal does without the interval and some of the counts."""
    columns = (
        Column("B is"),
        Column("metric", cuts=True),
        Column("A", right=True),
        Column("B", right=True),
        Column("difference", right=True),
        Column(f"{comparison.confidence:.0%} interval"),
        Column("win/loss/tie", right=True),
        Column("scored", right=True),
        Column("failed A/B", right=True),
        Column("missing A/B", right=True),
    )
    cells = [_cells(metric) for metric in comparison.metrics]
    titles: list[Cell | str] = [column.title for column in columns]
    widths = [max(width(_text(row[index])) for row in [titles, *cells]) for index in range(len(columns))]
    shown = list(range(len(columns)))
    for droppable in (6, 5, 7):
        taken = sum(widths[index] + 2 for index in shown)
        if screen.columns is None or taken <= screen.columns + _CUT:
            break
        shown.remove(droppable)
    yield from table.lines(
        [columns[index] for index in shown], [[row[index] for index in shown] for row in cells], screen
    )


def _cells(metric: Metric) -> list[Cell | str]:
    return [
        Cell(metric.verdict if metric.judged else "-", _STYLES[metric.verdict] if metric.decides else "dim"),
        Cell(metric.label, "dim" if metric.builtin else "bold"),
        compared.mean(metric, metric.mean_a),
        compared.mean(metric, metric.mean_b),
        compared.difference(metric),
        compared.interval(metric),
        compared.counts(metric),
        str(metric.n),
        _sides(metric.failed_a, metric.failed_b, "red"),
        _sides(metric.missing_a, metric.missing_b, "yellow"),
    ]


def _sides(of_a: int, of_b: int, style: str) -> Cell:
    return Cell(f"{of_a}/{of_b}", style if of_a or of_b else "dim")


def _text(cell: Cell | str) -> str:
    return cell if isinstance(cell, str) else cell.text
