"""Turns the parameters of a list of rows into SQL. The thread that has the store.

The SQL speaks of the row as `r`. What is asked of a label is asked of any metric within the row's tree.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from llmobs_trace.store import search
from llmobs_trace.store.store import Store
from llmobs_trace.viewer.parameters import Parameters
from llmobs_trace.viewer.response import CannotAnswer

_SORTS: Final = {
    # The row's key last, so that each page follows on the one before; indexes are in these orders.
    "start": ("r.start_ns", "r.in_row"),
    "duration": ("r.duration_ns", "r.in_row"),
    "row_id": ("r.row_id", "r.in_row"),
    "status": ("r.status", "r.start_ns", "r.in_row"),
}
# Of these a row may have none, which comes last either way.
_SPENT: Final = ("cost_usd", "input_tokens", "output_tokens")
_SCORE: Final = "score:"
_ANY_ERROR: Final = "any"
_METRIC: Final = "SELECT 1 FROM metric m WHERE m.in_row = r.in_row"


class Clause(Struct):
    """SQL, with what goes in place of its question marks."""

    sql: str
    parameters: list[object] = []


class Order(Struct):
    """SQL to order by; `score` is what it calls so."""

    sql: str
    score: Clause | None = None


def wanted(store: Store, experiment: int, parameters: Parameters) -> Clause | None:
    """What `status`, `error`, `failed`, `missing`, `label` and `q` ask of a row; None where any will do."""
    clauses: list[Clause] = []
    status = parameters.choice("status", ("ok", "error"))
    if status is not None:
        clauses.append(Clause("r.status = ?", [status]))
    error = parameters.text("error")
    if error is not None:
        clauses.append(_error(experiment, error))
    missing = parameters.text("missing", empty=True)
    if missing is not None:
        clauses.append(Clause(f"NOT EXISTS ({_METRIC} AND m.label = ?)", [missing]))
    metric = _metric(parameters)
    if metric is not None:
        clauses.append(metric)
    query = parameters.text("q")
    if query is not None:
        sql, values = search.rows_with(store, experiment, query)
        clauses.append(Clause(sql, list(values)))
    if not clauses:
        return None
    return Clause(
        " AND ".join(clause.sql for clause in clauses),
        [value for clause in clauses for value in clause.parameters],
    )


def _error(experiment: int, error: str) -> Clause:
    """Whether any span of the row's tree failed: `any` way, or with an error of that type."""
    failed = (
        "SELECT e.in_row FROM span e INDEXED BY span_errors WHERE e.experiment = ? AND e.status = 'error'"
    )
    if error == _ANY_ERROR:
        return Clause(f"r.in_row IN ({failed})", [experiment])
    return Clause(f"r.in_row IN ({failed} AND e.error_type = ?)", [experiment, error])


def plain_columns(parameters: Parameters) -> tuple[str, ...] | None:
    """The columns of an index that rows are sorted by, if none of these is ever empty; else None."""
    sort = parameters.text("sort") or "start"
    return None if sort == "row_id" else _SORTS.get(sort)


def is_descending(parameters: Parameters) -> bool:
    """Which way rows are sorted."""
    return parameters.choice("order", ("asc", "desc"), "asc") == "desc"


def order(store: Store, experiment: int, parameters: Parameters) -> Order:
    """The order that `sort` and `order` name; a row without the score comes last either way."""
    sort = parameters.text("sort") or "start"
    direction = "DESC" if is_descending(parameters) else "ASC"
    if sort in _SORTS:
        return Order(", ".join(f"{column} {direction}" for column in _SORTS[sort]))
    if sort in _SPENT:
        # An index is in this order; the unknown ones, which stand first in it, are gone through at the end.
        last = " NULLS LAST" if direction == "ASC" and store.sorts_nulls_last else ""
        unknown = f"r.{sort} IS NULL, " if direction == "ASC" and not last else ""
        return Order(f"{unknown}r.{sort} {direction}{last}, r.in_row {direction}")
    if not sort.startswith(_SCORE):
        sorts = ", ".join((*_SORTS, "score:<label>", *_SPENT))
        raise CannotAnswer(400, f'sort is "{sort[:40]}"; expected one of: {sorts}')
    label = sort[len(_SCORE) :]
    value = _value(store, experiment, label)
    return Order(
        f"score IS NULL, score {direction}, start_ns {direction}, in_row {direction}",
        Clause(
            f"(SELECT {value} FROM metric m WHERE m.in_row = r.in_row AND m.label = ? AND NOT m.failed)",
            [label],
        ),
    )


def keys(experiment: int, wanted: Clause | None, order: Order) -> Clause:
    """The keys of the rows in their order."""
    where = "r.experiment = ? AND r.in_row = r.key" + (f" AND {wanted.sql}" if wanted else "")
    parameters: list[object] = [experiment, *(wanted.parameters if wanted else ())]
    if order.score is None:
        return Clause(f"SELECT r.in_row FROM span r WHERE {where} ORDER BY {order.sql}", parameters)
    # LIMIT -1: a subquery that SQLite does not merge with the outer one, to ask for each score once.
    scored = f"SELECT r.in_row, r.start_ns, {order.score.sql} AS score FROM span r WHERE {where} LIMIT -1"
    return Clause(
        f"SELECT in_row FROM ({scored}) ORDER BY {order.sql}", [*order.score.parameters, *parameters]
    )


def _value(store: Store, experiment: int, label: str) -> str:
    """What a label's metrics are ordered by: their numbers, else their categories, else how many pass."""
    ((numbers, categories),) = store.select(
        "SELECT total(numbers + trues + falses), total(categories) FROM label"
        " WHERE experiment = ? AND label = ?",
        (experiment, label),
    )
    if numbers:
        return "avg(coalesce(m.score_value, m.boolean_value))"
    return "min(m.categorical_value)" if categories else "avg(m.assessment = 'pass')"


def _metric(parameters: Parameters) -> Clause | None:
    """What `label`, `min`, `max`, `below`, `value`, `assessment`, `failed` and `not_applicable` say, all of
    one metric.
    """
    label = parameters.text("label", empty=True)
    conditions: list[str] = []
    values: list[object] = []
    for name, sign in (("min", ">="), ("max", "<="), ("below", "<")):
        number = parameters.number(name)
        if number is not None:
            conditions.append(f"m.score_value {sign} ?")
            values.append(number)
    value = parameters.text("value", empty=True)
    if value is not None:
        # As the counts of values name them: a score has a number, not a value.
        conditions.append(
            "m.score_value IS NULL AND CASE WHEN m.boolean_value IS NULL THEN m.categorical_value = ?"
            " ELSE m.boolean_value = (? = 'true') END"
        )
        values += [value, value]
    assessment = parameters.choice("assessment", ("pass", "fail"))
    if assessment is not None:
        conditions.append("m.assessment = ?")
        values.append(assessment)
    if conditions:
        if label is None:
            raise CannotAnswer(
                400, "min, max, below, value and assessment are of a label: name it with label="
            )
        conditions.append("NOT m.failed")
    for flag in ("failed", "not_applicable"):
        if parameters.flag(flag):
            conditions.append(f"m.{flag}")
    if label is not None:
        conditions.insert(0, "m.label = ?")
        values.insert(0, label)
    if not conditions:
        return None
    return Clause(f"EXISTS ({_METRIC} AND {' AND '.join(conditions)})", values)
