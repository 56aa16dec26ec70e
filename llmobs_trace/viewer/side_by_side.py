"""Answers for rows of two experiments and more: side by side, a page of them or one. The store's thread.

Rows are paired by `llmobs_trace.compare`: the pages and the command line say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from llmobs_trace.store import search
from llmobs_trace.store.lookup import marks
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import regressions
from llmobs_trace.viewer.compare_process import Apart
from llmobs_trace.viewer.compared import LETTERS, chosen, told_of
from llmobs_trace.viewer.experiments import revision_of
from llmobs_trace.viewer.flips import flips, said_of
from llmobs_trace.viewer.parameters import Parameters, searches
from llmobs_trace.viewer.regressions import Changes, Rows
from llmobs_trace.viewer.response import CannotAnswer
from llmobs_trace.viewer.rows import MOST, ListedRow, rows_of

if TYPE_CHECKING:
    from llmobs_trace.compare.direction import Told

_SCORE: Final = "score:"
_SORTS: Final = ("start", "row_id", "duration", "worse")
_MANY: Final = 1_000  # rows: with many metrics it takes a good part of a second to find the worse ones
_SPENT: Final = ("cost_usd", "input_tokens", "output_tokens")

# A dataset's row, and which of its repeats.
_Key = tuple[str, int]


class ComparedRows(Struct, frozen=True):
    """A page of rows; each has `row_id`, an experiment's row or null by its letter, `changed` and `flips`."""

    revision: str
    total: int
    rows: list[dict[str, object]]
    unsearched: int  # spans of the store that a search passed over, for they are being indexed


class ComparedRow(Struct, frozen=True):
    """One row of a list and those beside it, each named by the id of a span; `position`, from 0, is None
    where it isn't in that list.
    """

    revision: str
    total: int
    position: int | None
    row: dict[str, object] | None
    previous: str | None
    next: str | None
    next_regression: str | None


def rows(store: Store, query: Mapping[str, str], apart: Apart | None = None) -> ComparedRows:
    """The rows of the first experiment in their order, then those that only others have.

    With `apart`, which of many rows are worse is worked out there meanwhile: that is asked next.
    """
    parameters = Parameters(query)
    limit = parameters.whole("limit", 100, most=MOST)
    offset = parameters.whole("offset", 0)
    sides = _sides(store, query)
    keys = _listed(store, sides, query)
    page = _page(store, sides, keys[offset : offset + limit])
    if apart is not None and len(keys) > _MANY:
        apart.ahead(lambda own: _changes(own, _sides(own, query), told_of(query)))
    unsearched = search.unsearched(store) if searches(query) else 0
    return ComparedRows(revision=revision_of(store), total=len(keys), rows=page, unsearched=unsearched)


def row(store: Store, query: Mapping[str, str]) -> ComparedRow:
    """The row whose span `at` names, or the first of the list; `regression` asks for the next that is one."""
    parameters = Parameters(query)
    sides = _sides(store, query)
    keys = _listed(store, sides, query)
    at = parameters.text("at")
    found = keys[:1] if at is None else [key for side in sides for key in _keys_at(side, at)][:1]
    if not found and at is not None:
        raise CannotAnswer(404, f'no row of these experiments has the id "{at[:300]}"')
    position = keys.index(found[0]) if found and found[0] in keys else None
    after = 0 if position is None else position + 1
    following = None
    if parameters.flag("regression"):
        told = told_of(query)
        worse = {key for each in _changes(store, sides, told) for key, change in each.items() if change.worse}
        following = next((key for key in keys[after:] if key in worse), None)
    return ComparedRow(
        revision=revision_of(store),
        total=len(keys),
        position=position,
        row=_page(store, sides, found)[0] if found else None,
        previous=_name(sides, keys[position - 1]) if position else None,
        next=_name(sides, keys[after]) if after < len(keys) else None,
        next_regression=None if following is None else _name(sides, following),
    )


def _keys_at(side: Rows, span_id: str) -> Iterable[_Key]:
    return (key for key, row in side.rows.items() if row.span_id == span_id)


def _name(sides: Sequence[Rows], key: _Key) -> str:
    """What a row is known by in an address: the span of the first that has it."""
    return next(side.rows[key].span_id for side in sides if key in side.rows)


def _sides(store: Store, query: Mapping[str, str]) -> list[Rows]:
    return [regressions.rows(store, key, experiment.id) for key, experiment in chosen(store, query)]


def _listed(store: Store, sides: list[Rows], query: Mapping[str, str]) -> list[_Key]:
    """The rows that a query asks for, in its order."""
    parameters = Parameters(query)
    told = told_of(query)
    keys = list(dict.fromkeys(key for side in sides for key in side.rows))
    for keep in _filters(store, sides, parameters, told):
        keys = [key for key in keys if keep(key)]
    _sort(store, sides, parameters, told, keys)
    return keys


def _page(store: Store, sides: list[Rows], keys: Sequence[_Key]) -> list[dict[str, object]]:
    by_letter = [
        {key: found[side.rows[key].key] for key in keys if key in side.rows}
        for side in sides
        for found in [rows_of(store, [side.rows[key].key for key in keys if key in side.rows])]
    ]
    outputs = _outputs(store, sides, keys)
    return [
        _row(key, [of_side.get(key) for of_side in by_letter], _changed(sides, outputs, key)) for key in keys
    ]


