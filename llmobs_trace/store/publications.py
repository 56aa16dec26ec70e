"""Keeps of each experiment where else it was published, and how far that is. Any thread, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from llmobs_trace.store.store import Store

if TYPE_CHECKING:
    import sqlite3


class Publication(Struct, frozen=True, kw_only=True):
    """How far one experiment is at one destination; `spans` and `metrics` are places in order of arrival."""

    run: str
    experiment_id: str | None = None
    spans: int = 0
    metrics: int = 0
    delivered: int = 0
    rejected: int = 0
    finished_ns: int | None = None  # since the Unix epoch


_COLUMNS: Final = ", ".join(Publication.__struct_fields__)
_KEY: Final = "(SELECT key FROM experiment WHERE id = ?)"


def publication(store: Store, experiment_id: str, destination: str) -> Publication | None:
    """How far it is; None where it was never begun."""
    query = f"SELECT {_COLUMNS} FROM publication WHERE experiment = {_KEY} AND destination = ?"
    for found in store.select(query, (experiment_id, destination)):
        return Publication(**dict(zip(Publication.__struct_fields__, found, strict=True)))
    return None


def keep(store: Store, experiment_id: str, destination: str, reached: Publication) -> None:
    """Say how far it is now."""
    values = [getattr(reached, name) for name in Publication.__struct_fields__]

    def write(connection: sqlite3.Connection) -> None:
        connection.execute(
            f"INSERT OR REPLACE INTO publication (experiment, destination, {_COLUMNS})"
            f" VALUES ({_KEY}, ?, {', '.join('?' * len(values))})",
            (experiment_id, destination, *values),
        )

    store.change(write)
