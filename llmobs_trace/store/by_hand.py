"""Keeps what a person calls an experiment, and writes of it. Any thread, one at a time.

What programs call it goes on being kept beside that: taken away, the given name makes room for it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from llmobs_trace.store import naming
from llmobs_trace.store.store import Store

if TYPE_CHECKING:
    import sqlite3


def rename(store: Store, experiment_id: str, name: str) -> None:
    """Call it so, whatever programs call it; an empty name takes the given one away. Raises `UnknownId`."""
    _say(store, experiment_id, "given_name", name)


def note(store: Store, experiment_id: str, text: str) -> None:
    """Write this of it, in place of what was there; an empty text takes that away. Raises `UnknownId`."""
    _say(store, experiment_id, "note", text)


def _say(store: Store, experiment_id: str, column: Literal["given_name", "note"], text: str) -> None:
    def change(connection: sqlite3.Connection) -> None:
        key = naming.key_of(connection, "experiment", experiment_id)
        connection.execute(f"UPDATE experiment SET {column} = ? WHERE key = ?", (text.strip() or None, key))
        naming.changed(connection)

    store.change(change)
