"""Aligns cells in columns, without boxes; on the main thread.

A column is as wide as its widest cell, but one that may be cut no wider than `_ALIGNED`: a longer cell takes
its own line out of the columns, since one long name must not widen every line. Where the lines would be wider
than the terminal, the columns that may be cut give way, the widest first; where that is not enough, the cells
of a line stand below one another, each beside its title.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from msgspec import Struct

from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.cli.terminal.text import cut, harmless, pad, width

_GAP = "  "
_LEAST = 8  # columns that stay of a cell that is cut
_ALIGNED = 40


class Column(Struct, frozen=True):
    """One column; `right` for numbers, `cuts` where its cells may be cut."""

    title: str
    right: bool = False
    cuts: bool = False


class Cell(Struct, frozen=True):
    """A text, whoever's it is, and its style."""

    text: str
    style: str = ""


def lines(columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]], screen: Screen) -> Iterator[str]:
    """The titles, then a line for each row."""
    cells = [[_safe(cell) for cell in row] for row in rows]
    titles = [Cell(column.title, "dim") for column in columns]
    widths = [
        max(_aligned(width(row[index].text), column) for row in [titles, *cells])
        for index, column in enumerate(columns)
    ]
    _narrow(widths, columns, screen.columns)
    if screen.columns is not None and _wide(widths) > screen.columns:
        yield from _below_one_another(columns, cells, screen)
        return
    for row in [titles, *cells]:
        shown = []
        spare = _spare(widths, screen.columns)
        for column, cell, room in zip(columns, row, widths, strict=True):
            text = cut(cell.text, room + spare)
            spare -= max(0, width(text) - room)
            shown.append(screen.style(pad(text, room, right=column.right), cell.style))
        yield _GAP.join(shown)


def _below_one_another(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], screen: Screen
) -> Iterator[str]:
    most = max(width(column.title) for column in columns)
    for number, row in enumerate(rows):
        if number:
            yield ""
        for column, cell in zip(columns, row, strict=True):
            if cell.text == "-":
                continue
            title = screen.style(pad(column.title, most), "dim")
            room = max(_LEAST, (screen.columns or 0) - most - len(_GAP))
            for place, part in enumerate(screen.fitted(cell.text, room)):
                yield f"{' ' * most if place else title}{_GAP}{screen.style(part, cell.style)}"


def _wide(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _aligned(columns: int, column: Column) -> int:
    return min(columns, _ALIGNED) if column.cuts else columns


def _spare(widths: Sequence[int], available: int | None) -> int:
    """How many columns are left at the end of a line, which a long cell may take."""
    if available is None:
        return sys.maxsize
    return max(0, available - _wide(widths))


def _narrow(widths: list[int], columns: Sequence[Column], available: int | None) -> None:
    if available is None:
        return
    while _wide(widths) > available:
        wide = [index for index, column in enumerate(columns) if column.cuts and widths[index] > _LEAST]
        if not wide:
            return
        widths[max(wide, key=lambda index: widths[index])] -= 1


def _safe(cell: Cell | str) -> Cell:
    return Cell(harmless(cell)) if isinstance(cell, str) else Cell(harmless(cell.text), cell.style)
