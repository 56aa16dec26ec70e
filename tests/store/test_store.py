from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import events
from support.events import metric, span
from support.stores import empty, temporary_store

from llmobs_trace.errors import StoreError
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

Batch = tuple[str, list[bytes], list[bytes]]
_batches = st.lists(
    st.tuples(
        st.sampled_from(["e1", "e2"]),
        st.lists(events.spans(), max_size=4),
        st.lists(events.metrics(), max_size=4),
    ),
    max_size=5,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "experiments.db"


def contents(store: Store) -> dict[str, tuple[list[bytes], list[bytes], list[str]]]:
    """Everything that the store gives back, by experiment."""
    return {
        found.id: (
            sorted(each.event for each in queries.spans(store, found.id)),
            sorted(each.event for each in queries.metrics(store, found.id)),
            found.project_ids,
        )
        for found in queries.experiments(store)
    }


def expected(batches: list[Batch]) -> dict[str, tuple[list[bytes], list[bytes], list[str]]]:
    """The promise, computed without the store: the first span of an id, one of each metric."""
    kept: dict[str, tuple[dict[str, bytes], set[bytes], set[str]]] = {}
    for experiment_id, spans, metrics in batches:
        by_id, distinct, projects = kept.setdefault(experiment_id, ({}, set(), set()))
        for event in spans:
            decoded = json.loads(event)
            by_id.setdefault(decoded["span_id"], event)
            projects.add(decoded["project_id"])
        distinct.update(metrics)
    return {
        experiment_id: (sorted(by_id.values()), sorted(distinct), sorted(projects))
        for experiment_id, (by_id, distinct, projects) in kept.items()
    }


@pytest.fixture(scope="module")
def emptied() -> Iterator[Store]:
    """One store for all examples: making a file takes longer than an example."""
    with temporary_store() as store:
        yield store


@given(batches=_batches)
def test_what_was_added_comes_back_byte_for_byte_and_once(emptied: Store, batches: list[Batch]) -> None:
    empty(emptied)
    for batch in batches:
        emptied.add(*batch)
    assert contents(emptied) == expected(batches)


@given(batches=_batches, again=st.randoms(use_true_random=False))
def test_adding_twice_in_any_order_after_the_first_is_adding_once(
    emptied: Store, batches: list[Batch], again: object
) -> None:
    empty(emptied)
    for batch in batches:
        emptied.add(*batch)
    once = contents(emptied)
    shuffled = list(batches)
    again.shuffle(shuffled)  # type: ignore[attr-defined]
    for batch in shuffled:
        emptied.add(*batch)
    assert contents(emptied) == once


def test_the_same_ids_in_two_experiments_are_two_spans(path: Path) -> None:
    with Store(path) as store:
        store.add("e1", [span("a")], [metric("a", "f1", 1)])
        store.add("e2", [span("a")], [metric("a", "f1", 1)])
        assert [(found.spans, found.metrics) for found in queries.experiments(store)] == [(1, 1), (1, 1)]


def test_metrics_that_differ_in_one_byte_are_two_metrics(path: Path) -> None:
    with Store(path) as store:
        store.add("e", [], [metric("a", "f1", 1, at_ms=1), metric("a", "f1", 1, at_ms=2)])
        assert len(list(queries.metrics(store, "e"))) == 2


def test_an_event_written_over_several_lines_is_kept_on_one(path: Path) -> None:
    with Store(path) as store:
        store.add("e", [json.dumps(json.loads(span("a", input="x\ny")), indent=2).encode()], [])
        (found,) = queries.spans(store, "e")
        assert b"\n" not in found.event
        assert json.loads(found.event) == json.loads(span("a", input="x\ny"))


def test_an_experiment_is_called_by_the_last_name_given(path: Path) -> None:
    with Store(path) as store:
        for name in (None, "first", None, "second", None):
            store.add("e", [], [], name=name)
        assert queries.find_experiment(store, "e").name == "second"


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b"{}",
        b"[]",
        b"not json",
        b"\xff",
        span("a")[:-1],
        span("a").replace(b'"ok"', b'"fine"'),
        span("a", input="?").replace(b"?", b"\xff"),
        span("a", start_ns=2**63),
        b"[" * 500_000 + b"]" * 500_000,
        span("a", input=0).replace(b'"input": 0', b'"input": ' + b"[" * 500_000 + b"]" * 500_000),
    ],
)
def test_what_is_no_span_is_refused_and_nothing_of_its_batch_is_kept(path: Path, event: bytes) -> None:
    with Store(path) as store:
        with pytest.raises(ValueError, match=r"^spans\[1\]: "):
            store.add("e", [span("b"), event], [metric("b", "f1", 1)])
        assert contents(store) == {}


def test_of_a_batch_that_is_written_in_parts_nothing_is_kept_where_its_last_event_is_none(path: Path) -> None:
    large = [span(str(number), input="x" * 1000) for number in range(1000)]
    with Store(path) as store:
        with pytest.raises(ValueError, match=r"^metrics\[0\]: "):
            store.add("e", large, [b'{"label":"no more"}'])
        assert queries.experiments(store) == []
        store.add("e", large, [metric("999", "f1", 0.5)])
        [found] = queries.experiments(store)
        assert (found.rows, found.metrics) == (1000, 1)


def test_what_is_no_metric_is_refused(path: Path) -> None:
    with Store(path) as store, pytest.raises(ValueError, match=r"^metrics\[0\]: .*metric_type"):
        store.add("e", [], [b'{"span_id":"a","label":"x","metric_type":"colour","timestamp_ms":1}'])


