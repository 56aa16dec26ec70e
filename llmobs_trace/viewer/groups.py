"""Answers for the rows of an experiment by groups: by tag, or by a metric's category, what each scores. The
store's thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from llmobs_trace.store import row_conditions
from llmobs_trace.store.conditions import ConditionError, Field, Sort, read_sort
from llmobs_trace.store.row_conditions import Clause
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import row_query
from llmobs_trace.viewer.experiments import find, revision_of
from llmobs_trace.viewer.parameters import Parameters
from llmobs_trace.viewer.response import CannotAnswer
from llmobs_trace.viewer.score_counts import MOST_LABELS

MOST: Final = 50
_LONGEST: Final = 200
_MEMBERS: Final = (
    "CREATE TEMP TABLE member (value TEXT, in_row INTEGER, PRIMARY KEY (in_row, value)) WITHOUT ROWID"
)
_COUNTED: Final = "SELECT value, count(*) FROM temp.member GROUP BY value ORDER BY count(*) DESC, value"


class GroupScore(Struct, frozen=True):
    """A label in a group: the mean of its numbers, or the share that is true or that passes, of how many."""

    label: str
    mean: float
    count: int


class Group(Struct, frozen=True):
    """The rows that have a value; a row of several is in each one's."""

    value: str
    rows: int
    scores: list[GroupScore]


class Groups(Struct, frozen=True):
    """The largest groups; `others` is how many more there are, `shares` the labels whose mean is one."""

    revision: str
    groups: list[Group]
    others: int
    labels: list[str]
    shares: list[str]


def groups(store: Store, experiment_id: str, query: Mapping[str, str]) -> Groups:
    """By the tag or the label that `by` names, of the rows that `where` asks for."""
    parameters = Parameters(query)
    experiment, _ = find(store, experiment_id)
    members = _members(experiment, _field(parameters))
    wanted = row_query.wanted(parameters)
    if wanted.conditions:
        asked = row_conditions.chosen(store, experiment, wanted.conditions, Sort())
        members = Clause(
            f"SELECT value, in_row FROM ({members.sql}) WHERE in_row IN ({asked.sql})",
            [*members.parameters, *asked.parameters],
        )
    # Found once, not once for each label. It is the connection's own, and in no file.
    _do(store, "DROP TABLE IF EXISTS temp.member")
    _do(store, _MEMBERS)
    _do(store, f"INSERT OR IGNORE INTO temp.member {members.sql}", members.parameters)
    counted = list(store.select(_COUNTED))
    found: dict[str, list[GroupScore]] = {value: [] for value, _ in counted[:MOST]}
    labels: list[str] = []
    shares: list[str] = []
    listed = store.select(
        "SELECT DISTINCT label FROM label WHERE experiment = ? ORDER BY label LIMIT ?",
        (experiment, MOST_LABELS),
    )
    for label in [label for (label,) in listed]:
        value, is_share = row_conditions.share(store, experiment, label)
        if value is None:
            continue
        labels.append(label)
        if is_share:
            shares.append(label)
        scored = store.select(
            f"SELECT g.value, avg({value}), count({value}) FROM metric m INDEXED BY metric_by_label"
            " CROSS JOIN temp.member g ON g.in_row = m.in_row WHERE m.experiment = ? AND m.label = ?"
            " AND m.in_row IS NOT NULL AND NOT m.failed GROUP BY g.value",
            (experiment, label),
        )
        for group, mean, count in scored:
            if group in found and count:
                found[group].append(GroupScore(label, mean, count))
    return Groups(
        revision=revision_of(store),
        groups=[Group(value, rows, found[value]) for value, rows in counted[:MOST]],
        others=len(counted[MOST:]),
        labels=labels,
        shares=shares,
    )


def _do(store: Store, statement: str, parameters: Sequence[object] = ()) -> None:
    for _ in store.select(statement, parameters):
        pass


def _field(parameters: Parameters) -> Field:
    try:
        field = read_sort(parameters.text("by") or "").field
    except ConditionError as error:
        raise CannotAnswer(400, str(error)) from None
    if field.word not in ("tag", "metric"):
        raise CannotAnswer(400, "rows are grouped by a tag or a label: by=tag.KEY, by=LABEL")
    return field


def _members(experiment: int, field: Field) -> Clause:
    """Each row with its value, once."""
    of: list[object] = [experiment, field.name, _LONGEST]
    if field.word == "tag":
        return Clause(
            "SELECT value, in_row FROM row_tag WHERE experiment = ? AND key = ? AND length(value) <= ?", of
        )
    return Clause(
        "SELECT DISTINCT CASE boolean_value WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE categorical_value END"
        " AS value, in_row FROM metric INDEXED BY metric_by_label WHERE experiment = ? AND label = ?"
        " AND in_row IS NOT NULL AND NOT failed AND score_value IS NULL"
        " AND (boolean_value IS NOT NULL OR length(categorical_value) <= ?)",
        of,
    )
