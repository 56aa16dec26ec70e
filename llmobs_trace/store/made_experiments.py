"""Makes experiments by name, and keeps how far each is. Any thread, one at a time.

What spans and metrics an experiment has is apart from it: `queries` counts them, whoever made it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from llmobs_trace.store import naming
from llmobs_trace.store.lookup import marks
from llmobs_trace.store.store import Store

if TYPE_CHECKING:
    import sqlite3

ExperimentStatus = Literal["running", "completed", "failed", "interrupted"]


class ToMake(Struct, frozen=True, kw_only=True):
    """An experiment to be made. `run` is a mark of which there is only one; JSON is as it was given."""

    name: str
    project_id: str
    id: str | None = None  # what to call it, where nothing has that id yet
    run: str | None = None
    dataset_id: str | None = None
    dataset_version: int | None = None  # None: the current one
    description: str | None = None
    config: bytes | None = None
    metadata: bytes | None = None
    run_count: int = 1
    parent_id: str | None = None
    has_unique_name: bool = True


class MadeExperiment(Struct, frozen=True):
    """An experiment that was made by name; `key` orders them by when they were."""

    key: int
    id: str
    name: str  # as it was given
    unique_name: str  # of this one run
    run: str | None
    project_id: str
    project_name: str
    dataset_id: str | None
    dataset_name: str | None
    dataset_version: int | None
    description: str | None
    config: bytes | None
    metadata: bytes | None
    run_count: int
    parent_id: str | None
    status: ExperimentStatus | None
    error: str | None
    created_ns: int
    updated_ns: int
    deleted_ns: int | None


class StatusChange(Struct, frozen=True):
    """How far an experiment was from a time on."""

    at_ns: int
    status: ExperimentStatus
    error: str | None


_SELECT = (
    "SELECT e.key, e.id, coalesce(e.name, e.unique_name), e.unique_name, e.run, p.id, p.name, d.id, d.name,"
    " e.dataset_version, e.description, CAST(e.config AS BLOB), CAST(e.metadata AS BLOB), e.run_count,"
    " e.parent_id, e.status, e.error, e.created_ns, e.updated_ns, e.deleted_ns"
    " FROM experiment e JOIN project p ON p.key = e.project LEFT JOIN dataset d ON d.key = e.dataset WHERE"
)


def make_experiment(store: Store, wanted: ToMake) -> MadeExperiment:
    """The experiment that has the run's mark, made where there is none, or where there is no mark.

    Raises `UnknownId` where there is no such project or dataset.
    """

    def find_or_make(connection: sqlite3.Connection) -> MadeExperiment:
        found = connection.execute(f"{_SELECT} e.run = ?", (wanted.run,)).fetchone()
        if found is not None:
            return MadeExperiment(*found)
        return _of_key(connection, _make(connection, wanted))

    return store.change(find_or_make)


def find_experiments(
    store: Store,
    *,
    ids: Collection[str] | None = None,
    project_id: str | None = None,
    dataset_id: str | None = None,
    name: str | None = None,
    unique_name: str | None = None,
    run: str | None = None,
    parent_ids: Collection[str] | None = None,
    is_deleted: bool = False,
    before: int | None = None,
) -> Iterator[MadeExperiment]:
    """Experiments of which all that is named holds, the newest first; `before`: only older than this key."""
    conditions = [f"e.deleted_ns IS {'NOT ' if is_deleted else ''}NULL"]
    parameters: list[object] = []
    named = {
        "p.id = ?": project_id,
        "d.id = ?": dataset_id,
        "e.name = ?": name,
        "e.unique_name = ?": unique_name,
        "e.run = ?": run,
        "e.key < ?": before,
    }
    for condition, value in named.items():
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    for column, values in (("e.id", ids), ("e.parent_id", parent_ids)):
        if values is not None:
            conditions.append(f"{column} IN ({marks(values)})")
            parameters.extend(values)
    query = f"{_SELECT} {' AND '.join(conditions)} ORDER BY e.key DESC"
    return (MadeExperiment(*found) for found in store.select(query, parameters))


def made_ids(store: Store) -> frozenset[str]:
    """The ids of all experiments that were made by name, and are not deleted."""
    query = "SELECT id FROM experiment WHERE project IS NOT NULL AND deleted_ns IS NULL"
    return frozenset(id for (id,) in store.select(query))


def change_experiment(
    store: Store,
    id: str,
    *,
    status: ExperimentStatus | None = None,
    error: str | None = None,
    unique_name: str | None = None,
    description: str | None = None,
    metadata: bytes | None = None,
    dataset_id: str | None = None,
) -> MadeExperiment:
    """Say how far an experiment is, or something else of it; None leaves what it has. A status without an
    error has none. Raises `UnknownId`.
    """

    def change(connection: sqlite3.Connection) -> MadeExperiment:
        key, now_ns = naming.key_of(connection, "experiment", id), time.time_ns()
        dataset = None if dataset_id is None else naming.key_of(connection, "dataset", dataset_id)
        text = None if metadata is None else metadata.decode()
        connection.execute(
            "UPDATE experiment SET unique_name = coalesce(?, unique_name), dataset = coalesce(?, dataset),"
            " description = coalesce(?, description), metadata = coalesce(?, metadata), updated_ns = ?"
            " WHERE key = ?",
            (unique_name, dataset, description, text, now_ns, key),
        )
        if status is not None:
            connection.execute(
                "UPDATE experiment SET status = ?, error = ? WHERE key = ?", (status, error, key)
            )
            connection.execute(
                "INSERT INTO status_change (experiment, at_ns, status, error) VALUES (?,?,?,?)",
                (key, now_ns, status, error),
            )
        naming.changed(connection)
        return _of_key(connection, key)

    return store.change(change)


def delete_experiments(store: Store, ids: Iterable[str]) -> int:
    """Delete experiments; how many of them were there. Their spans and metrics stay."""
    ids = list(ids)

    def delete(connection: sqlite3.Connection) -> int:
        naming.changed(connection)
        return naming.delete(connection, "experiment", ids, time.time_ns())

    return store.change(delete)


def status_changes(store: Store, id: str) -> list[StatusChange]:
    """Every status that an experiment has had, in order."""
    query = (
        "SELECT at_ns, status, error FROM status_change"
        " WHERE experiment = (SELECT key FROM experiment WHERE id = ?) ORDER BY key"
    )
    return [StatusChange(*found) for found in store.select(query, (id,))]


# --- Within a transaction -----------------------------------------------------------------------------------


def _make(connection: sqlite3.Connection, wanted: ToMake) -> int:
    now_ns = time.time_ns()
    project, dataset, version = naming.key_of(connection, "project", wanted.project_id), None, None
    if wanted.dataset_id is not None:
        dataset = naming.key_of(connection, "dataset", wanted.dataset_id)
        version = _used_version(connection, dataset, wanted.dataset_version, now_ns)
    key = _key(connection, wanted, now_ns)
    unique_name = wanted.name
    if wanted.has_unique_name:
        unique_name = naming.free_run_name(connection, project, wanted.name)
    columns: dict[str, object] = {
        "name": wanted.name,
        "unique_name": unique_name,
        "project": project,
        "dataset": dataset,
        "dataset_version": version,
        "run": wanted.run,
        "description": wanted.description,
        "config": None if wanted.config is None else wanted.config.decode(),
        "metadata": None if wanted.metadata is None else wanted.metadata.decode(),
        "run_count": wanted.run_count,
        "parent_id": wanted.parent_id,
        "updated_ns": now_ns,
    }
    connection.execute(
        f"UPDATE experiment SET {', '.join(f'{column} = ?' for column in columns)} WHERE key = ?",
        (*columns.values(), key),
    )
    if wanted.dataset_id is not None:
        connection.execute(
            "INSERT INTO scope VALUES (?,?,?) ON CONFLICT DO NOTHING",
            (key, wanted.project_id, wanted.dataset_id),
        )
    naming.changed(connection)
    return key


def _used_version(connection: sqlite3.Connection, dataset: int, asked: int | None, now_ns: int) -> int:
    """The version that an experiment refers to, which is kept in mind as used."""
    (version,) = connection.execute("SELECT version FROM dataset WHERE key = ?", (dataset,)).fetchone()
    number: int = version if asked is None else asked
    connection.execute(
        "INSERT INTO dataset_version VALUES (?1, ?2, ?3, ?3)"
        " ON CONFLICT (dataset, number) DO UPDATE SET used_ns = ?3",
        (dataset, number, now_ns),
    )
    return number


def _key(connection: sqlite3.Connection, wanted: ToMake, now_ns: int) -> int:
    """A line for it: a new one, or that of an experiment whose events came before it was made."""
    query = "SELECT key, project FROM experiment WHERE id = ?"
    found = connection.execute(query, (wanted.id,)).fetchone()
    if found is not None and found[1] is None:
        key: int = found[0]
        return key
    id = wanted.id
    if id is None or found is not None:
        id = naming.drawn_id()
    made = connection.execute("INSERT INTO experiment (id, created_ns) VALUES (?,?)", (id, now_ns))
    assert made.lastrowid is not None
    return made.lastrowid


def _of_key(connection: sqlite3.Connection, key: int) -> MadeExperiment:
    found: tuple[Any, ...] = connection.execute(f"{_SELECT} e.key = ?", (key,)).fetchone()
    return MadeExperiment(*found)
