"""Decides what a column of a table holds: truth values, whole numbers, numbers, or texts; pure.

A column is of one kind for every cell in it, those without a value aside. Truth values among numbers, and
anything else among others, make it one of texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

Type = Literal["boolean", "integer", "number", "text"]

_INT64: Final = 1 << 63


def of(cells: Iterable[object]) -> Type:
    """What all of them are.

    >>> of([1, None, 2]), of([1, 2.5]), of([True, 2.5]), of([None])
    ('integer', 'number', 'text', 'text')
    """
    found: Type | None = None
    for cell in cells:
        if cell is not None:
            found = together(found, of_one(cell))
            if found == "text":
                break
    return found or "text"


def of_one(cell: object) -> Type:
    """What a cell is that has a value."""
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, int):
        return "integer" if -_INT64 <= cell < _INT64 else "text"
    return "number" if isinstance(cell, float) else "text"


def together(found: Type | None, more: Type) -> Type:
    """What a column is of whose cells are of these two; `found` is None before the first."""
    if found is None or found == more:
        return more
    return "number" if {found, more} == {"integer", "number"} else "text"
