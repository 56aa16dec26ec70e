"""Puts Python's signal handlers off while the hooks of a fork run. The forking thread.

What a handler raises in such a hook, the interpreter prints and forgets: a program that was told to end would
go on, and what the hook had half done would stay so. That is no rare moment: a hook may have to wait, and a
signal that comes during the system call itself is handled in the first hook after it, which is `logging`'s,
and leaves its lock held for good. So from the first hook to the last signals are only noted, and then sent
once more: it is as if they had come a moment later.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from _signal import getsignal  # type: ignore[import-not-found]
from contextlib import suppress
from types import FrameType
from typing import Any

# Event loops hear of signals through a descriptor; their handlers do nothing, and would be told twice.
_LOOPS = ("asyncio", "uvloop")

# What is noted is sent a second later in any case: somebody's hook may wait for the very signal.
_PATIENCE, _LOOK_EVERY = 1.0, 0.001


class PutOff:
    """Between `begin` and `end` Python's handlers do not run. Not for two threads at once."""

    def __init__(self) -> None:
        self._handlers: dict[int, Any] = {}
        # Those of which another hook took ours for the program's, and may call it.
        self._asked_for: dict[int, Any] = {}
        self._is_putting_off = False
        self._ours = self._note  # one object, to be known again
        self._noted: list[tuple[int, int]] = []  # the process that it came to, and which it was

    def begin(self) -> None:
        """Note signals from now on; nothing outside the main thread, which alone runs handlers."""
        self._handlers = _handlers()
        self._is_putting_off = True
        self._set(dict.fromkeys(self._handlers, self._ours))

    def end(self) -> None:
        """Run handlers again, for what was noted in this process first. In a forked child as well."""
        handlers, self._handlers = self._handlers, {}
        # Another hook may have set one of its own meanwhile, or the default action: that stays.
        ours = {number: handlers.pop(number) for number in [*handlers] if getsignal(number) is self._ours}
        self._asked_for.update(handlers)
        self._set({number: _still_wanted(handler) for number, handler in ours.items()})
        self._is_putting_off = False
        # Only now: until its handler is back, a signal may still be noted.
        noted = dict.fromkeys(number for pid, number in self._noted if pid == os.getpid())
        self._noted.clear()
        late = {}
        for number in noted:
            handler = ours.get(number) or getsignal(number)
            if callable(handler):
                late[number] = _Late(number, handler)
            else:
                os.kill(os.getpid(), number)
        self._set(late)
        if late:
            forking = sys._getframe(2)  # of this method, of the hook, of whoever forks
            told = (threading.get_ident(), list(late.values()), forking, forking.f_lasti)
            with suppress(RuntimeError):  # no thread is to be had
                # From here, where a hook is still running, the handler would run at once.
                _thread.start_new_thread(_send, told)

    def _note(self, number: int, frame: FrameType | None) -> Any:
        if self._is_putting_off:
            self._noted.append((os.getpid(), number))
            return None
        handler = self._asked_for.get(number)
        return None if handler is None else handler(number, frame)

    @staticmethod
    def _set(handlers: dict[int, Any]) -> None:
        raised: BaseException | None = None
        for number, handler in handlers.items():
            try:
                signal.signal(number, handler)
            except BaseException as error:
                # A handler's own, which ran just now: the others are to be put in their places all the same.
                raised = error
                with suppress(ValueError):  # not the main interpreter: no handler runs here
                    signal.signal(number, handler)
        if raised is not None and not isinstance(raised, ValueError):
            raise raised


class _Late:
    """The handler of a signal that is sent once more: runs the program's own, once, and puts it back.

    A signal that comes just before a system call does not interrupt it: it is sent until it is handled, and
    what was sent too often is swallowed here.
    """

    def __init__(self, number: int, handler: Any) -> None:
        self.number = number
        self._handler = handler
        self._handled = False
        self._lock = threading.Lock()

    def __call__(self, number: int, frame: FrameType | None) -> Any:
        # Never released: nothing is sent from here on. With an end: in a process forked meanwhile the thread
        # that holds it is not there.
        self._lock.acquire(timeout=_LOOK_EVERY)
        before, self._handled = self._handled, True
        if before:
            return None
        # This sees to signals that are there already before it changes anything: they come here as well.
        signal.signal(number, self._handler)
        return self._handler(number, frame)

    def send(self, thread: int) -> bool:
        """Signal to `thread`, whose waiting is interrupted by no other; False where it was handled."""
        if self._lock.acquire(blocking=False):
            try:
                if not self._handled:
                    signal.pthread_kill(thread, self.number)
                    return getsignal(self.number) is self
            except OSError:
                pass  # the thread is gone
            finally:
                self._lock.release()
        return False


def _send(thread: int, late: list[_Late], forking: FrameType, instruction: int) -> None:
    until = time.monotonic() + _PATIENCE
    # The hooks are not over before the frame that forks has come to its next instruction.
    while forking.f_lasti == instruction and time.monotonic() < until:
        time.sleep(_LOOK_EVERY)
    del forking  # and all that its locals hold
    while late and time.monotonic() < until + _PATIENCE:
        late = [signalled for signalled in late if signalled.send(thread)]
        time.sleep(_LOOK_EVERY)


def _handlers() -> dict[int, Any]:
    """Python's handlers that run in this thread, by signal."""
    if sys.platform == "win32" or threading.get_ident() != threading.main_thread().ident:
        return {}
    # Not `signal.getsignal`, which makes an enum's member of each answer: 5 µs for all, and not 250.
    found = {number: getsignal(number) for number in range(1, signal.NSIG)}
    return {
        number: handler
        for number, handler in found.items()
        if callable(handler) and not _is_a_loop_s(handler)
    }


def _still_wanted(handler: Any) -> Any:
    """A handler, but for one that ran meanwhile, and was to run once: then the program's own."""
    return handler._handler if isinstance(handler, _Late) and handler._handled else handler


def _is_a_loop_s(handler: Any) -> bool:
    return str(getattr(handler, "__module__", "")).startswith(_LOOPS)
