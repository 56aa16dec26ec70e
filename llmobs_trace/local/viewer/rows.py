"""An experiment's id and what is asked of its rows come in, a page of them goes out; the store's thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from llmobs_trace.local.lookup import marks
from llmobs_trace.local.preview import SHOWN_CHARACTERS, previewed
from llmobs_trace.local.store import Store
from llmobs_trace.local.viewer import metrics, row_query
from llmobs_trace.local.viewer.experiments import find, revision_of
from llmobs_trace.local.viewer.metrics import Shown
from llmobs_trace.local.viewer.parameters import Parameters
from llmobs_trace.local.viewer.tags import first_item_ns

MOST: Final = 500
_SHOWN_MESSAGE: Final = 2000


class Row(Struct, frozen=True):
    """A row with all that was measured within its tree; values are JSON text, cut where `_cut` says so."""

    row_id: str | None
    span_id: str
    trace_id: str
    name: str
    start_ns: int
    duration_ns: int
    status: str
    error_type: str | None
    error_message: str | None
    input: str | None
    input_cut: bool
    output: str | None
    output_cut: bool
    expected_output: str | None
    expected_output_cut: bool
    first_item_ns: int | None
    metrics: list[Shown]


class Rows(Struct, frozen=True):
    """A page of rows; `total` is how many there are of what was asked for."""

    revision: str
    total: int
    rows: list[Row]


def listing(store: Store, experiment_id: str, query: Mapping[str, str]) -> Rows:
    parameters = Parameters(query)
    experiment, found = find(store, experiment_id)
    wanted = row_query.wanted(store, experiment, parameters)
    order = row_query.order(store, experiment, parameters)
    limit = parameters.whole("limit", 100, most=MOST)
    offset = parameters.whole("offset", 0)
    asked = row_query.keys(experiment, wanted, order)
    if wanted is None:
        total = found.rows
        page = [
            key
            for (key,) in store.select(f"{asked.sql} LIMIT ? OFFSET ?", [*asked.parameters, limit, offset])
        ]
    else:
        # All of them, once: counting them first would find them twice.
        keys = [key for (key,) in store.select(asked.sql, asked.parameters)]
        total, page = len(keys), keys[offset : offset + limit]
    by_key = rows_of(store, page)
    return Rows(revision=revision_of(store), total=total, rows=[by_key[key] for key in page])


def rows_of(store: Store, keys: Sequence[int]) -> dict[int, Row]:
    """Rows as lists show them, by their keys, of which there are at most `MOST`."""
    if not keys:
        return {}
    measured = metrics.of_rows(store, list(keys))
    return {
        found[0]: _row(found, measured[found[0]])
        for found in store.select(
            "SELECT s.key, s.row_id, s.span_id, s.trace_id, s.name, s.start_ns, s.duration_ns, s.status,"
            " s.error_type, substr(s.error_message, 1, ?), v.preview,"
            " CASE WHEN v.preview IS NULL THEN CAST(v.event AS BLOB) ELSE x'' END"
            f" FROM span s JOIN span_event v ON v.key = s.key WHERE s.key IN ({marks(keys)})",
            (_SHOWN_MESSAGE, *keys),
        )
    }


def _row(columns: tuple[Any, ...], measured: list[Shown]) -> Row:
    _, row_id, span_id, trace_id, name, start_ns, duration_ns, status, kind, message, kept, event = columns
    preview = previewed(kept, event, SHOWN_CHARACTERS)
    return Row(
        row_id=row_id,
        span_id=span_id,
        trace_id=trace_id,
        name=name,
        start_ns=start_ns,
        duration_ns=duration_ns,
        status=status,
        error_type=kind,
        error_message=message,
        input=preview.input,
        input_cut=preview.input_cut,
        output=preview.output,
        output_cut=preview.output_cut,
        expected_output=preview.expected_output,
        expected_output_cut=preview.expected_output_cut,
        first_item_ns=first_item_ns(preview.tags),
        metrics=measured,
    )
