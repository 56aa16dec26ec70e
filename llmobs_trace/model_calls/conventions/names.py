"""Knows what the names of a span's attributes say, whatever the values: once for all spans that have the same
ones, as an instrumentation's mostly have. Any thread.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

_NUMBER: Final = re.compile(r"\.[0-9]+(?=\.|$)")
_REMEMBERED: Final = 512

Answer = TypeVar("Answer")


class Tagged(NamedTuple):
    """An attribute that becomes a tag, where its value fits."""

    tag: str
    name: str
    fits: Callable[[Any], bool]


class Names:
    """The names of a span's attributes.

    `heads` is what they begin with. Those that have a number are in `numbered`, by what stands before the
    first of them.
    """

    __slots__ = ("_answers", "all", "heads", "in_order", "numbered")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.in_order = names
        self.all = frozenset(names)
        self.heads = frozenset(name.partition(".")[0] for name in names)
        self.numbered: dict[str, list[str]] = {}
        for name in names:
            if (number := _NUMBER.search(name)) is not None:
                self.numbered.setdefault(name[: number.start()], []).append(name)
        self._answers: dict[Callable[[Names], Any], Any] = {}

    def told(self, question: Callable[[Names], Answer]) -> Answer:
        """What a question about the names is answered, which is asked once: a function of a module's."""
        try:
            answer: Answer = self._answers[question]
        except KeyError:
            answer = self._answers[question] = question(self)
        return answer

    def tagged(
        self, table: Mapping[str, tuple[tuple[str, ...], Callable[[Any], bool]]]
    ) -> tuple[Tagged, ...]:
        """Of a table of tags, and the attributes that say them, those that are here."""
        return tuple(
            Tagged(tag, name, fits)
            for tag, (names, fits) in table.items()
            for name in names
            if name in self.all
        )


@functools.lru_cache(maxsize=_REMEMBERED)
def names_of(names: tuple[str, ...]) -> Names:
    """Of the same names the same."""
    return Names(names)
