"""Rows side by side come in, what is measured of every experiment goes out: whether rows raised, how long
they took; pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmobs_trace.compare.measure import Measured, Pair, State
from llmobs_trace.compare.pairs import Row, RowPair
from llmobs_trace.compare.results import ROW_ERRORS, ROW_LATENCY


def row_errors(rows: Sequence[RowPair]) -> Measured:
    """The share of rows whose span has the status `error`."""
    pairs = [Pair(row.dataset_row, float(row.a.is_error), float(row.b.is_error)) for row in rows]
    return Measured(ROW_ERRORS, "errors", "lower", 0.0, 1.0, pairs, builtin=True)


def row_latency(rows: Sequence[RowPair]) -> Measured:
    """Logarithms of the durations: what is compared is by which factor rows take longer."""
    pairs = []
    for row in rows:
        (number_a, state_a), (number_b, state_b) = _log_duration(row.a), _log_duration(row.b)
        pairs.append(Pair(row.dataset_row, number_a, number_b, state_a, state_b))
    numbers = [number for pair in pairs for number in (pair.a, pair.b) if number is not None]
    lowest, highest = min(numbers, default=0.0), max(numbers, default=1.0)
    return Measured(ROW_LATENCY, "latency", "lower", lowest, highest, pairs, builtin=True)


def _log_duration(row: Row) -> tuple[float | None, State]:
    # A row that raised may have been quick to: how long it would have taken isn't known.
    return (None, "failed") if row.is_error else (math.log(max(1, row.duration_ns)), "scored")
