"""Calls a user's function where its kind belongs: a coroutine on the run's event loop, anything else in the
thread that calls, or in one that can be left behind. The run's threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack
from typing import Any, TypeVar

from llmobs_trace.experiment.limits import AttemptTimeout
from llmobs_trace.experiment.throttle import Stopping
from llmobs_trace.experiment.work import Stop, Work

T = TypeVar("T")
# How long the loop may take to end before its thread is left behind.
_LOOP_SECONDS = 5.0


class CancelledWithin(RuntimeError):
    """A coroutine ended by a cancellation that was not the run's."""


class Caller:
    """The event loop of a run, and the threads that did not come back."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._left_behind = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def start_loop(self, stack: ExitStack) -> None:
        """Have an event loop in a thread of its own until the stack is closed."""
        loop = self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="llmobs-run-loop", daemon=True)
        thread.start()

        def close() -> None:
            self._loop = None
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_LOOP_SECONDS)
            if not thread.is_alive():
                loop.close()

        stack.callback(close)

    def call(
        self,
        is_async: bool,
        function: Callable[[], T],
        make: Callable[[], Coroutine[Any, Any, T]],
        timeout: float | None,
    ) -> T:
        """Call a user's function where its kind belongs. Raises `AttemptTimeout` after the timeout."""
        if is_async:
            return self._on_loop(make(), timeout)
        if timeout is None:
            return function()
        # A thread can't be stopped: where it takes too long, it is left behind, and another goes on.
        done: list[T] = []
        thread = threading.Thread(
            target=lambda: done.append(function()), name="llmobs-run-attempt", daemon=True
        )
        thread.start()
        thread.join(timeout)
        if not done:
            self._leave_behind()
            raise AttemptTimeout(f"took longer than {timeout:g} s")
        return done[0]

    def _on_loop(self, coroutine: Coroutine[Any, Any, T], timeout: float | None) -> T:
        loop = self._loop
        if loop is None:
            coroutine.close()
            raise Stopping
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result(timeout)
        except (TimeoutError, FutureTimeout):
            future.cancel()
            raise AttemptTimeout(f"took longer than {timeout:g} s") from None
        except (asyncio.CancelledError, FutureCancelled):
            if self._work.stop is not None:
                raise Stopping from None
            raise CancelledWithin("a coroutine was cancelled by its own code") from None

    def _leave_behind(self) -> None:
        work = self._work
        with work.lock:
            self._left_behind += 1
            if self._left_behind >= work.options.jobs:
                what = f"{self._left_behind} threads did not come back within the timeout"
                work.end(Stop("interrupted", what, 3))
