"""Batches into the local store."""

from __future__ import annotations

import json
from pathlib import Path

from llmobs_trace.deliver import Batch, LocalDestination, Verdict
from llmobs_trace.deliver.answers import verdict_of
from llmobs_trace.store.store import Store

SPAN = {
    "dataset_id": "d",
    "duration": 5,
    "name": "n",
    "project_id": "p",
    "span_id": "00000000000000aa",
    "start_ns": 1,
    "status": "ok",
    "trace_id": "000000000000000000000000000000bb",
}
METRIC = {
    "label": "l",
    "metric_type": "score",
    "span_id": "00000000000000aa",
    "timestamp_ms": 1,
    "score_value": 1,
}


def batch(experiment_id: str = "e") -> Batch:
    return Batch(
        experiment_id=experiment_id,
        spans=[json.dumps(SPAN).encode()],
        metrics=[json.dumps(METRIC).encode()],
    )


def deliver(destination: LocalDestination, *batches: Batch) -> list[Verdict]:
    destination.open()
    verdicts = [verdict_of(destination.send(one, 2.0)) for one in batches]
    destination.close()
    return verdicts


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    with Store(database, read_only=True) as store:
        return list(store.select(query))


def test_events_are_in_the_store_with_the_experiments_name(tmp_path: Path) -> None:
    database = tmp_path / "experiments.db"
    destination = LocalDestination(database, experiment_name="my program", experiment_id="e")
    assert deliver(destination, batch("e"), batch("another")) == [Verdict.ACCEPTED] * 2
    assert rows(database, "SELECT id, name FROM experiment ORDER BY id") == [
        ("another", None),
        ("e", "my program"),
    ]
    assert len(rows(database, "SELECT event FROM spans")) == 2
    assert len(rows(database, "SELECT event FROM metrics")) == 2


def test_a_batch_sent_twice_is_there_once(tmp_path: Path) -> None:
    database = tmp_path / "experiments.db"
    assert deliver(LocalDestination(database), batch(), batch()) == [Verdict.ACCEPTED] * 2
    assert len(rows(database, "SELECT event FROM spans")) == 1
    assert len(rows(database, "SELECT event FROM metrics")) == 1


def test_a_store_that_can_not_be_opened_is_an_answer_and_is_tried_again(tmp_path: Path) -> None:
    database = tmp_path / "is" / "experiments.db"
    (tmp_path / "is").write_text("in the way")
    destination = LocalDestination(database)
    destination.open()
    assert verdict_of(destination.send(batch(), 0.5)) is Verdict.BROKEN
    (tmp_path / "is").unlink()
    assert verdict_of(destination.send(batch(), 2.0)) is Verdict.ACCEPTED
    destination.close()


def test_an_event_that_is_none_is_told_apart_from_trouble(tmp_path: Path) -> None:
    rubbish = Batch(experiment_id="e", spans=[b"rubbish"], metrics=[])
    assert deliver(LocalDestination(tmp_path / "x.db"), rubbish) == [Verdict.POISON]


def test_nothing_is_made_before_something_is_sent(tmp_path: Path) -> None:
    destination = LocalDestination(tmp_path / "x.db")
    destination.open()
    destination.abort()
    destination.after_fork_in_child()
    destination.close()
    assert list(tmp_path.iterdir()) == []
