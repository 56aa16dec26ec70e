"""Defines a reader: how one class's values are read, and what the walker does with what was read."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final, NamedTuple

# Values past it are counted, not written: at some 3 µs each they would hold the program up.
MAX_VALUES: Final = 60_000


class Shape(enum.Enum):
    """What a reader gives: the walker goes on from there."""

    LEAF = "a JSON scalar"
    TEXT = "nothing: the value is a text itself, of a class derived from str"
    ITEMS = "a list of values"
    UNORDERED = "a list of values in no order"
    PAIRS = "a list of keys and values"
    INSTEAD = "another value to write in its place"


class Reader(NamedTuple):
    """How the values of one class are read; and as how many values one counts, where that takes long."""

    shape: Shape
    read: Callable[[Any], Any]
    counts: int = 0


class Pairs(list[Any]):
    """Keys and values of one object, for readers whose keys need not be distinct or hashable."""


class Head(list[Any]):
    """The first of more items than are ever written; `of` is how many there are."""

    __slots__ = ("of",)

    of: int


def head(items: Iterable[Any], of: int) -> list[Any]:
    """A container's items and how many there are in, a copy out: of very many, of the first alone."""
    if of <= MAX_VALUES:
        return list(items)
    first = Head(islice(items, MAX_VALUES))
    first.of = of
    return first
