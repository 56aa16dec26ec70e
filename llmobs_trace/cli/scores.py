"""Scores by label come in, a table goes out: scored, failed and missing apart; the main thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmobs_trace.cli import table, units
from llmobs_trace.cli.screen import Screen
from llmobs_trace.cli.table import Cell, Column
from llmobs_trace.cli.text import cut
from llmobs_trace.local.scores import Score

_COLUMNS = (
    Column("score", cuts=True),
    Column("type"),
    Column("scored", right=True),
    Column("failed", right=True),
    Column("missing", right=True),
    Column("of the scored ones", cuts=True),
)
_CATEGORIES = 4


def lines(scores: Sequence[Score], screen: Screen) -> Iterator[str]:
    """The titles, then a line for each label."""
    rows = [
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
    return table.lines(_COLUMNS, rows, screen)


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
