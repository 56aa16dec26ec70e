"""What follows from events that were handed over: whoever takes the steps, and wherever one is killed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.events import metric, span
from support.stores import at_one_moment

from llmobs_trace.errors import StoreError
from llmobs_trace.store import queries, search
from llmobs_trace.store.columns import PART_BYTES
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import respond

# A child before its row, a metric before both, what comes twice.
_ROWS = [span(f"r{n}", trace_id=f"t{n}", row=f"row-{n}", input="searched for") for n in range(4)]
_CHILDREN = [span(f"c{n}", trace_id=f"t{n}", parent=f"r{n}", kind="llm", output="found") for n in range(4)]
_METRICS = [metric(f"c{n}", "f1", n / 4) for n in range(4)]
_TABLES = ("span", "span_event", "metric", "label", "scope", "arrived", "experiment")


def handed_over(path: Path) -> None:
    with Store(path) as store:
        store.add("e", [], _METRICS)
        store.add("e", _CHILDREN, [])
        store.add("e", _ROWS, _METRICS[:2])


def taken(path: Path) -> None:
    with Store(path) as store:
        while store.take_a_slice():
            pass


def contents(path: Path) -> dict[str, list[Any]]:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE experiment SET created_ns = 0")
        found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in _TABLES}
        found["searched"] = connection.execute("SELECT searched FROM state").fetchall()
        for word in ("searched", "found", "nowhere"):
            query = "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid"
            found[word] = connection.execute(query, (word,)).fetchall()
        connection.rollback()
    return found


def test_a_process_that_is_killed_between_any_two_writes_leaves_what_ends_the_same(tmp_path: Path) -> None:
    begun, whole, killed = (tmp_path / name for name in ("begun.db", "whole.db", "killed.db"))
    handed_over(begun)
    shutil.copy(begun, whole)
    taken(whole)
    expected = contents(whole)
    assert len(expected["span"]) == 8
    assert not expected["arrived"]
    at, ended = 0, False
    while not ended:
        at += 1
        for suffix in ("", "-wal", "-shm"):
            killed.with_name(killed.name + suffix).unlink(missing_ok=True)
        shutil.copy(begun, killed)
        child = os.fork()
        if child == 0:
            kill_at_write(at)
            taken(killed)
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        taken(killed)
        assert contents(killed) == expected, at
    assert at > 20


def kill_at_write(number: int) -> None:
    """This process ends as SQLite is about to begin its write of that number."""
    real, left = sqlite3.connect, [number]

    def count(statement: str) -> None:
        left[0] -= statement.startswith(("INSERT", "UPDATE", "DELETE", "COMMIT"))
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = real(*arguments, **named)
        connection.set_trace_callback(count)
        return connection

    sqlite3.connect = connect  # type: ignore[assignment]


def test_readers_that_come_at_once_derive_each_event_once(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with Store(path) as store:
        for batch in range(40):
            spans = [span(f"{batch}-{n}", trace_id=f"t{batch}-{n}", row=f"{n}") for n in range(20)]
            store.add("e", spans, [metric(f"{batch}-{n}", "f1", 1.0) for n in range(20)])
    program = (
        "import sys, pathlib\n"
        "from llmobs_trace.store import queries\n"
        "from llmobs_trace.store.store import Store\n"
        "print('ready', flush=True); input()\n"
        "with Store(pathlib.Path(sys.argv[1]), read_only=True) as store, store.snapshot():\n"
        "    found = queries.find_experiment(store, 'e')\n"
        "    print(found.rows, found.spans, found.metrics, len(list(queries.spans(store, 'e'))))\n"
    )
    assert at_one_moment(program, path) == ["800 800 800 800\n"] * 3


@pytest.mark.parametrize("read_only", [False, True])
def test_each_answer_holds_what_was_handed_over_before_it_began(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "x.db"
    with Store(path) as program, Store(path, read_only=read_only) as reader:
        program.add("e", [span("a"), span("b"), span("c")], [])
        answer = reader.select("SELECT span_id FROM span ORDER BY key")
        assert next(answer) == ("a",)
        program.add("e", [span("d")], [])
        # What is asked within an answer is of the same moment.
        assert queries.find_experiment(reader, "e").spans == 3
        assert list(answer) == [("b",), ("c",)]
        assert queries.find_experiment(reader, "e").spans == 4


def test_a_slice_waits_for_nobody_and_makes_no_file_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    handed_over(path)
    with Store(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="busy"):
            store.take_a_slice()
        other.execute("ROLLBACK")
        other.close()
        assert not store.take_a_slice(beyond=1000)
        assert contents(path)["arrived"]
        path.unlink()
        assert not store.take_a_slice()
        assert not path.exists()


def test_what_somebody_spoiled_in_the_file_keeps_nobody_from_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    handed_over(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE arrived SET spans = x'7b' WHERE key = 2")
    with Store(path, read_only=True) as store:
        assert queries.find_experiment(store, "e").spans == 4
        assert [why for (why,) in store.select("SELECT trouble FROM arrived")] != [None]


def test_a_large_batch_is_appended_in_parts_and_a_snapshot_sees_all_of_it_or_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.db"
    spans = [span(str(n), trace_id=str(n), input="x" * 1000) for n in range(1000)]
    with Store(path) as program:
        program.add("e", spans, [metric("1", "f1", 0.5)])
        with sqlite3.connect(path) as connection:
            sizes = [size for (size,) in connection.execute("SELECT length(spans) FROM arrived")]
        assert len(sizes) > 4
        assert max(sizes) < 2 * PART_BYTES
        program.take_a_slice()  # its first part
        with Store(path, read_only=True) as store, store.snapshot():
            assert queries.find_experiment(store, "e").spans == 1000


def test_a_search_that_can_not_index_all_in_its_time_says_how_much_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_READ", 3)

    def found(store: Store) -> tuple[int, int]:
        query = "SELECT in_row FROM span r WHERE in_row = key AND "
        condition = search.rows_with(store, 1, "searched")
        rows = list(store.select(query + condition.sql, condition.parameters))
        return len(rows), search.unsearched(store)

    handed_over(tmp_path / "x.db")
    with Store(tmp_path / "x.db", read_only=True) as store:
        list(store.select("SELECT 1"))  # the rows are there, their words are not
        assert found(store) == (4, 0)
        store.may_pass_over = True
        assert found(store) == (0, 8)
        monkeypatch.setattr(search, "MAX_READ", 100)
        assert found(store) == (4, 0)  # so few are read
        monkeypatch.setattr(search, "MAX_READ", 3)
        answer = respond(store, "/api/experiments/e/rows", {"where": "text=searched"}, {})
        assert answer is not None
        assert b'"total":4' in answer.body
        assert b'"unsearched":0' in answer.body
        assert found(store) == (4, 0)
