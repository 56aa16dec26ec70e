"""Reads the rows of a dataset, one at a time, from whatever holds them. Any thread, one pass at a time.

A first pass makes the ids and the fingerprint and keeps no row; the run then pulls rows as it needs them.
What can be read only once is spooled to a temporary file on that first pass.
"""

from __future__ import annotations

import csv
import os
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, get_args

import msgspec

from llmobs_trace.capture import recorder as slot
from llmobs_trace.catalog.catalog import CatalogDataset
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment.datadog_rows import DatadogRows
from llmobs_trace.experiment.rows import Identities, Row, fingerprint, row_digest, row_of
from llmobs_trace.experiment.store_rows import StoreRows

Sync = Literal["add", "mirror"]
_Columns = str | Sequence[str]
_decode = msgspec.json.Decoder().decode


class Source(NamedTuple):
    """A catalog's dataset at one version; `project` is its project's name, where that was named."""

    catalog: str
    dataset: CatalogDataset
    project: str | None = None


class Dataset:
    """Rows to run a task over: each an input, and what should come of it.

    >>> Dataset([("2+2?", "4"), ("3+3?", "6")], name="sums")
    Dataset('sums')
    >>> Dataset([Row("2+2?", expected_output="4", metadata={"level": 1})], name="sums")
    Dataset('sums')

    - `rows`: `Row`s, mappings with their fields, or pairs of input and expected output: a list, any iterable,
      or a function that returns one
    - `name`: what it is called in the store and in Datadog; by default its file's stem, else the
      experiment's name
    - `sync`: what becomes of records in Datadog that are no rows here: `add` leaves them, `mirror` deletes
      them

    Rows are pulled as they are needed. Raises `ConfigurationError` for what is no row, naming it.
    """

    def __init__(
        self,
        rows: Iterable[Any] | Callable[[], Iterable[Any]],
        name: str | None = None,
        sync: Sync = "add",
    ) -> None:
        if sync not in get_args(Sync):
            raise ConfigurationError(f"sync: given {sync!r}; expected 'add' or 'mirror'")
        if name is not None and not isinstance(name, str):
            raise ConfigurationError(f"name: given a {type(name).__name__}; expected a text")
        if isinstance(rows, (str, bytes, Mapping)) or not (callable(rows) or hasattr(rows, "__iter__")):
            raise ConfigurationError(
                f"rows: given a {type(rows).__name__}; expected rows, or a function that returns them"
            )
        self.name = name
        self.sync: Sync = sync
        # Where rows came from that are in a catalog's dataset already.
        self.source: Source | None = None
        self._open = _opened(rows)
        self._surveyed: tuple[str, tuple[str, ...]] | None = None

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"

    def __iter__(self) -> Iterator[Row]:
        """The rows in order, each with its id."""
        identities = Identities(slot.current)
        for number, given in enumerate(self._open(), start=1):
            yield identities.identify(given if isinstance(given, Row) else row_of(given, f"row {number}"))

    @property
    def fingerprint(self) -> str:
        """32 hex digits over ids, inputs, expected outputs and metadata, whatever the rows' order."""
        return self._survey()[0]

    @property
    def row_ids(self) -> tuple[str, ...]:
        """The rows' ids, in order."""
        return self._survey()[1]

    def _survey(self) -> tuple[str, tuple[str, ...]]:
        """The first pass: fingerprint and ids. The same id given twice is refused."""
        if self._surveyed is None:
            ids: list[str] = []
            digests: list[bytes] = []
            for row in self:
                ids.append(row.id or "")
                digests.append(row_digest(row))
            self._surveyed = fingerprint(digests), tuple(ids)
        return self._surveyed

    # --- from files -----------------------------------------------------------------------------------------

    @classmethod
    def from_jsonl(
        cls,
        path: str | os.PathLike[str],
        *,
        input: _Columns | None = None,
        expected_output: _Columns | None = None,
        id: str | None = None,
        metadata: Sequence[str] | None = None,
        name: str | None = None,
        sync: Sync = "add",
    ) -> Dataset:
        """Rows from a file of one JSON object a line.

        - `input`, `expected_output`, `id`: which key of the objects is meant; by default the one of that
          name, of which only `input` must be there. A list of keys makes an object of them
        - `metadata`: which keys are metadata; by default all others

        Raises `ConfigurationError`, naming the line, for what is no object and where a key is not there.
        """
        columns = Columns(input, expected_output, id, metadata)
        file = _existing(path)

        def rows() -> Iterator[Row]:
            with open(file, "rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if not line.strip():
                        continue
                    where = f"{file}, line {number}"
                    try:
                        given = _decode(line)
                    except msgspec.DecodeError as error:
                        raise ConfigurationError(f"{where}: no JSON: {error}") from None
                    if not isinstance(given, dict):
                        kind = type(given).__name__
                        raise ConfigurationError(f"{where}: a {kind}; expected an object with an 'input'")
                    yield columns.row(given, where)

        return cls(rows, name or file.stem, sync)

    @classmethod
    def from_csv(
        cls,
        path: str | os.PathLike[str],
        *,
        input: _Columns | None = None,
        expected_output: _Columns | None = None,
        id: str | None = None,
        metadata: Sequence[str] | None = None,
        json: Sequence[str] = (),
        name: str | None = None,
        sync: Sync = "add",
    ) -> Dataset:
        """Rows from a CSV file with a line of names. Cells are texts; those of the columns in `json` are read
        as JSON. The other arguments are those of `from_jsonl`.
        """
        columns = Columns(input, expected_output, id, metadata)
        file = _existing(path)

        def rows() -> Iterator[Row]:
            with open(file, encoding="utf-8-sig", newline="") as lines:
                reader = csv.DictReader(lines, strict=True)
                for column in json:
                    if column not in (reader.fieldnames or ()):
                        raise _no_such(column, reader.fieldnames or (), f"{file}, line 1")
                try:
                    for given in reader:
                        where = f"{file}, line {reader.line_num}"
                        if None in given or None in given.values():
                            expected = len(reader.fieldnames or ())
                            raise ConfigurationError(
                                f"{where}: more or fewer cells than the {expected} names"
                            )
                        for column in json:
                            given[column] = _from_json(given[column] or None, column, where)
                        yield columns.row(given, where)
                except (csv.Error, UnicodeDecodeError) as error:
                    raise ConfigurationError(f"{file}, line {reader.line_num + 1}: {error}") from None

        return cls(rows, name or file.stem, sync)

    @classmethod
    def from_sqlite(
        cls,
        path: str | os.PathLike[str],
        query: str,
        *,
        input: _Columns | None = None,
        expected_output: _Columns | None = None,
        id: str | None = None,
        metadata: Sequence[str] | None = None,
        json: Sequence[str] = (),
        name: str | None = None,
        sync: Sync = "add",
    ) -> Dataset:
        """Rows from a query of an SQLite file, by the names of its columns: `SELECT question AS input, …`.
        The file is opened to be read only. The other arguments are those of `from_csv`.
        """
        columns = Columns(input, expected_output, id, metadata)
        file = _existing(path)

        def rows() -> Iterator[Row]:
            import sqlite3

            # A run's threads take rows one after the other, each whichever is next.
            opened = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)
            with closing(opened) as connection:
                try:
                    cursor = connection.execute(query)
                except sqlite3.Error as error:
                    raise ConfigurationError(f"{file}: {error}, in: {query}") from None
                names = [described[0] for described in cursor.description or ()]
                for number, values in enumerate(cursor, start=1):
                    given = dict(zip(names, values, strict=True))
                    where = f"{file}, row {number} of the query"
                    for column in json:
                        if column not in given:
                            raise _no_such(column, names, where)
                        given[column] = _from_json(given[column], column, where)
                    yield columns.row(given, where)

        return cls(rows, name or file.stem, sync)

    # --- from elsewhere -------------------------------------------------------------------------------------

    @classmethod
    def from_store(
        cls, name: str, project: str | None = None, version: int | None = None, *, sync: Sync = "add"
    ) -> Dataset:
        """The rows of a dataset that the local store keeps, under the ids under which they were put in. They
        are read page by page.

        - `name`: the dataset's, exactly
        - `project`: the name of its project, where several have a dataset of this name
        - `version`: which version of it; by default the current one

        An experiment over it belongs to its project, unless it names another. Raises `ConfigurationError`
        where there is no such dataset, or it can't be read.
        """
        rows = StoreRows(name, project, version)
        dataset = cls(rows.__iter__, name, sync)
        dataset.source = Source(rows.catalog, rows.dataset, rows.project)
        return dataset

    @classmethod
    def from_datadog(
        cls, name: str, project: str | None = None, version: int | None = None, *, sync: Sync = "add"
    ) -> Dataset:
        """The records of a dataset at Datadog, or at who answers as it does: their ids are the rows' ids.

        - `name`: the dataset's, exactly
        - `project`: the name of the project that has it; by default as `configure` or the environment says
        - `version`: which version of it; by default the current one

        An experiment over it belongs to its project, unless it names another. Raises `ConfigurationError`
        where the keys are missing, there is no such dataset, or it can't be read.
        """
        rows = DatadogRows(name, project, version)
        dataset = cls(iter(rows), name, sync)
        dataset.source = Source(rows.catalog, rows.dataset, rows.project)
        return dataset


