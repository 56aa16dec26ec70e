"""Stores of several sizes in, how long a comparison takes out: written, opened, read, judged."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from llmobs_trace.compare import compare
from llmobs_trace.store.store import Store

_BATCH = 2_000


def lines(quick: bool) -> Iterator[str]:
    """A line for each number of rows."""
    yield "| rows on each side | metrics | seconds | of that, reading |"
    yield "|--:|--:|--:|--:|"
    for rows in (100, 1_000, 10_000) if quick else (100, 1_000, 10_000, 100_000):
        with tempfile.TemporaryDirectory(prefix="llmobs-bench-") as scratch:
            path = Path(scratch) / "experiments.db"
            with Store(path) as store:
                for experiment in ("a", "b"):
                    _fill(store, experiment, rows)
            with Store(path, read_only=True) as store, store.snapshot():
                from llmobs_trace.compare.pairs import read_side

                began = time.perf_counter()
                read_side(store, "a")
                read_side(store, "b")
                read = time.perf_counter()
                comparison = compare(store, "a", "b")
                ended = time.perf_counter()
        assert comparison.rows.paired == rows
        yield f"| {rows:,} | {len(comparison.metrics)} | {ended - read:.2f} | {read - began:.2f} |"


def _fill(store: Store, experiment: str, rows: int) -> None:
    chance = random.Random(experiment)
    for first in range(0, rows, _BATCH):
        spans, metrics = [], []
        for row in range(first, min(first + _BATCH, rows)):
            span_id = f"{row:016x}"
            spans.append(_span(span_id, row, chance))
            for label, kind, value in (
                ("exact", "boolean", chance.random() < 0.7),
                ("stars", "score", chance.randint(1, 5)),
                ("similarity", "score", chance.random()),
                ("topic", "categorical", chance.choice("abc")),
            ):
                metrics.append(_metric(span_id, label, kind, value))
        store.add(experiment, spans, metrics)


def _span(span_id: str, row: int, chance: random.Random) -> bytes:
    return json.dumps(
        {
            "span_id": span_id,
            "trace_id": span_id,
            "name": "answer",
            "start_ns": 1_764_000_000_000_000_000 + row,
            "duration": chance.randint(10**8, 10**9),
            "status": "ok",
            "project_id": "p",
            "dataset_id": "d",
            "tags": ["span_kind:experiment", f"dataset_record_id:row-{row}"],
        }
    ).encode()


def _metric(span_id: str, label: str, kind: str, value: object) -> bytes:
    event = {
        "span_id": span_id,
        "label": label,
        "metric_type": kind,
        "timestamp_ms": 1,
        f"{kind}_value": value,
    }
    return json.dumps(event).encode()
