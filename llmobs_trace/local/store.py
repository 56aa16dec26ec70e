"""Events come in as bytes, one SQLite file keeps one of each; any thread, one at a time.

What it promises: `add` is one transaction, all or nothing; adding again changes nothing (a span is known by
its id within its experiment, a metric by its bytes); any number of processes may write at once (WAL, and
waiting where the file is busy). What it does not: with `synchronous=NORMAL`, what was just added survives the
death of the process, but not of the machine.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from llmobs_trace.errors import StoreError
from llmobs_trace.local import forks, schema, search, writing
from llmobs_trace.local.columns import PART_BYTES, Indexed, indexed

if TYPE_CHECKING:
    import sqlite3
    from types import TracebackType

BUSY_SECONDS: Final = 30.0
# What the write-ahead log is cut back to once it has been copied: a burst must not keep its size for ever.
_LOG_BYTES: Final = 16 << 20
# Of each connection that reads, of which a receiver has some; the system has the file's pages anyway.
_READ_CACHE_KB: Final = 1024

_Result = TypeVar("_Result")

# Held while a database file is made: see `_create`.
_creating = threading.Lock()


class Store:
    """One open store; `path` is made where it isn't there, unless `read_only`.

    Raises `StoreError` where the file can't be opened, is no store, or was written by a newer version. A file
    of an older version is brought up to date, read only or not.

        with Store(Path("experiments.db")) as store:
            store.add("my-experiment", spans=[b'{"span_id":"00f067aa0ba902b7",...}'], metrics=[])
    """

    def __init__(self, path: Path, *, read_only: bool = False, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = Path(path)
        forks.check(self.path)
        self._lock = threading.Lock()  # guards the connection against use by two threads at once
        self._busy_seconds = busy_seconds
        deadline = time.monotonic() + busy_seconds
        if read_only:
            self._connection = _open_to_read(self.path, deadline)
        else:
            self._connection = _open_to_write(self.path, deadline)
        forks.opened(self)
        self.has_fts5 = search.has_fts5(self._connection)
        search.register(self._connection)

    def select(self, query: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Answer a query, a row at a time; raises `StoreError` where the file can't be read."""
        import sqlite3

        try:
            # Not `yield from`: an answer dropped half-way would close its cursor, on a closed store too.
            for row in self._connection.execute(query, parameters):  # noqa: UP028
                yield row
        except sqlite3.Error as error:
            raise StoreError(f"can't read the store at {self.path}: {error}") from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within the block every query sees the store as at the first one, whoever writes meanwhile.

        One within another is part of that one.
        """
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            _roll_back(self._connection)

    def add(
        self,
        experiment_id: str,
        spans: Sequence[bytes],
        metrics: Sequence[bytes],
        *,
        name: str | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        """Keep events of one experiment, each as its JSON on the wire; what is there already stays as it is.

        `name` is what to call the experiment; None leaves it as it is. Raises `ValueError` where an event is
        none, and `StoreError` where the file can't be written within `timeout_seconds` (default:
        `busy_seconds`); nothing of the batch has been written then.
        """
        # Decoding is much of the work: before the lock on the file, where all of it may be held.
        is_small = sum(map(len, spans)) + sum(map(len, metrics)) <= PART_BYTES
        ready = list(indexed(spans, metrics)) if is_small else None
        seconds = self._busy_seconds if timeout_seconds is None else timeout_seconds
        deadline = time.monotonic() + seconds
        with self._lock:
            _when_free(
                lambda: self._write(experiment_id, ready or indexed(spans, metrics), name, deadline),
                self.path,
                "write",
                deadline,
            )

    def close(self) -> None:
        """Give the file up; closing again is harmless."""
        with self._lock:
            self._connection.close()
        forks.closed(self)

    def after_fork_in_child(self) -> object:
        """In a forked child: the parent's connection, to be kept unclosed. This object is of no more use."""
        self._lock = threading.Lock()
        return self._connection

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, experiment_id: str, batch: Iterable[Indexed], name: str | None, deadline: float) -> None:
        connection = self._connection
        _wait_for(connection, deadline)
        with _transaction(connection):
            writing.write(connection, experiment_id, batch, name)


# --- Opening ------------------------------------------------------------------------------------------------


