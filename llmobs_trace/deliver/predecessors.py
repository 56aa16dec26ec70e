"""What ended processes left in journals of their own, delivered beside this one's queue. Sender's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from llmobs_trace.deliver.gate import Closed
from llmobs_trace.deliver.lane import Sending
from llmobs_trace.deliver.lanes import Lanes
from llmobs_trace.journal.queue import Source

# Other processes end while this one runs: when it is awake anyway, it looks for what they left so often.
_LOOK_SECONDS: Final = 60.0
_NOT_YET: Final = float("-inf")


class Adopted(Source, Protocol):
    """What an ended process left, taken over."""

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

    def look_again(self) -> None:
        """The next `deliver` looks for more, however long ago the last did."""
        self._looked_at = _NOT_YET

    def deliver(self, now: float, finish_by: float | None, has_better_to_do: Callable[[], bool]) -> None:
        """Look for more, now and then, and send what is due and new, as far as there is nothing better."""
        if self._adopt is not None and now - self._looked_at >= _LOOK_SECONDS:
            try:
                for source in self._adopt():
                    self.lanes.append(Lanes(source, self._sending))
            except Exception as error:
                self._fault(error)
            self._looked_at = now
        for lanes in list(self.lanes):
            if has_better_to_do():
                return
            try:
                if lanes.has_new() or lanes.is_due(now):
                    lanes.finish_by(finish_by)
                    lanes.deliver(has_better_to_do)
                if lanes.source.pending()[0]:
                    continue
            except Closed:
                raise
            except Exception as error:
                self._fault(error)  # somebody tampers with its files; the next process may try again
            self.lanes.remove(lanes)
            lanes.source.close(keep=True)

    def is_waiting(self, now: float) -> bool:
        """Whether any of it can be sent now."""
        return any(lanes.has_new() or lanes.is_due(now) for lanes in self.lanes)

    def close(self) -> None:
        """Leave what is left to the next process."""
        for lanes in self.lanes:
            lanes.source.close(keep=True)

    def after_fork_in_child(self) -> None:
        """They stay the parent's."""
        for lanes in self.lanes:
            lanes.source.after_fork_in_child()
