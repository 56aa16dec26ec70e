"""A store's files are removed, moved and replaced while it is open: what is added from then on is found."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.events import span

from llmobs_trace.errors import StoreError
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "experiments.db"


def ids(store: Store) -> set[str]:
    with store.snapshot():
        found = queries.experiments(store)
        return {each.span_id for experiment in found for each in queries.spans(store, experiment.id)}


def ids_at(path: Path) -> set[str]:
    """As a program that begins now finds them, in a file that is sound."""
    with Store(path, read_only=True) as store:
        found = ids(store)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    return found


def beside(path: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        Path(f"{path}{suffix}").unlink()


def put_another(path: Path) -> None:
    with Store(path.parent / "another.db") as another:
        another.add("e", [span("of another")], [])
    (path.parent / "another.db").replace(path)


def put_a_link(path: Path) -> None:
    with Store(path.parent / "elsewhere" / "another.db") as another:
        another.add("e", [span("of another")], [])
    path.unlink()
    path.symlink_to(path.parent / "elsewhere" / "another.db")


def make_empty(path: Path) -> None:
    path.unlink()
    path.touch()


# What somebody does to it; what is there of what was before; what is said.
REMOVED, REPLACED, LOG = "was removed", "was replaced", "lost the files beside it"
WAYS: dict[str, tuple[Callable[[Path], object], set[str], str]] = {
    "its directory": (lambda path: shutil.rmtree(path.parent), set(), REMOVED),
    "the database": (Path.unlink, set(), REMOVED),
    "the database, moved": (lambda path: path.rename(path.with_name("kept.db")), set(), REMOVED),
    "its directory, moved": (lambda path: path.parent.rename(path.parent.with_name("kept")), set(), REMOVED),
    "cut to nothing": (lambda path: os.truncate(path, 0), set(), REMOVED),
    "an empty file": (make_empty, set(), REPLACED),
    "another store": (put_another, {"of another"}, REPLACED),
    "a link to another": (put_a_link, {"of another"}, REPLACED),
    "log and index": (lambda path: beside(path, "-wal", "-shm"), {"before"}, LOG),
    "the log": (lambda path: beside(path, "-wal"), {"before"}, LOG),
    "the index": (lambda path: beside(path, "-shm"), {"before"}, LOG),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_store_that_is_removed_or_replaced_is_made_anew_and_nothing_added_since_is_lost(
    path: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    what, kept, said = WAYS[way]
    with Store(path) as store, Store(path, read_only=True) as reader:
        store.add("e", [span("before")], [])
        assert ids(reader) == {"before"}
        what(path)
        store.add("e", [span("after")], [])
        assert ids_at(path) == kept | {"after"}
        assert ids(reader) == kept | {"after"}
        store.add("e", [span("later")], [])
        assert ids(reader) == kept | {"after", "later"}
    assert ids_at(path) == kept | {"after", "later"}
    assert [(line.levelno, said in line.message) for line in caplog.records] == [(logging.WARNING, True)]
    assert str(path) in caplog.text


def test_what_was_in_a_store_that_is_moved_is_all_in_it_where_it_is_now(path: Path) -> None:
    with Store(path) as store:
        store.add("e", [span("before")], [])
        path.rename(path.with_name("kept.db"))
        store.add("e", [span("after")], [])
        assert ids_at(path.with_name("kept.db")) == {"before"}


class Removing(list[bytes]):
    """Events, at whose last, as they are written, something happens to the store."""

    def __init__(self, events: list[bytes], happens: Callable[[], object]) -> None:
        super().__init__(events)
        self.happens = happens
        self.readings = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from super().__iter__()
        self.readings += 1
        if self.readings == 2:  # the first looks at sizes
            self.happens()


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_that_is_being_written_meanwhile_is_in_the_store_when_it_is_acknowledged(
    path: Path, way: str
) -> None:
    what, kept, _ = WAYS[way]
    large = [span(str(number), input="x" * 1000) for number in range(400)]
    with Store(path) as store:
        store.add("e", [span("before")], [])
        store.add("e", Removing(large, lambda: what(path)), [])
        assert ids_at(path) == kept | {str(number) for number in range(400)}


def test_a_reader_of_a_store_that_is_gone_says_so_and_goes_on_with_the_next(path: Path) -> None:
    with Store(path) as store:
        store.add("e", [span("before")], [])
    with Store(path, read_only=True) as reader:
        assert ids(reader) == {"before"}
        shutil.rmtree(path.parent)
        for _ in range(2):
            with pytest.raises(StoreError, match="there is no store at"):
                ids(reader)
        with Store(path) as store:
            store.add("e", [span("after")], [])
        assert ids(reader) == {"after"}


def test_a_snapshot_goes_on_with_the_file_that_it_began_with(path: Path) -> None:
    with Store(path) as store, Store(path, read_only=True) as reader:
        store.add("e", [span("before")], [])
        with reader.snapshot():
            assert ids(reader) == {"before"}
            shutil.rmtree(path.parent)
            store.add("e", [span("after")], [])
            assert ids(reader) == {"before"}
        assert ids(reader) == {"after"}


def test_a_log_that_is_removed_beside_a_snapshot_of_this_thread_is_tried_again_later(path: Path) -> None:
    with Store(path) as store, Store(path, read_only=True) as reader:
        store.add("e", [span("before")], [])
        with reader.snapshot():
            assert ids(reader) == {"before"}
            beside(path, "-wal", "-shm")
            with pytest.raises(StoreError, match="it is being read"):
                store.add("e", [span("after")], [], timeout_seconds=0.1)
            assert ids(reader) == {"before"}
        store.add("e", [span("after")], [])
    assert ids_at(path) == {"before", "after"}


def test_a_file_of_the_same_number_on_another_device_is_another(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = os.stat

    def elsewhere(given: Path | str, **more: int) -> os.stat_result:
        found = real(given, **more)
        if not str(given).startswith(str(path)):
            return found  # what this process has open is where it was
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:10]))

    with Store(path) as store:
        store.add("e", [span("before")], [])
        monkeypatch.setattr(os, "stat", elsewhere)
        store.add("e", [span("after")], [])
        assert ids(store) == {"before", "after"}
    assert [REPLACED in line for line in caplog.messages] == [True]


def test_what_follows_a_relative_path_is_where_it_was_when_it_was_opened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    monkeypatch.chdir(path.parent)
    with Store(Path(path.name)) as store:
        monkeypatch.chdir("/")
        path.unlink()
        store.add("e", [span("after")], [])
    assert ids_at(path) == {"after"}


def test_a_file_of_another_user_in_its_place_gets_nothing(path: Path) -> None:
    with Store(path) as store:
        store.add("e", [span("before")], [])
        put_another(path)
        if os.geteuid() == 0:
            os.chown(path, 12345, -1)
        else:
            path.unlink()
            path.symlink_to("/etc/passwd")
        for _ in range(2):
            with pytest.raises(
                StoreError, match=r"was replaced by a file of another user \(\d+\): remove it"
            ):
                store.add("e", [span("after")], [])
        path.unlink()
        store.add("e", [span("after")], [])
    assert ids_at(path) == {"after"}


def test_a_file_in_its_place_that_is_no_store_is_an_error_until_it_is_one(path: Path) -> None:
    with Store(path) as store:
        store.add("e", [span("before")], [])
        path.unlink()
        path.write_text("a shopping list" * 300)
        for _ in range(2):
            with pytest.raises(StoreError, match="not a database"):
                store.add("e", [span("after")], [])
        put_another(path)
        store.add("e", [span("after")], [])
    assert ids_at(path) == {"of another", "after"}


# --- Other processes ----------------------------------------------------------------------------------------

ADDS = """
import sys
from pathlib import Path
from support.events import span
from llmobs_trace.store.store import Store
with Store(Path(sys.argv[1])) as store:
    print(flush=True)
    for line in sys.stdin:
        store.add("e", [span(line.strip())], [])
        print(flush=True)
