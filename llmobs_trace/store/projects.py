"""Finds and makes projects by their name, of which the store has one of each. Any thread, one at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from llmobs_trace.store import naming
from llmobs_trace.store.store import Store

if TYPE_CHECKING:
    import sqlite3


class StoredProject(Struct, frozen=True):
    """A project; `key` orders them by when they were made."""

    key: int
    id: str
    name: str
    description: str | None
    created_ns: int
    updated_ns: int


_COLUMNS = ", ".join(StoredProject.__struct_fields__)


def project(store: Store, name: str, description: str | None = None) -> StoredProject:
    """The project of this name, made where there is none; what is there stays as it is."""

    def find(connection: sqlite3.Connection) -> StoredProject | None:
        query = f"SELECT {_COLUMNS} FROM project WHERE name = ? AND deleted_ns IS NULL"
        found = connection.execute(query, (name,)).fetchone()
        return None if found is None else StoredProject(*found)

    def find_or_make(connection: sqlite3.Connection) -> StoredProject:
        if (found := find(connection)) is not None:
            return found
        now_ns = time.time_ns()
        connection.execute(
            "INSERT INTO project (id, name, description, created_ns, updated_ns) VALUES (?,?,?,?,?)",
            (naming.free_id(connection, "project", name), name, description, now_ns, now_ns),
        )
        made = find(connection)
        assert made is not None
        return made

    return store.change(find_or_make)


def find_projects(
    store: Store, *, id: str | None = None, name: str | None = None, before: int | None = None
) -> Iterator[StoredProject]:
    """Projects of which all that is named holds, the newest first; `before`: only older than this key."""
    query = (
        f"SELECT {_COLUMNS} FROM project WHERE deleted_ns IS NULL AND (?1 IS NULL OR id = ?1)"
        " AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR key < ?3) ORDER BY key DESC"
    )
    return (StoredProject(*found) for found in store.select(query, (id, name, before)))


def change_project(
    store: Store, id: str, *, name: str | None = None, description: str | None = None
) -> StoredProject:
    """Give a project another name or description; None leaves what it has.

    Raises `UnknownId`, and `NameTaken` where another project has the name.
    """

    def change(connection: sqlite3.Connection) -> StoredProject:
        key = naming.key_of(connection, "project", id)
        query = "SELECT 1 FROM project WHERE name = ? AND key <> ? AND deleted_ns IS NULL"
        if connection.execute(query, (name, key)).fetchone() is not None:
            raise naming.NameTaken(f"there is a project of the name {name!r} already")
        connection.execute(
            "UPDATE project SET name = coalesce(?, name), description = coalesce(?, description),"
            " updated_ns = ? WHERE key = ?",
            (name, description, time.time_ns(), key),
        )
        query = f"SELECT {_COLUMNS} FROM project WHERE key = ?"
        return StoredProject(*connection.execute(query, (key,)).fetchone())

    return store.change(change)


def delete_projects(store: Store, ids: Iterable[str]) -> int:
    """Delete projects, whose names are free then; how many of them were there."""
    ids = list(ids)
    return store.change(lambda connection: naming.delete(connection, "project", ids, time.time_ns()))
