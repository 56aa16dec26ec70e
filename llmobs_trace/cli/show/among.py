"""Finds the rows that conditions and an order choose, and says what those name amiss; on the main thread.

A slip of the pen in a label or a tag finds no row, and would go unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from llmobs_trace.errors import did_you_mean
from llmobs_trace.store import queries, row_conditions
from llmobs_trace.store.conditions import Condition, Sort, read_all, read_sort, write_field
from llmobs_trace.store.store import Store

_MOST: Final = 20
Places = list[tuple[str, str]]  # rows, by the ids of their traces and spans


class Asked(Struct, frozen=True):
    """What a command line asks for; no sort is by start."""

    conditions: list[Condition]
    sort: Sort | None


class Among(Struct, frozen=True):
    """The rows to choose from, in their order, and those that the scores are of; None: all, by start."""

    rows: Places | None = None
    scored: Places | None = None  # an order leaves none out


def asked(where: Sequence[str], sort: str | None) -> Asked:
    """Raises `ConditionError`."""
    return Asked(read_all(where), None if sort is None else read_sort(sort))


def among(store: Store, experiment_id: str, asked: Asked) -> Among:
    if not asked.conditions and asked.sort is None:
        return Among()
    rows = row_conditions.rows(store, experiment_id, asked.conditions, asked.sort or Sort())
    return Among(rows, rows if asked.conditions else None)


def unknown(store: Store, experiment_id: str, asked: Asked) -> Iterator[str]:
    """A line for each label and tag that is not there, with those that are."""
    named: list[Condition | Sort] = [*asked.conditions, *([asked.sort] if asked.sort else [])]
    for field in dict.fromkeys(each.field for each in named):
        if field.word == "metric":
            what, known = "labels", queries.labels(store, experiment_id)
        elif field.word == "tag":
            key = row_conditions.key_of(store, experiment_id)
            what, known = "tags", row_conditions.tag_keys(store, key)
        else:
            continue
        if field.name not in known:
            listed = ", ".join(known[:_MOST]) + (", …" if len(known) > _MOST else "")
            near = did_you_mean(field.name, known)
            yield f"no row has {write_field(field)}{near}; {what} that are there: {listed or 'none'}"
