"""Makes ids as W3C hex (https://www.w3.org/TR/trace-context/): 32 digits for a trace, 16 for a span. Any
thread.

They come from the system's randomness, 128 at a time: its call, the hex digits and the splitting cost 70 ns
an id, where `f"{getrandbits(64):016x}"` costs 370. `pop` of a list is one C call, so that threads and signal
handlers need no lock. The user's `random` is never touched: tracing must not change what a seeded program
draws.
"""

from __future__ import annotations

import os

# What the standard calls invalid ids: of spans that are not recorded. One in 2**64 would be such by chance.
NO_SPAN_ID = "0" * 16
NO_TRACE_ID = "0" * 32

_AT_ONCE = 128
_ready: list[str] = []
# On the hot path without the function around it, which would cost as much again.
take_span_id = _ready.pop


def new_span_id() -> str:
    """16 hex digits."""
    try:
        return take_span_id()
    except IndexError:
        return more_span_ids()


def new_trace_id() -> str:
    """32 hex digits."""
    return new_span_id() + new_span_id()


def more_span_ids() -> str:
    """Make the next ids ready, and give one of them."""
    made = os.urandom(8 * _AT_ONCE).hex(" ", 8).split(" ")
    last = made.pop()
    _ready.extend(made)
    return last


# A forked child must not repeat its parent's. Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ready.clear)
