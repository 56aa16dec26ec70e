"""Wraps what the interpreter and other libraries hand work on with, so that it keeps its parent. User's
thread.

Once, at `configure` or at the first span; a library that is not loaded yet is wrapped when it is.
`instrument_threads=False` makes every wrapper a pass-through.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import wrapt

from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import jobs

# --- ours that wraps each, imported when it is needed: by statements, which tools that pack a program follow


def _threads(module: ModuleType) -> None:
    from llmobs_trace.capture.carry import threads

    threads.wrap(module)


def _tasks(module: ModuleType) -> None:
    from llmobs_trace.capture.carry import tasks

    tasks.wrap(module)


def _asgiref(module: ModuleType) -> None:
    from llmobs_trace.capture.carry import tasks

    jobs.wrap(module)
    tasks.wrap_asgiref(module)


def _trio(module: ModuleType) -> None:
    from llmobs_trace.capture.carry import trio

    trio.wrap(module)


def _greenlets(module: ModuleType) -> None:
    from llmobs_trace.capture.carry import greenlets

    greenlets.wrap(module)


def _gevent(module: ModuleType) -> None:
    from llmobs_trace.capture.carry import gevent

    gevent.wrap(module)


# Module to wait for -> what wraps it.
_WRAPPED_WHEN_LOADED: dict[str, Callable[[ModuleType], None]] = {
    "threading": _threads,
    "concurrent.futures.thread": jobs.wrap,
    "multiprocessing.pool": jobs.wrap,
    "asyncio.tasks": _tasks,
    "anyio._backends._asyncio": jobs.wrap,
    "asgiref.sync": _asgiref,
    "trio": _trio,
    "greenlet": _greenlets,
    "gevent": _gevent,
    "gevent.threadpool": jobs.wrap,
}

_installed = False


def install(*, threads: bool) -> None:
    """Wrap what is loaded, and wait for the rest; a second call only sets the switch."""
    global _installed
    jobs.enabled = threads
    if _installed:
        return
    _installed = True
    for module, wrap in _WRAPPED_WHEN_LOADED.items():
        wrapt.register_post_import_hook(_guarded(wrap), module)


def _guarded(wrap: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    def guarded(module: ModuleType) -> None:
        # A library of another version may lack what we wrap: the user's import must not fail for it.
        try:
            wrap(module)
        except Exception as fault:
            slot.fault(fault)

    return guarded
