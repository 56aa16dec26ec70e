"""Adds batches to the local store: what delivery is without keys. Sender's thread.

A batch is only appended. What readers need of it is done while no events come (`use_spare_time`), or by them.
The store, and SQLite with it, is loaded by `open`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmobs_trace.deliver.answers import Answer, Verdict
from llmobs_trace.deliver.batch import Batch
from llmobs_trace.errors import StoreError

if TYPE_CHECKING:
    from llmobs_trace.store.store import Store

# While another program writes, the first try may wait so long; then delays grow as they do for a server.
_OPEN_SECONDS: Final = 5.0
# A reader derives the rows of so many events in a second or two.
_MANY_EVENTS: Final = 100_000
_KEEP_UP_SECONDS: Final = 1.0


class LocalDestination:
    """The SQLite file at `database`; `experiment_name` is what `experiment_id` is called there.

    Without an `experiment_id` every experiment is called so.
    """

    # SQLite holds locks of the process within a call, and a child that inherits them held waits for ever. An
    # open file is no less of a danger to a child: it is closed before a fork, and opened again when needed.
    fork_while_sending = False

    def __init__(
        self, database: Path, experiment_name: str | None = None, experiment_id: str | None = None
    ) -> None:
        self.name = str(database)
        self._database = database
        self._experiment_name = experiment_name
        self._experiment_id = experiment_id
        self._store: Store | None = None
        self._keep_up_at = 0.0

    def open(self) -> None:
        # Only what takes long for want of an import: opening the file may fail, and that is an answer.
        import sqlite3  # noqa: F401

        import llmobs_trace.store.store  # noqa: F401

    def send(self, batch: Batch, timeout_seconds: float) -> Answer:
        named = self._experiment_id is None or batch.experiment_id == self._experiment_id
        try:
            self._opened(timeout_seconds).add(
                batch.experiment_id,
                batch.spans,
                batch.metrics,
                name=self._experiment_name if named else None,
                timeout_seconds=timeout_seconds,
            )
            self._keep_up()
        except StoreError as error:
            return Answer(detail=str(error))
        except ValueError as error:
            # The store judges an event by itself alone.
            return Answer(verdict=Verdict.POISON, detail=str(error), is_certain=True)
        return Answer(verdict=Verdict.ACCEPTED)

    def use_spare_time(self) -> bool:
        """Do a slice of what readers of the store would have to do; whether there is more."""
        return self._take_a_slice()

    def _keep_up(self) -> None:
        """Where a program never pauses, do a slice once a second: no reader need wait for long."""
        now = time.monotonic()
        if now >= self._keep_up_at:
            self._keep_up_at = now + _KEEP_UP_SECONDS
            self._take_a_slice(beyond=_MANY_EVENTS)

    def _take_a_slice(self, beyond: int = 0) -> bool:
        try:
            return self._store is not None and self._store.take_a_slice(beyond)
        except StoreError:  # another program writes, and may do it
            return False

    def abort(self) -> None:
        """A transaction is short, or waits no longer than it was told to."""

    def close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def after_fork_in_child(self) -> None:
        self._store = None  # what was still open is the child's to leave alone, see `local.forks`

    def _opened(self, timeout_seconds: float) -> Store:
        if self._store is None:
            from llmobs_trace.store.store import Store

            self._store = Store(self._database, busy_seconds=min(timeout_seconds, _OPEN_SECONDS))
        return self._store