def _open_to_write(path: Path, deadline: float) -> sqlite3.Connection:
    _check_no_directory(path)
    with _creating:
        _create(path)
        connection = _connect(path, "rw", deadline)
    try:

        def prepare() -> None:
            _wait_for(connection, deadline)
            schema.check(connection, path)  # before anything is changed: the file may be another program's
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                # Stays as it was where the filesystem can't (no shared memory): slower, still correct.
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
            if schema.version(connection) < len(schema.MIGRATIONS):
                with _transaction(connection):
                    if schema.migrate(connection, path):
                        search.prepare(connection)
                        writing.refill(connection)
            while search.lags(connection):
                with _transaction(connection):
                    search.prepare(connection)
                    search.catch_up(connection)

        _when_free(prepare, path, "open", deadline)
    except BaseException:
        connection.close()
        raise
    return connection


def _open_to_read(path: Path, deadline: float) -> sqlite3.Connection:
    _check_no_directory(path)
    if not path.is_file():
        raise StoreError(f"there is no store at {path}")
    # Reading WAL needs the index file beside it, which can't be made in a directory that can't be written.
    mode = "ro" if os.access(path.parent, os.W_OK) or Path(f"{path}-shm").exists() else "ro&immutable=1"
    connection = _connect(path, mode, deadline)
    try:

        def look() -> int:
            _wait_for(connection, deadline)
            connection.execute(f"PRAGMA cache_size = -{_READ_CACHE_KB}")
            schema.check(connection, path)
            return schema.version(connection)

        if _when_free(look, path, "read", deadline) < len(schema.MIGRATIONS):
            _open_to_write(path, deadline).close()
    except BaseException:
        connection.close()
        raise
    return connection


def _check_no_directory(path: Path) -> None:
    """A project's directory is easily given in its store's place."""
    if path.is_dir():
        below = [path / name for name in ("experiments.db", ".llmobs/experiments.db")]
        there = [each for each in below if each.is_file()]
        raise StoreError(
            f"{path} is a directory, and a store is a file: "
            + (f"the one in it is {there[0]}" if there else f"name one, as {below[0]}")
        )


def _connect(path: Path, mode: str, deadline: float) -> sqlite3.Connection:
    import sqlite3

    # A URI, so that a mode can be named; `as_uri` quotes what would be read as a query.
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return _when_free(
        lambda: sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False),
        path,
        "open",
        deadline,
    )


def _create(path: Path) -> None:
    """Make an empty file for this user alone, before SQLite would make one for all.

    Closing any descriptor of a SQLite file drops the locks that the process holds on it: hence only a file
    that isn't there yet, and under a lock within which nobody in this process can open it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return
        if path.parent.name == ".llmobs":
            # Inputs and outputs are not for the user's repository.
            (path.parent / ".gitignore").write_text("*\n")
    except (OSError, ValueError) as error:
        raise StoreError(
            f"can't make a store at {path}: {getattr(error, 'strerror', None) or error}"
        ) from error


# --- Waiting ------------------------------------------------------------------------------------------------


def _wait_for(connection: sqlite3.Connection, deadline: float) -> None:
    """How long SQLite itself waits for another process's lock, from now on."""
    left_ms = max(0, int((deadline - time.monotonic()) * 1000))
    connection.execute(f"PRAGMA busy_timeout = {min(left_ms, 3_600_000)}")


def _when_free(work: Callable[[], _Result], path: Path, what: str, deadline: float) -> _Result:
    """Try `work` until the file is free, until `deadline`; what else SQLite says becomes a `StoreError`.

    SQLite's own waiting is not enough: it gives up at once where waiting could deadlock, and while the
    journal mode changes or the log of a killed process is recovered.
    """
    import sqlite3

    pause_seconds = 0.001
    while True:
        try:
            return work()
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            busy = isinstance(error, sqlite3.OperationalError) and (
                "locked" in str(error) or "busy" in str(error)
            )
            if not busy:
                raise StoreError(f"can't {what} the store at {path}: {error}") from error
            if time.monotonic() >= deadline:
                raise StoreError(
                    f"can't {what} the store at {path}: another process keeps it busy"
                ) from error
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 2, 0.05)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that the block writes, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: sqlite3.Connection) -> None:
    # Some errors, as a full disk, have rolled back already.
    if connection.in_transaction:
        connection.execute("ROLLBACK")
