"""Finds which rows one experiment has worse than another, and which better. The store's thread.

A row is worse where any judged metric says so, or where it raised and did not before. Which values of a
metric are better is decided as `compare` does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from llmobs_trace.store.store import Store
from llmobs_trace.viewer.kept import Kept, state_of

if TYPE_CHECKING:
    from llmobs_trace.compare.direction import Told
    from llmobs_trace.compare.pairs import Key, ScoredRow
    from llmobs_trace.compare.results import Better, Kind

_RAISED: Final = 2.0  # what that weighs beside a metric, which weighs its difference as a share of its scale
# Of a mean of floats.
_SAME: Final = 1e-9
_AT_ONCE: Final = 1_000


class Change(NamedTuple):
    """By how much a row is worse, and by how much better: what all labels weigh together."""

    worse: float
    better: float


class Rows(Struct, frozen=True):
    """One experiment's rows by what they are paired by."""

    experiment: int  # its key in the store
    rows: dict[Key, ScoredRow]


class _Said(NamedTuple):
    """What a label says of rows, by their keys in the store; of a row that failed nothing."""

    numbers: dict[int, float]
    passed: dict[int, float]  # the share of those that pass


Changes = dict["Key", Change]
# So many rows, of all that were asked about last.
_rows: Kept[dict[Key, ScoredRow]] = Kept(60_000)
_changes: Kept[Changes] = Kept(60_000)


def rows(store: Store, experiment: int, experiment_id: str) -> Rows:
    """An experiment's rows, as a comparison has them."""
    from llmobs_trace.compare.pairs import keyed_rows

    state = (str(store.path), state_of(store, [experiment]))
    return Rows(experiment, _rows.get(state, lambda: dict(keyed_rows(store, experiment_id)), len))


def changes(store: Store, a: Rows, b: Rows, told: Mapping[str, Told]) -> Changes:
    """Of the rows that both have, those that are worse or better in any way."""
    state = (str(store.path), *sorted(told.items()), state_of(store, [a.experiment, b.experiment]))
    return _changes.get(state, lambda: _changed(store, a, b, told), len)


def _changed(store: Store, a: Rows, b: Rows, told: Mapping[str, Told]) -> Changes:
    """Label by label: each is read at once, and then gone through in as few steps of Python as can be."""
    paired = [(key, row, b.rows[key]) for key, row in a.rows.items() if key in b.rows]
    rows_a, rows_b = [row.key for _, row, _ in paired], [other.key for _, _, other in paired]
    raised = [other.is_error - row.is_error for _, row, other in paired]
    worse = [_RAISED if more > 0 else 0.0 for more in raised]
    better = [_RAISED if more < 0 else 0.0 for more in raised]
    for label in _labels(store, a, b):
        of_a, of_b = (_said(store, each.experiment, label) for each in (a, b))
        kind, which = _judged(store, a, b, label, told.get(label), of_a, of_b)
        if which is None:
            continue
        before, after = (each.passed if kind == "assessment" else each.numbers for each in (of_a, of_b))
        sign = (1 if which == "higher" else -1) / _scale([before.values(), after.values()])
        pairs = zip(map(before.get, rows_a), map(after.get, rows_b), strict=True)
        by = [
            (y - x) * sign if x is not None and y is not None and abs(y - x) > _SAME else 0.0
            for x, y in pairs
        ]
        worse = [so_far - each if each < 0 else so_far for so_far, each in zip(worse, by, strict=True)]
        better = [so_far + each if each > 0 else so_far for so_far, each in zip(better, by, strict=True)]
    return {
        key: Change(down, up)
        for (key, _, _), down, up in zip(paired, worse, better, strict=True)
        if down or up
    }


def _labels(store: Store, a: Rows, b: Rows) -> list[str]:
    """Those that both have."""
    query = (
        "SELECT label FROM label WHERE experiment = ? INTERSECT SELECT label FROM label WHERE experiment = ?"
    )
    return sorted(label for (label,) in store.select(query, (a.experiment, b.experiment)))


