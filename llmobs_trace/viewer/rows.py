"""Answers for a list of rows: one page of it. The store's thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from llmobs_trace.store import row_conditions, row_tags, search
from llmobs_trace.store.lookup import marks
from llmobs_trace.store.preview import SHOWN_CHARACTERS, previewed
from llmobs_trace.store.queries import STATED
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import metrics, row_query
from llmobs_trace.viewer.experiments import find, revision_of
from llmobs_trace.viewer.metrics import Shown
from llmobs_trace.viewer.parameters import Parameters, searches
from llmobs_trace.viewer.tags import first_item_ns

MOST: Final = 500
_SHOWN_MESSAGE: Final = 2000


class ListedRow(Struct, frozen=True):
    """A row with all that was measured within its tree; values are JSON text, cut where `_cut` says so."""

    row_id: str | None
    run_iteration: int | None
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
    errors: int  # spans of its tree that failed, itself among them
    # What the model calls of its tree took; None is unknown.
    model_calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    cost_from: str | None  # `stated`, or the price data that it was worked out with
    models: list[str]
    tags: list[str]  # those that conditions find it by


class RowPage(Struct, frozen=True):
    """A page of rows; `total` is how many there are of what was asked for, and `unsearched` how many spans of
    the store a search passed over, for they are being indexed.
    """

    revision: str
    total: int
    rows: list[ListedRow]
    unsearched: int


def listing(store: Store, experiment_id: str, query: Mapping[str, str]) -> RowPage:
    parameters = Parameters(query)
    experiment, found = find(store, experiment_id)
    wanted = row_query.wanted(parameters)
    limit = parameters.whole("limit", 100, most=MOST)
    offset = parameters.whole("offset", 0)
    asked = row_conditions.chosen(store, experiment, *wanted)
    if not wanted.conditions:
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
    return RowPage(
        revision=revision_of(store),
        total=total,
        rows=[by_key[key] for key in page],
        unsearched=search.unsearched(store) if searches(query) else 0,
    )


def rows_of(store: Store, keys: Sequence[int]) -> dict[int, ListedRow]:
    """Rows as lists show them, by their keys, of which there are at most `MOST`."""
    if not keys:
        return {}
    measured = metrics.of_rows(store, list(keys))
    failed = _errors(store, keys)
    models = _models(store, keys)
    return {
        found[0]: _row(found, measured[found[0]], failed.get(found[0], 0), models.get(found[0], []))
        for found in store.select(
            "SELECT s.key, s.row_id, s.run_iteration, s.span_id, s.trace_id, s.name, s.start_ns,"
            " s.duration_ns, s.status, s.error_type, substr(s.error_message, 1, ?), s.model_calls,"
            " s.input_tokens, s.output_tokens, s.cost_usd, s.priced_with, v.preview,"
            " CASE WHEN v.preview IS NULL THEN CAST(v.event AS BLOB) ELSE x'' END"
            f" FROM span s JOIN span_event v ON v.key = s.key WHERE s.key IN ({marks(keys)})",
            (_SHOWN_MESSAGE, *keys),
        )
    }


def _errors(store: Store, keys: Sequence[int]) -> dict[int, int]:
    """How many spans failed, by the key of the row in whose tree they did; the rows are of one experiment."""
    found = store.select(
        "SELECT in_row, count(*) FROM span INDEXED BY span_errors WHERE status = 'error'"
        f" AND experiment = (SELECT experiment FROM span WHERE key = ?) AND in_row IN ({marks(keys)})"
        " GROUP BY in_row",
        (keys[0], *keys),
    )
    return dict(found)


def _models(store: Store, keys: Sequence[int]) -> dict[int, list[str]]:
    """The models that answered in each row's tree, by name; the rows are of one experiment."""
    found: dict[int, list[str]] = {}
    # CROSS: the rows first, of which there are few.
    query = (
        "SELECT DISTINCT r.key, s.model FROM span r CROSS JOIN span s INDEXED BY span_by_trace"
        " ON s.experiment = r.experiment AND s.trace_id = r.trace_id AND s.in_row = r.key"
        f" WHERE r.key IN ({marks(keys)}) AND r.model_calls > 0 AND s.model IS NOT NULL ORDER BY s.model"
    )
    for key, model in store.select(query, keys):
        found.setdefault(key, []).append(model)
    return found


def _row(columns: tuple[Any, ...], measured: list[Shown], errors: int, models: list[str]) -> ListedRow:
    _, row_id, iteration, span_id, trace_id, name, start_ns, duration_ns, status, *rest = columns
    kind, message, *rest = rest
    model_calls, input_tokens, output_tokens, cost_usd, priced_with, kept, event = rest
    preview = previewed(kept, event, SHOWN_CHARACTERS)
    return ListedRow(
        row_id=row_id,
        run_iteration=iteration,
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
        errors=errors,
        model_calls=model_calls,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_usd=cost_usd,
        cost_from=None if cost_usd is None else priced_with or STATED,
        models=models,
        tags=[f"{key}:{value}" for key, value in row_tags.kept(preview.tags)],
    )