"""


class Other:
    """Another process that has the store open, and adds what it is told to."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", ADDS, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.wait()

    def wait(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "\n"

    def add(self, span_id: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(span_id + "\n")
        self.wait()

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.mark.parametrize("way", WAYS)
def test_processes_that_share_a_store_meet_again_in_what_is_there_then(path: Path, way: str) -> None:
    what, kept, _ = WAYS[way]
    with Store(path) as store, Other(path) as other:
        store.add("e", [span("before")], [])
        other.add("other's before")
        what(path)
        other.add("a")
        store.add("e", [span("b")], [])
        other.add("c")
        store.add("e", [span("d")], [])
        before = {"before", "other's before"} if "before" in kept else kept
        assert ids_at(path) == before | {"a", "b", "c", "d"}


def test_what_another_program_wrote_to_a_log_of_its_own_is_not_written_over(path: Path) -> None:
    with Store(path) as store:
        store.add("e", [span("before")], [])
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA wal_checkpoint(FULL)")
        connection.close()
        store.add("e", [span("not copied yet")], [])
        beside(path, "-wal", "-shm")
        with Other(path) as other:  # and it is killed: its log is left
            for number in range(20):
                other.add(str(number))
        store.add("e", [span("after")], [])
    assert ids_at(path) == {"before", "after", *map(str, range(20))}
