"""Deletes experiments: hides them so that it can be undone, or removes all that is kept of them. Any thread,
one at a time.

    hide, restore    one mark, which every reader heeds; what a writer adds later takes it away again
    remove           for good, some hundred events a transaction: writers wait for no more than one of those
    remove_expired   what has been hidden for `KEPT_DAYS`

An experiment that is being removed has another id from the first transaction on. So a writer that comes
meanwhile begins a new one, and a removal that was cut off is gone on with by the next.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from llmobs_trace.store import naming, search
from llmobs_trace.store.lookup import marks
from llmobs_trace.store.store import Store

if TYPE_CHECKING:
    import sqlite3

KEPT_DAYS: Final = 30
_DAY_NS: Final = 86_400 * 10**9
# A thousandth of a second for each few of them; large events take longer.
_AT_ONCE: Final = 250
_OTHERS: Final = ("label", "row_tag", "scope", "publication", "status_change", "earlier_mark")
# That it is being removed, in `deleted_ns`: longer ago than anything.
_DOOMED: Final = 0


def hide(store: Store, experiment_id: str) -> None:
    """Have no reader see it, until it is restored or something new of it comes. Raises `UnknownId`."""

    def change(connection: sqlite3.Connection) -> None:
        key = naming.key_of(connection, "experiment", experiment_id)
        connection.execute("UPDATE experiment SET deleted_ns = ? WHERE key = ?", (time.time_ns(), key))
        naming.changed(connection)

    store.derive_rows()  # what came before is no news of it
    store.change(change)


def restore(store: Store, experiment_id: str) -> None:
    """Have it be seen again. Raises `UnknownId` where it was removed since."""

    def change(connection: sqlite3.Connection) -> None:
        query = "UPDATE experiment SET deleted_ns = NULL WHERE id = ?"
        if connection.execute(query, (experiment_id,)).rowcount == 0:
            raise naming.UnknownId(f"there is no experiment of the id {experiment_id!r} any more")
        naming.changed(connection)

    store.change(change)


def is_hidden(store: Store, experiment_id: str) -> bool:
    """Whether it was deleted, and can be restored."""
    query = "SELECT 1 FROM experiment WHERE id = ? AND deleted_ns IS NOT NULL"
    return next(store.select(query, (experiment_id,)), None) is not None


def unused_since(store: Store, before_ns: int) -> list[str]:
    """The ids of experiments whose last event is from before then."""
    query = (
        "SELECT id FROM experiment e WHERE deleted_ns IS NULL AND coalesce(active_ns, created_ns) < ?"
        " AND NOT EXISTS (SELECT 1 FROM metric WHERE experiment = e.key AND timestamp_ms >= ?) ORDER BY key"
    )
    return [id for (id,) in store.select(query, (before_ns, before_ns // 10**6))]


def remove(store: Store, experiment_id: str) -> Iterator[int]:
    """Remove all that is kept of it, a part at each step, which says how many events that was.

    Raises `UnknownId`; hidden ones are there.
    """

    def doom(connection: sqlite3.Connection) -> int:
        found = connection.execute("SELECT key FROM experiment WHERE id = ?", (experiment_id,)).fetchone()
        if found is None:
            raise naming.UnknownId(f"there is no experiment of the id {experiment_id!r}")
        connection.execute(
            "UPDATE experiment SET id = ?, deleted_ns = ?, run = NULL, unique_name = NULL, project = NULL,"
            " dataset = NULL WHERE key = ?",
            (f"removed {uuid4()}", _DOOMED, *found),
        )
        connection.execute("DELETE FROM arrived WHERE experiment = ?", found)
        naming.changed(connection)
        key: int = found[0]
        return key

    store.derive_rows()  # to be counted; what comes between the two is nobody's
    yield from _rest(store, store.change(doom))


def remove_expired(store: Store) -> Iterator[int]:
    """Remove what was hidden long enough ago, and what a removal that was cut off has left."""
    query = "SELECT id FROM experiment WHERE deleted_ns < ?"
    expired = [id for (id,) in store.select(query, (time.time_ns() - KEPT_DAYS * _DAY_NS,))]
    for id in expired:
        yield from remove(store, id)


def _rest(store: Store, key: int) -> Iterator[int]:
    while count := store.change(lambda connection: _some_spans(connection, key)):
        yield count
    while count := store.change(lambda connection: _some_metrics(connection, key)):
        yield count
    store.change(lambda connection: _all_else(connection, key))
    if store.change(search.forget):
        while store.change(search.catch_up):
            pass


def _some_spans(connection: sqlite3.Connection, key: int) -> int:
    query = "SELECT key FROM span WHERE experiment = ? LIMIT ?"
    found = [span for (span,) in connection.execute(query, (key, _AT_ONCE))]
    for table in ("span_event", "span"):
        connection.execute(f"DELETE FROM {table} WHERE key IN ({marks(found)})", found)
    return len(found)


def _some_metrics(connection: sqlite3.Connection, key: int) -> int:
    query = "DELETE FROM metric WHERE key IN (SELECT key FROM metric WHERE experiment = ? LIMIT ?)"
    return connection.execute(query, (key, _AT_ONCE)).rowcount


def _all_else(connection: sqlite3.Connection, key: int) -> None:
    for table in _OTHERS:
        connection.execute(f"DELETE FROM {table} WHERE experiment = ?", (key,))
    connection.execute("DELETE FROM experiment WHERE key = ?", (key,))
    naming.changed(connection)
