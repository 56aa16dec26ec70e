"""Sums up what an experiment's rows took: time, tokens and money. Any thread.

What a row doesn't say is unknown, and no zero: it is counted apart, and the statistics are those of the rows
that say it.
"""

from __future__ import annotations

import math
import sys

from msgspec import Struct

from llmobs_trace.store.queries import StoredSpan


class Amount(Struct, frozen=True):
    """Of the rows that say how much it was."""

    rows: int
    unknown: int  # the other rows
    total: float
    mean: float
    lowest: float
    highest: float


class Amounts(Struct, frozen=True):
    """What rows took; None where no row says."""

    duration_ns: Amount | None
    input_tokens: Amount | None
    output_tokens: Amount | None
    cost_usd: Amount | None
    worked_out: int  # rows whose cost was worked out, of those that have one


class _Sum(Struct):
    rows: int = 0
    total: float = 0.0
    lowest: float = math.inf
    highest: float = -math.inf


class RowAmounts:
    """Add every row; then ask for the summary."""

    def __init__(self) -> None:
        self._rows = 0
        self._worked_out = 0
        self._sums = {name: _Sum() for name in Amounts.__struct_fields__[:-1]}

    def add(self, row: StoredSpan) -> None:
        self._rows += 1
        self._worked_out += row.cost_usd is not None and row.priced_with is not None
        for name, of in self._sums.items():
            number = getattr(row, name)
            if number is not None:
                of.rows += 1
                of.total = min(of.total + number, sys.float_info.max)  # JSON has no infinity
                of.lowest, of.highest = min(of.lowest, number), max(of.highest, number)

    def summary(self) -> Amounts:
        amounts = {name: self._amount(of) for name, of in self._sums.items()}
        return Amounts(**amounts, worked_out=self._worked_out)

    def _amount(self, of: _Sum) -> Amount | None:
        if not of.rows:
            return None
        return Amount(of.rows, self._rows - of.rows, of.total, of.total / of.rows, of.lowest, of.highest)
