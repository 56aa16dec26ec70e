"""The lanes of one queue on a bench: no thread, no socket, a clock that the test turns."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmobs_trace.deliver import Pace
from llmobs_trace.deliver.fork_gate import Gate
from llmobs_trace.deliver.lane import Sending
from llmobs_trace.deliver.lanes import Lanes
from llmobs_trace.deliver.ledger import Ledger
from llmobs_trace.deliver.notices import Notices
from llmobs_trace.deliver.rejected import Rejected
from llmobs_trace.journal import Queue, Source

from .delivery import OwnDestination

PACE = Pace(base_seconds=1, cap_seconds=30, pause_seconds=60, pause_cap_seconds=600)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A queue, its lanes and a destination, with a clock and a chance that the test sets."""

    def __init__(
        self,
        queue: Queue,
        max_batch_bytes: int = 1 << 20,
        max_batch_events: int = 1000,
        *,
        rejected: Path | None = None,
        chance: Callable[[], float] = lambda: 0.5,
        **sending: Any,
    ) -> None:
        self.queue = queue
        self.clock = Clock()
        self.ledger = Ledger()
        self.destination = OwnDestination()
        self.sending = Sending(
            destination=self.destination,
            gate=Gate(),
            ledger=self.ledger,
            notices=Notices(logging.getLogger("llmobs_trace"), self.clock),
            request_timeout_seconds=10.0,
            max_batch_bytes=max_batch_bytes,
            max_batch_events=max_batch_events,
            pace=PACE,
            clock=self.clock,
            chance=chance,
            rejected=Rejected(rejected),
            **sending,
        )
        self.lanes: Lanes[Source] = Lanes(queue, self.sending)

    def crash(self) -> None:
        """All that the sender knows is gone; the queue is as it is."""
        self.lanes = Lanes(self.queue, self.sending)

    def pass_once(self, interrupted: Callable[[], bool] = lambda: False) -> None:
        self.sending.gate.enter()
        try:
            self.lanes.deliver(interrupted)
        finally:
            self.sending.gate.leave()
