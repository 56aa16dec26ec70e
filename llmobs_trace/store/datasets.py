"""Finds and makes datasets by their name, of which a project has one of each. Any thread, one at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmobs_trace.store import naming
from llmobs_trace.store.store import Store

if TYPE_CHECKING:
    import sqlite3


class StoredDataset(Struct, frozen=True):
    """A dataset at its current version; `key` orders them by when they were made."""

    key: int
    id: str
    project_id: str
    name: str
    description: str | None
    metadata: bytes | None  # JSON
    version: int  # 0: nothing was ever put into it
    created_ns: int
    updated_ns: int


class DatasetVersion(Struct, frozen=True):
    """A version that was made; `used_ns` is when an experiment last referred to it."""

    number: int
    created_ns: int
    used_ns: int | None


_SELECT = (
    "SELECT d.key, d.id, p.id, d.name, d.description, CAST(d.metadata AS BLOB), d.version, d.created_ns,"
    " d.updated_ns FROM dataset d JOIN project p ON p.key = d.project WHERE d.deleted_ns IS NULL"
)


def dataset(
    store: Store,
    project_id: str,
    name: str,
    description: str | None = None,
    metadata: bytes | None = None,
) -> StoredDataset:
    """The dataset of this name, made where there is none; what is there stays as it is. Raises `UnknownId`
    where there is no such project.
    """

    def find_or_make(connection: sqlite3.Connection) -> StoredDataset:
        project = naming.key_of(connection, "project", project_id)
        query, identity = f"{_SELECT} AND d.project = ? AND d.name = ?", (project, name)
        found = connection.execute(query, identity).fetchone()
        if found is None:
            now_ns = time.time_ns()
            connection.execute(
                "INSERT INTO dataset (id, project, name, description, metadata, created_ns, updated_ns)"
                " VALUES (?,?,?,?,?,?,?)",
                (
                    naming.free_id(connection, "dataset", name),
                    *(project, name, description, _text(metadata), now_ns, now_ns),
                ),
            )
            found = connection.execute(query, identity).fetchone()
        return StoredDataset(*found)

    return store.change(find_or_make)


def find_datasets(
    store: Store,
    *,
    project_id: str | None = None,
    id: str | None = None,
    name: str | None = None,
    before: int | None = None,
) -> Iterator[StoredDataset]:
    """Datasets of which all that is named holds, the newest first; `before`: only older than this key."""
    query = (
        f"{_SELECT} AND (?1 IS NULL OR p.id = ?1) AND (?2 IS NULL OR d.id = ?2)"
        " AND (?3 IS NULL OR d.name = ?3) AND (?4 IS NULL OR d.key < ?4) ORDER BY d.key DESC"
    )
    return (StoredDataset(*found) for found in store.select(query, (project_id, id, name, before)))


def change_dataset(
    store: Store,
    id: str,
    *,
    name: str | None = None,
    description: str | None = None,
    metadata: bytes | None = None,
) -> StoredDataset:
    """Give a dataset another name, description or metadata; None leaves what it has. No new version.

    Raises `UnknownId`, and `NameTaken` where another dataset of the project has the name.
    """

    def change(connection: sqlite3.Connection) -> StoredDataset:
        key = naming.key_of(connection, "dataset", id)
        query = (
            "SELECT 1 FROM dataset WHERE project = (SELECT project FROM dataset WHERE key = ?1)"
            " AND name = ?2 AND key <> ?1 AND deleted_ns IS NULL"
        )
        if connection.execute(query, (key, name)).fetchone() is not None:
            raise naming.NameTaken(f"the project has a dataset of the name {name!r} already")
        connection.execute(
            "UPDATE dataset SET name = coalesce(?, name), description = coalesce(?, description),"
            " metadata = coalesce(?, metadata), updated_ns = ? WHERE key = ?",
            (name, description, _text(metadata), time.time_ns(), key),
        )
        return of_key(connection, key)

    return store.change(change)


def delete_datasets(store: Store, ids: Iterable[str]) -> int:
    """Delete datasets, whose names are free then; how many of them were there."""
    ids = list(ids)
    return store.change(lambda connection: naming.delete(connection, "dataset", ids, time.time_ns()))


def versions(store: Store, dataset: StoredDataset) -> list[DatasetVersion]:
    """The versions that were made of a dataset, the newest first."""
    query = "SELECT number, created_ns, used_ns FROM dataset_version WHERE dataset = ? ORDER BY number DESC"
    return [DatasetVersion(*found) for found in store.select(query, (dataset.key,))]


# --- Within a transaction -----------------------------------------------------------------------------------


def of_key(connection: sqlite3.Connection, key: int) -> StoredDataset:
    """The dataset that a transaction is at work on."""
    found: tuple[Any, ...] = connection.execute(f"{_SELECT} AND d.key = ?", (key,)).fetchone()
    return StoredDataset(*found)


def _text(json: bytes | None) -> str | None:
    return None if json is None else json.decode()
