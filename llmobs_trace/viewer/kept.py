"""Keeps what was read of whole experiments, for as long as nothing is added to them. Any thread.

Of 20,000 rows it takes a good part of a second, and every question about a list of them begins with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from llmobs_trace.store.store import Store

_Found = TypeVar("_Found")
# What is the same as long as an experiment is.
State = tuple[object, ...]
_COUNTS: Final = "key, id, created_ns, rows, spans, metrics, priced, replaced"


def state_of(store: Store, experiments: Sequence[int]) -> State:
    """Of experiments, by their keys in the store."""
    return tuple(
        counts
        for key in experiments
        for counts in store.select(f"SELECT {_COUNTS} FROM experiment WHERE key = ?", (key,))
    )


class Kept(Generic[_Found]):
    """What was found last: together it weighs no more than `most`, unless the last alone does."""

    def __init__(self, most: int) -> None:
        self._most = most
        # Guards what is kept; held while something is found, so that nobody finds the same meanwhile.
        self._lock = threading.Lock()
        self._found: dict[State, tuple[int, _Found]] = {}

    def get(self, state: State, find: Callable[[], _Found], weight: Callable[[_Found], int]) -> _Found:
        """What is kept of a state, or else what `find` finds."""
        with self._lock:
            kept = self._found.pop(state, None)
            if kept is None:
                found = find()
                kept = (weight(found), found)
            self._found[state] = kept  # the last, which is let go of last
            while len(self._found) > 1 and sum(each for each, _ in self._found.values()) > self._most:
                del self._found[next(iter(self._found))]
            return kept[1]
