"""Reads an experiment's events back as they came, page by page. The thread that opened the store.

No index has an experiment's events in the order of their arrival, and to sort them for each page takes time
that grows with the square of their number. So pages are read by the key, which is that order, from the
experiment's first event to its last: what others recorded in between is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from msgspec import Struct

from llmobs_trace.store.lookup import marks
from llmobs_trace.store.store import Store

_AT_ONCE: Final = 400
# Events are of any size: a page ends where its events come to so much.
_PAGE_BYTES: Final = 8 << 20
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


_Event = TypeVar("_Event", PagedSpan, PagedMetric)


def span_pages(
    store: Store, experiment_id: str, beyond: int, at_once: int, *, rows_only: bool = False
) -> Iterator[list[PagedSpan]]:
    """The spans after a place that are there now, in the order in which they came, up to so many at once."""
    query = (
        "SELECT s.key, s.span_id, s.parent_id, s.row_id, s.in_row IS s.key, CAST(e.event AS BLOB)"
        f" FROM span s JOIN span_event e ON e.key = s.key WHERE +s.experiment = {_KEY}"
        f" AND s.key > ? AND s.key <= ?{' AND +s.in_row = s.key' if rows_only else ''}"
        " ORDER BY s.key LIMIT ?"
    )
    return _pages(store, "span", query, experiment_id, beyond, at_once, _span)


def metric_pages(store: Store, experiment_id: str, beyond: int, at_once: int) -> Iterator[list[PagedMetric]]:
    """The same of metrics."""
    query = (
        f"SELECT key, span_id, CAST(event AS BLOB) FROM metric WHERE +experiment = {_KEY}"
        " AND key > ? AND key <= ? ORDER BY key LIMIT ?"
    )
    return _pages(store, "metric", query, experiment_id, beyond, at_once, PagedMetric)


def metrics_that_say(store: Store, experiment_id: str, text: str) -> Iterator[PagedMetric]:
    """The metrics in whose JSON a text is, or that have no span, in the order in which they came."""
    query = (
        f"SELECT key, span_id, CAST(event AS BLOB) FROM metric WHERE experiment = {_KEY}"
        " AND (span_id = '' OR instr(event, ?)) ORDER BY key"
    )
    return (PagedMetric(*found) for found in store.select(query, (experiment_id, text)))


def _pages(
    store: Store,
    table: str,
    query: str,
    experiment_id: str,
    beyond: int,
    at_once: int,
    event_of: Callable[..., _Event],
) -> Iterator[list[_Event]]:
    ends = f"SELECT min(key) - 1, max(key) FROM {table} WHERE experiment = {_KEY} AND key > ?"
    [(begin, last)] = store.select(ends, (experiment_id, beyond))
    beyond = begin if begin is not None else 0
    while last is not None and beyond < last:
        found = store.select(query, (experiment_id, beyond, last, at_once))
        page = list(_up_to(_PAGE_BYTES, (event_of(*columns) for columns in found)))
        if not page:
            return
        yield page
        beyond = page[-1].place


def _up_to(max_bytes: int, events: Iterator[_Event]) -> Iterator[_Event]:
    size_bytes = 0
    for event in events:
        yield event
        size_bytes += len(event.event)
        if size_bytes >= max_bytes:
            return


def _span(
    place: int, span_id: str, parent_id: str | None, row_id: str | None, is_row: Any, event: bytes
) -> PagedSpan:
    return PagedSpan(place, span_id, parent_id, row_id, bool(is_row), event)


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


def count_beyond(store: Store, experiment_id: str, span: int, metric: int) -> int:
    """How many spans and metrics come after these places."""
    ((count,),) = store.select(
        f"SELECT (SELECT count(*) FROM span WHERE experiment = {_KEY} AND key > ?)"
        f" + (SELECT count(*) FROM metric WHERE experiment = {_KEY} AND key > ?)",
        (experiment_id, span, experiment_id, metric),
    )
    return int(count)
