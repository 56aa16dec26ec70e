"""Keeps forks, and the end of a worker, out of moments that can't bear them. Sender's and forking threads.

A fork copies one thread alone: what the sender has half done stays half done in the child, locks and
imports above all. So the sender works behind this gate, and opens it where it only waits: for work, or for
a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, RLock, get_ident
from typing import Final

from llmobs_trace.http_client.clock import Clock

# A fork does not wait longer than this: a child with a damaged sender is better than a program that hangs.
FORK_PATIENCE_SECONDS: Final = 1.0
# But it does while the sender imports: that ends by itself, and cut in two it blocks the child's for ever.
IMPORT_PATIENCE_SECONDS: Final = 15.0


class GateClosed(Exception):
    """The worker was told to end while its sender waited outside the gate: it must touch nothing any more."""


class Gate:
    """At most one thread, the sender, is inside; others may ask it to stay out."""

    def __init__(self) -> None:
        self._changed = Condition(RLock())  # guards the five below
        self._inside: int | None = None  # the sender's thread, while it works
        self._is_importing = False
        self._imported_at: float | None = None  # by then it had loaded all that it needs
        self._forks = 0
        self._closed = False

    def enter(self) -> None:
        """Wait until nobody wants the sender outside, then go in. Raises `GateClosed` after `close`."""
        with self._changed:
            while self._forks and not self._closed:
                self._changed.wait()
            if self._closed:
                raise GateClosed
            self._inside = get_ident()

    def check(self) -> None:
        """Go on inside, unless it was closed meanwhile: then `GateClosed` is raised."""
        with self._changed:
            if self._closed:
                raise GateClosed

    def leave(self) -> None:
        """Go out: from now on a fork does no harm."""
        with self._changed:
            self._inside = None
            self._changed.notify_all()

    @contextmanager
    def open_for_forks(self) -> Iterator[None]:
        """Be outside while the block runs, as around a request. Its end raises `GateClosed` after `close`."""
        self.leave()
        try:
            yield
        finally:
            self.enter()

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Inside, where the block loads what the sender needs, if that is not there yet."""
        if self._imported_at is not None:
            yield
            return
        try:
            self._is_importing = True
            yield
        finally:
            with self._changed:
                self._is_importing = False
                self._imported_at = Clock.now()
                self._changed.notify_all()

    def hold(self) -> bool:
        """Before a fork: wait, not for long, until the sender is outside; keep it there; whether it is."""
        began = Clock.now()

        def deadline() -> float:
            longest = began + IMPORT_PATIENCE_SECONDS
            if self._is_importing:
                return longest
            return min(longest, max(began, self._imported_at or began) + FORK_PATIENCE_SECONDS)

        with self._changed:
            self._forks += 1
            return self._wait_until_outside(deadline)

    def let_go(self) -> None:
        """After a fork, in the parent."""
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()

    def close(self, timeout_seconds: float) -> bool:
        """Let the sender in no more; whether it is outside within the time. Closing again is harmless."""
        deadline = Clock.now() + timeout_seconds
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._wait_until_outside(lambda: deadline)

    def _wait_until_outside(self, deadline: Callable[[], float]) -> bool:
        # The sender itself may fork or end, as by a log handler of the user's: it must not wait for itself.
        while self._inside is not None and self._inside != get_ident():
            left = deadline() - Clock.now()
            if left <= 0:
                return False
            self._changed.wait(left)
        return True
