"""Reads what a request asks for: the ids in its path, its filters, its page and its body. Pure.

A cursor holds the filters that it goes on with: ddtrace's SDK, following one, sends nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from llmobs_trace.receiver.http import Reply
from llmobs_trace.receiver.problems import problem

LARGEST_PAGE: Final = 5000
_CURSOR, _LIMIT = "page[cursor]", "page[limit]"
_Item = TypeVar("_Item")


class Refused(Exception):
    """What was asked for can't be answered; with the answer that says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class _Cursor(Struct, array_like=True):
    after: int
    filters: dict[str, list[str]]


_to_json: Final = msgspec.json.Encoder().encode
_from_json: Final = msgspec.json.Decoder(_Cursor).decode


class Asked(Struct, frozen=True):
    """One request: `ids` are the path's, in order; `filters` the query's; `after` is where a page begins."""

    ids: tuple[str, ...] = ()
    filters: Mapping[str, list[str]] = {}
    limit: int = LARGEST_PAGE
    after: int | None = None
    body: bytes = b""
    content_type: str = ""
    # The experiments that the server takes events of; none: of whichever is named.
    declared: frozenset[str] = frozenset()

    def one(self, name: str) -> str | None:
        """The last value of a filter; None where it is not asked for."""
        values = self.filters.get(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool:
        return self.one(name) in ("true", "True", "1")


def asked(
    ids: tuple[str, ...],
    query: Mapping[str, list[str]],
    body: bytes = b"",
    content_type: str = "",
    declared: frozenset[str] = frozenset(),
) -> Asked:
    """What a query asks for; raises `Refused`, naming the parameter."""
    filters = {name: values for name, values in query.items() if name not in (_CURSOR, _LIMIT)}
    after = None
    if cursor := query.get(_CURSOR, [""])[-1]:
        try:
            found = _from_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except (ValueError, msgspec.DecodeError):
            raise Refused(problem(400, "this server gave no such cursor", parameter=_CURSOR)) from None
        after, filters = found.after, {**filters, **found.filters}
    limit = query.get(_LIMIT, [str(LARGEST_PAGE)])[-1]
    if not limit.isdecimal() or not 1 <= int(limit) <= LARGEST_PAGE:
        raise Refused(problem(400, f"a page has 1 to {LARGEST_PAGE} items", parameter=_LIMIT))
    return Asked(ids, filters, int(limit), after, body, content_type, declared)


def page(asked: Asked, items: Iterable[tuple[int, _Item]]) -> tuple[list[_Item], dict[str, Any]]:
    """The first items, each after the number by which the next page goes on, and the answer's `meta`."""
    waiting: Iterator[tuple[int, _Item]] = iter(items)
    found = list(islice(waiting, asked.limit))
    has_more = len(found) == asked.limit and next(waiting, None) is not None
    after = cursor(found[-1][0], asked.filters) if has_more else None
    return [item for _, item in found], {"after": after}


def cursor(after: int, filters: Mapping[str, list[str]]) -> str:
    """Where the next page begins, as text."""
    return base64.urlsafe_b64encode(_to_json(_Cursor(after, dict(filters)))).decode().rstrip("=")
