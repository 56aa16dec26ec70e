"""Hands a submitter's active span on with each job: one table of the functions that take one. Both threads.

Whatever takes a function to run it elsewhere takes a `Job` in its place. `ProcessPoolExecutor` is another
process: `inject` and `continue_trace` are for that. Interpreters of their own are left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import wrapt

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry.callables import Job

# Module → what takes the function to be run as its first argument.
TAKES_A_JOB: Final[dict[str, tuple[str, ...]]] = {
    # Through it `asyncio.to_thread` and `run_in_executor`.
    "concurrent.futures.thread": ("ThreadPoolExecutor.submit",),
    # Through these all other ways in: `apply`, `map`, `starmap` and their `_async`.
    "multiprocessing.pool": (
        "ThreadPool.apply_async",
        "ThreadPool._map_async",
        "ThreadPool.imap",
        "ThreadPool.imap_unordered",
    ),
    # Its workers are its own, no executor's. What is awaited in the loop from a thread ends in
    # `run_coroutine_threadsafe`, which `tasks` wraps; on trio all goes through trio.
    "anyio._backends._asyncio": (
        "AsyncIOBackend.run_sync_in_worker_thread",
        "AsyncIOBackend.run_sync_from_thread",
    ),
    # `sync_to_async` submits to an executor, or here: to the thread that waits in an outer `async_to_sync`.
    "asgiref.sync": ("CurrentThreadExecutor.submit",),
    # Its workers are native threads, in a monkey-patched program too; gevent's executor goes through it.
    "gevent.threadpool": ("ThreadPool.spawn",),
}

# What `instrument_threads` sets: whether threads and jobs hand their creator's active span on.
enabled = True


def wrap(module: ModuleType) -> None:
    for name in TAKES_A_JOB[module.__name__]:
        owner, _, function = name.rpartition(".")
        # Before anyio 4 they are functions of the module.
        wrapt.wrap_function_wrapper(module, name if hasattr(module, owner) else function, submit)


def submit(wrapped: Callable[..., Any], taker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`submit(fn, …)` with `fn` as a job."""
    try:
        if enabled and args and callable(args[0]) and not _in_another_interpreter(taker):
            args = (Job(args[0], active.handed_over(active.now(active.caller(1)))), *args[1:])
    except Exception as fault:
        slot.fault(fault)
    return wrapped(*args, **kwargs)


def _in_another_interpreter(executor: Any) -> bool:
    return any(kind.__module__ == "concurrent.futures.interpreter" for kind in type(executor).__mro__)
