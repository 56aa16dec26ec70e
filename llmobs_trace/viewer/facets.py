"""Lists the tags, kinds and errors that rows can be narrowed down by. The thread that has the store.

Each list from an index, and its most frequent members alone: what is not in it can be typed.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from llmobs_trace.store import row_conditions
from llmobs_trace.store.store import Store

_MOST_KEYS: Final = 30
_MOST_VALUES: Final = 30
_LONGEST: Final = 200
_MOST_READ: Final = 10_000
_VALUES: Final = (
    "SELECT value FROM (SELECT value FROM row_tag WHERE experiment = ? AND key = ? AND length(value) <= ?"
    " LIMIT ?) GROUP BY value ORDER BY count(*) DESC, value LIMIT ?"
)
_ERRORS: Final = (
    "SELECT error_type FROM (SELECT error_type FROM span INDEXED BY span_errors WHERE experiment = ?"
    " AND status = 'error' AND error_type IS NOT NULL LIMIT ?)"
    " GROUP BY error_type ORDER BY count(*) DESC, error_type LIMIT ?"
)


class Facet(Struct, frozen=True):
    """The values that a tag has."""

    key: str
    values: list[str]


class Facets(Struct, frozen=True):
    tags: list[Facet]
    kinds: list[str]
    errors: list[str]


def facets(store: Store, experiment: int) -> Facets:
    read = (_MOST_READ, _MOST_VALUES)
    return Facets(
        tags=[
            Facet(key, [value for (value,) in store.select(_VALUES, (experiment, key, _LONGEST, *read))])
            for key in row_conditions.tag_keys(store, experiment, _MOST_KEYS)
        ],
        kinds=row_conditions.kinds(store, experiment, _MOST_VALUES),
        errors=[kind for (kind,) in store.select(_ERRORS, (experiment, *read))],
    )
