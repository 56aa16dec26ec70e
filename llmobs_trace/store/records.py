"""Keeps the rows of datasets by version: what a version holds stays, whatever comes after it. Any thread, one
at a time.

Each change is one transaction and makes one version, or none where nothing changes.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final
from uuid import uuid4

import msgspec
from msgspec import Struct

from llmobs_trace.store import naming
from llmobs_trace.store.datasets import StoredDataset, of_key
from llmobs_trace.store.lookup import lookup
from llmobs_trace.store.store import Store

if TYPE_CHECKING:
    import sqlite3

# So many rows are compared and written at once; and so many bytes of them wait in memory for their turn.
_AT_ONCE: Final = 400
_IN_MEMORY_BYTES: Final = 4 << 20


class NewRecord(Struct, frozen=True, kw_only=True):
    """What a row is to say, as JSON; without an `id` it is given one."""

    id: str | None = None
    input: bytes
    expected_output: bytes = b"null"
    metadata: bytes = b"null"
    tags: tuple[str, ...] = ()
    canonical_id: str | None = None  # of the record that it is a copy of


class StoredRecord(Struct, frozen=True):
    """A row as one version of its dataset holds it; `place` orders rows by when they were first put in."""

    id: str
    canonical_id: str
    place: int
    from_version: int
    input: bytes
    expected_output: bytes
    metadata: bytes
    tags: tuple[str, ...]
    created_ns: int
    updated_ns: int


class Mutation(Struct, frozen=True):
    """What came of a change: the dataset after it, and the records as they are now, in the order in which
    they were given.
    """

    dataset: StoredDataset
    inserted: list[StoredRecord]
    updated: list[StoredRecord]
    deleted: int


_COLUMNS: Final = (
    "id, canonical_id, place, from_version, CAST(input AS BLOB), CAST(expected_output AS BLOB),"
    " CAST(metadata AS BLOB), tags, created_ns, updated_ns"
)
_BY_ID: Final = f"SELECT {_COLUMNS} FROM record WHERE dataset = ? AND id IN (ids) AND until_version IS NULL"


def records(
    store: Store,
    dataset: StoredDataset,
    version: int | None = None,
    *,
    beyond: int | None = None,
    newest_first: bool = False,
) -> Iterator[StoredRecord]:
    """The rows of a version, by default the current one, in the order in which they were put in or against
    it; `beyond`: only those after this place in that order.

    They are read page by page: whoever changes the dataset meanwhile makes a version of his own.
    """
    number = dataset.version if version is None else version
    order, sign = ("DESC", "<") if newest_first else ("ASC", ">")
    query = (
        f"SELECT {_COLUMNS} FROM record WHERE dataset = ? AND place {sign} ? AND from_version <= ?"
        f" AND (until_version IS NULL OR until_version > ?) ORDER BY place {order} LIMIT {_AT_ONCE}"
    )
    place = (1 << 62 if newest_first else -1) if beyond is None else beyond
    while page := list(store.select(query, (dataset.key, place, number, number))):
        yield from map(_record, page)
        place = page[-1][2]


def mutate(
    store: Store,
    dataset_id: str,
    *,
    insert: Sequence[NewRecord] = (),
    update: Mapping[str, Callable[[StoredRecord], NewRecord]] | None = None,
    delete: Sequence[str] = (),
    deduplicate: bool = False,
    new_version: bool = True,
) -> Mutation:
    """Change rows of a dataset.

    - `insert`: a row whose id is there already is put in its place; with `deduplicate` one that says the same
      as a row that is there is that row
    - `update`: by their ids, what makes of a row as it is what it is to say
    - `delete`: ids; those that are not there are passed over
    - `new_version`: without one the current version is changed

    Raises `UnknownId` where there is no such dataset, or no row of an id that is to be updated.
    """
    changes = dict(update or {})

    def change(connection: sqlite3.Connection) -> Mutation:
        draft = _Draft(connection, naming.key_of(connection, "dataset", dataset_id), new_version)
        known = draft.known(changes)
        if missing := changes.keys() - known.keys():
            raise naming.UnknownId(f"the dataset has no record of the id {min(missing)!r}")
        placed = [_placed(record) for record in insert]
        same = draft.same(placed) if deduplicate else {}
        ids: list[str] = []
        new = []
        for record in placed:
            known_id = same.get(record.digest)
            if known_id is None:
                new.append(record)
                if deduplicate:
                    same[record.digest] = record.id
            ids.append(known_id or record.id)
        draft.put(new)
        draft.put([_placed(make(known[id]), id) for id, make in changes.items()])
        deleted = draft.remove(delete)
        dataset = draft.finish()
        now = draft.known([*ids, *changes])
        return Mutation(
            dataset, [now[id] for id in ids if id in now], [now[id] for id in changes if id in now], deleted
        )

    return store.change(change)


def hold(store: Store, dataset_id: str, rows: Iterable[NewRecord], *, mirror: bool = False) -> StoredDataset:
    """Have a dataset hold these rows: what is new is put in, what says something else is put in its place,
    what is not among them stays unless `mirror`. Raises `UnknownId` where there is no such dataset.
    """
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as spool:
        # Whoever gives the rows may take his time, and the store is locked for all others in a transaction;
        # which may have to be tried again, too.
        for part in _parts(rows):
            pickle.dump([_placed(record) for record in part], spool, protocol=pickle.HIGHEST_PROTOCOL)

        def change(connection: sqlite3.Connection) -> StoredDataset:
            draft = _Draft(connection, naming.key_of(connection, "dataset", dataset_id), True)
            spool.seek(0)
            wanted: set[str] = set()
            for part in _spooled(spool):
                draft.put(part)
                if mirror:
                    wanted.update(record.id for record in part)
            if mirror:
                draft.remove([id for id in draft.ids() if id not in wanted])
            return draft.finish()

        return store.change(change)


def _parts(rows: Iterable[NewRecord]) -> Iterator[list[NewRecord]]:
    waiting = iter(rows)
    while part := list(islice(waiting, _AT_ONCE)):
        yield part


def _spooled(spool: IO[bytes]) -> Iterator[list[_Placed]]:
    while True:
        try:
            part: list[_Placed] = pickle.load(spool)  # written by this process, to a file that only it has
        except EOFError:
            return
        yield part


class _Placed(Struct, frozen=True):
    """A record with its id, as it is written."""

    id: str
    canonical_id: str | None
    digest: bytes
    values: tuple[str, str, str, str]  # input, expected output, metadata, tags


def _placed(record: NewRecord, id: str | None = None) -> _Placed:
    values = (record.input, record.expected_output, record.metadata, msgspec.json.encode(record.tags))
    # JSON has no byte 0: values can't run into one another.
    digest = blake2b(b"\0".join(values), digest_size=16).digest()
    name = id or record.id or str(uuid4())
    input, expected_output, metadata, tags = (value.decode() for value in values)
    return _Placed(name, record.canonical_id, digest, (input, expected_output, metadata, tags))


def _record(columns: tuple[Any, ...]) -> StoredRecord:
    values: tuple[Any, ...] = (*columns[:7], tuple(msgspec.json.decode(columns[7])), *columns[8:])
    return StoredRecord(*values)


class _Draft:
    """A version of a dataset in the making, within a transaction; nothing has happened until `finish`."""

    def __init__(self, connection: sqlite3.Connection, dataset: int, is_new: bool) -> None:
        self._connection = connection
        self._dataset = dataset
        self._before = connection.total_changes
        self._version = of_key(connection, dataset).version + is_new
        self._now_ns = time.time_ns()

    def known(self, ids: Iterable[str]) -> dict[str, StoredRecord]:
        """The rows of these ids as they are."""
        return {found[0]: _record(found) for found in lookup(self._connection, _BY_ID, self._dataset, ids)}

    def same(self, records: Iterable[_Placed]) -> dict[bytes, str]:
        """By their digests, the ids of rows that say the same."""
        query = (
            "SELECT digest, id FROM record WHERE dataset = ? AND digest IN (ids) AND until_version IS NULL"
        )
        digests = [record.digest for record in records]
        return dict(lookup(self._connection, query, self._dataset, digests))

    def ids(self) -> list[str]:
        query = "SELECT id FROM record WHERE dataset = ? AND until_version IS NULL ORDER BY place"
        return [id for (id,) in self._connection.execute(query, (self._dataset,))]

    def put(self, records: Sequence[_Placed]) -> None:
        """Have the version hold these; of two of one id the later."""
        distinct = {record.id: record for record in records}
        query = (
            "SELECT id, digest, key, place, from_version, canonical_id, created_ns FROM record"
            " WHERE dataset = ? AND id IN (ids) AND until_version IS NULL"
        )
        known = {found[0]: found[1:] for found in lookup(self._connection, query, self._dataset, distinct)}
        (last,) = self._connection.execute("SELECT coalesce(max(key), 0) FROM record").fetchone()
        closed, in_place, lines = [], [], []
        for id, record in distinct.items():
            if id not in known:
                last += 1
                canonical_id = record.canonical_id or id
                lines.append(self._line(last, record, canonical_id, last, self._now_ns))
                continue
            digest, key, place, from_version, canonical_id, created_ns = known[id]
            if digest == record.digest:
                continue
            if from_version == self._version:
                in_place.append((record.digest, *record.values, self._now_ns, key))
                continue
            last += 1
            closed.append((self._version, key))
            lines.append(self._line(last, record, canonical_id, place, created_ns))
        self._connection.executemany("UPDATE record SET until_version = ? WHERE key = ?", closed)
        self._connection.executemany(
            "UPDATE record SET digest = ?, input = ?, expected_output = ?, metadata = ?, tags = ?,"
            " updated_ns = ? WHERE key = ?",
            in_place,
        )
        self._connection.executemany(
            "INSERT INTO record (key, dataset, id, canonical_id, place, from_version, digest, input,"
            " expected_output, metadata, tags, created_ns, updated_ns) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            lines,
        )

    def remove(self, ids: Iterable[str]) -> int:
        """Have the version not hold these; how many of them it did."""
        query = (
            "SELECT key, from_version FROM record WHERE dataset = ? AND id IN (ids) AND until_version IS NULL"
        )
        found = list(lookup(self._connection, query, self._dataset, set(ids)))
        self._connection.executemany(
            "UPDATE record SET until_version = ? WHERE key = ?",
            [(self._version, key) for key, from_version in found if from_version != self._version],
        )
        self._connection.executemany(
            "DELETE FROM record WHERE key = ?",
            [(key,) for key, from_version in found if from_version == self._version],
        )
        return len(found)

    def finish(self) -> StoredDataset:
        """Make it the current version, where it is another than that."""
        if self._connection.total_changes != self._before:
            self._connection.execute(
                "UPDATE dataset SET version = ?, updated_ns = ? WHERE key = ?",
                (self._version, self._now_ns, self._dataset),
            )
            self._connection.execute(
                "INSERT INTO dataset_version (dataset, number, created_ns) VALUES (?,?,?)"
                " ON CONFLICT DO NOTHING",
                (self._dataset, self._version, self._now_ns),
            )
        return of_key(self._connection, self._dataset)

    def _line(
        self, key: int, record: _Placed, canonical_id: str, place: int, created_ns: int
    ) -> tuple[object, ...]:
        identity = (key, self._dataset, record.id, canonical_id, place, self._version, record.digest)
        return (*identity, *record.values, created_ns, self._now_ns)
