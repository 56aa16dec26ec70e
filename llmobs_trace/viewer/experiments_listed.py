"""Finds, sorts and sums up the experiments that a list shows. The thread that has the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from llmobs_trace.store import queries
from llmobs_trace.store.overview import Difference, ListedScore, Overview, differences, overview
from llmobs_trace.store.queries import Experiment
from llmobs_trace.store.store import Store
from llmobs_trace.viewer.experiments import MOST, Listed, revision_of
from llmobs_trace.viewer.kept import Kept, state_of
from llmobs_trace.viewer.parameters import Parameters
from llmobs_trace.viewer.response import CannotAnswer

_SCORE: Final = "score:"
_kept: Kept[Overview] = Kept(5_000)

_SORTS: Final[dict[str, Callable[[Experiment], Any]]] = {
    "active": lambda each: each.active_ns,
    "began": lambda each: each.began_ns,
    "name": lambda each: (each.name or each.id).casefold(),
    "dataset": lambda each: (dataset_of(each) or "").casefold() or None,
    "status": lambda each: each.status,
    "rows": lambda each: each.rows,
    "errors": lambda each: each.errors,
    "failed": lambda each: each.failed_metrics,
}
_SUMMED: Final[dict[str, Callable[[Overview], Any]]] = {
    "latency": lambda each: each.latency_ns,
    "tokens": lambda each: _tokens(each),
    "cost": lambda each: each.cost_usd,
}


class Line(Listed, frozen=True):
    """With what its rows came to, and what is another than in the one before of its dataset, or its name."""

    dataset: str | None
    error: str | None
    scores: list[ListedScore]
    latency_ns: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    cost_unknown: int
    is_worked_out: bool
    before: str | None  # the name, else the id, of that one
    differences: list[Difference]


class Experiments(Struct, frozen=True):
    """A page of them, the one with the latest span first unless another order is asked for; `total` is of all
    that were asked for, `datasets` of all that there are.
    """

    revision: str
    total: int
    datasets: list[str]
    experiments: list[Line]


def listing(store: Store, query: Mapping[str, str]) -> Experiments:
    """`q` is looked for in ids and names, whatever its case; `dataset` is a dataset's name, else its id."""
    parameters = Parameters(query)
    text = (parameters.text("q") or "").casefold()
    dataset = parameters.text("dataset")
    limit = parameters.whole("limit", 100, most=MOST)
    offset = parameters.whole("offset", 0)
    everything = queries.experiments(store)
    keys: dict[str, int] = dict(store.select("SELECT id, key FROM experiment"))
    found = [
        each
        for each in everything
        if (text in each.id.casefold() or text in (each.name or "").casefold())
        and (dataset is None or dataset_of(each) == dataset)
    ]

    def summed(each: Experiment) -> Overview:
        key = keys[each.id]
        state = (str(store.path), state_of(store, [key]))
        return _kept.get(state, lambda: overview(store, key), lambda _: 1)

    _sort(parameters, found, summed)
    before = _before(everything)
    return Experiments(
        revision=revision_of(store),
        total=len(found),
        datasets=sorted({name for each in everything if (name := dataset_of(each)) is not None}),
        experiments=[
            _line(each, summed(each), before.get(each.id), summed) for each in found[offset : offset + limit]
        ],
    )


def dataset_of(experiment: Experiment) -> str | None:
    """What to call its dataset."""
    return experiment.dataset or ", ".join(experiment.dataset_ids) or None


def _tokens(of: Overview) -> int | None:
    known = [count for count in (of.input_tokens, of.output_tokens) if count is not None]
    return sum(known) if known else None


def _sort(parameters: Parameters, found: list[Experiment], summed: Callable[[Experiment], Overview]) -> None:
    sort = parameters.text("sort") or "active"
    descending = parameters.choice("order", ("asc", "desc"), "desc" if sort == "active" else "asc") == "desc"
    if sort in _SORTS:
        value = _SORTS[sort]
    elif sort in _SUMMED:
        of = _SUMMED[sort]

        def value(each: Experiment) -> Any:
            return of(summed(each))
    elif sort.startswith(_SCORE):

        def value(each: Experiment) -> Any:
            return next((s.value for s in summed(each).scores if s.label == sort[len(_SCORE) :]), None)
    else:
        sorts = ", ".join((*_SORTS, *_SUMMED, "score:<label>"))
        raise CannotAnswer(400, f'sort is "{sort[:40]}"; expected one of: {sorts}')
    valued = [(value(each), each) for each in found]
    there = [pair for pair in valued if pair[0] is not None]
    there.sort(key=lambda pair: pair[0], reverse=descending)
    found[:] = [each for _, each in there] + [each for of_it, each in valued if of_it is None]


def _before(everything: list[Experiment]) -> dict[str, Experiment]:
    """Of each the one that began before it, of its dataset; where that is not known, of its name."""
    last: dict[tuple[str, str | None], Experiment] = {}
    found: dict[str, Experiment] = {}
    for each in sorted(everything, key=lambda each: (each.began_ns, each.created_ns)):
        dataset = dataset_of(each)
        group = ("dataset", dataset) if dataset is not None else ("name", each.name)
        if group[1] is not None:
            if group in last:
                found[each.id] = last[group]
            last[group] = each
    return found


def _line(
    each: Experiment, of: Overview, before: Experiment | None, summed: Callable[[Experiment], Overview]
) -> Line:
    counted = {name: getattr(each, name) for name in Listed.__struct_fields__}
    totals = {name: getattr(of, name) for name in Overview.__struct_fields__ if name != "parameters"}
    return Line(
        **counted,
        **totals,
        dataset=dataset_of(each),
        error=each.error,
        before=None if before is None else before.name or before.id,
        differences=[] if before is None else differences(summed(before).parameters, of.parameters),
    )
