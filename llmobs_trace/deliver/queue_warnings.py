"""Tells, in few log lines, what a queue refuses or can't keep where it was meant to. Sender's thread.

An append never waits and never speaks: the sender looks on its behalf, whenever it is awake.
"""

from __future__ import annotations

from typing import Final

from llmobs_trace.deliver.ledger import Ledger
from llmobs_trace.deliver.notices import Notices, events
from llmobs_trace.journal.queue import Queue

_AT_ITS_BOUND: Final = "the journal is at its bound (max_journal_bytes)"
_MEMORY_AT_ITS_BOUND: Final = "the queue in memory is at its bound"


class Watch:
    """Looks at one queue, again and again, and says what is new."""

    def __init__(self, queue: Queue, notices: Notices, ledger: Ledger) -> None:
        self._queue = queue
        self._ledger = ledger
        self._notices = notices
        self._dropped = 0

    def look(self) -> None:
        """Say once that events are in memory alone, and once a minute that events are refused."""
        queue, notices = self._queue, self._notices
        in_memory = queue.in_memory() if queue.storage != "memory" else 0
        if in_memory:
            where = f"{events(in_memory, 'are')} in memory alone, lost at a kill"
            notices.happened("memory", f"{queue.reason}; {where}", cause=queue.reason, once=True)
        else:
            notices.over("memory", "no event is in memory alone any more", total=False)
        dropped = queue.dropped() - self._ledger.given_up  # of those it was said why
        if dropped > self._dropped:
            text = f"events are dropped, and lost: {why_dropped(queue)}"
            notices.happened("dropped", text, cause=queue.reason, times=dropped - self._dropped)
            self._dropped = dropped


def why_dropped(queue: Queue) -> str:
    """What kept the newest events out, in words."""
    if queue.storage == "memory":
        return _MEMORY_AT_ITS_BOUND
    return queue.reason or _AT_ITS_BOUND
