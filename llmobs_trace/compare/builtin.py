"""Measures what every experiment has: whether its rows raised, how long they took, and what their model calls
took, where they have some. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

from llmobs_trace.compare.direction import Direction
from llmobs_trace.compare.measure import Measured, Pair, State, Tally, new_tally, pair_of, repeats
from llmobs_trace.compare.pairs import RowPair, ScoredRow
from llmobs_trace.compare.results import (
    COST,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    ROW,
    ROW_ERRORS,
    ROW_LATENCY,
    Kind,
)

_LOWER = Direction("lower", None)


def row_errors(rows: Sequence[RowPair]) -> Measured:
    """The share of rows whose span has the status `error`."""

    def raised(row: ScoredRow) -> tuple[State, float | None]:
        return "scored", float(row.is_error)

    pairs, tallies, _ = _read_rows(rows, raised)
    return Measured(ROW_ERRORS, "errors", _LOWER, 0.0, 1.0, pairs, builtin=True, tallies=tallies)


def _read_rows(
    rows: Sequence[RowPair], read: Callable[[ScoredRow], tuple[State, float | None]]
) -> tuple[list[Pair], tuple[Tally, Tally], list[float]]:
    """The pairs of the means of what is read, what came of each repeat, and all numbers."""
    tallies = (new_tally(), new_tally())
    pairs, numbers = [], []
    for row in rows:
        a = repeats([read(each) for each in row.a], tallies[0])
        b = repeats([read(each) for each in row.b], tallies[1])
        numbers += [*a.numbers, *b.numbers]
        pairs.append(pair_of(row.dataset_row, a, b))
    return pairs, tallies, numbers


def row_amounts(rows: Sequence[RowPair], recorded: Collection[str]) -> list[Measured]:
    """How long rows took; and how many tokens and what cost, where any row says so. `recorded` are labels."""
    return [
        _amount(ROW_LATENCY, "latency", rows, lambda row: row.duration_ns, 1),
        *(
            _amount(ROW + label if label in recorded else label, kind, rows, read, _least(rows, read, unit))
            for label, kind, read, unit in _OF_CALLS
            if any(read(row) is not None for pair in rows for row in (*pair.a, *pair.b))
        ),
    ]


_Read = Callable[[ScoredRow], "float | None"]
# Last what a row counts as at the most that took nothing, of which there is no logarithm.
_OF_CALLS: Sequence[tuple[str, Kind, _Read, float]] = (
    (INPUT_TOKENS, "tokens", lambda row: row.input_tokens, 0.5),
    (OUTPUT_TOKENS, "tokens", lambda row: row.output_tokens, 0.5),
    (COST, "cost", lambda row: row.cost_usd, 1e-6),
)


def _least(rows: Sequence[RowPair], read: _Read, unit: float) -> float:
    amounts = [read(row) or unit for pair in rows for row in (*pair.a, *pair.b)]
    return max(1e-300, min(unit, *(amount / 2 for amount in amounts)))  # less than any other


def _amount(label: str, kind: Kind, rows: Sequence[RowPair], read: _Read, least: float) -> Measured:
    """Logarithms: what is compared is by which factor rows take more."""

    def logarithm(row: ScoredRow) -> tuple[State, float | None]:
        # A row that raised may have been quick to: how much it would have taken isn't known.
        if row.is_error:
            return "failed", None
        amount = read(row)
        return ("missing", None) if amount is None else ("scored", math.log(max(least, amount)))

    pairs, tallies, numbers = _read_rows(rows, logarithm)
    lowest, highest = min(numbers, default=0.0), max(numbers, default=1.0)
    return Measured(label, kind, _LOWER, lowest, highest, pairs, builtin=True, tallies=tallies)
