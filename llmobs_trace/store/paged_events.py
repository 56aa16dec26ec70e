"""Reads an experiment's events back as they came, page by page. The thread that opened the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import Struct

from llmobs_trace.store.lookup import marks
from llmobs_trace.store.store import Store

_AT_ONCE: Final = 400
_KEY: Final = "(SELECT key FROM experiment WHERE id = ?)"


class PagedSpan(Struct, frozen=True):
    """A span and its event; `place` orders them by their arrival."""

    place: int
    span_id: str
    parent_id: str | None
    row_id: str | None
    is_row: bool
    event: bytes


class PagedMetric(Struct, frozen=True):
    """A metric's event; `place` orders them by their arrival."""

    place: int
    span_id: str
    event: bytes


def span_page(
    store: Store, experiment_id: str, beyond: int, limit: int, *, rows_only: bool = False
) -> Iterator[PagedSpan]:
    """The next spans after a place, in the order in which they came."""
    query = (
        "SELECT s.key, s.span_id, s.parent_id, s.row_id, s.in_row IS s.key, CAST(e.event AS BLOB)"
        f" FROM span s JOIN span_event e ON e.key = s.key WHERE s.experiment = {_KEY} AND s.key > ?"
        f" {'AND s.in_row = s.key' if rows_only else ''} ORDER BY s.key LIMIT ?"
    )
    for found in store.select(query, (experiment_id, beyond, limit)):
        place, span_id, parent_id, row_id, is_row, event = found
        yield PagedSpan(place, span_id, parent_id, row_id, bool(is_row), event)


def metric_page(store: Store, experiment_id: str, beyond: int, limit: int) -> Iterator[PagedMetric]:
    """The next metrics after a place, in the order in which they came."""
    query = (
        f"SELECT key, span_id, CAST(event AS BLOB) FROM metric WHERE experiment = {_KEY} AND key > ?"
        " ORDER BY key LIMIT ?"
    )
    return (PagedMetric(*found) for found in store.select(query, (experiment_id, beyond, limit)))


def metrics_of(store: Store, experiment_id: str, span_ids: Iterable[str]) -> dict[str, list[PagedMetric]]:
    """The metrics of these spans, by their span's id, in the order in which they came."""
    found: dict[str, list[PagedMetric]] = {}
    waiting = iter(span_ids)
    while part := list(islice(waiting, _AT_ONCE)):
        query = (
            f"SELECT key, span_id, CAST(event AS BLOB) FROM metric WHERE experiment = {_KEY}"
            f" AND span_id IN ({marks(part)}) ORDER BY key"
        )
        for columns in store.select(query, (experiment_id, *part)):
            metric = PagedMetric(*columns)
            found.setdefault(metric.span_id, []).append(metric)
    return found
