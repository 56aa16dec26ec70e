"""Finds the rows beside one in its list, before and after. The store's thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from llmobs_trace.store import row_conditions
from llmobs_trace.store.lookup import marks
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import row_query
from llmobs_trace.viewer.experiments import find, revision_of
from llmobs_trace.viewer.parameters import Parameters
from llmobs_trace.viewer.response import CannotAnswer


class Beside(Struct, frozen=True):
    """A row, as far as it takes to go there."""

    row_id: str | None
    span_id: str
    trace_id: str


class Neighbours(Struct, frozen=True):
    """The rows before and after one in a list; `position`, from 0, is None where it isn't in that list."""

    revision: str
    total: int
    position: int | None
    previous: Beside | None
    next: Beside | None


def neighbours(store: Store, experiment_id: str, query: Mapping[str, str]) -> Neighbours:
    """Of the first row of the trace that `trace` names, in the list that the other parameters ask for."""
    parameters = Parameters(query)
    experiment, found = find(store, experiment_id)
    trace_id = parameters.text("trace")
    if trace_id is None:
        raise CannotAnswer(400, "name the trace whose neighbours are asked for: trace=<id>")
    wanted = row_query.wanted(parameters)
    own = store.select(
        "SELECT key FROM span WHERE experiment = ? AND trace_id = ? AND in_row = key ORDER BY start_ns, key",
        (experiment, trace_id),
    )
    row = next((key for (key,) in own), None)
    columns = row_conditions.plain_columns(wanted.sort)
    if row is None:
        total, position, previous, following = found.rows, None, None, None
    elif not wanted.conditions and columns is not None:
        # From an index, without going through the list: it may have a million rows.
        total = found.rows
        position, previous, following = _by_index(
            store, experiment, row, columns, is_descending=wanted.sort.is_descending
        )
    else:
        asked = row_conditions.chosen(store, experiment, *wanted)
        keys = [key for (key,) in store.select(asked.sql, asked.parameters)]
        total = len(keys)
        position, previous, following = _in_list(keys, row)
    beside = _rows(store, [key for key in (previous, following) if key is not None])
    return Neighbours(
        revision=revision_of(store),
        total=total,
        position=position,
        previous=None if previous is None else beside[previous],
        next=None if following is None else beside[following],
    )


_Found = tuple[int | None, int | None, int | None]


def _in_list(keys: Sequence[int], row: int) -> _Found:
    if row not in keys:
        return None, None, None
    position = keys.index(row)
    return (
        position,
        keys[position - 1] if position else None,
        keys[position + 1] if position + 1 < len(keys) else None,
    )


def _by_index(
    store: Store, experiment: int, row: int, columns: Sequence[str], *, is_descending: bool
) -> _Found:
    names = ", ".join(columns)
    ((*values,),) = store.select(f"SELECT {names} FROM span r WHERE r.key = ?", (row,))
    of = f"FROM span r WHERE r.experiment = ? AND r.in_row = r.key AND ({names})"
    given = [experiment, *values]

    def nearest(sign: str, direction: str) -> int | None:
        order = ", ".join(f"{column} {direction}" for column in columns)
        query = f"SELECT r.in_row {of} {sign} ({marks(values)}) ORDER BY {order} LIMIT 1"
        return next((key for (key,) in store.select(query, given)), None)

    before, after = nearest("<", "DESC"), nearest(">", "ASC")
    sign = ">" if is_descending else "<"
    ((position,),) = store.select(f"SELECT count(*) {of} {sign} ({marks(values)})", given)
    return (position, after, before) if is_descending else (position, before, after)


def _rows(store: Store, keys: Sequence[int]) -> dict[int, Beside]:
    if not keys:
        return {}
    query = f"SELECT key, row_id, span_id, trace_id FROM span WHERE key IN ({marks(keys)})"
    return {key: Beside(*columns) for key, *columns in store.select(query, list(keys))}