class Columns:
    """Which columns of a table are a row's input, expected output, id and metadata."""

    def __init__(
        self,
        input: _Columns | None,
        expected_output: _Columns | None,
        id: str | None,
        metadata: Sequence[str] | None,
    ) -> None:
        self._input = "input" if input is None else input
        self._expected = expected_output
        self._id = id
        self._metadata = metadata

    def row(self, given: Mapping[str, Any], where: str) -> Row:
        used: set[str] = set()

        def value(columns: _Columns) -> Any:
            names = [columns] if isinstance(columns, str) else columns
            for name in names:
                if name not in given:
                    raise _no_such(name, given, where)
            used.update(names)
            return given[columns] if isinstance(columns, str) else {name: given[name] for name in names}

        def default(name: str, named: _Columns | None) -> Any:
            if named is not None:
                return value(named)
            return value(name) if name in given else None

        taken = value(self._input)
        expected = default("expected_output", self._expected)
        row_id = default("id", self._id)
        try:
            return Row(
                taken,
                expected,
                self._rest(given, used) if self._metadata is None else value(list(self._metadata)),
                None if row_id is None else str(row_id),
            )
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error}") from None

    @staticmethod
    def _rest(given: Mapping[str, Any], used: set[str]) -> dict[str, Any] | None:
        """What nobody named; a column `metadata` that holds an object is what it says."""
        rest = {name: value for name, value in given.items() if name not in used}
        if isinstance(own := rest.get("metadata"), Mapping):
            del rest["metadata"]
            rest = {**rest, **own}
        return rest or None


