"""Reads an experiment of the local store back as plain objects, for notebooks and scripts. Any thread.

All rows are held in memory; `llmobs-trace export` writes those of an experiment that is larger.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from llmobs_trace.errors import ConfigurationError, StoreError
from llmobs_trace.settings.config import find_database
from llmobs_trace.store import column_types, prices, queries, tabular
from llmobs_trace.store.store import Store
from llmobs_trace.store.tabular import Cell, Table
from llmobs_trace.wire import KIND_TAG

# The columns of a table of rows that are members of a row by themselves.
_OWN: Final = (
    *("row_id", "run_iteration", "span_id", "trace_id", "input", "output", "expected_output", "status"),
    *("error", "start_ns", "duration_ns"),
)

# By whether every cell has a value: of pandas' own types those that know a missing one from a number.
_DTYPES: Final = {
    True: {"boolean": "bool", "integer": "int64", "number": "float64", "text": "object"},
    False: {"boolean": "boolean", "integer": "Int64", "number": "float64", "text": "object"},
}


class RecordedRow(Struct, frozen=True):
    """One row of an experiment as the store has it: its root span, and what was measured in its tree.

    >>> with experiment_span("answer", input="2+2?", row_id="sum") as span:
    ...     span.set_output("4")
    ...     record_metric("exact_match", True)
    >>> flush()
    True
    >>> (row,) = read().rows
    >>> (row.row_id, row.input, row.output, row.scores)
    ('sum', '2+2?', '4', {'exact_match': True})

    - `row_id`, `span_id`, `trace_id`; `run_iteration`: which repeat of it, from 1, or None
    - `input`, `output`, `expected_output`: as read back from JSON
    - `status`: `ok` or `error`; `error`: None, or the exception's type and message
    - `start_ns` (since the epoch), `duration_ns`
    - `tags`: by name
    - `scores`: by label, the values of what was measured; of several numbers of one label their mean
    - `score_errors`: by label, why there is no value
    """

    row_id: str | None
    run_iteration: int | None
    span_id: str
    trace_id: str
    input: Any
    output: Any
    expected_output: Any
    status: str
    error: str | None
    start_ns: int
    duration_ns: int
    tags: dict[str, str]
    scores: dict[str, Any]
    score_errors: dict[str, str]


class RecordedExperiment:
    """An experiment of the local store, as `read` found it.

    >>> with experiment_span("answer", input="2+2?"):
    ...     record_metric("seconds", 0.25)
    >>> flush()
    True
    >>> found = read()
    >>> len(found.rows), [span["name"] for span in found.spans], [each["label"] for each in found.metrics]
    (1, ['answer'], ['seconds'])

    - `id`, and `name` or None
    - `rows`: by start, each a `RecordedRow`
    """

    def __init__(self, database: Path, experiment_id: str, name: str | None, table: Table) -> None:
        self.id: str = experiment_id
        self.name: str | None = name
        self._database = database
        self._columns = table.columns
        self._lines = [[_plain(cell) for cell in line] for line in table.lines]
        self.rows: list[RecordedRow] = [_row(line, table) for line in self._lines]

    @cached_property
    def spans(self) -> list[dict[str, Any]]:
        """Every span as on the wire, by start; read when it is first asked for."""
        with _opened(self._database) as store:
            return _decoded(found.event for found in queries.spans(store, self.id))

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """Every metric as on the wire, by its time; read when it is first asked for."""
        with _opened(self._database) as store:
            return _decoded(found.event for found in queries.metrics(store, self.id))

    def to_pandas(self) -> Any:
        """A table with a line for each row and a column for each metric, the same as those of
        `llmobs-trace export --format csv` and `parquet`.

        A metric's column is its label, or `metric.<label>` where another column has that name, and holds
        only values; beside it stand `<label>.error`, `.assessment` and `.reasoning` where any row has one.
        Raises `ConfigurationError` where pandas is not installed.
        """
        try:
            import pandas
        except ImportError as missing:
            raise ConfigurationError("to_pandas needs pandas: pip install pandas") from missing
        columns = list(zip(*self._lines, strict=True)) or [()] * len(self._columns)
        return pandas.DataFrame(
            {
                name: pandas.Series(list(cells), dtype=_dtype(cells))
                for name, cells in zip(self._columns, columns, strict=True)
            }
        )

    def __repr__(self) -> str:
        named = "" if self.name is None else f" {self.name!r}"
        return f"<experiment {self.id}{named}: {len(self.rows)} row{'' if len(self.rows) == 1 else 's'}>"


def read(id: str = "latest", database: str | os.PathLike[str] | None = None) -> RecordedExperiment:
    """Read an experiment of the local store back: its rows, spans and metrics as plain objects.

    `id` is an experiment's id, the beginning of its id, its name, `latest`, or `latest~1` for the one before.
    `database` is the store's file; None is the one that the environment names, else the one of the working
    directory, as for the command line. What this process recorded is there once `flush()` has returned True.

    Raises `LLMObsTraceError` where there is no such store or experiment, or where several may be meant.

    >>> sums = [("2+2?", "4"), ("2+3?", "5")]
    >>> experiment = Experiment("sums", dataset=sums, task=lambda sum: "4", evaluators=[exact_match])
    >>> result = experiment.run(progress=False)
    >>> [(row.input, row.output, row.scores) for row in read("sums").rows]
    [('2+2?', '4', {'exact_match': True}), ('2+3?', '4', {'exact_match': False})]
    >>> table = read("sums").to_pandas()  # with pandas installed
    >>> float(table["exact_match"].mean())
    0.5
    """
    path = find_database(os.environ) if database is None else Path(database)
    with _opened(path) as store:
        experiment = queries.find_experiment(store, id)
        with suppress(StoreError):  # it can't be written: costs stay as they are
            _work_out_costs(store, experiment.id)
        with store.snapshot():
            table = tabular.rows(store, experiment.id)
            return RecordedExperiment(path, experiment.id, experiment.name, table)


@contextmanager
def _opened(path: Path) -> Iterator[Store]:
    if not path.exists():
        raise StoreError(f"there is no store at {path}; nothing was recorded there yet, or name another file")
    with Store(path, read_only=True) as store:
        yield store


def _work_out_costs(store: Store, experiment_id: str) -> None:
    if prices.are_unread(store):
        Store(store.path).close()  # reads them
    if prices.waiting(store, experiment_id):
        with Store(store.path) as to_write:
            for _ in prices.work_out(to_write, experiment_id):
                pass


def _row(line: Sequence[Any], table: Table) -> RecordedRow:
    by_name = dict(zip(table.columns, line, strict=True))
    tags = dict(tag.partition(":")[::2] for tag in by_name["tags"])
    tags.pop(KIND_TAG, None)
    there = {label: by_name[column] for label, column in table.values.items()}
    wrong = {label: by_name[column] for label, column in table.errors.items()}
    return RecordedRow(
        **{name: by_name[name] for name in _OWN},
        tags=tags,
        scores={label: value for label, value in there.items() if value is not None},
        score_errors={label: message for label, message in wrong.items() if message is not None},
    )


def _dtype(cells: Sequence[Any]) -> str:
    return _DTYPES[None not in cells][column_types.of(cells)]


def _plain(cell: Cell) -> Any:
    return msgspec.json.decode(cell) if isinstance(cell, Raw) else cell


def _decoded(events: Iterable[bytes]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(event) for event in events]
