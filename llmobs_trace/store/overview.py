"""Sums one experiment up in a line of a list: scores, latency, tokens, cost, and by what it was made. Any
thread.

All of it is answered by sums that are kept, or by an index of rows; of rows, the first and the last are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from llmobs_trace.store.store import Store

_MOST_CHARACTERS: Final = 200
# Tags that say which run or row it is, not by what it was made.
_NOT_PARAMETERS: Final = frozenset(
    {
        *("experiment_id", "experiment_name", "project_id", "project_name", "dataset_id", "dataset_name"),
        *("dataset_record_id", "dataset_record_canonical_id", "run_id", "run_iteration", "span_kind"),
        *("ml_app", "model_calls", "input_tokens", "output_tokens", "cost_usd", "attempt", "ended_by"),
    }
)
_COMMIT: Final = "git.commit.sha"


class ListedScore(Struct, frozen=True):
    """A label in one number: the mean of its numbers, else the share of true, else that of pass."""

    label: str
    value: float
    is_share: bool


class Overview(Struct, frozen=True):
    """Of rows; None where none says."""

    scores: list[ListedScore]
    latency_ns: int | None  # half of the rows took no longer
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None  # of the rows of which it is known
    cost_unknown: int  # how many others there are, where any is known
    is_worked_out: bool  # whether any cost was
    parameters: dict[str, str]  # of its config, its tags and its code


class Difference(Struct, frozen=True):
    """A parameter that another experiment has otherwise; None where one of the two hasn't any."""

    name: str
    before: str | None
    now: str | None


def overview(store: Store, key: int) -> Overview:
    """Of the experiment of that key."""
    query = "SELECT rows, config, priced FROM experiment WHERE key = ?"
    ((rows, config, priced),) = store.select(query, (key,))
    costs, cost_usd = _sum(store, key, "cost_usd")
    given, input_tokens = _sum(store, key, "input_tokens")
    made, output_tokens = _sum(store, key, "output_tokens")
    return Overview(
        scores=list(_scores(store, key)),
        latency_ns=_median(store, key, rows) if rows else None,
        input_tokens=int(input_tokens) if given else None,
        output_tokens=int(output_tokens) if made else None,
        cost_usd=cost_usd if costs else None,
        cost_unknown=rows - costs if costs else 0,
        is_worked_out=priced > 0,
        parameters={**_config(config), **_shared_tags(store, key)},
    )


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """What is another, by name."""
    names = sorted(before.keys() | now.keys())
    return [
        Difference(name, before.get(name), now.get(name))
        for name in names
        if before.get(name) != now.get(name)
    ]


def _scores(store: Store, key: int) -> Iterator[ListedScore]:
    query = (
        "SELECT label, sum(numbers), total(total), sum(trues), sum(falses), sum(passed), sum(not_passed)"
        " FROM label WHERE experiment = ? GROUP BY label ORDER BY label"
    )
    for label, numbers, total, trues, falses, passed, not_passed in store.select(query, (key,)):
        if numbers:
            yield ListedScore(label, total / numbers, False)
        elif trues + falses:
            yield ListedScore(label, trues / (trues + falses), True)
        elif passed + not_passed:
            yield ListedScore(label, passed / (passed + not_passed), True)


def _median(store: Store, key: int, rows: int) -> int | None:
    query = (
        "SELECT duration_ns FROM span INDEXED BY row_by_duration WHERE experiment = ? AND in_row = key"
        " ORDER BY duration_ns LIMIT 1 OFFSET ?"
    )
    return next((duration_ns for (duration_ns,) in store.select(query, (key, (rows - 1) // 2))), None)


def _sum(store: Store, key: int, column: str) -> tuple[int, float]:
    query = (
        f"SELECT count(*), total({column}) FROM span INDEXED BY row_by_{column}"
        f" WHERE experiment = ? AND in_row = key AND {column} >= 0"
    )
    ((count, total),) = store.select(query, (key,))
    return count, min(total, 1.7e308)  # JSON has no infinity


def _config(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    try:
        config = json.loads(text)
    except ValueError:
        return {}
    return dict(_flat("", config)) if isinstance(config, dict) else {}


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(f"{path}.{name}" if path else name, inner)
    else:
        said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield path, said[:_MOST_CHARACTERS]


class _Event(Struct):
    tags: list[str] = []


_event = msgspec.json.Decoder(_Event)


def _shared_tags(store: Store, key: int) -> dict[str, str]:
    """The tags that the first row and the last one have alike: what is of one row is none of the run."""
    shared: set[str] | None = None
    for order in ("ASC", "DESC"):
        query = (
            "SELECT CAST(v.event AS BLOB) FROM span s INDEXED BY row_by_start"
            " JOIN span_event v ON v.key = s.key"
            f" WHERE s.experiment = ? AND s.in_row = s.key ORDER BY s.start_ns {order} LIMIT 1"
        )
        for (event,) in store.select(query, (key,)):
            found = set(_event.decode(event).tags)
            shared = found if shared is None else shared & found
    tags = dict(tag.partition(":")[::2] for tag in sorted(shared or ()))
    return {
        "commit" if name == _COMMIT else name: value[:_MOST_CHARACTERS]
        for name, value in tags.items()
        if name not in _NOT_PARAMETERS
    }
