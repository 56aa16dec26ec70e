"""Turns conditions on rows, and what to sort them by, into SQL; the thread that has the store.

Each condition is a set of rows that an index answers by itself; a row meets all where it is in each set, or,
of `!=`, outside. However many conditions there are, each is asked once. No index has a metric's assessment,
nor a text that is longer than categories are: those are read of the label's own metrics. The SQL speaks of
the row as `r`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from llmobs_trace.store import search
from llmobs_trace.store.conditions import START, Condition, Field, Sort
from llmobs_trace.store.store import Store

# The columns that a row's own span has; those of `_WHOLE` are never empty.
COLUMNS: Final = {
    START: "start_ns",
    "latency": "duration_ns",
    "status": "status",
    "row_id": "row_id",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cost_usd": "cost_usd",
}
_WHOLE: Final = {
    # The row's key last, so that each page follows on the one before; indexes are in these orders.
    START: ("r.start_ns", "r.in_row"),
    "latency": ("r.duration_ns", "r.in_row"),
    "status": ("r.status", "r.start_ns", "r.in_row"),
}
_INDEX_OF: Final = {"start_ns": "start", "duration_ns": "duration", "row_id": "id"}
_ERRORS: Final = "FROM span e INDEXED BY span_errors WHERE e.experiment = ? AND e.status = 'error'"
_METRICS: Final = (
    "SELECT in_row FROM metric INDEXED BY metric_by_label"
    " WHERE experiment = ? AND label = ? AND in_row IS NOT NULL"
)
_CATEGORY: Final = (
    "SELECT in_row FROM metric INDEXED BY metric_by_category WHERE experiment = ? AND label = ?"
    " AND length(categorical_value) <= 200 AND in_row IS NOT NULL"
)
_LONGEST_CATEGORY: Final = 200
# What is not failed, in the order in which a metric's values count: its number, its boolean, its category.
_IS_NO_NUMBER: Final = "NOT failed AND score_value IS NULL"
_IS_TEXT: Final = f"{_IS_NO_NUMBER} AND boolean_value IS NULL AND categorical_value = ?"


class Clause(Struct):
    """SQL, with what goes in place of its question marks."""

    sql: str
    parameters: list[object] = []


class Order(Struct):
    """What rows are ordered by, of what is selected beside their keys."""

    sql: str
    selected: str = ""
    joined: str = ""
    parameters: list[object] = []


def key_of(store: Store, experiment_id: str) -> int:
    """The store's own key of an experiment that is there."""
    ((key,),) = store.select("SELECT key FROM experiment WHERE id = ?", (experiment_id,))
    return int(key)


def rows(
    store: Store, experiment_id: str, conditions: Sequence[Condition], sort: Sort
) -> list[tuple[str, str]]:
    """The trace and span ids of the rows that meet all conditions, in their order."""
    key = key_of(store, experiment_id)
    asked = chosen(store, key, conditions, sort, ("trace_id", "span_id"))
    return [(trace_id, span_id) for trace_id, span_id in store.select(asked.sql, asked.parameters)]


def chosen(
    store: Store,
    experiment: int,
    conditions: Sequence[Condition],
    sort: Sort,
    columns: Sequence[str] = ("in_row",),
) -> Clause:
    """The same as SQL, for columns of theirs."""
    order = ordered(store, experiment, sort)
    where = ["r.experiment = ? AND r.in_row = r.key"]
    parameters: list[object] = [experiment]
    for condition in conditions:
        clause = met(store, experiment, condition)
        where.append(clause.sql)
        parameters += clause.parameters
    found = f"FROM span r{order.joined} WHERE {' AND '.join(where)}"
    if not order.selected:
        return Clause(
            f"SELECT {', '.join(f'r.{name}' for name in columns)} {found} ORDER BY {order.sql}", parameters
        )
    # LIMIT -1: a subquery that SQLite does not merge with the outer one, to ask for each value once.
    inner = ", ".join(f"r.{name} AS {name}" for name in dict.fromkeys((*columns, "in_row", "start_ns")))
    return Clause(
        f"SELECT {', '.join(columns)} FROM (SELECT {inner}, {order.selected} {found} LIMIT -1)"
        f" ORDER BY {order.sql}",
        [*order.parameters, *parameters],
    )


# --- Conditions ---------------------------------------------------------------------------------------------


def met(store: Store, experiment: int, condition: Condition) -> Clause:
    """Whether the row `r` meets a condition."""
    if condition.field.word == "text":
        found = search.rows_with(store, experiment, condition.value)
        is_met = Clause(f"({found.sql})", list(found.parameters))
    elif condition.field.word == "metric" and condition.became == "missing":
        # As `!=`, it holds of rows that are in no set.
        sets = Clause(_METRICS, [experiment, condition.field.name])
        return _within(sets, is_outside=condition.sign == "=")
    else:
        return _within(_set(store, experiment, condition), is_outside=condition.sign == "!=")
    if condition.sign == "!=":
        # A search may say NULL, of rows whose words are of spans that are in none.
        is_met.sql = f"coalesce({is_met.sql}, 0) = 0"
    return is_met


