"""An experiment's id comes in, what its rows came to goes out; the thread that has the store."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from llmobs_trace.local.store import Store
from llmobs_trace.local.viewer.experiments import Listed, find, listed, revision_of
from llmobs_trace.local.viewer.latency import Latency, latency
from llmobs_trace.local.viewer.scored import ShownScore, scores


class Summary(Struct, frozen=True):
    """One experiment; `other_metrics` are those of spans that are in no row."""

    revision: str
    experiment: Listed
    scores: list[ShownScore]
    latency: Latency | None
    labels: list[str]
    other_metrics: int


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
        labels=[score.label for score in shown],
        other_metrics=others,
    )
