"""Keeps one of each event in one SQLite file: adding is idempotent. Any thread, one at a time.

What it promises: `add` is one transaction, all or nothing; adding again changes nothing (a span is known by
its id within its experiment, a metric by its bytes); any number of processes may write at once (WAL, and
waiting where the file is busy); what was added is in the file that is at the path when `add` returns, though
somebody removed it, or put another there; and is in every answer from then on: who asks first derives its
rows (see `deriving`). What it does not: with `synchronous=NORMAL`, what was just added
survives the death of the process, but not of the machine.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from llmobs_trace.errors import StoreError
from llmobs_trace.store import arriving, deriving, files, forks, search
from llmobs_trace.store.files import Files, files_at
from llmobs_trace.store.opening import (
    BUSY_SECONDS,
    connect,
    copy_log,
    open_to_read,
    open_to_write,
    roll_back,
    sorts_nulls_last,
    transaction,
    wait_for,
    when_free,
)

if TYPE_CHECKING:
    import sqlite3
    from types import TracebackType

_SAY_AGAIN_SECONDS: Final = 60.0
# How long a reader that derives rows keeps those who add from doing so.
_SLICE_SECONDS: Final = 0.02
_PAUSE_SECONDS: Final = 0.002  # between two: SQLite lets those who wait in no sooner
_SNAPSHOTS_TRIED: Final = 3
_Result = TypeVar("_Result")
_log = logging.getLogger("llmobs_trace")


class Store:
    """One open store; `path` is made where it isn't there, unless `read_only`.

    Raises `StoreError` where the file can't be opened, is no store, or was written by a newer version. A file
    of an older version is brought up to date, read only or not. Where the file is removed or replaced, the
    next use goes on with the one that is at the path then, made anew if need be.

        with Store(Path("experiments.db")) as store:
            store.add("my-experiment", spans=[b'{"span_id":"00f067aa0ba902b7",...}'], metrics=[])
    """

    def __init__(self, path: Path, *, read_only: bool = False, busy_seconds: float = BUSY_SECONDS) -> None:
        try:
            self.path = Path(path).absolute()  # wherever the program goes from here
        except OSError as error:  # it is in a directory that is gone
            raise StoreError(f"can't open the store at {path}: {error.strerror}") from error
        self._read_only = read_only
        self._busy_seconds = busy_seconds
        # Guards the connection against use by two threads at once; all below goes with it.
        self._lock = threading.RLock()
        self.may_pass_over = False  # whether a search may do so with many spans that are not indexed yet
        self._in_snapshot = False
        # Answers that are not read to their end: until they are, SQLite shows this connection one moment.
        self._answering: set[sqlite3.Cursor] = set()
        self._is_closed = False
        self._said_at = float("-inf")
        self._open(time.monotonic() + busy_seconds)
        forks.opened(self)

    def select(
        self, query: str, parameters: Sequence[object] = (), *, at_once: int = 1
    ) -> Iterator[tuple[Any, ...]]:
        """Answer a query, a row at a time; raises `StoreError` where the file can't be read.

        Of small rows more may be read `at_once`, which takes half the time.
        """
        import sqlite3

        if self._is_let_go:
            self.renew()
        if not self._in_snapshot and not self._answering:
            self.derive_rows()
        try:
            # A connection that another thread closes while SQLite is at work takes the process with it: so
            # both take the lock, here for no longer than SQLite is asked for a row.
            with self._lock:
                answer = self._connection.execute(query, parameters)
                self._answering.add(answer)
            try:
                while True:
                    with self._lock:
                        rows = answer.fetchmany(at_once)
                    if not rows:
                        return
                    yield from rows
            finally:
                self._answering.discard(answer)
        except sqlite3.Error as error:
            raise StoreError(f"can't read the store at {self.path}: {error}") from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within the block every query sees the store as at the first one, whoever writes meanwhile.

        One within another is part of that one. Each begins with the file that is at the path then; queries
        outside go on with the file that they began with.
        """
        with self._lock:
            if self._in_snapshot:
                yield
                return
            self.renew()
            self._in_snapshot = True
            try:
                self._begin_snapshot()
                yield
            finally:
                self._in_snapshot = False
                roll_back(self._connection)

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
        spans, metrics = arriving.checked(spans, metrics)
        self.change(
            lambda connection: arriving.append(connection, experiment_id, spans, metrics, name),
            timeout_seconds,
        )

    def take_a_slice(self, beyond: int = 0) -> bool:
        """Do some milliseconds' work that readers would have to do, if more than `beyond` events have no rows
        yet; whether there is more. Waits for no other process: raises `StoreError` where one writes.
        """
        work = partial(deriving.take_a_slice, beyond=beyond)
        return self._is_current() and self.change(work, timeout_seconds=0)

    def index_words(self, seconds: float) -> None:
        """Index the words of spans that `search` lacks, as many as can be in about so many seconds."""
        until = time.monotonic() + seconds
        self.derive_rows()
        if not search.lags(self._connection):
            return
        with self._to_write() as store:
            while store.change(deriving.index_words) and time.monotonic() < until:
                pass

    def change(
        self, work: Callable[[sqlite3.Connection], _Result], timeout_seconds: float | None = None
    ) -> _Result:
        """Let `work` write within one transaction; again, where the file turns out to be gone by then. Gives
        what `work` gives.

        Raises `StoreError` as `add` does, and what `work` raises, of which then nothing is kept.
        """
        deadline = self._deadline(timeout_seconds)
        with self._lock:
            while True:
                self._renew(deadline)
                result = when_free(lambda: self._write(work, deadline), self.path, "write", deadline)
                # What went to a file that is gone was not kept: once more, where it will be found.
                if self._is_current():
                    return result
                if time.monotonic() >= deadline:
                    raise StoreError(f"can't write the store at {self.path}: it is replaced again and again")

    def renew(self, timeout_seconds: float | None = None) -> None:
        """Go on with the file that is at the path now, if it is another; cheap where it is the same.

        Raises `StoreError` where it can't be opened, or belongs to another user than the one before.
        """
        if not self._is_current():
            with self._lock:
                self._renew(self._deadline(timeout_seconds))

    def close(self) -> None:
        """Give the file up; closing again is harmless."""
        with self._lock:
            self._is_closed = True
            if not self._is_let_go and self._is_ours():
                self._connection.close()
        forks.closed(self)

    def after_fork_in_child(self) -> object:
        """In a forked child: the parent's connection, to be kept unclosed. This object is of no more use."""
        self._lock = threading.RLock()
        return self.let_go_unclosed()

    def let_go_unclosed(self) -> object:
        """The connection, to be kept unclosed; it is not used here any more."""
        self._is_let_go = True
        return self._connection

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _deadline(self, timeout_seconds: float | None) -> float:
        return time.monotonic() + (self._busy_seconds if timeout_seconds is None else timeout_seconds)

    def _open(self, deadline: float) -> None:
        forks.check(self.path)
        opening = open_to_read if self._read_only else open_to_write
        while True:
            opened = opening(self.path, deadline)
            self._target = os.path.realpath(self.path)
            found = files_at(self.path, self._target)
            is_whole = found.log is not None and found.log_index is not None
            if found.database == opened.database and (is_whole or not opened.has_log):
                break
            opened.connection.close()  # to something that was gone before we could look
            if time.monotonic() >= deadline:
                raise StoreError(f"can't open the store at {self.path}: it is removed again and again")
        self._connection, self._files, self._is_let_go = opened.connection, found, False
        self._numbers = files.numbers_of(found)
        self._owners = files.owners(self.path)
        self.has_fts5 = search.has_fts5(self._connection)
        self.sorts_nulls_last = sorts_nulls_last()
        search.register(self._connection)

    def _write(self, work: Callable[[sqlite3.Connection], _Result], deadline: float) -> _Result:
        connection = self._connection
        wait_for(connection, deadline)
        with transaction(connection):
            return work(connection)

    # -- what follows from events that were added ------------------------------------------------------------

    def derive_rows(self) -> None:
        """Derive the rows of all events that were added by now; what every answer begins with."""
        last = self._last_waiting()
        if last is None:
            return
        try:
            with self._to_write() as store:
                while store.change(partial(deriving.derive_rows, last=last, seconds=_SLICE_SECONDS)):
                    time.sleep(_PAUSE_SECONDS)
        except StoreError as error:
            raise StoreError(f"{error}; it holds events whose rows must be written first") from error

    def _last_waiting(self) -> int | None:
        import sqlite3

        try:
            with self._lock:
                return deriving.last_waiting(self._connection)
        except sqlite3.Error as error:
            raise StoreError(f"can't read the store at {self.path}: {error}") from error

    @contextmanager
    def _to_write(self) -> Iterator[Store]:
        """This store, or another on its file where this one only reads."""
        if self._read_only:
            with Store(self.path, busy_seconds=self._busy_seconds) as store:
                yield store
        else:
            yield self

    def _begin_snapshot(self) -> None:
        """See the store at a moment when all rows of what was added were derived; if others add without a
        pause, at one where those were that were added before.
        """
        for _ in range(_SNAPSHOTS_TRIED):
            self.derive_rows()
            self._connection.execute("BEGIN")
            if self._last_waiting() is None:
                return
            roll_back(self._connection)
        self.derive_rows()
        self._connection.execute("BEGIN")

    # -- where another file is at the path -------------------------------------------------------------------

    def _is_current(self) -> bool:
        if self._is_closed:
            return True
        return not self._is_let_go and self._is_ours() and files_at(self.path, self._target).are(self._files)

    def _is_ours(self) -> bool:
        """Whether the connection has its descriptors still; else it is given up."""
        if files.are_open(self._numbers):
            return True
        forks.give_up(self)
        return False

    def _renew(self, deadline: float) -> None:
        if self._is_current():
            return
        before = self._files
        files.clear(self.path, before)
        found = files_at(self.path, self._target)
        self._let_go(found, deadline)
        if found.database == before.database:
            # SQLite hands what it has open of a database on to the next connection in the process.
            for other in forks.open_stores():
                if not other.step_aside(before, deadline):
                    raise StoreError(f"can't open the store at {self.path} anew: it is being read")
        strangers = files.owners(self.path) - self._owners - files.this_user()
        if strangers:
            raise StoreError(
                f"the store at {self.path} was replaced by a file of another user"
                f" ({', '.join(map(str, sorted(strangers)))}): remove it, or name another file"
            )
        self._open(deadline)
        self._say(found, before)

    def _let_go(self, found: Files, deadline: float) -> None:
        """Close the connection, after what it has in its log is in its database."""
        if self._is_let_go or not self._is_ours():
            return
        guard: sqlite3.Connection | None = None
        if found.database != self._files.database:
            with suppress(StoreError):  # it may have been moved, and be somebody's copy
                copy_log(self._connection, self.path, "PASSIVE", deadline)
        elif found.leave_the_log_to(self._files):
            if not self._read_only:
                copy_log(self._connection, self.path, "FULL", deadline)
        else:
            # The last to close would copy it all the same: not while there is one that only reads.
            guard = connect(self.path, "ro", deadline)
            with suppress(StoreError):
                look = partial(guard.execute, "PRAGMA schema_version")
                when_free(look, self.path, "read", deadline).fetchone()
        self._connection.close()
        if guard is not None:
            guard.close()
        self._is_let_go = True

    def step_aside(self, opened: Files, deadline: float) -> bool:
        """Close the connection if it is to these files, until it is used again; False where it is in use."""
        if self._is_closed or self._is_let_go or self._files[:3] != opened[:3]:
            return True
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        try:
            if self._in_snapshot:
                return False  # this thread's own
            if self._files[:3] == opened[:3]:
                self._let_go(files_at(self.path, self._target), deadline)
            return True
        finally:
            self._lock.release()

    def _say(self, found: Files, before: Files) -> None:
        now = time.monotonic()
        if self._read_only or now - self._said_at < _SAY_AGAIN_SECONDS:
            return
        self._said_at = now
        with suppress(Exception):  # a handler of the user's
            _log.warning("the store at %s %s", self.path, _what_happened(found, before))


def _what_happened(found: Files, before: Files) -> str:
    if found.database is None:
        return "was removed while it was in use: it is made anew, without what was in it"
    if found.database != before.database:
        return "was replaced while it was in use: what comes from now on goes to the file that is there now"
    if found.leave_the_log_to(before):
        return (
            "lost the files beside it (-wal, -shm) while it was in use: they are made anew, nothing is lost"
        )
    return "lost its log (-wal) to another program: what was not yet copied from it is gone"
