"""Makes a row's ids from what it is, so that a run that goes on gives the same ones again. Any thread."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b


class UnitIds:
    """The ids of one row and repeat. `trace_id`, 32 hex digits, is the same for all attempts."""

    __slots__ = ("_whose", "trace_id")

    def __init__(self, experiment_id: str, row_id: str, repeat: int) -> None:
        self._whose = b"%b%b%b" % (_known_part(experiment_id), _part(row_id), _known_part(repeat))
        self.trace_id = blake2b(self._whose, digest_size=16).hexdigest()

    def span_id(self, what: int | str) -> str:
        """16 hex digits: of an attempt, by its number, or of an evaluator, by its name."""
        return blake2b(self._whose + _known_part(what), digest_size=8).hexdigest()


def trace_id(experiment_id: str, row_id: str, repeat: int) -> str:
    """The trace of a row and a repeat, where nothing else is asked for."""
    return UnitIds(experiment_id, row_id, repeat).trace_id


def span_id(experiment_id: str, row_id: str, repeat: int, what: int | str) -> str:
    """One of its spans."""
    return UnitIds(experiment_id, row_id, repeat).span_id(what)


def _part(part: int | str) -> bytes:
    text = f"{type(part).__name__}:{part}".encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(text), text)


# Of all but rows: these come again with each of them.
_known_part = lru_cache(maxsize=1024, typed=True)(_part)