def _said(store: Store, experiment: int, label: str) -> _Said:
    ((failed, assessed),) = store.select(
        "SELECT total(failed), total(passed + not_passed) FROM label WHERE experiment = ? AND label = ?",
        (experiment, label),
    )
    which = "FROM metric WHERE experiment = ? AND label = ? AND in_row IS NOT NULL"
    number = "coalesce(score_value, boolean_value)"
    if not failed and not assessed:
        plain = list(store.select(f"SELECT in_row, {number} {which}", (experiment, label), at_once=_AT_ONCE))
        by_row = dict(plain)
        if len(by_row) == len(plain):  # one metric a row, as nearly always
            return _Said(_there(by_row), {})
    # Numbers alone are in the label's index, which makes it a fraction of the time.
    passed = "CASE WHEN max(failed) THEN NULL ELSE avg(assessment = 'pass') END" if assessed else "NULL"
    found = list(
        store.select(
            f"SELECT in_row, CASE WHEN max(failed) THEN NULL ELSE avg({number}) END, {passed} {which}"
            " GROUP BY in_row",
            (experiment, label),
            at_once=_AT_ONCE,
        )
    )
    return _Said(
        _there({row: value for row, value, _ in found}), _there({row: share for row, _, share in found})
    )


def _there(by_row: dict[int, float | None]) -> dict[int, float]:
    return {row: value for row, value in by_row.items() if value is not None}


def _judged(
    store: Store, a: Rows, b: Rows, label: str, told: Told | None, of_a: _Said, of_b: _Said
) -> tuple[Kind, Better | None]:
    """What a label is compared by, and which of its values are better: as `compare.measure` has it."""
    from llmobs_trace.compare.direction import Recorded, direction
    from llmobs_trace.compare.measure import kind_of

    types: dict[str, int] = {}
    recorded: list[Recorded] = []
    for each in (a, b):
        lower = higher = 0
        for kind, scored, *says in store.select(
            "SELECT metric_type, scored, says_lower, says_higher FROM label"
            " WHERE experiment = ? AND label = ?",
            (each.experiment, label),
        ):
            types[kind] = types.get(kind, 0) + scored
            lower, higher = lower + says[0], higher + says[1]
        recorded.append(Recorded(lower, higher))
    has_numbers = bool(of_a.numbers or of_b.numbers)
    assessed = len(of_a.passed) + len(of_b.passed)
    scored_rows = sum(len(each.numbers.keys() | each.passed.keys()) for each in (of_a, of_b))
    kind = kind_of(types, has_numbers, assessed, scored_rows)
    is_told = told in ("higher", "lower") or any(each.lower or each.higher for each in recorded)
    if kind == "assessment" and not (is_told and has_numbers):
        return kind, direction(label, told, Recorded(), Recorded(), "higher").better
    if kind not in ("score", "boolean", "assessment"):
        return kind, None
    passing = _passing([of_a, of_b]) if kind == "score" and assessed else None
    return "boolean" if kind == "assessment" else kind, direction(
        label, told, recorded[0], recorded[1], passing
    ).better


def _passing(sides: Sequence[_Said]) -> Better | None:
    """Where all that passed are on one side of all that failed, which."""
    judged = [
        (number, said.passed[row])
        for said in sides
        for row, number in said.numbers.items()
        if row in said.passed
    ]
    passing = [number for number, passed in judged if passed == 1]
    failing = [number for number, passed in judged if passed == 0]
    if not passing or not failing:
        return None
    return "lower" if max(passing) < min(failing) else "higher" if max(failing) < min(passing) else None


def _scale(sides: Sequence[Collection[float]]) -> float:
    numbers = list(chain(*sides))
    return (max(numbers) - min(numbers) if numbers else 0.0) or 1.0
