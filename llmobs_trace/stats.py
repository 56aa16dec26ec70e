"""Says what `delivery_stats` answers with. Any thread.

It stands apart from the sender's counts, so that the type can be asked for without loading what delivers.
"""

from __future__ import annotations

from msgspec import Struct


class DeliveryStats(Struct, frozen=True, kw_only=True):
    """What became of the events of this process, at one moment; an event is a span or a metric.

    >>> delivery_stats().pending
    0

    - `recorded`: events, always the sum of the next four
    - `delivered`: events that the destination accepted
    - `pending`: events that wait, and `pending_bytes`, their size
    - `rejected`: events that the destination refused, or took only in part
    - `dropped`: events that were given up, as where the journal was full
    - `retried`: requests that were sent again
    - `last_error`: what went wrong last, None where nothing did
    - `sender_faults`: exceptions inside the sender, which it survived
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
