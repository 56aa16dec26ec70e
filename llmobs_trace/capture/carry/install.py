"""What of the interpreter and of other libraries is wrapped so that work handed on keeps its parent, and
when. User's thread.

Once, at `configure` or at the first span; a library that is not loaded yet is wrapped when it is.
`instrument_threads=False` makes every wrapper a pass-through.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import wrapt

from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import switch

# Module to wait for -> ours that wraps it, by its function `wrap`.
_WRAPPED_WHEN_LOADED = {
    "threading": "threads",
    "concurrent.futures.thread": "executors",
    "multiprocessing.pool": "pools",
    "asyncio.tasks": "tasks",
    "anyio._backends._asyncio": "anyio",
    "asgiref.sync": "asgiref",
    "trio": "trio",
    "greenlet": "greenlets",
    "gevent": "gevent",
    "gevent.threadpool": "gevent_threads",
}

_installed = False


def install(*, threads: bool) -> None:
    """Wrap what is loaded, and wait for the rest; a second call only sets the switch."""
    global _installed
    switch.threads = threads
    if _installed:
        return
    _installed = True
    for module, ours in _WRAPPED_WHEN_LOADED.items():
        wrapt.register_post_import_hook(_wrapping(ours), module)


def _wrapping(ours: str) -> Callable[[ModuleType], None]:
    def wrap(module: ModuleType) -> None:
        # A library of another version may lack what we wrap: the user's import must not fail for it.
        try:
            import_module(f"llmobs_trace.capture.carry.{ours}").wrap(module)
        except Exception as fault:
            slot.fault(fault)

    return wrap
