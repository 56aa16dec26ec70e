"""Answers for two experiments and more: how they compare. The store's thread.

They are judged by `llmobs_trace.compare`: the pages and the command line say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from msgspec import Raw, Struct

from llmobs_trace.store.queries import Experiment
from llmobs_trace.store.store import Store
from llmobs_trace.viewer.compare_process import FEW, Apart, Failed
from llmobs_trace.viewer.experiments import find, revision_of
from llmobs_trace.viewer.kept import Kept, state_of
from llmobs_trace.viewer.parameters import Parameters
from llmobs_trace.viewer.response import CannotAnswer

if TYPE_CHECKING:
    from llmobs_trace.compare import Comparison
    from llmobs_trace.compare.direction import Told

LETTERS: Final = "abcdefgh"
_DIRECTION: Final = "direction."
# Of few rows: a page asks again whenever it is opened.
_kept: Kept[Comparison] = Kept(32)


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


def comparison(
    store: Store, query: Mapping[str, str], apart: Apart | None = None
) -> Comparison | Raw | Comparisons | Pending:
    """Of two experiments what `llmobs-trace compare --format json` says; of more, a list of that.

    With `apart`, that of many rows is worked out there. `direction.<label>` says which of a label's values
    are better: `higher`, `lower` or `neither`, whatever its records say.
    """
    directions = told_of(query)
    first, *others = asked = chosen(store, query)
    # All of them: each is begun by being asked for.
    found = [_compared(store, first, other, directions, apart) for other in others]
    there = [comparison for comparison, _ in found if comparison is not None]
    if not all(is_current for _, is_current in found):
        sides = [ShownSide(each.id, each.name, each.rows) for _, each in asked]
        return Pending(revision_of(store), sides, there if len(there) == len(found) else [])
    return there[0] if len(there) == 1 else Comparisons(there)


def told_of(query: Mapping[str, str]) -> dict[str, Told]:
    """What a query says of labels: which of their values are better."""
    parameters = Parameters(query)
    found: dict[str, Told] = {}
    for name in query:
        if name.startswith(_DIRECTION):
            told = parameters.choice(name, ("higher", "lower", "neither"))
            if told is not None:
                found[name[len(_DIRECTION) :]] = cast("Told", told)
    return found


def _compared(
    store: Store,
    first: tuple[int, Experiment],
    other: tuple[int, Experiment],
    directions: Mapping[str, Told],
    apart: Apart | None,
) -> tuple[Comparison | Raw | None, bool]:
    (key_a, a), (key_b, b) = first, other
    if apart is not None and sum(each.rows + each.metrics for each in (a, b)) > FEW:
        try:
            query = "SELECT total(priced), total(replaced) FROM experiment WHERE id IN (?, ?)"
            (changes,) = store.select(query, (a.id, b.id))
            known = apart.comparison(a, b, directions, changes)
        except Failed as error:
            raise CannotAnswer(500, str(error)) from None
        return known.comparison, known.is_current
    from llmobs_trace.compare import Options, compare

    options = Options(directions=directions, passes_over=True)
    state = (str(store.path), *sorted(directions.items()), a.name, b.name, state_of(store, [key_a, key_b]))
    return _kept.get(state, lambda: compare(store, a.id, b.id, options), lambda _: 1), True


def asked_about(query: Mapping[str, str]) -> list[str]:
    """The ids of the experiments that are compared."""
    return [query[letter] for letter in LETTERS if query.get(letter)]


def chosen(store: Store, query: Mapping[str, str]) -> list[tuple[int, Experiment]]:
    """Those the query names, each with its key in the store."""
    given = asked_about(query)
    if len(given) < 2:
        raise CannotAnswer(400, "name the experiments to compare: a=<id>&b=<id>, and c= to h= for more")
    return [find(store, each) for each in given]
