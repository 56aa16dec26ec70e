"""Adds batches to the local store: what delivery is without keys. Sender's thread.

The store, and SQLite with it, is loaded by `open`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmobs_trace.deliver.answers import Answer, Verdict
from llmobs_trace.deliver.batch import Batch
from llmobs_trace.errors import StoreError

if TYPE_CHECKING:
    from llmobs_trace.store.store import Store

# While another program writes, the first try may wait so long; then delays grow as they do for a server.
_OPEN_SECONDS: Final = 5.0


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
        except StoreError as error:
            return Answer(detail=str(error))
        except ValueError as error:
            # The store judges an event by itself alone.
            return Answer(verdict=Verdict.POISON, detail=str(error), is_certain=True)
        return Answer(verdict=Verdict.ACCEPTED)

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
