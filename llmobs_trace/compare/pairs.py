"""Puts the rows of two experiments in a store side by side. The thread that opened the store.

A row is a root span of kind `experiment`. It is known by its row id, and where that comes again within one
experiment, by which repeat it is: what its tag says, else its place in time. Rows are paired by their id, all
repeats of one side with all of the other. A row whose client named none is known by a hash of its input. A
metric is its row's, wherever in the row's tree it was recorded: all metrics
of one label in one tree are one outcome, the mean of what they say; if one of them failed, the row failed for
that label, since a mean of the others would hide it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct

from llmobs_trace.compare.direction import Recorded
from llmobs_trace.compare.spread import Votes, votes_of
from llmobs_trace.store.store import Store

# (the dataset's row, which repeat of it, from 1)
Key = tuple[str, int]
# Goes through the metrics as they are read, to say how far it is.
Watch = Callable[[Iterable[tuple[Any, ...]]], Iterable[tuple[Any, ...]]]

_OF: Final = "experiment = (SELECT key FROM experiment WHERE id = ?)"
_ROWS: Final = (
    "SELECT key, row_id, run_iteration, span_id, duration_ns, status = 'error', input_tokens, output_tokens,"
    f" cost_usd, expected_hash FROM span WHERE {_OF} AND in_row = key"
    " ORDER BY start_ns, duration_ns DESC, span_id"
)
_METRICS: Final = (
    "SELECT in_row, label, metric_type, score_value, boolean_value, categorical_value, assessment, failed,"
    f" not_applicable FROM metric WHERE {_OF} ORDER BY key"
)
_DIRECTIONS: Final = (
    f"SELECT label, sum(says_lower), sum(says_higher) FROM label WHERE {_OF} GROUP BY label"
    " HAVING sum(says_lower) OR sum(says_higher)"
)
# One that was scored says whether its label is of a judge that votes.
_FIRST_SCORED: Final = (
    f"SELECT CAST(event AS BLOB) FROM metric WHERE {_OF} AND label = ? AND NOT failed AND NOT not_applicable"
    " LIMIT 1"
)
_EVENTS: Final = f"SELECT in_row, CAST(event AS BLOB) FROM metric WHERE {_OF} AND label = ? AND NOT failed"
_EVENT: Final = "SELECT CAST(event AS BLOB) FROM span_event WHERE key = ?"
_AT_ONCE: Final = 1_000
# As capture names the repeats of a row that nobody named: the hash of its input, and an ordinal.
_REPEAT: Final = re.compile(r"([0-9a-f]{16})-([1-9][0-9]*)")


class Outcome(Struct, gc=False):
    """What one row came to under one label; sums, since a tree may have several metrics of it."""

    failed: int = 0
    not_applicable: int = 0
    numbers: int = 0  # scores, and booleans as 0 and 1
    total: float = 0.0
    assessed: int = 0
    passed: int = 0
    categories: tuple[str, ...] = ()
    others: int = 0  # JSON values

    @property
    def says_something(self) -> bool:
        """Whether any metric of it has a value or an assessment."""
        return bool(self.numbers or self.assessed or self.categories or self.others)

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
    expected_hash: int | None = None


class Side(Struct, frozen=True):
    """One experiment: its rows, and by label what they came to. `types` counts metrics that didn't fail."""

    rows: dict[Key, ScoredRow]
    outcomes: dict[str, dict[int, Outcome]]  # by the row's key in the store
    types: dict[str, dict[str, int]]
    directions: dict[str, Recorded] = {}  # of the labels whose metrics say which values are better
    votes: dict[str, list[Votes]] = {}  # of the labels of judges that vote


class RowPair(Struct, frozen=True, gc=False):
    """A row of the dataset that both experiments have, with all of its repeats."""

    dataset_row: str
    a: Sequence[ScoredRow]
    b: Sequence[ScoredRow]

    @property
    def has_other_expected(self) -> bool:
        """Whether B's expected output is another one."""
        if len(self.a) == len(self.b) == 1:
            return self.a[0].expected_hash != self.b[0].expected_hash
        return {row.expected_hash for row in self.a} != {row.expected_hash for row in self.b}


def read_side(store: Store, experiment_id: str, watch: Watch | None = None) -> Side:
    """All rows of an experiment and what was measured of them."""
    rows = dict(keyed_rows(store, experiment_id))
    known = {row.key for row in rows.values()}
    outcomes: dict[str, dict[int, Outcome]] = {}
    types: dict[str, dict[str, int]] = {}
    found: Iterable[tuple[Any, ...]] = store.select(_METRICS, (experiment_id,), at_once=_AT_ONCE)
    for in_row, label, kind, score, boolean, category, assessment, failed, not_applicable in (
        watch(found) if watch else found
    ):
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
        if not_applicable:
            outcome.not_applicable += 1
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
    directions = {label: Recorded(*counts) for label, *counts in said}
    votes = {label: cast for label in outcomes if (cast := _votes(store, experiment_id, label, known))}
    return Side(rows, outcomes, types, directions, votes)


class _Voted(Struct):
    metadata: dict[str, Any] | None = None


_voted = msgspec.json.Decoder(_Voted)


def _votes(store: Store, experiment_id: str, label: str, known: Set[int]) -> list[Votes]:
    """What a judge's votes came to, metric by metric; nothing of a label that has none."""
    first = next(store.select(_FIRST_SCORED, (experiment_id, label)), None)
    if first is None or b'"votes"' not in first[0] or _voted_on(first[0]) is None:
        return []
    events = store.select(_EVENTS, (experiment_id, label))
    found = (_voted_on(event) for in_row, event in events if in_row in known)
    return [votes for votes in found if votes is not None]


def _voted_on(event: bytes) -> Votes | None:
    try:
        return votes_of(_voted.decode(event).metadata or {})
    except msgspec.DecodeError:
        return None


def row_pairs(a: Side, b: Side) -> list[RowPair]:
    """The rows that both have, in A's order."""
    of_a, of_b = _by_dataset_row(a), _by_dataset_row(b)
    return [RowPair(name, rows, of_b[name]) for name, rows in of_a.items() if name in of_b]


def _by_dataset_row(side: Side) -> dict[str, list[ScoredRow]]:
    """All repeats of each row of the dataset."""
    found: dict[str, list[ScoredRow]] = {}
    for key, row in side.rows.items():
        found.setdefault(dataset_row(key), []).append(row)
    return found


def dataset_row(key: Key) -> str:
    """The row of the dataset, the same for all repeats of it."""
    name, ordinal = key
    repeat = _REPEAT.fullmatch(name)
    return repeat[1] if repeat is not None and ordinal == 1 else name


def keyed_rows(store: Store, experiment_id: str) -> Iterator[tuple[Key, ScoredRow]]:
    """An experiment's rows, each with how it is known to a comparison; by start."""
    taken: set[Key] = set()
    last: dict[str, int] = {}
    for stored_key, row_id, iteration, span_id, duration_ns, is_error, *amounts in store.select(
        _ROWS, (experiment_id,), at_once=_AT_ONCE
    ):
        name = row_id if row_id is not None else _input_hash(next(store.select(_EVENT, (stored_key,)))[0])
        if iteration is None or (name, iteration) in taken:  # as where several runs went into one experiment
            iteration = last.get(name, 0) + 1
            while (name, iteration) in taken:
                iteration += 1
            last[name] = iteration
        taken.add((name, iteration))
        yield (name, iteration), ScoredRow(stored_key, span_id, duration_ns, bool(is_error), *amounts)


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
