"""The counts that must balance: recorded = delivered + pending + rejected + dropped. Read on any thread.

The queue keeps those five, all of one moment, since it alone sees every append; here they meet what only
the sender knows. Each field below is written by the sender's thread alone.
"""

from __future__ import annotations

from msgspec import Struct

from llmobs_trace.journal.record import Counts


class DeliveryStats(Struct, frozen=True, kw_only=True):
    """What became of the events of this process, at one moment.

    `recorded`, `delivered`, `pending`, `rejected`, `dropped` count events; the first is the sum of the
    others. `retried` counts requests, `sender_faults` exceptions inside the sender that it survived.
    """

    recorded: int = 0
    delivered: int = 0
    pending: int = 0
    rejected: int = 0
    dropped: int = 0
    retried: int = 0
    pending_bytes: int = 0
    last_error: str | None = None
    sender_faults: int = 0


class Ledger:
    """What the sender counts beside the queue."""

    __slots__ = ("last_error", "retried", "sender_faults")

    def __init__(self) -> None:
        self.retried = 0
        self.sender_faults = 0
        self.last_error: str | None = None

    def stats(self, counts: Counts) -> DeliveryStats:
        """Put both halves together."""
        return DeliveryStats(
            recorded=counts.recorded,
            delivered=counts.delivered,
            pending=counts.pending,
            rejected=counts.rejected,
            dropped=counts.dropped,
            retried=self.retried,
            pending_bytes=counts.pending_bytes,
            last_error=self.last_error,
            sender_faults=self.sender_faults,
        )
