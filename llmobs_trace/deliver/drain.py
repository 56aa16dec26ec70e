"""Delivers one source to one destination: what a command does with what was left. Caller's thread."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from msgspec import Struct

from llmobs_trace.deliver.destination import Destination
from llmobs_trace.deliver.fork_gate import Gate
from llmobs_trace.deliver.lane import MAX_BATCH_EVENTS, Sending
from llmobs_trace.deliver.lanes import Lanes
from llmobs_trace.deliver.ledger import Ledger
from llmobs_trace.deliver.named_experiments import NamedExperiments
from llmobs_trace.deliver.notices import Notices
from llmobs_trace.deliver.rejected import Rejected
from llmobs_trace.http_client.backoff import Pace
from llmobs_trace.http_client.clock import Clock
from llmobs_trace.journal.queue import Source


class Drained(Struct, frozen=True, kw_only=True):
    """What became of a source's events; `last_error` says why some are still pending."""

    delivered: int
    rejected: int
    pending: int
    last_error: str | None


def log_notices() -> Notices:
    """Few lines for the log of the package."""
    return Notices(logging.getLogger("llmobs_trace"), Clock.now)


def drain(
    source: Source,
    destination: Destination,
    *,
    timeout: float,
    request_timeout: float,
    max_batch_bytes: int,
    max_batch_events: int = MAX_BATCH_EVENTS,
    pace: Pace | None = None,
    rejected: Path | None = None,
    named: NamedExperiments | None = None,
    notices: Notices | None = None,
) -> Drained:
    """Deliver all of `source` within `timeout` seconds; ends early where nothing can change in what is left.

    What is refused for good is kept under the directory `rejected`. `named` finds or makes what events name.
    `notices` are for several sources after
    one another, with their own end. The caller closes source and destination.
    """
    ledger = Ledger()
    gate = Gate()
    sending = Sending(
        destination=destination,
        gate=gate,
        ledger=ledger,
        notices=notices or log_notices(),
        request_timeout_seconds=request_timeout,
        max_batch_bytes=max_batch_bytes,
        max_batch_events=max_batch_events,
        pace=pace or Pace(),
        rejected=Rejected(rejected),
        named=named or NamedExperiments(),
    )
    before = source.counts()
    lanes = Lanes(source, sending)
    deadline = Clock.now() + timeout
    lanes.finish_by(deadline)
    gate.enter()
    try:
        while True:
            lanes.deliver(lambda: Clock.now() >= deadline)
            next_due = lanes.next_due()
            if next_due is None or next_due >= deadline or Clock.now() >= deadline:
                break
            time.sleep(max(0.0, next_due - Clock.now()))
    finally:
        gate.leave()
        if notices is None:
            sending.notices.end()
    after = source.counts()
    return Drained(
        delivered=after.delivered - before.delivered,
        rejected=after.rejected - before.rejected,
        pending=after.pending,
        last_error=ledger.last_error,
    )
