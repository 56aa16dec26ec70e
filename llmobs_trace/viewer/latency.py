"""Counts how long an experiment's rows took. The thread that has the store."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

from msgspec import Struct

from llmobs_trace.store.store import Store
from llmobs_trace.viewer.histograms import Histogram, growing_edges

_ROWS: Final = "FROM span INDEXED BY row_by_duration WHERE experiment = ? AND in_row = key"


class Latency(Struct, frozen=True):
    """Durations of rows; `p90_ns` is the least that nine in ten rows did not exceed."""

    rows: int
    mean_ns: float
    lowest_ns: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    highest_ns: int
    histogram: Histogram


def latency(store: Store, experiment: int, rows: int) -> Latency | None:
    """None without rows."""
    if not rows:
        return None

    def at(share: float) -> int:
        number = max(math.ceil(share * rows) - 1, 0)
        ((duration_ns,),) = store.select(
            f"SELECT duration_ns {_ROWS} ORDER BY duration_ns LIMIT 1 OFFSET ?", (experiment, number)
        )
        return int(duration_ns)

    ((mean_ns,),) = store.select(f"SELECT avg(duration_ns) {_ROWS}", (experiment,))
    lowest_ns, highest_ns = at(0), at(1)
    return Latency(
        rows=rows,
        mean_ns=mean_ns,
        lowest_ns=lowest_ns,
        p50_ns=at(0.5),
        p90_ns=at(0.9),
        p99_ns=at(0.99),
        highest_ns=highest_ns,
        histogram=_histogram(store, experiment, rows, lowest_ns, highest_ns),
    )


def _histogram(store: Store, experiment: int, rows: int, lowest_ns: int, highest_ns: int) -> Histogram:
    edges = growing_edges(lowest_ns, highest_ns)
    counts = [
        # From the index by duration: each bin is a stretch of it.
        next(
            store.select(
                f"SELECT count(*) {_ROWS} AND duration_ns >= ? AND duration_ns < ?", (experiment, *ends)
            )
        )
        for ends in pairwise(edges)
    ]
    inside = [count for (count,) in counts]
    # The last bin includes its end.
    inside[-1] += rows - sum(inside)
    return Histogram(edges, inside)
