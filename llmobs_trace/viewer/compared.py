"""Answers for two experiments: their comparison, and their rows side by side. The store's thread.

Rows are paired, and judged, by `llmobs_trace.compare`: the pages and the command line say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec import Raw, Struct

from llmobs_trace.store import search
from llmobs_trace.store.lookup import marks
from llmobs_trace.store.queries import Experiment
from llmobs_trace.store.store import Store
from llmobs_trace.viewer.compare_process import FEW, Apart, Failed
from llmobs_trace.viewer.experiments import find, revision_of
from llmobs_trace.viewer.flips import flips, said_of
from llmobs_trace.viewer.parameters import Parameters
from llmobs_trace.viewer.response import CannotAnswer
from llmobs_trace.viewer.rows import MOST, ListedRow, rows_of

if TYPE_CHECKING:
    from llmobs_trace.compare import Comparison
    from llmobs_trace.compare.direction import Told

_LETTERS: Final = "abcdefgh"
_SCORE: Final = "score:"
_DIRECTION: Final = "direction."
_SORTS: Final = ("start", "row_id", "duration")
_SPENT: Final = ("cost_usd", "input_tokens", "output_tokens")

# A dataset's row, and which of its repeats.
_Key = tuple[str, int]


class Comparisons(Struct, frozen=True):
    """Each of the others against the first."""

    comparisons: list[Comparison | Raw]


class ShownSide(Struct, frozen=True):
    """One of the experiments, as a `Comparison` names it."""

    id: str
    name: str | None
    rows: int


class Pending(Struct, frozen=True):
    """They are being worked out: ask again. `comparisons`, if any, are of before the latest was added."""

    revision: str
    experiments: list[ShownSide]
    comparisons: list[Comparison | Raw]
    pending: bool = True


class ComparedRows(Struct, frozen=True):
    """A page of rows; each has `row_id`, an experiment's row or null by its letter, `changed` and `flips`."""

    revision: str
    total: int
    rows: list[dict[str, object]]


class _Rows(Struct, frozen=True):
    """One experiment: its rows by what they are paired by, as their keys in the store."""

    experiment: int
    rows: dict[_Key, int]


def comparison(
    store: Store, query: Mapping[str, str], apart: Apart | None = None
) -> Comparison | Raw | Comparisons | Pending:
    """Of two experiments what `llmobs-trace compare --format json` says; of more, a list of that.

    With `apart`, that of many rows is worked out there. `direction.<label>` says which of a label's values
    are better: `higher`, `lower` or `neither`, whatever its records say.
    """
    directions = _directions(query)
    first, *others = [experiment for _, experiment in _chosen(store, query)]
    # All of them: each is begun by being asked for.
    found = [_compared(store, first, other, directions, apart) for other in others]
    there = [comparison for comparison, _ in found if comparison is not None]
    if not all(is_current for _, is_current in found):
        sides = [ShownSide(each.id, each.name, each.rows) for each in (first, *others)]
        return Pending(revision_of(store), sides, there if len(there) == len(found) else [])
    return there[0] if len(there) == 1 else Comparisons(there)


def _directions(query: Mapping[str, str]) -> dict[str, Told]:
    parameters = Parameters(query)
    found: dict[str, Told] = {}
    for name in query:
        if name.startswith(_DIRECTION):
            told = parameters.choice(name, ("higher", "lower", "neither"))
            if told is not None:
                found[name[len(_DIRECTION) :]] = cast("Told", told)
    return found


def _compared(
    store: Store, a: Experiment, b: Experiment, directions: Mapping[str, Told], apart: Apart | None
) -> tuple[Comparison | Raw | None, bool]:
    if apart is not None and sum(each.rows + each.metrics for each in (a, b)) > FEW:
        try:
            query = "SELECT total(priced) FROM experiment WHERE id IN (?, ?)"
            ((priced,),) = store.select(query, (a.id, b.id))
            known = apart.comparison(a, b, directions, int(priced))
        except Failed as error:
            raise CannotAnswer(500, str(error)) from None
        return known.comparison, known.is_current
    from llmobs_trace.compare import Options, compare

    return compare(store, a.id, b.id, Options(directions=directions, passes_over=True)), True


def rows(store: Store, query: Mapping[str, str]) -> ComparedRows:
    """The rows of the first experiment in their order, then those that only others have."""
    parameters = Parameters(query)
    limit = parameters.whole("limit", 100, most=MOST)
    offset = parameters.whole("offset", 0)
    sides = [_read(store, key, experiment.id) for key, experiment in _chosen(store, query)]
    keys = list(dict.fromkeys(key for side in sides for key in side.rows))
    for keep in _filters(store, sides, parameters):
        keys = [key for key in keys if keep(key)]
    _sort(store, sides, parameters, keys)
    page = keys[offset : offset + limit]
    by_letter = [
        {key: found[side.rows[key]] for key in page if key in side.rows}
        for side in sides
        for found in [rows_of(store, [side.rows[key] for key in page if key in side.rows])]
    ]
    outputs = _outputs(store, sides, page)
    return ComparedRows(
        revision=revision_of(store),
        total=len(keys),
        rows=[
            _row(key, [of_side.get(key) for of_side in by_letter], _changed(sides, outputs, key))
            for key in page
        ],
    )


