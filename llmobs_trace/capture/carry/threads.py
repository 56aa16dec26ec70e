"""Hands a starter's active span on to a thread, once: `threading.Thread`, `Timer` and their subclasses.
User's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import jobs

# A pool's worker starts from nothing: it is the job that has a parent, else request 2 becomes a child of
# request 1.
_POOLS = frozenset({"concurrent.futures.thread", "multiprocessing.pool", "trio._core._thread_cache"})
_WORKER_CLASSES = frozenset({("anyio._backends._asyncio", "WorkerThread")})


def wrap(threading: ModuleType) -> None:
    wrapt.wrap_function_wrapper(threading, "Thread.start", _start)


def _start(wrapped: Callable[..., Any], thread: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        if jobs.enabled and not _is_pools_worker(thread):
            thread._llmobs_base = active.handed_over(active.now(active.caller(1)))
    except Exception as fault:
        slot.fault(fault)
    return wrapped(*args, **kwargs)


def _is_pools_worker(thread: Any) -> bool:
    target = getattr(thread, "_target", None)
    if getattr(target, "__module__", None) in _POOLS:
        return True
    return (type(thread).__module__, type(thread).__name__) in _WORKER_CLASSES