def _changes(store: Store, sides: list[Rows], told: Mapping[str, Told]) -> list[Changes]:
    """Of each of the others, how its rows changed from the first's."""
    first, *others = sides
    return [regressions.changes(store, first, other, told) for other in others]


def _amounts(store: Store, side: Rows, sort: str) -> dict[int, float]:
    """How long rows took, or what they spent, by their keys in the store; of those of which it is known."""
    column = "duration_ns" if sort == "duration" else sort
    return dict(
        store.select(
            f"SELECT r.in_row, r.{column} FROM span r WHERE r.experiment = ? AND r.in_row = r.key"
            f" AND r.{column} IS NOT NULL",
            (side.experiment,),
        )
    )


def _outputs(store: Store, sides: list[Rows], keys: Sequence[_Key] | None = None) -> dict[int, int | None]:
    """The hashes of outputs by their rows' keys in the store: of the rows `keys`, or of all."""
    found: dict[int, int | None] = {}
    for side in sides:
        if keys is None:
            condition, parameters = "s.experiment = ? AND s.in_row = s.key", [side.experiment]
        else:
            parameters = [side.rows[key].key for key in keys if key in side.rows]
            if not parameters:
                continue
            condition = f"s.key IN ({marks(parameters)})"
        query = f"SELECT s.key, s.output_hash FROM span s WHERE {condition}"
        found.update(store.select(query, parameters))
    return found


def _filters(
    store: Store, sides: list[Rows], parameters: Parameters, told: Mapping[str, Told]
) -> Iterable[Callable[[_Key], bool]]:
    if parameters.flag("changed"):
        outputs = _outputs(store, sides)
        yield lambda key: _changed(sides, outputs, key)
    if parameters.flag("failed"):
        yield lambda key: any(key in side.rows and side.rows[key].is_error for side in sides)
    if parameters.flag("regressions"):
        worse = _changes(store, sides, told)
        yield lambda key: any(key in each and each[key].worse for each in worse)
    if parameters.flag("improvements"):
        better = _changes(store, sides, told)
        yield lambda key: any(key in each and each[key].better for each in better)
    flipped = parameters.text("flipped")
    if flipped is not None:
        said = [said_of(store, side.experiment, flipped) for side in sides]
        yield lambda key: _differ(_of(said[n], side, key) for n, side in enumerate(sides))
    text = parameters.text("q")
    if text is not None:
        found = [_found(store, side, text) for side in sides]
        yield lambda key: any(
            key in side.rows and side.rows[key].key in found[n] for n, side in enumerate(sides)
        )


def _of(said: Mapping[int, Any], side: Rows, key: _Key) -> Any:
    """What is said of a side's row; None where it has none."""
    return said.get(side.rows[key].key) if key in side.rows else None


def _found(store: Store, side: Rows, text: str) -> set[int]:
    condition = search.rows_with(store, side.experiment, text)
    return {
        key
        for (key,) in store.select(
            f"SELECT r.in_row FROM span r WHERE r.experiment = ? AND r.in_row = r.key AND {condition.sql}",
            (side.experiment, *condition.parameters),
        )
    }


def _sort(
    store: Store, sides: list[Rows], parameters: Parameters, told: Mapping[str, Told], keys: list[_Key]
) -> None:
    """By the difference of the second from the first where it is of numbers; rows without one come last."""
    sort = parameters.text("sort") or "start"
    descending = parameters.choice("order", ("asc", "desc"), "asc") == "desc"
    if sort == "row_id":
        keys.sort(reverse=descending)
    elif sort == "start":
        if descending:
            keys.reverse()
    elif sort == "worse":
        changed = _changes(store, sides, told)
        weight = {key: max((each[key].worse for each in changed if key in each), default=0.0) for key in keys}
        keys.sort(key=weight.__getitem__, reverse=descending)
    elif sort == "duration" or sort in _SPENT or sort.startswith(_SCORE):
        numbers: list[dict[int, Any]] = [
            _amounts(store, side, sort)
            if not sort.startswith(_SCORE)
            else {
                key: value
                for key, value in said_of(store, side.experiment, sort[len(_SCORE) :]).items()
                if not isinstance(value, str)
            }
            for side in sides[:2]
        ]

        def difference(key: _Key) -> tuple[bool, float]:
            first, second = (_of(numbers[n], sides[n], key) for n in (0, 1))
            if first is None or second is None:
                return True, 0.0
            return False, (first - second) if descending else (second - first)

        keys.sort(key=difference)
    else:
        sorts = ", ".join((*_SORTS, "score:<label>", *_SPENT))
        raise CannotAnswer(400, f'sort is "{sort[:40]}"; expected one of: {sorts}')


def _changed(sides: list[Rows], outputs: Mapping[int, int | None], key: _Key) -> bool:
    """Whether those that have the row have different outputs."""
    there = [outputs[side.rows[key].key] for side in sides if key in side.rows]
    return any(output != there[0] for output in there)


def _differ(values: Iterable[object]) -> bool:
    there = [value for value in values if value is not None]
    return any(value != there[0] for value in there)


def _row(key: _Key, found: list[ListedRow | None], changed: bool) -> dict[str, object]:
    first = found[0]
    by_letter = {
        letter: flips(first.metrics, other.metrics) if first is not None and other is not None else []
        for letter, other in zip(LETTERS[1:], found[1:], strict=False)
    }
    return {
        "row_id": key[0],
        "run_iteration": key[1],
        **dict(zip(LETTERS, found, strict=False)),
        "changed": changed,
        "flips": by_letter["b"] if len(found) == 2 else by_letter,
    }