def _within(rows: Clause, *, is_outside: bool) -> Clause:
    return Clause(f"r.in_row {'NOT ' if is_outside else ''}IN ({rows.sql})", rows.parameters)


def _set(store: Store, experiment: int, condition: Condition) -> Clause:
    """The rows that meet a condition; of `!=`, those that do not."""
    field = condition.field
    sign = "=" if condition.sign == "!=" else condition.sign
    if field.word == "metric":
        return _of_metric(store, experiment, condition, sign)
    if field.word == "tag":
        return _of_tag(experiment, condition, sign)
    if field.word == "error":
        if condition.value == "any" and not condition.is_quoted:
            return Clause(f"SELECT e.in_row {_ERRORS} AND e.in_row IS NOT NULL", [experiment])
        return Clause(
            f"SELECT e.in_row {_ERRORS} AND e.in_row IS NOT NULL AND e.error_type = ?",
            [experiment, condition.value],
        )
    if field.word in ("kind", "name"):
        within = "SELECT in_row FROM span INDEXED BY span_by_kind WHERE experiment = ? AND in_row IS NOT NULL"
        if field.word == "kind":
            return Clause(f"{within} AND kind = ?", [experiment, condition.value])
        # The index has the kinds first, of which there are few.
        return Clause(
            f"{within} AND kind IN ({_KINDS}) AND name = ? UNION ALL {within} AND kind IS NULL AND name = ?",
            [experiment, experiment, experiment, condition.value, experiment, condition.value],
        )
    column = COLUMNS[field.word]
    value: object = condition.value
    if field.word == "latency":
        value = condition.duration_ns
    elif field.word not in ("status", "row_id"):
        value = condition.number
    return Clause(
        f"SELECT in_row FROM span INDEXED BY row_by_{_INDEX_OF.get(column, column)}"
        f" WHERE experiment = ? AND in_row = key AND {column} {sign} ?",
        [experiment, value],
    )


# Each kind once, from the index: from one to the next.
_KINDS: Final = (
    "WITH RECURSIVE k (kind) AS (SELECT min(kind) FROM span INDEXED BY span_by_kind WHERE experiment = ?"
    " UNION ALL SELECT (SELECT min(kind) FROM span INDEXED BY span_by_kind WHERE experiment = ?"
    " AND kind > k.kind) FROM k WHERE k.kind IS NOT NULL) SELECT kind FROM k WHERE kind IS NOT NULL"
)


def _of_tag(experiment: int, condition: Condition, sign: str) -> Clause:
    within = "SELECT in_row FROM row_tag WHERE experiment = ? AND key = ?"
    of: list[object] = [experiment, condition.field.name]
    if sign != "=":
        return Clause(f"{within} AND number {sign} ?", [*of, condition.number])
    equal = Clause(f"{within} AND value = ?", [*of, condition.value])
    if condition.number is None:
        return equal
    return Clause(
        f"{equal.sql} UNION ALL {within} AND number = ?", [*equal.parameters, *of, condition.number]
    )


class _Sums(Struct):
    """How many metrics of a label there are of each sort."""

    numbers: int
    booleans: int
    categories: int
    assessed: int


def _of_metric(store: Store, experiment: int, condition: Condition, sign: str) -> Clause:
    label = condition.field.name
    of: list[object] = [experiment, label]
    if sign != "=":
        return Clause(f"{_METRICS} AND NOT failed AND score_value {sign} ?", [*of, condition.number])
    became = condition.became
    if became == "failed":
        return Clause(f"{_METRICS} AND failed", of)
    if became == "n/a":
        return Clause(f"{_METRICS} AND {_IS_NO_NUMBER} AND boolean_value IS NULL AND not_applicable", of)
    if became in ("pass", "fail"):
        is_true = int(became == "pass")
        if not _sums(store, experiment, label).assessed:
            # Booleans alone are in the label's index, which makes it a fraction of the time.
            return Clause(f"{_METRICS} AND NOT failed AND boolean_value = ?", [*of, is_true])
        return Clause(
            f"{_METRICS} AND NOT failed"
            " AND CASE WHEN assessment IS NULL THEN boolean_value = ? ELSE assessment = ? END",
            [*of, is_true, became],
        )
    ways = [_of_text(store, experiment, label, condition.value)]
    if became in ("true", "false"):
        ways.append(Clause(f"{_METRICS} AND {_IS_NO_NUMBER} AND boolean_value = ?", [*of, became == "true"]))
    elif condition.number is not None:
        ways.append(Clause(f"{_METRICS} AND NOT failed AND score_value = ?", [*of, condition.number]))
    return Clause(
        " UNION ALL ".join(way.sql for way in ways), [each for way in ways for each in way.parameters]
    )


