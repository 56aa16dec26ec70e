"""A wall clock that can be set: `time.time` and `time.time_ns` of this process. The monotonic one is not."""

from __future__ import annotations

import time

_really, _really_ns = time.time, time.time_ns
_offset_ns = 0


def step(seconds: float) -> None:
    """Set it forwards, or backwards."""
    global _offset_ns
    _offset_ns += int(seconds * 1e9)
    time.time = lambda: _really() + _offset_ns / 1e9
    time.time_ns = lambda: _really_ns() + _offset_ns
