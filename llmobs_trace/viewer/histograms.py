"""Finds edges to count numbers between, and SQL that counts. Any thread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

_BINS: Final = 20
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_SIGNIFICANT: Final = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
# From where on bins that grow show more than equal ones.
_WIDE: Final = 50
# Below it powers of ten lose their digits, and then are zero, which no step may be.
_LEAST: Final = 1e-290


class Histogram(Struct, frozen=True):
    """`counts[i]` lie from `edges[i]` up to, not including, `edges[i + 1]`; the last includes its end."""

    edges: list[float]
    counts: list[int]


class Categories(Struct, frozen=True):
    """Names and how many there are of each, the most frequent first; `others` are of names left out."""

    values: list[tuple[str, int]]
    others: int = 0


def even_edges(lowest: float, highest: float) -> list[float]:
    """Edges that are easy to read, about twenty, around finite numbers."""
    width = highest - lowest
    if not math.isfinite(width) or width < max(_LEAST, abs(lowest) * 1e-12, abs(highest) * 1e-12):
        return [lowest, highest]
    power = 10.0 ** math.floor(math.log10(width / _BINS))
    step = next((each * power for each in _STEPS if width / (each * power) <= _BINS), 10 * power)
    first = math.floor(lowest / step)
    last = max(math.ceil(highest / step), first + 1)
    # Through text, so that 3 * 0.1 is 0.3; the ends are the numbers' own where rounding would lose them.
    edges = [float(f"{number * step:.12g}") for number in range(first, last + 1)]
    return [_finite(min(edges[0], lowest), lowest), *edges[1:-1], _finite(max(edges[-1], highest), highest)]


def growing_edges(lowest: float, highest: float) -> list[float]:
    """The same for times: where they lie far apart, each bin is wider than the one before."""
    if lowest < _LEAST or highest / lowest < _WIDE:
        return even_edges(lowest, highest)
    edges: list[float] = []
    power = 10.0 ** math.floor(math.log10(lowest))
    while not edges or edges[-1] < highest:
        edges += [each * power for each in _SIGNIFICANT]
        power *= 10
    first = max(number for number, edge in enumerate(edges) if edge <= lowest)
    last = min(number for number, edge in enumerate(edges) if edge >= highest)
    return [*edges[first:last], _finite(edges[last], highest)]


def _finite(edge: float, number: float) -> float:
    """An edge; past the largest number there is, which JSON can't say, the number beside it."""
    return edge if math.isfinite(edge) else number


def bin_sql(value: str, edges: Sequence[float]) -> tuple[str, list[float]]:
    """SQL for the number of the bin in which `value` lies, by halving, and the parameters in it."""
    bins = len(edges) - 1
    parameters: list[float] = []

    def between(first: int, last: int) -> str:
        if last - first <= 1:
            return str(first)
        middle = (first + last) // 2
        parameters.append(edges[middle])
        return f"CASE WHEN {value} < ? THEN {between(first, middle)} ELSE {between(middle, last)} END"

    return between(0, bins), parameters


def counted(edges: Sequence[float], bins: Sequence[tuple[int, int]]) -> Histogram:
    """A histogram of `(bin, count)`."""
    counts = [0] * (len(edges) - 1)
    for number, count in bins:
        counts[number] += count
    return Histogram(list(edges), counts)
