"""Keeps the counts that must balance: recorded = delivered + pending + rejected + dropped. Read on any
thread.

The queue keeps those five, all of one moment, since it alone sees every append; here they meet what only
the sender knows. Each field below is written by the sender's thread alone.
"""

from __future__ import annotations

from llmobs_trace.journal.record import Counts
from llmobs_trace.stats import DeliveryStats


class Ledger:
    """What the sender counts beside the queue."""

    __slots__ = ("given_up", "last_error", "retried", "sender_faults")

    def __init__(self) -> None:
        self.given_up = 0  # events, among the dropped ones
        self.retried = 0
        self.sender_faults = 0
        self.last_error: str | None = None

    def stats(self, counts: Counts) -> DeliveryStats:
        """Put both halves together."""
        return DeliveryStats(
            **counts._asdict(),
            recorded=counts.recorded,
            retried=self.retried,
            last_error=self.last_error,
            sender_faults=self.sender_faults,
        )
