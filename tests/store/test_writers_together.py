"""Programs, the receiver and a viewer on one file at once: nothing is lost, and what is read is whole."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from support.events import metric, span
from support.serving import Serving

from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

_BATCHES = 12
_ROWS = 5


def batch(writer: str, number: int) -> tuple[list[bytes], list[bytes]]:
    """Rows of two spans, the child first, with a metric of the child."""
    names = [f"{writer}-{number}-{row}" for row in range(_ROWS)]
    spans = [
        event
        for name in names
        for event in (
            span(f"{name}-child", trace_id=name, parent=name),
            span(name, trace_id=name, row=name, input="searched for"),
        )
    ]
    return spans, [metric(f"{name}-child", "f1", 0.5) for name in names]


def test_nothing_is_lost_while_programs_and_clients_write_and_a_viewer_reads(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    failures: list[BaseException] = []

    def program(writer: str) -> None:
        with Store(path) as store:
            for number in range(_BATCHES):
                store.add("e", *batch(writer, number))

    def client(server: Serving, writer: str) -> None:
        for number in range(_BATCHES):
            spans, metrics = (b",".join(events) for events in batch(writer, number))
            body = b'{"data":{"type":"events","attributes":{"spans":[%b],"metrics":[%b]}}}' % (spans, metrics)
            assert server.post(body).status == 202

    def viewer(server: Serving, done: threading.Event) -> None:
        while not done.is_set():
            listed = json.loads(server.get("/api/experiments").body)["experiments"]
            for experiment in listed:
                # A batch is there or isn't: every row has its child and its metric.
                assert experiment["spans"] == 2 * experiment["rows"] == 2 * experiment["metrics"]
                found = json.loads(server.get("/api/experiments/e/rows?where=text%3Dsearched").body)
                assert found["total"] >= experiment["rows"]
                assert all(len(row["metrics"]) == 1 for row in found["rows"])

    def kept(work: object, *arguments: object) -> None:
        try:
            work(*arguments)  # type: ignore[operator]
        except BaseException as failure:
            failures.append(failure)

    with Serving(path) as server:
        done = threading.Event()
        reader = threading.Thread(target=kept, args=(viewer, server, done))
        writers = [
            *(threading.Thread(target=kept, args=(program, f"program{n}")) for n in range(2)),
            *(threading.Thread(target=kept, args=(client, server, f"client{n}")) for n in range(3)),
        ]
        for thread in (reader, *writers):
            thread.start()
        for thread in writers:
            thread.join()
        done.set()
        reader.join()
    assert failures == []
    rows = 5 * _BATCHES * _ROWS
    with Store(path, read_only=True) as store:
        found = queries.find_experiment(store, "e")
        assert (found.rows, found.spans, found.metrics) == (rows, 2 * rows, rows)
        assert list(store.select("SELECT count(*) FROM metric WHERE in_row IS NOT NULL")) == [(rows,)]
        store.index_words(60)
        assert list(store.select("SELECT count(*) FROM search WHERE search MATCH 'searched'")) == [(rows,)]
