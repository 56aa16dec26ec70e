"""Holds what callers wait for while the sender works. Made on their threads, answered on the sender's."""

from __future__ import annotations

import threading

from llmobs_trace.deliver.run_files import Ending
from llmobs_trace.journal.record import Position


class Flush:
    """Somebody waits until nothing before `target` is pending, or the clock says `deadline`."""

    __slots__ = ("deadline", "done", "reached", "seen", "target")

    def __init__(self, target: Position, deadline: float) -> None:
        self.target = target
        self.deadline = deadline
        self.done = threading.Event()
        self.reached = False
        self.seen = False


class Leftovers:
    """Somebody waits until what ended processes left is delivered, as far as that can be done now, and
    until it is said of a run how it ended, if it did.
    """

    __slots__ = ("deadline", "done", "ending")

    def __init__(self, deadline: float, ending: Ending | None = None) -> None:
        self.deadline = deadline
        self.ending = ending
        self.done = threading.Event()
