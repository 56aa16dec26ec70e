"""Looks at what is recorded while rows run: says which attempt it belongs to, and whether an evaluator
recorded anything. User's threads.

It stands before the recorder's `append` while any experiment of this process runs, and is taken out after.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llmobs_trace.capture.recorder import Recorder
from llmobs_trace.wire import ATTEMPT_TAG

_TRACE = b'"trace_id":"'
_TAGS_END = b'],"span_id":"'
_ATTEMPT = ATTEMPT_TAG.encode()
# A span's record ends with its ids, its start and its duration: so many bytes at most.
_TAIL_BYTES = 150
_IDS_BYTES = 60


class Live:
    """One trace whose row runs in this process now. `collected`, where there is a list, gets its records in
    the recorder's place, `copies` gets them as well; `watched` is the span whose children are looked for.
    """

    __slots__ = ("attempt", "collected", "copies", "found", "watched")

    def __init__(
        self,
        attempt: int,
        collected: list[bytes] | None = None,
        copies: list[bytes] | None = None,
        watched: str | None = None,
    ) -> None:
        self.attempt = attempt
        self.collected = collected
        self.copies = copies
        self.watched = watched
        self.found = False


class Router:
    """The `append` of a recorder whose process runs an experiment."""

    def __init__(self, onwards: Callable[[bytes], None]) -> None:
        self.onwards = onwards
        self.users = 0
        self.live: dict[bytes, Live] = {}
        # What else is asked whether a record is its own, as a metric, which does not say whose trace it is.
        self.claims: Callable[[bytes], bool] | None = None

    def __call__(self, record: bytes) -> None:
        if self.live:
            place = record.rfind(_TRACE, -_TAIL_BYTES)
            if place >= 0:
                live = self.live.get(record[place + 12 : place + 44])
                if live is not None:
                    self._of(live, record, place)
                    return
            if self.claims is not None and self.claims(record):
                return
        self.onwards(record)

    def _of(self, live: Live, record: bytes, place: int) -> None:
        if live.watched is not None:
            live.found = live.found or b'"parent_id:%b"' % live.watched.encode() in record
        else:
            end = record.rfind(_TAGS_END, max(place - _IDS_BYTES, 0), place)
            if end >= 0:
                record = b'%b,"%b:%d"%b' % (record[:end], _ATTEMPT, live.attempt, record[end:])
        if live.copies is not None:
            live.copies.append(record)
        if live.collected is not None:
            live.collected.append(record)
        else:
            self.onwards(record)

    def following(self, trace_id: str, live: Live) -> Following:
        """While the block runs, what is recorded of this trace is this attempt's."""
        return Following(self.live, trace_id.encode(), live)


class Following:
    """A block, three of which each row enters: as a class it costs a third of a `contextmanager`."""

    __slots__ = ("_all", "_key", "_live")

    def __init__(self, all_live: dict[bytes, Live], key: bytes, live: Live) -> None:
        self._all = all_live
        self._key = key
        self._live = live

    def __enter__(self) -> None:
        self._all[self._key] = self._live

    def __exit__(self, *_: object) -> None:
        self._all.pop(self._key, None)


_lock = threading.Lock()  # guards the routers' users and where they stand


def _after_fork_in_child() -> None:
    """A pool forks its workers in whichever thread submits, while others may hold the lock."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


@contextmanager
def routed(recorder: Recorder) -> Iterator[Router]:
    """Put a router before a recorder's `append`; one for all experiments that run in this process."""
    with _lock:
        router = recorder.append
        if not isinstance(router, Router):
            router = recorder.append = Router(recorder.append)
        router.users += 1
    try:
        yield router
    finally:
        with _lock:
            router.users -= 1
            if not router.users and recorder.append is router:
                recorder.append = router.onwards
