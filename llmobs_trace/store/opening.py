"""Opens a connection to a store of the newest schema, waiting where it is busy. Any thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from llmobs_trace.errors import StoreError
from llmobs_trace.store import files, late_columns, schema, search, writing
from llmobs_trace.store.files import Identity

if TYPE_CHECKING:
    import sqlite3

BUSY_SECONDS: Final = 30.0
# What the write-ahead log is cut back to once it has been copied: a burst must not keep its size for ever.
_LOG_BYTES: Final = 16 << 20
# Of each connection that reads, of which a receiver has some; the system has the file's pages anyway.
_READ_CACHE_KB: Final = 1024

_Result = TypeVar("_Result")

# Held while a database file is made: see `files.make`.
_creating = threading.Lock()


class Opened(NamedTuple):
    """A connection; which database was at the path before, and whether it has a log beside it."""

    connection: sqlite3.Connection
    database: Identity | None
    has_log: bool


def open_to_write(path: Path, deadline: float) -> Opened:
    """Make the store where there is none, and bring an older one up to date."""
    _check_no_directory(path)
    with _creating:
        files.make(path)
        database = files.database_at(path)
        connection = connect(path, "rw", deadline)
    try:

        def prepare() -> bool:
            wait_for(connection, deadline)
            schema.check(connection, path)  # before anything is changed: the file may be another program's
            if not _is_in_wal(connection):
                # Stays as it was where the filesystem can't (no shared memory): slower, still correct.
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
            if schema.version(connection) < len(schema.MIGRATIONS):
                with transaction(connection):
                    if schema.migrate(connection, path):
                        writing.refill(connection)
            if search.is_lacking(connection):
                with transaction(connection):
                    search.prepare(connection)
            while late_columns.lags(connection):
                with transaction(connection):
                    late_columns.catch_up(connection)
            return _is_in_wal(connection)

        return Opened(connection, database, when_free(prepare, path, "open", deadline))
    except BaseException:
        connection.close()
        raise


def open_to_read(path: Path, deadline: float) -> Opened:
    """Raises `StoreError` where there is no store; brings an older one up to date."""
    _check_no_directory(path)
    if not path.is_file():
        raise StoreError(f"there is no store at {path}")
    database = files.database_at(path)
    # Reading WAL needs the index file beside it, which can't be made in a directory that can't be written.
    is_shared = os.access(path.parent, os.W_OK) or Path(f"{path}-shm").exists()
    connection = connect(path, "ro" if is_shared else "ro&immutable=1", deadline)
    try:

        def look() -> tuple[int, bool]:
            wait_for(connection, deadline)
            connection.execute(f"PRAGMA cache_size = -{_READ_CACHE_KB}")
            schema.check(connection, path)
            return schema.version(connection), _is_in_wal(connection)

        version, is_in_wal = when_free(look, path, "read", deadline)
    except BaseException:
        connection.close()
        raise
    if version < len(schema.MIGRATIONS):
        connection.close()
        open_to_write(path, deadline).connection.close()
        return open_to_read(path, deadline)
    return Opened(connection, database, is_in_wal and is_shared)


def is_there(path: Path) -> bool:
    """Whether there is a store at this path already. Nothing is changed, whatever is there."""
    import sqlite3

    deadline = time.monotonic() + BUSY_SECONDS
    try:
        if not path.is_file():  # to open a pipe would wait for its other end
            return False
        with closing(connect(path, "ro", deadline)) as connection:
            wait_for(connection, deadline)
            (found,) = connection.execute("PRAGMA application_id").fetchone()
    except (StoreError, sqlite3.Error, OSError):
        return False
    return bool(found == schema.APPLICATION_ID)


def sorts_nulls_last() -> bool:
    """Whether this SQLite knows `NULLS LAST`, and finds that order in an index."""
    import sqlite3

    return sqlite3.sqlite_version_info >= (3, 30)


def copy_log(connection: sqlite3.Connection, path: Path, how: str, deadline: float) -> None:
    """Copy what was committed from the log into the database, wherever the two are now.

    `how`: `FULL`, all of it, or it raises `StoreError`; `PASSIVE`, what nobody keeps from being copied.
    """

    def copy() -> bool:
        wait_for(connection, deadline)
        is_busy, _, _ = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        return bool(is_busy)

    if when_free(copy, path, "write", deadline) and how == "FULL":
        raise StoreError(f"can't write the store at {path}: another process keeps it busy")


def _is_in_wal(connection: sqlite3.Connection) -> bool:
    found: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    return found == "wal"


def _check_no_directory(path: Path) -> None:
    """A project's directory is easily given in its store's place."""
    if path.is_dir():
        below = [path / name for name in ("experiments.db", ".llmobs/experiments.db")]
        there = [each for each in below if each.is_file()]
        raise StoreError(
            f"{path} is a directory, and a store is a file: "
            + (f"the one in it is {there[0]}" if there else f"name one, as {below[0]}")
        )


def connect(path: Path, mode: str, deadline: float) -> sqlite3.Connection:
    import sqlite3

    # A URI, so that a mode can be named; `as_uri` quotes what would be read as a query.
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return when_free(
        lambda: sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False),
        path,
        "open",
        deadline,
    )


# --- Waiting ------------------------------------------------------------------------------------------------


def wait_for(connection: sqlite3.Connection, deadline: float) -> None:
    """How long SQLite itself waits for another process's lock, from now on."""
    left_ms = max(0, int((deadline - time.monotonic()) * 1000))
    connection.execute(f"PRAGMA busy_timeout = {min(left_ms, 3_600_000)}")


def when_free(work: Callable[[], _Result], path: Path, what: str, deadline: float) -> _Result:
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
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that the block writes, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def roll_back(connection: sqlite3.Connection) -> None:
    # Some errors, as a full disk, have rolled back already.
    if connection.in_transaction:
        connection.execute("ROLLBACK")