def _of_text(store: Store, experiment: int, label: str, text: str) -> Clause:
    if len(text) > _LONGEST_CATEGORY:
        return Clause(f"{_METRICS} AND {_IS_TEXT}", [experiment, label, text])
    return Clause(f"{_CATEGORY} AND {_IS_TEXT}", [experiment, label, text])


def _sums(store: Store, experiment: int, label: str) -> _Sums:
    ((*sums,),) = store.select(
        "SELECT total(numbers), total(trues + falses), total(categories), total(passed + not_passed)"
        " FROM label WHERE experiment = ? AND label = ?",
        (experiment, label),
    )
    return _Sums(*(int(each) for each in sums))


_TAG_KEYS: Final = (
    "WITH RECURSIVE k (key) AS (SELECT min(key) FROM row_tag WHERE experiment = ?"
    " UNION ALL SELECT (SELECT min(key) FROM row_tag WHERE experiment = ? AND key > k.key) FROM k"
    " WHERE k.key IS NOT NULL) SELECT key FROM k WHERE key IS NOT NULL LIMIT ?"
)


def tag_keys(store: Store, experiment: int, most: int = 1000) -> list[str]:
    """The keys that tags of rows have, from the index: from one to the next."""
    return [key for (key,) in store.select(_TAG_KEYS, (experiment, experiment, most))]


def kinds(store: Store, experiment: int, most: int = 1000) -> list[str]:
    """The kinds that spans of rows have."""
    return [kind for (kind,) in store.select(f"{_KINDS} LIMIT ?", (experiment, experiment, most))]


# --- Orders -------------------------------------------------------------------------------------------------


def plain_columns(sort: Sort) -> tuple[str, ...] | None:
    """The columns of an index that rows are sorted by, if none of these is ever empty; else None."""
    return _WHOLE.get(sort.field.word)


def ordered(store: Store, experiment: int, sort: Sort) -> Order:
    """The order of the rows `r`; a row without what they are sorted by comes last either way."""
    field = sort.field
    direction = "DESC" if sort.is_descending else "ASC"
    if (columns := plain_columns(sort)) is not None:
        return Order(", ".join(f"{column} {direction}" for column in columns))
    if field.word in COLUMNS:
        # An index is in this order; the unknown ones, which stand first in it, are gone through at the end.
        column = f"r.{COLUMNS[field.word]}"
        last = " NULLS LAST" if direction == "ASC" and store.sorts_nulls_last else ""
        unknown = f"{column} IS NULL, " if direction == "ASC" and not last else ""
        return Order(f"{unknown}{column} {direction}{last}, r.in_row {direction}")
    then = f"start_ns {direction}, in_row {direction}"
    if field.word == "tag":
        # Numbers by what they are, before what is none.
        least = "SELECT in_row, min(number) AS number, min(value) AS value FROM row_tag"
        return Order(
            f"value IS NULL, number IS NULL, number {direction}, value {direction}, {then}",
            "t.number AS number, t.value AS value",
            f" LEFT JOIN ({least} WHERE experiment = ? AND key = ? GROUP BY in_row) t ON t.in_row = r.in_row",
            [experiment, field.name],
        )
    value, parameters = _value(store, experiment, field)
    return Order(f"value IS NULL, value {direction}, {then}", f"{value} AS value", parameters=parameters)


def _value(store: Store, experiment: int, field: Field) -> tuple[str, list[object]]:
    if field.word in ("kind", "name"):
        return f"r.{field.word}", []
    if field.word == "error":
        return f"(SELECT min(e.error_type) {_ERRORS} AND e.in_row = r.in_row)", [experiment]
    value = measured(store, experiment, field.name)
    return (
        f"(SELECT {value} FROM metric m WHERE m.in_row = r.in_row AND m.label = ? AND NOT m.failed)",
        [field.name],
    )


def measured(store: Store, experiment: int, label: str) -> str:
    """What several metrics `m` of a label come to: the mean of their numbers, a category, or who passes."""
    sums = _sums(store, experiment, label)
    if sums.numbers + sums.booleans:
        return "avg(coalesce(m.score_value, m.boolean_value))"
    return "min(m.categorical_value)" if sums.categories else "avg(m.assessment = 'pass')"


def share(store: Store, experiment: int, label: str) -> tuple[str | None, bool]:
    """What metrics `m` of a label have a mean of, and whether that is a share; None: of nothing."""
    sums = _sums(store, experiment, label)
    if sums.numbers + sums.booleans:
        return "coalesce(m.score_value, m.boolean_value)", not sums.numbers
    return ("(m.assessment = 'pass')", True) if sums.assessed else (None, False)
