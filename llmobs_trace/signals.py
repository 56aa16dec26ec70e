"""Python's signal handlers, put off while the hooks of a fork run. The forking thread.

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
from _signal import getsignal  # type: ignore[import-not-found]
from contextlib import suppress
from typing import Any

# Event loops hear of signals through a descriptor; their handlers do nothing, and would be told twice.
_LOOPS = ("asyncio", "uvloop")


class PutOff:
    """Between `begin` and `end` Python's handlers do not run. Not for two threads at once."""

    def __init__(self) -> None:
        self._handlers: dict[int, Any] = {}
        self._noted: list[tuple[int, int]] = []  # the process that it came to, and which it was

    def begin(self) -> None:
        """Note signals from now on; nothing outside the main thread, which alone runs handlers."""
        self._handlers = _handlers()
        self._set(dict.fromkeys(self._handlers, self._note))

    def end(self) -> None:
        """Run handlers again, for what was noted in this process first. In a forked child as well."""
        handlers, self._handlers = self._handlers, {}
        self._set(handlers)
        noted = [number for pid, number in self._noted if pid == os.getpid()]
        self._noted.clear()
        if noted:
            with suppress(RuntimeError):  # no thread is to be had
                # From here, where a hook is still running, the handler would run at once.
                _thread.start_new_thread(_send, (threading.get_ident(), noted))

    def _note(self, number: int, frame: object) -> None:
        self._noted.append((os.getpid(), number))

    @staticmethod
    def _set(handlers: dict[int, Any]) -> None:
        with suppress(ValueError):  # not the main interpreter: no handler runs here
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _send(thread: int, numbers: list[int]) -> None:
    for number in numbers:
        with suppress(OSError):
            # To that thread: only so is a system call interrupted that it waits in.
            signal.pthread_kill(thread, number)


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


def _is_a_loop_s(handler: Any) -> bool:
    return str(getattr(handler, "__module__", "")).startswith(_LOOPS)
