"""Bounds what experiments hold that are known from trace headers alone, and refused. Sender's thread.

Whoever may name an experiment in a header can fill the journal with events that nobody takes, and then the
program's own are dropped. So all of theirs together may hold a share of it, and the newest beyond that are
given up, and counted as dropped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from llmobs_trace.deliver.answers import Verdict
from llmobs_trace.deliver.batch import Entries
from llmobs_trace.deliver.lane import Lane
from llmobs_trace.journal.record import Position

SHARE: Final = 4  # of the journal, a quarter
_REFUSING: Final = frozenset({Verdict.UNAUTHORISED, Verdict.REFUSED, Verdict.AWAITED})


class Hearsay:
    """Of one source; `is_hearsay` says whether an experiment is known from headers alone."""

    def __init__(self, is_hearsay: Callable[[str], bool], max_bytes: int) -> None:
        self._is_hearsay = is_hearsay
        self._max_bytes = max_bytes
        self._held: dict[str, int] = {}  # pending bytes, by experiment
        self._refused: dict[str, int] = {}  # those that count
        self._total_bytes = 0  # of the latter

    def beyond(
        self, lane: Lane, entries: Entries, frontier: Position, left: Position | None
    ) -> Entries | None:
        """After some entries of a lane were offered: those to be given up, the newest, if any.

        From `frontier` on they were read for the first time; those from `left` on are not settled.
        """
        experiment_id = lane.experiment_id
        if not self._is_hearsay(experiment_id):
            self.forget(lane)
            return None
        sizes, places = entries.sizes(), [record.at for record in entries.records]
        settled = len(places) if left is None else bisect_left(places, left)
        held_bytes = self._held.get(experiment_id, 0) - sum(sizes[:settled])
        held_bytes = max(0, held_bytes + sum(sizes[bisect_left(places, frontier) :]))
        kept = len(places)
        if lane.verdict in _REFUSING:
            others_bytes = self._total_bytes - self._refused.get(experiment_id, 0)
            for size_bytes in reversed(sizes[settled:]):
                if others_bytes + held_bytes <= self._max_bytes:
                    break
                kept -= 1
                held_bytes -= size_bytes
        self._hold(experiment_id, held_bytes, is_refused=lane.verdict in _REFUSING)
        return entries[kept:] if kept < len(places) else None

    def forget(self, lane: Lane) -> None:
        """Nothing of it is pending any more."""
        self._hold(lane.experiment_id, 0, is_refused=False)

    def forget_all(self) -> None:
        """Everything will be read for the first time again."""
        self._held, self._refused, self._total_bytes = {}, {}, 0

    def _hold(self, experiment_id: str, held_bytes: int, *, is_refused: bool) -> None:
        self._held.pop(experiment_id, None)
        self._total_bytes -= self._refused.pop(experiment_id, 0)
        if held_bytes:
            self._held[experiment_id] = held_bytes
            if is_refused:
                self._refused[experiment_id] = held_bytes
                self._total_bytes += held_bytes
