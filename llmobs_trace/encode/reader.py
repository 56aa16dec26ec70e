"""What a reader is: how one class's values are read, and what the walker does with what was read."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NamedTuple


class Shape(enum.Enum):
    """What a reader gives: the walker goes on from there."""

    LEAF = "a JSON scalar"
    ITEMS = "a list of values"
    UNORDERED = "a list of values in no order"
    PAIRS = "a list of keys and values"
    INSTEAD = "another value to write in its place"


class Reader(NamedTuple):
    """How the values of one class are read."""

    shape: Shape
    read: Callable[[Any], Any]


class Pairs(list[Any]):
    """Keys and values of one object, for readers whose keys need not be distinct or hashable."""
