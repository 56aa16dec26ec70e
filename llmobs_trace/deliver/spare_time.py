"""Decides when the sender does what could wait: after a second without events, a slice at a time. Sender's
thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from llmobs_trace.http_client.clock import Clock

# Does a slice of some milliseconds, and says whether there is more to do.
Slice = Callable[[], bool]

_QUIET_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 0.1


class SpareTime:
    """What is to be done in it is one callable's affair; without one there is nothing to do."""

    def __init__(self, slice: Slice | None) -> None:
        self._slice = slice
        self.next_due: float | None = None

    def was_busy(self, now: float) -> None:
        """Events came."""
        if self._slice is not None:
            self.next_due = now + _QUIET_SECONDS

    def end(self) -> None:
        """The sender ends: what a moment is enough for is done. What is left, others do when they need it."""
        until = Clock.now() + _LAST_SECONDS
        while self._slice is not None and Clock.now() < until and self._slice():
            pass

    def use(self, now: float) -> None:
        """Do a slice where it is time for one."""
        if self._slice is None or self.next_due is None or now < self.next_due:
            return
        self.next_due = None  # an exception ends it until events come again
        if self._slice():
            self.next_due = now
