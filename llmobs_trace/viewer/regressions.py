"""Finds which rows one experiment has worse than another, and which better. The store's thread.

A row is worse where any judged metric says so, or where it raised and did not before. Which values of a
metric are better is decided as `compare` does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from llmobs_trace.store.store import Store

if TYPE_CHECKING:
    from llmobs_trace.compare.direction import Told
    from llmobs_trace.compare.pairs import Key, ScoredRow
    from llmobs_trace.compare.results import Better, Kind

ROW: Final = ""  # in place of a label: the row itself raised
_RAISED: Final = 2.0  # what that weighs beside a metric, which weighs its difference as a share of its scale
# Of a mean of floats.
_SAME: Final = 1e-9


class Change(Struct):
    """How a row changed: labels, and how much they weigh together."""

    worse: list[str] = []
    better: list[str] = []
    worse_by: float = 0.0
    better_by: float = 0.0


class Rows(Struct, frozen=True):
    """One experiment's rows by what they are paired by."""

    experiment: int  # its key in the store
    rows: dict[Key, ScoredRow]


# A number, and the share of those that pass, where there are any; failed ones have neither.
_Said = tuple[float | None, float | None]


Changes = dict["Key", Change]
_State = tuple[object, ...]
_KEPT: Final = 4
_lock = threading.Lock()  # guards what was found last
_found: dict[_State, Changes] = {}


def changes(store: Store, a: Rows, b: Rows, told: Mapping[str, Told]) -> Changes:
    """Of the rows that both have, those that are worse or better in any way.

    Of 20,000 rows with 25 metrics that takes seconds, and is kept for as long as no event is added.
    """
    counts = store.select(
        "SELECT id, created_ns, rows, spans, metrics FROM experiment WHERE key IN (?, ?)",
        (a.experiment, b.experiment),
    )
    state = (str(store.path), a.experiment, b.experiment, *sorted(told.items()), *counts)
    with _lock:
        if state in _found:
            return _found[state]
    found = _changed(store, a, b, told)
    with _lock:
        _found[state] = found
        while len(_found) > _KEPT:
            del _found[next(iter(_found))]
    return found


def _changed(store: Store, a: Rows, b: Rows, told: Mapping[str, Told]) -> Changes:
    found: Changes = {}
    paired = [(key, row, b.rows[key]) for key, row in a.rows.items() if key in b.rows]
    for key, row, other in paired:
        if row.is_error != other.is_error:
            _add(found, key, ROW, -_RAISED if other.is_error else _RAISED)
    for label in _labels(store, a, b):
        of_a, of_b = (_said(store, each.experiment, label) for each in (a, b))
        kind, better = _judged(store, a, b, label, told.get(label), [*of_a.values(), *of_b.values()])
        if better is None:
            continue
        place = 1 if kind == "assessment" else 0
        scale = _scale(said[place] for side in (of_a, of_b) for said in side.values())
        sign = (1 if better == "higher" else -1) / scale
        nothing: _Said = (None, None)
        for key, row, other in paired:
            before, after = of_a.get(row.key, nothing)[place], of_b.get(other.key, nothing)[place]
            if before is not None and after is not None and abs(after - before) > _SAME:
                _add(found, key, label, (after - before) * sign)
    return found


def _add(found: dict[Key, Change], key: Key, label: str, by: float) -> None:
    change = found.setdefault(key, Change())
    if by < 0:
        change.worse.append(label)
        change.worse_by -= by
    else:
        change.better.append(label)
        change.better_by += by


def _labels(store: Store, a: Rows, b: Rows) -> list[str]:
    """Those that both have."""
    query = (
        "SELECT label FROM label WHERE experiment = ? INTERSECT SELECT label FROM label WHERE experiment = ?"
    )
    return sorted(label for (label,) in store.select(query, (a.experiment, b.experiment)))


def _said(store: Store, experiment: int, label: str) -> dict[int, _Said]:
    """By the key of the row."""
    ((assessed,),) = store.select(
        "SELECT total(passed + not_passed) FROM label WHERE experiment = ? AND label = ?", (experiment, label)
    )
    # Numbers alone are in the label's index, which makes it a fraction of the time.
    passed = "CASE WHEN max(failed) THEN NULL ELSE avg(assessment = 'pass') END" if assessed else "NULL"
    found = store.select(
        "SELECT in_row, CASE WHEN max(failed) THEN NULL ELSE avg(coalesce(score_value, boolean_value)) END,"
        f" {passed} FROM metric"
        " WHERE experiment = ? AND label = ? AND in_row IS NOT NULL GROUP BY in_row",
        (experiment, label),
    )
    return {row: (number, passed) for row, number, passed in found}


def _judged(
    store: Store, a: Rows, b: Rows, label: str, told: Told | None, said: list[_Said]
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
    scored_rows = [each for each in said if each != (None, None)]
    has_numbers = any(number is not None for number, _ in scored_rows)
    assessed = sum(passed is not None for _, passed in scored_rows)
    kind = kind_of(types, has_numbers, assessed, len(scored_rows))
    is_told = told in ("higher", "lower") or any(each.lower or each.higher for each in recorded)
    if kind == "assessment" and not (is_told and has_numbers):
        return kind, direction(label, told, Recorded(), Recorded(), "higher").better
    if kind not in ("score", "boolean", "assessment"):
        return kind, None
    passing = _passing(said) if kind == "score" else None
    return "boolean" if kind == "assessment" else kind, direction(
        label, told, recorded[0], recorded[1], passing
    ).better


def _passing(said: Iterable[_Said]) -> Better | None:
    """Where all that passed are on one side of all that failed, which."""
    numbers = [(number, passed) for number, passed in said if number is not None and passed is not None]
    passing = [number for number, passed in numbers if passed == 1]
    failing = [number for number, passed in numbers if passed == 0]
    if not passing or not failing:
        return None
    return "lower" if max(passing) < min(failing) else "higher" if max(failing) < min(passing) else None


def _scale(numbers: Iterable[float | None]) -> float:
    there = [number for number in numbers if number is not None]
    return (max(there) - min(there) if there else 0.0) or 1.0
