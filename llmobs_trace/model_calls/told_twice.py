"""Finds the model calls that another tracer tells of once more, when its span ends: a span that it never had
current, so that our call did not know to be inside. User's thread.

As LangChain's callbacks open a span, and set its attributes when it ends; the client that it calls is traced
by us meanwhile. It is the same call where it was of the same trace, or of none, within the span's time, and
of the same model. Only while another tracer is listened to is anything kept.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final, NamedTuple

_MOST_CALLS: Final = 256


class _Ended(NamedTuple):
    trace_id: str | None  # None of one that was no other span's child: such a tracer has a trace of its own
    opened_ns: int
    models: frozenset[object]  # the one that was asked for, and the one that answered


_lock = threading.Lock()  # guards _ended
_ended: deque[_Ended] = deque(maxlen=_MOST_CALLS)


def remember(trace_id: str | None, opened_ns: int, *models: object) -> None:
    """A call of ours has ended."""
    _ended.append(_Ended(trace_id, opened_ns, frozenset(models)))  # one step: a finalizer may come in


def is_told_twice(trace_id: str, opened_ns: int, model: object) -> bool:
    """Whether a span that ends now tells of a call that has one; each is found once."""
    if not _ended:
        return False
    with _lock:
        for call in list(_ended):
            is_of_it = call.trace_id in (None, trace_id) and model in call.models
            if is_of_it and call.opened_ns >= opened_ns:
                try:
                    _ended.remove(call)
                except ValueError:  # it was the oldest of too many
                    continue
                return True
    return False


def forget() -> None:
    """In a forked child: its parent's calls are its parent's."""
    global _lock
    _lock = threading.Lock()
    _ended.clear()
