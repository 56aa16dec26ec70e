"""Ids out, W3C hex (https://www.w3.org/TR/trace-context/): 32 digits for a trace, 16 for a span. Any thread.

Each process walks a Weyl sequence from a random seed: `seed + k * odd` visits all 2**64 values before one
comes again, and a step costs a third of a call of `getrandbits`. `next` of an `itertools.count` is one C
call, so that threads need no lock. The user's `random` is never touched: tracing must not change what a
seeded program draws.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count

# What the standard calls invalid ids: of spans that are not recorded.
NO_SPAN_ID = "0" * 16
NO_TRACE_ID = "0" * 32

_MASK = (1 << 64) - 1
# 2**64 divided by the golden ratio, made odd: consecutive ids differ in about half of their digits.
_STEP = 0x9E3779B97F4A7C15

new_span_number: Callable[[], int]
trace_prefix: str


def _seed() -> None:
    """Start a sequence of this process's own: at import, and again in a forked child."""
    global new_span_number, trace_prefix
    new_span_number = count(int.from_bytes(os.urandom(8), "big"), _STEP).__next__
    trace_prefix = os.urandom(8).hex()


def new_span_id() -> str:
    """16 hex digits, never all zero."""
    return f"{new_span_number() & _MASK or 1:016x}"


def new_trace_id() -> str:
    """32 hex digits: 16 of this process, 16 of the sequence."""
    return f"{trace_prefix}{new_span_number() & _MASK or 1:016x}"


_seed()
os.register_at_fork(after_in_child=_seed)