def asked_about(query: Mapping[str, str]) -> list[str]:
    """The ids of the experiments that are compared."""
    return [query[letter] for letter in _LETTERS if query.get(letter)]


def _chosen(store: Store, query: Mapping[str, str]) -> list[tuple[int, Experiment]]:
    """Those the query names, each with its key in the store."""
    given = asked_about(query)
    if len(given) < 2:
        raise CannotAnswer(400, "name the experiments to compare: a=<id>&b=<id>, and c= to h= for more")
    return [find(store, each) for each in given]


def _read(store: Store, experiment: int, experiment_id: str) -> _Rows:
    from llmobs_trace.compare.pairs import keyed_rows

    return _Rows(experiment, {key: row.key for key, row in keyed_rows(store, experiment_id)})


def _amounts(store: Store, side: _Rows, sort: str) -> dict[int, float]:
    """How long rows took, or what they spent, by their keys in the store; of those of which it is known."""
    column = "duration_ns" if sort == "duration" else sort
    return dict(
        store.select(
            f"SELECT r.in_row, r.{column} FROM span r WHERE r.experiment = ? AND r.in_row = r.key"
            f" AND r.{column} IS NOT NULL",
            (side.experiment,),
        )
    )


def _outputs(store: Store, sides: list[_Rows], keys: Sequence[_Key] | None = None) -> dict[int, int | None]:
    """The hashes of outputs by their rows' keys in the store: of the rows `keys`, or of all."""
    found: dict[int, int | None] = {}
    for side in sides:
        if keys is None:
            condition, parameters = "s.experiment = ? AND s.in_row = s.key", [side.experiment]
        else:
            parameters = [side.rows[key] for key in keys if key in side.rows]
            if not parameters:
                continue
            condition = f"s.key IN ({marks(parameters)})"
        query = f"SELECT s.key, s.output_hash FROM span s WHERE {condition}"
        found.update(store.select(query, parameters))
    return found


def _filters(store: Store, sides: list[_Rows], parameters: Parameters) -> Iterable[Callable[[_Key], bool]]:
    if parameters.flag("changed"):
        outputs = _outputs(store, sides)
        yield lambda key: _changed(sides, outputs, key)
    flipped = parameters.text("flipped")
    if flipped is not None:
        said = [said_of(store, side.experiment, flipped) for side in sides]
        yield lambda key: _differ(said[n].get(side.rows.get(key, 0)) for n, side in enumerate(sides))
    text = parameters.text("q")
    if text is not None:
        found = [_found(store, side, text) for side in sides]
        yield lambda key: any(side.rows.get(key) in found[n] for n, side in enumerate(sides))


def _found(store: Store, side: _Rows, text: str) -> set[int]:
    condition = search.rows_with(store, side.experiment, text)
    return {
        key
        for (key,) in store.select(
            f"SELECT r.in_row FROM span r WHERE r.experiment = ? AND r.in_row = r.key AND {condition.sql}",
            (side.experiment, *condition.parameters),
        )
    }


def _sort(store: Store, sides: list[_Rows], parameters: Parameters, keys: list[_Key]) -> None:
    """By the difference of the second from the first where it is of numbers; rows without one come last."""
    sort = parameters.text("sort") or "start"
    descending = parameters.choice("order", ("asc", "desc"), "asc") == "desc"
    if sort == "row_id":
        keys.sort(reverse=descending)
    elif sort == "start":
        if descending:
            keys.reverse()
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
            first, second = (numbers[n].get(sides[n].rows.get(key, 0)) for n in (0, 1))
            if first is None or second is None:
                return True, 0.0
            return False, (first - second) if descending else (second - first)

        keys.sort(key=difference)
    else:
        sorts = ", ".join((*_SORTS, "score:<label>", *_SPENT))
        raise CannotAnswer(400, f'sort is "{sort[:40]}"; expected one of: {sorts}')


def _changed(sides: list[_Rows], outputs: Mapping[int, int | None], key: _Key) -> bool:
    """Whether those that have the row have different outputs."""
    there = [outputs[side.rows[key]] for side in sides if key in side.rows]
    return any(output != there[0] for output in there)


def _differ(values: Iterable[object]) -> bool:
    there = [value for value in values if value is not None]
    return any(value != there[0] for value in there)


def _row(key: _Key, found: list[ListedRow | None], changed: bool) -> dict[str, object]:
    first = found[0]
    by_letter = {
        letter: flips(first.metrics, other.metrics) if first is not None and other is not None else []
        for letter, other in zip(_LETTERS[1:], found[1:], strict=False)
    }
    return {
        "row_id": key[0],
        "run_iteration": key[1],
        **dict(zip(_LETTERS, found, strict=False)),
        "changed": changed,
        "flips": by_letter["b"] if len(found) == 2 else by_letter,
    }
