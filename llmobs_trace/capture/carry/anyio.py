"""anyio on asyncio: a worker thread's job, and a call from a thread into the loop, hand the caller's active
span on. Both threads.

The workers are anyio's own, no executor's. Calls into the loop go through `from_thread` or a blocking portal;
those that await end in `run_coroutine_threadsafe`, which `tasks` wraps. On trio all of it goes through trio.
"""

from __future__ import annotations

from types import ModuleType

import wrapt

from llmobs_trace.capture.carry.executors import submit

# The function to be run comes first in each.
_HANDED_OVER = ("run_sync_in_worker_thread", "run_sync_from_thread")


def wrap(backend: ModuleType) -> None:
    # Since anyio 4 methods of the backend's class, before that functions of the module.
    within = "AsyncIOBackend." if hasattr(backend, "AsyncIOBackend") else ""
    for name in _HANDED_OVER:
        wrapt.wrap_function_wrapper(backend, within + name, submit)
