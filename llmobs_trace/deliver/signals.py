"""Python's signal handlers, put off while a hook of `os.fork` waits. The forking thread.

What a handler raises in such a hook the interpreter prints and forgets: a program that was told to end, or
interrupted, would go on. So while the hook waits for the sender, signals are only noted, and sent once more
after the fork, to the parent: it is as if they had come a moment later.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

# Event loops hear of signals through a descriptor; their handlers do nothing, and would be told twice.
_LOOPS = ("asyncio", "uvloop")


@contextmanager
def put_off() -> Iterator[list[int]]:
    """Within the block Python's handlers do not run; what is yielded has the signals that came."""
    noted: list[int] = []
    found = _handlers()

    def note(number: int, frame: object) -> None:
        noted.append(number)

    try:
        with suppress(ValueError):  # not the main interpreter: no handler runs here
            for number in found:
                signal.signal(number, note)
        yield noted
    finally:
        with suppress(ValueError):
            for number, handler in found.items():
                signal.signal(number, handler)


def send_again(noted: list[int]) -> None:
    """Have these come, as soon as the hooks of the fork are over."""
    if noted:
        with suppress(RuntimeError):  # no thread is to be had
            # In this thread, and so in a hook still, the handler would run at once.
            _thread.start_new_thread(_send, (_main_thread(), noted.copy()))
        noted.clear()


def _send(thread: int, numbers: list[int]) -> None:
    for number in numbers:
        with suppress(OSError):
            # To that thread: only so is a system call interrupted that it waits in.
            signal.pthread_kill(thread, number)


def _handlers() -> dict[int, Any]:
    """Python's handlers that run in this thread, by signal."""
    if sys.platform == "win32" or threading.get_ident() != _main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return {
        number: handler for number, handler in found.items() if callable(handler) and not _is_loop_s(handler)
    }


def _is_loop_s(handler: Any) -> bool:
    return str(getattr(handler, "__module__", "")).startswith(_LOOPS)


def _main_thread() -> int:
    return threading.main_thread().ident or 0
