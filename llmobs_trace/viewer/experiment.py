"""Answers for one experiment: what its rows came to. The thread that has the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from llmobs_trace.store.store import Store
from llmobs_trace.viewer.experiments import Listed, find, listed, revision_of
from llmobs_trace.viewer.facets import Facets, facets
from llmobs_trace.viewer.latency import Latency, latency
from llmobs_trace.viewer.score_counts import ShownScore, scores
from llmobs_trace.viewer.spending import Spent, spent

# How many traces are listed, and of how many spans they are: enough to see what it is about.
_MOST_TRACES: Final = 20
_MOST_SPANS: Final = 10_000


class OtherTrace(Struct, frozen=True):
    """Spans of one trace that are in no row; `name` is the earliest one's."""

    trace_id: str
    spans: int
    name: str


class Elsewhere(Struct, frozen=True):
    """What is in no row: not yet, where the row is still running; or its root is of another kind, or was
    lost. The earliest traces of it.
    """

    spans: int
    traces: list[OtherTrace]


class Summary(Struct, frozen=True):
    """One experiment; `other_metrics` are those of spans that are in no row."""

    revision: str
    experiment: Listed
    scores: list[ShownScore]
    latency: Latency | None
    spent: Spent | None
    labels: list[str]
    other_metrics: int
    elsewhere: Elsewhere
    facets: Facets


def summary(store: Store, experiment_id: str, query: Mapping[str, str]) -> Summary:
    key, found = find(store, experiment_id)
    shown = scores(store, key, found.rows)
    ((others,),) = store.select(
        "SELECT count(*) FROM metric INDEXED BY metric_waiting WHERE experiment = ? AND in_row IS NULL",
        (key,),
    )
    return Summary(
        revision=revision_of(store),
        experiment=listed(found),
        scores=shown,
        latency=latency(store, key, found.rows),
        spent=spent(store, key, found.rows),
        labels=[score.label for score in shown],
        other_metrics=others,
        elsewhere=_elsewhere(store, key),
        facets=facets(store, key),
    )


def _elsewhere(store: Store, key: int) -> Elsewhere:
    of = "FROM span INDEXED BY span_waiting WHERE experiment = ? AND in_row IS NULL"
    ((spans,),) = store.select(f"SELECT count(*) {of}", (key,))
    # Of the columns that are not summed up, SQLite gives the line's that has the least `start_ns`.
    traces = store.select(
        "SELECT trace_id, count(*), name, min(start_ns) AS began_ns"
        f" FROM (SELECT trace_id, name, start_ns {of} LIMIT {_MOST_SPANS})"
        f" GROUP BY trace_id ORDER BY began_ns, trace_id LIMIT {_MOST_TRACES}",
        (key,),
    )
    return Elsewhere(spans, [OtherTrace(trace_id, count, name) for trace_id, count, name, _ in traces])
