"""Reads the clock that deadlines go by, in seconds. Any thread.

What stops time for a program's tests puts another function into every module that holds `time.monotonic`. A
deadline that never comes would have `flush` wait for ever; a class's own attribute is left alone.
"""

from __future__ import annotations

import time


class Clock:
    """`Clock.now()` goes on whatever the program's tests do to `time`."""

    now = staticmethod(time.monotonic)
