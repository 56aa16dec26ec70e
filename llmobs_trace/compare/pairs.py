"""Puts the rows of two experiments in a store side by side. The thread that opened the store.

A row is a root span of kind `experiment`. It is known by its row id, and where that comes again within one
experiment, by its ordinal: the second of A is paired with the second of B. A row whose client named none is
known by a hash of its input. A metric is its row's, wherever in the row's tree it was recorded: all metrics
of one label in one tree are one outcome, the mean of what they say; if one of them failed, the row failed for
that label, since a mean of the others would hide it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct

from llmobs_trace.compare.direction import Recorded
from llmobs_trace.store.store import Store

# (the dataset's row, its ordinal)
Key = tuple[str, int]
# Goes through the metrics as they are read, to say how far it is.
Watch = Callable[[Iterable[tuple[Any, ...]]], Iterable[tuple[Any, ...]]]

_OF: Final = "experiment = (SELECT key FROM experiment WHERE id = ?)"
_ROWS: Final = (
    "SELECT key, row_id, span_id, duration_ns, status = 'error', input_tokens, output_tokens, cost_usd"
    f" FROM span WHERE {_OF} AND in_row = key"
    " ORDER BY start_ns, duration_ns DESC, span_id"
)
_METRICS: Final = (
    "SELECT in_row, label, metric_type, score_value, boolean_value, categorical_value, assessment, failed"
    f" FROM metric WHERE {_OF} ORDER BY key"
)
_DIRECTIONS: Final = (
    f"SELECT label, sum(says_lower), sum(says_higher) FROM label WHERE {_OF} GROUP BY label"
    " HAVING sum(says_lower) OR sum(says_higher)"
)
_EVENT: Final = "SELECT CAST(event AS BLOB) FROM span_event WHERE key = ?"
# As capture names the repeats of a row that nobody named: the hash of its input, and an ordinal.
_REPEAT: Final = re.compile(r"([0-9a-f]{16})-([1-9][0-9]*)")


class Outcome(Struct, gc=False):
    """What one row came to under one label; sums, since a tree may have several metrics of it."""

    failed: int = 0
    numbers: int = 0  # scores, and booleans as 0 and 1
    total: float = 0.0
    assessed: int = 0
    passed: int = 0
    categories: tuple[str, ...] = ()
    others: int = 0  # JSON values

    @property
    def number(self) -> float | None:
        return self.total / self.numbers if self.numbers else None

    @property
    def pass_share(self) -> float | None:
        return self.passed / self.assessed if self.assessed else None

    @property
    def category(self) -> str | None:
        return " + ".join(sorted({*self.categories})) if self.categories else None


class ScoredRow(Struct, frozen=True, gc=False):
    """One row of one experiment."""

    key: int  # the store's
    span_id: str
    duration_ns: int
    is_error: bool
    input_tokens: int | None = None  # None where it is not known
    output_tokens: int | None = None
    cost_usd: float | None = None


class Side(Struct, frozen=True):
    """One experiment: its rows, and by label what they came to. `types` counts metrics that didn't fail."""

    rows: dict[Key, ScoredRow]
    outcomes: dict[str, dict[int, Outcome]]  # by the row's key in the store
    types: dict[str, dict[str, int]]
    directions: dict[str, Recorded] = {}  # of the labels whose metrics say which values are better


class RowPair(Struct, frozen=True, gc=False):
    """A row that both experiments have."""

    dataset_row: str  # repeats share it
    a: ScoredRow
    b: ScoredRow


def read_side(store: Store, experiment_id: str, watch: Watch | None = None) -> Side:
    """All rows of an experiment and what was measured of them."""
    rows = dict(keyed_rows(store, experiment_id))
    known = {row.key for row in rows.values()}
    outcomes: dict[str, dict[int, Outcome]] = {}
    types: dict[str, dict[str, int]] = {}
    found: Iterable[tuple[Any, ...]] = store.select(_METRICS, (experiment_id,))
    for in_row, label, kind, score, boolean, category, assessment, failed in watch(found) if watch else found:
        if in_row not in known:
            continue  # in no row's tree: `show` says how many there are
        of_label = outcomes.get(label)
        if of_label is None:
            of_label = outcomes[label] = {}
            types[label] = {}
        outcome = of_label.get(in_row)
        if outcome is None:
            outcome = of_label[in_row] = Outcome()
        if failed:
            outcome.failed += 1
            continue
        counts = types[label]
        counts[kind] = counts.get(kind, 0) + 1
        number = score if score is not None else boolean
        if number is not None:
            outcome.numbers += 1
            outcome.total += number
        elif category is not None:
            outcome.categories += (category,)
        elif kind == "json":
            outcome.others += 1
        if assessment is not None:
            outcome.assessed += 1
            outcome.passed += assessment == "pass"
    said = store.select(_DIRECTIONS, (experiment_id,))
    return Side(rows, outcomes, types, {label: Recorded(*counts) for label, *counts in said})


def row_pairs(a: Side, b: Side) -> list[RowPair]:
    """The rows that both have, in A's order."""
    return [RowPair(_dataset_row(key), row, b.rows[key]) for key, row in a.rows.items() if key in b.rows]


def alone(side: Side, other: Side) -> tuple[int, int]:
    """How many rows one side has alone, and of how many of those the other has some, but not so many."""
    unpaired = side.rows.keys() - other.rows.keys()
    known = {_dataset_row(key) for key in other.rows}
    return len(unpaired), sum(_dataset_row(key) in known for key in unpaired)


def _dataset_row(key: Key) -> str:
    """The row of the dataset, the same for all repeats of it."""
    name, ordinal = key
    repeat = _REPEAT.fullmatch(name)
    return repeat[1] if repeat is not None and ordinal == 1 else name


def keyed_rows(store: Store, experiment_id: str) -> Iterator[tuple[Key, ScoredRow]]:
    """An experiment's rows, each with how it is known to a comparison; by start."""
    seen: dict[str, int] = {}
    for stored_key, row_id, span_id, duration_ns, is_error, *amounts in store.select(_ROWS, (experiment_id,)):
        name = row_id if row_id is not None else _input_hash(next(store.select(_EVENT, (stored_key,)))[0])
        ordinal = seen[name] = seen.get(name, 0) + 1
        yield (name, ordinal), ScoredRow(stored_key, span_id, duration_ns, bool(is_error), *amounts)


class _Meta(Struct):
    input: msgspec.Raw = msgspec.Raw(b"")


class _Event(Struct):
    name: str = ""
    meta: _Meta | None = None


def _input_hash(event: bytes) -> str:
    """Of the input, or of the name where there is none."""
    read = msgspec.json.decode(event, type=_Event)
    given = bytes(read.meta.input) if read.meta is not None else b""
    return "input:" + blake2b(given or read.name.encode(), digest_size=8).hexdigest()
