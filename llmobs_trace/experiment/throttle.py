"""Holds how many calls of one function run at once, and has them wait where a provider says so. The run's
threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from llmobs_trace.experiment.limits import Width


class Stopping(Exception):
    """The run ends: what would have had to wait is left as it is."""


class Throttle:
    """One function's calls. `changed` is the run's, on its `lock`: whatever ends the run wakes whoever waits.

    Nobody is woken where nobody waits: of 64 threads that would be most of what a row costs.
    """

    def __init__(
        self,
        name: str,
        most: int,
        lock: threading.RLock,
        changed: threading.Condition,
        stops: Callable[[], bool],
    ) -> None:
        self.name = name
        self.width = Width(most)
        self._lock = lock  # guards all below, and the width
        self._changed = changed
        self._stops = stops
        self._running = 0
        self._waiting = 0
        self.last_good: float | None = None  # monotonic: the last success, or the first 429 since

    def enter(self) -> float:
        """Wait until another call may start; the seconds that took. Raises `Stopping`."""
        with self._lock:
            if self._running < self.width.now and not self.width.paused_until:
                self._running += 1
                return 0.0
            began = time.monotonic()
            self._waiting += 1
            try:
                while True:
                    now = time.monotonic()
                    pause = self.width.paused_until - now
                    if pause <= 0:
                        self.width.paused_until = 0.0
                        if self._running < self.width.now:
                            self._running += 1
                            return now - began if now - began > 0.001 else 0.0
                    if self._stops():
                        raise Stopping
                    self._changed.wait(pause if pause > 0 else None)
            finally:
                self._waiting -= 1

    def leave(self, *, succeeded: bool = False) -> None:
        """A call came to its end."""
        with self._lock:
            self._running -= 1
            if succeeded:
                self.width.succeeded(binds=self._waiting > 0)
                self.last_good = None
            if self._waiting:
                self._changed.notify_all()

    def limited(self, error: BaseException, started: float) -> tuple[float, float]:
        """A 429: for how many seconds nothing starts, and how long nothing has succeeded until then."""
        with self._lock:
            now = time.monotonic()
            if self.last_good is None:
                self.last_good = now
            pause = self.width.limited(error, started, now)
            return pause, self.width.paused_until - self.last_good

    def struggled(self) -> None:
        with self._lock:
            self.width.struggled()

    def waits(self) -> float:
        """For how many more seconds nothing starts, for whoever shows it."""
        with self._lock:
            return max(self.width.paused_until - time.monotonic(), 0.0)

    def sleep(self, seconds: float) -> None:
        """Wait for one call's own sake; raises `Stopping` where the run ends meanwhile."""
        until = time.monotonic() + seconds
        with self._changed:
            while (left := until - time.monotonic()) > 0:
                if self._stops():
                    raise Stopping
                self._changed.wait(left)
