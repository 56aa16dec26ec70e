"""Delivers what ended processes left in journals of their own, beside this one's queue. Sender's thread.

An outage may leave thousands, and each that is held takes descriptors, of which the program has not many. So
a few are held at a time, in rounds: those for which nothing can be done make place for the next, and come
again once all the others had their turn. After each round it is said how runs ended whose processes died.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from llmobs_trace.deliver.fork_gate import GateClosed
from llmobs_trace.deliver.lane import Sending
from llmobs_trace.deliver.lanes import Lanes
from llmobs_trace.journal.ownership import NamedRun
from llmobs_trace.journal.queue import Source

# Other processes end while this one runs: when it is awake anyway, it looks for what they left so often.
_LOOK_SECONDS: Final = 60.0
_NOT_YET: Final = float("-inf")
# So many are held at a time.
_MOST: Final = 16


class Adopted(Source, Protocol):
    """What an ended process left, taken over."""

    @property
    def runs(self) -> tuple[NamedRun, ...]:
        """The runs whose made-up ids its events may have."""

    def after_fork_in_child(self) -> None:
        """Let go of what was inherited: the parent goes on delivering it."""


class Predecessors:
    """The sources that `adopt` found and that are not delivered yet; `fault` is told of exceptions."""

    def __init__(
        self,
        adopt: Callable[[], Iterable[Adopted]] | None,
        sending: Sending,
        fault: Callable[[BaseException], None],
    ) -> None:
        self.lanes: list[Lanes[Adopted]] = []
        self._adopt = adopt
        self._sending = sending
        self._fault = fault
        self._looked_at = _NOT_YET
        self._round: Iterator[Adopted] | None = None  # those that had no turn yet
        self._is_first = True  # this round of the process
        self._has_to_tell = False

    def look_again(self) -> None:
        """The next `deliver` looks for more, however long ago the last did."""
        self._looked_at = _NOT_YET

    def deliver(self, now: float, finish_by: float | None, has_better_to_do: Callable[[], bool]) -> None:
        """Look for more, now and then, and send what is due and new, as far as there is nothing better."""
        try:
            self._look(now)
        except Exception as error:
            self._round = None
            self._fault(error)
        for lanes in list(self.lanes):
            if has_better_to_do():
                return
            try:
                if self._can_send(lanes, now):
                    lanes.finish_by(finish_by)
                    lanes.deliver(has_better_to_do)
                if lanes.source.pending()[0] and not self._makes_place(lanes, now):
                    continue
            except GateClosed:
                raise
            except Exception as error:
                self._fault(error)  # somebody tampers with its files; the next process may try again
            self._let_go(lanes)
        if self._has_to_tell and self._round is None and not has_better_to_do():
            self._has_to_tell = False
            self._tell(finish_by)

    def _tell(self, finish_by: float | None) -> None:
        seconds = self._sending.request_timeout_seconds
        if finish_by is not None:
            seconds = min(seconds, finish_by - self._sending.clock())
        try:
            self._sending.say_how_the_dead_ended(seconds)
        except GateClosed:
            raise
        except Exception as error:
            self._fault(error)

    def _look(self, now: float) -> None:
        """Begin a round where it is time, or go on with one: hold as many as may be held."""
        if self._adopt is not None and now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at, self._has_to_tell = now, True
            if self._round is None:
                self._round = iter(self._adopt())
            if len(self.lanes) >= _MOST:
                for lanes in [lanes for lanes in self.lanes if not lanes.has_new()]:
                    self._let_go(lanes)
        while self._round is not None and len(self.lanes) < _MOST:
            source = next(self._round, None)
            if source is None:
                self._round, self._is_first = None, False
            else:
                self._sending.named.learn(source.runs)
                self.lanes.append(Lanes(source, self._sending))

    def _makes_place(self, lanes: Lanes[Adopted], now: float) -> bool:
        """Whether to let one that is refused go at once, as others wait for their first turn.

        In an outage they would fare no better, and in later rounds they were tried before.
        """
        is_others_turn = self._round is not None and self._is_first
        return is_others_turn and lanes.is_refused() and not self._can_send(lanes, now)

    @staticmethod
    def _can_send(lanes: Lanes[Adopted], now: float) -> bool:
        return lanes.has_new() or lanes.is_due(now)

    def _let_go(self, lanes: Lanes[Adopted]) -> None:
        self.lanes.remove(lanes)
        lanes.source.close(keep=True)

    def has_new(self) -> bool:
        """Whether anything was not tried yet, and can be."""
        has_place = len(self.lanes) < _MOST
        return (self._round is not None and has_place) or any(lanes.has_new() for lanes in self.lanes)

    def is_waiting(self, now: float) -> bool:
        """Whether any of it can be sent now."""
        return self.has_new() or any(lanes.is_due(now) for lanes in self.lanes)

    def close(self) -> None:
        """Leave what is left to the next process."""
        for lanes in self.lanes:
            lanes.source.close(keep=True)

    def after_fork_in_child(self) -> None:
        """They stay the parent's."""
        for lanes in self.lanes:
            lanes.source.after_fork_in_child()