def _no_such(name: str, there: Iterable[str], where: str) -> ConfigurationError:
    return ConfigurationError(f"{where}: no {name!r}; there are {', '.join(map(repr, there)) or 'none'}")


def _from_json(text: Any, column: str, where: str) -> Any:
    try:
        return None if text is None else _decode(text)
    except (msgspec.DecodeError, TypeError) as error:
        raise ConfigurationError(f"{where}: column {column!r}: no JSON: {error}") from None


def _existing(path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    if not file.is_file():
        raise ConfigurationError(f"{file}: no such file")
    return file.absolute()  # the program may change its directory before the rows are read again


# --- What can be read only once -----------------------------------------------------------------------------


def _opened(rows: Iterable[Any] | Callable[[], Iterable[Any]]) -> Callable[[], Iterable[Any]]:
    """What gives the rows from the beginning, however often it is called."""
    if not isinstance(rows, Iterable):
        return rows
    if isinstance(rows, Iterator):
        return _Spooled(rows)
    return lambda: rows


class _Spooled:
    """An iterator's items, kept in a temporary file as they are first read."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items: Iterator[Any] | None = items
        self._file: IO[bytes] | None = None

    def __call__(self) -> Iterator[Any]:
        if self._items is not None:
            self._spool(self._items)
        return self._read()

    def _spool(self, items: Iterator[Any]) -> None:
        # It lives as long as this object; without a name, nobody else can read or leave it.
        file = self._file = tempfile.TemporaryFile()  # noqa: SIM115
        for number, item in enumerate(items, start=1):
            try:
                pickle.dump(item, file, protocol=pickle.HIGHEST_PROTOCOL)
            except Exception as error:
                raise ConfigurationError(
                    f"row {number} of an iterator can't be kept ({type(error).__name__}: {error}): "
                    "give a list, or a function that returns an iterator"
                ) from None
        self._items = None

    def _read(self) -> Iterator[Any]:
        assert self._file is not None
        place = 0
        while True:
            self._file.seek(place)
            try:
                item = pickle.load(self._file)  # written by this process, to a file that only it has
            except EOFError:
                return
            place = self._file.tell()
            yield item
