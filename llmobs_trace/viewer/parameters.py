"""Reads the parameters of a query as bounded values, or says what would do. Any thread."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from llmobs_trace.viewer.response import CannotAnswer

MAX_TEXT: Final = 1000
_WHOLE: Final = re.compile(r"[0-9]{1,12}")


# The one that an address may repeat.
_REPEATED: Final = "where"
_MOST: Final = 100


def query_of(text: str) -> dict[str, str]:
    """An address's parameters; of one that is repeated the last, but of conditions all, one a line.

    Raises `ValueError` for more than anybody asks.
    """
    given = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST)
    found = dict(given)
    if _REPEATED in found:
        found[_REPEATED] = "\n".join(value for name, value in given if name == _REPEATED)
    return found


def searches(query: Mapping[str, str]) -> bool:
    """Whether rows are looked for by their words."""
    return bool(query.get("q")) or "text" in query.get(_REPEATED, "")


class Parameters:
    """Reads each parameter once by its type; one that is not there or empty is None, or its default."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self._query = query

    def text(self, name: str, *, empty: bool = False) -> str | None:
        """Text of at most `MAX_TEXT` characters; with `empty`, given without one is the empty text."""
        given = self._query.get(name)
        if given is None or (not given and not empty):
            return None
        if len(given) > MAX_TEXT:
            raise CannotAnswer(400, f"{name} is {len(given)} characters long; at most {MAX_TEXT} are read")
        try:
            given.encode()
        except UnicodeEncodeError:
            raise CannotAnswer(400, f"{name} is no Unicode text") from None
        return given

    def lines(self, name: str) -> list[str]:
        """What was given of a parameter that may be repeated."""
        return [line for line in self._query.get(name, "").split("\n") if line]

    def whole(self, name: str, default: int, *, most: int = 10**12) -> int:
        given = self._query.get(name)
        if not given:
            return default
        if not _WHOLE.fullmatch(given):
            raise CannotAnswer(400, f'{name} is "{given[:40]}"; expected a whole number from 0 on')
        return min(int(given), most)

    def number(self, name: str) -> float | None:
        given = self._query.get(name)
        if not given:
            return None
        try:
            number = float(given)
        except ValueError:
            number = math.nan
        if math.isnan(number):
            raise CannotAnswer(400, f'{name} is "{given[:40]}"; expected a number')
        return number

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str | None:
        given = self._query.get(name)
        if not given:
            return default
        if given not in choices:
            raise CannotAnswer(400, f'{name} is "{given[:40]}"; expected one of: {", ".join(choices)}')
        return given

    def flag(self, name: str) -> bool:
        return self.choice(name, ("0", "1"), "0") == "1"
