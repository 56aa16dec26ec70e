"""A store that many examples share, and what is in it as plain Python sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llmobs_trace.store.store import Store

Batch = tuple[list[bytes], list[bytes]]


@contextmanager
def temporary_store() -> Iterator[Store]:
    with TemporaryDirectory() as directory, Store(Path(directory, "x.db")) as store:
        yield store


def empty(store: Store) -> None:
    """Making a file takes longer than an example."""
    for table in ("metric", "label", "row_tag", "span_event", "span", "scope", "experiment"):
        list(store.select(f"DELETE FROM {table}"))
    list(store.select("INSERT INTO search (search) VALUES ('delete-all')"))
    list(store.select("UPDATE state SET searched = 0, revision = 0"))


def at_one_moment(program: str, path: Path, count: int = 3) -> list[str]:
    """What each of several processes says that run this program on one file. Each says `ready` first, and is
    let go on once all have.
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0] for process in processes]


@dataclass
class ModelRow:
    """A row, with all that is in its tree."""

    span: dict[str, Any]
    order: int  # of arrival
    spans: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)

    @property
    def row_id(self) -> str | None:
        return tag(self.span, "dataset_record_id")


def tag(span: dict[str, Any], name: str) -> str | None:
    """The first tag of that name that has a value."""
    values = (each.partition(":")[2] for each in span.get("tags") or () if each.startswith(f"{name}:"))
    return next((value for value in values if value), None)


def is_row(span: dict[str, Any]) -> bool:
    return tag(span, "parent_id") is None and tag(span, "span_kind") in (None, "experiment")


def rows(batches: Iterable[Batch]) -> list[ModelRow]:
    """The rows of all that was added, in the order of their arrival: by going up from every span."""
    spans: dict[str, dict[str, Any]] = {}
    metrics: dict[bytes, dict[str, Any]] = {}
    for new_spans, new_metrics in batches:
        for event in new_spans:
            decoded = json.loads(event)
            spans.setdefault(decoded["span_id"], decoded)
        for event in new_metrics:
            metrics[event] = json.loads(event)
    found = {
        span_id: ModelRow(span, order) for order, (span_id, span) in enumerate(spans.items()) if is_row(span)
    }
    home: dict[str, str] = {}
    for span_id, span in spans.items():
        at, seen = span_id, set()
        while at not in found and at not in seen:
            seen.add(at)
            parent = tag(spans[at], "parent_id")
            if parent not in spans or spans[parent]["trace_id"] != span["trace_id"]:
                break
            at = parent
        if at in found:
            home[span_id] = at
            found[at].spans.append(span)
    for metric in metrics.values():
        if metric["span_id"] in home:
            found[home[metric["span_id"]]].metrics.append(metric)
    return list(found.values())


def failed(metric: dict[str, Any]) -> bool:
    """Its error speaks, or it says nothing."""
    error = metric.get("error")
    said = [metric.get(f"{kind}_value") for kind in ("score", "categorical", "boolean", "json")]
    silent = all(value is None for value in (*said, metric.get("assessment")))
    return bool(error and error.get("message")) or silent
