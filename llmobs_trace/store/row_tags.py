"""Keeps the tags of rows where they are found by key and value; within a transaction that adds events.

A row's own tags, not those of the spans below it. What stands in a column of its own, as a row's id or its
tokens, is found there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from llmobs_trace.store.conditions import as_number
from llmobs_trace.wire import FOUND_OTHERWISE

if TYPE_CHECKING:
    import sqlite3

TABLE: Final = """
CREATE TABLE row_tag (                      -- a row's own tags, without those that a column has
    experiment  INTEGER NOT NULL REFERENCES experiment(key),
    key         TEXT NOT NULL,
    value       TEXT NOT NULL,
    in_row      INTEGER NOT NULL,           -- the key of the row
    number      REAL,                       -- what the value is as a number, if it is one
    PRIMARY KEY (experiment, key, value, in_row)
) WITHOUT ROWID"""


class _Event(Struct):
    tags: list[str] | None = None


_event = msgspec.json.Decoder(_Event)


def add(connection: sqlite3.Connection, rows: Iterable[tuple[int, int, str | bytes]]) -> None:
    """Keep the tags of rows: `(experiment, key, event)`."""
    connection.executemany(
        "INSERT INTO row_tag (experiment, key, value, in_row, number) VALUES (?,?,?,?,?)"
        " ON CONFLICT DO NOTHING",
        (
            (experiment, name, value, key, as_number(value))
            for experiment, key, event in rows
            for name, value in kept(_event.decode(event).tags or ())
        ),
    )


def kept(tags: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Which of a row's tags are kept here, as key and value."""
    for tag in tags:
        key, _, value = tag.partition(":")
        if key not in FOUND_OTHERWISE:
            yield key, value