def test_a_file_that_others_may_not_read_is_made_with_its_directories(tmp_path: Path) -> None:
    path = tmp_path / "a b" / ".llmobs" / "?x=1#%41é.db"
    Store(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_reading_makes_nothing(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        Store(path, read_only=True)
    assert not path.exists()


def test_a_store_open_to_be_read_cannot_be_written(path: Path) -> None:
    Store(path).close()
    with Store(path, read_only=True) as store, pytest.raises(StoreError, match="readonly"):
        store.add("e", [span("a")], [])


def test_a_reader_sees_what_a_writer_added_since_and_a_snapshot_does_not(path: Path) -> None:
    with Store(path) as writer, Store(path, read_only=True) as reader:
        writer.add("e", [span("a")], [])
        with reader.snapshot():
            assert queries.find_experiment(reader, "e").spans == 1
            writer.add("e", [span("b")], [])
            assert queries.find_experiment(reader, "e").spans == 1
        assert queries.find_experiment(reader, "e").spans == 2


def test_a_directory_in_the_files_place_is_said_to_be_no_store(tmp_path: Path) -> None:
    for read_only in (False, True):
        with pytest.raises(StoreError, match=f"^{tmp_path} is a directory, .*: name one, as {tmp_path}/exp"):
            Store(tmp_path, read_only=read_only)
    Store(tmp_path / ".llmobs" / "experiments.db").close()
    with pytest.raises(StoreError, match=f": the one in it is {tmp_path}/.llmobs/experiments.db$"):
        Store(tmp_path, read_only=True)


def test_a_file_where_a_directory_should_be_is_said(path: Path) -> None:
    path.write_text("x")
    with pytest.raises(StoreError, match="can't make a store"):
        Store(path / "experiments.db")


def test_a_file_that_is_no_database_is_said_to_be_none_and_stays(path: Path) -> None:
    path.write_bytes(b"a shopping list, " * 300)
    for read_only in (False, True):
        with pytest.raises(StoreError, match="not a database"):
            Store(path, read_only=read_only)
    assert path.read_bytes().startswith(b"a shopping list")


def test_a_writer_that_waits_too_long_says_so_and_has_written_nothing(path: Path) -> None:
    with Store(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process keeps it busy"):
            store.add("e", [span("a")], [], timeout_seconds=0.05)
        other.execute("ROLLBACK")
        other.close()
        assert contents(store) == {}
        store.add("e", [span("a")], [])


def test_one_store_takes_events_from_several_threads(path: Path) -> None:
    with Store(path) as store:

        def add(worker: int) -> None:
            for number in range(20):
                store.add("e", [span(f"{worker}-{number}")], [])

        threads = [threading.Thread(target=add, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert queries.find_experiment(store, "e").spans == 80


_WRITER = """
import sys
from pathlib import Path
from llmobs_trace.store.store import Store
from support.events import metric, span
from support.stores import empty, temporary_store

worker, batches = sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
store = Store(Path(sys.argv[1]))
for number in range(batches):
    trace = f"{worker}-{number}"
    own = [span(f"{trace}-{each}", trace_id=trace) for each in range(10)]
    store.add("e", [*own, span("shared")], [metric("shared", "f1", 1), metric(trace, "f1", number)])
    print(number, flush=True)
"""


def start_writer(path: Path, worker: int, batches: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), str(worker), str(batches)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_processes_that_make_and_write_one_store_at_once_lose_nothing(path: Path) -> None:
    writers = [start_writer(path, worker, 25) for worker in range(4)]
    for writer in writers:
        let_go(writer)
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    with Store(path, read_only=True) as store:
        found = queries.find_experiment(store, "e")
        assert found.spans == 4 * 25 * 10 + 1
        assert found.metrics == 4 * 25 + 1


def test_a_writer_that_is_killed_leaves_whole_batches_and_a_store_that_opens(path: Path) -> None:
    writer = start_writer(path, 1, 100_000)
    let_go(writer)
    assert writer.stdout is not None
    for said in writer.stdout:
        if said == "20\n":
            break
    writer.send_signal(signal.SIGKILL)
    added = 21 + sum(1 for _ in writer.stdout)
    writer.wait()
    with Store(path) as store:
        sizes = [
            len(queries.trace(store, "e", trace_id))
            for trace_id in queries.trace_ids(store, "e")
            if trace_id != "t1"
        ]
        assert set(sizes) == {10}
        # One more may have been added and not been said.
        assert len(sizes) in (added, added + 1)
        store.add("e", [span("after")], [])


def test_a_forked_child_leaves_a_store_alone_that_is_open_in_its_parent(path: Path) -> None:
    with Store(path) as store:
        store.add("e", [span("a")], [])
        child = os.fork()
        if child == 0:
            with pytest.raises(StoreError, match="was open when this process was forked"):
                Store(path)
            with Store(path.with_name("other.db")) as own:
                own.add("e", [span("b")], [])
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        store.add("e", [span("c")], [])
        assert queries.find_experiment(store, "e").spans == 2


def test_a_forked_child_has_a_store_for_itself_that_was_closed_before(path: Path) -> None:
    with Store(path) as store:
        store.add("e", [span("a")], [])
    child = os.fork()
    if child == 0:
        with Store(path) as own:
            own.add("e", [span("b")], [])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with Store(path) as store:
        assert queries.find_experiment(store, "e").spans == 2


def test_importing_the_store_does_not_import_sqlite() -> None:
    modules = "llmobs_trace.store.store, llmobs_trace.store.queries"
    code = f"import sys, {modules}; assert 'sqlite3' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_an_answer_that_was_not_read_to_its_end_does_no_harm_to_a_closed_store(path: Path) -> None:
    with Store(path) as store:
        store.add("e", [span("a"), span("b")], [])
        answer = queries.spans(store, "e")
        next(answer)
    del answer
