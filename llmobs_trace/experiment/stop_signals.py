"""Takes Ctrl-C and SIGTERM while a run works, and leaves them to no worker that is forked meanwhile. The main
thread, and whoever forks.

A pool ends its workers by SIGTERM and waits for them, and a forked worker has its parent's handler. Were that
to end it, some would never end: a handler of Python's does not run before the next instruction, a worker that
was about to wait for work has none, and what comes before a child's interpreter is ready is forgotten. So a
child has the default action from the start, and SIGTERM is held back from it until then.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_DEFAULTS: Final[dict[int, Any]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


@contextmanager
def taken(stop: Callable[[str], None]) -> Iterator[None]:
    """Within the block `stop` is called with a signal's name, on the main thread, where nobody else has a
    handler for it. Does nothing in another thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, _: object) -> None:
        stop("Ctrl-C" if number == signal.SIGINT else "SIGTERM")

    ours = [number for number, default in _DEFAULTS.items() if signal.getsignal(number) is default]
    _taken.extend(ours)
    before = {number: signal.signal(number, handler) for number in ours}
    try:
        yield
    finally:
        for number, was in before.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, was)
        _taken.clear()


_taken: list[int] = []
_forking = threading.local()  # `held_before`: the mask of a thread that forks


def _before_fork() -> None:
    if signal.SIGTERM in _taken:
        _forking.held_before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _after_fork_in_child() -> None:
    for number in _taken:
        signal.signal(number, _DEFAULTS[number])
    _taken.clear()
    _after_fork()


def _after_fork() -> None:
    held_before = vars(_forking).pop("held_before", None)
    if held_before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, held_before)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
