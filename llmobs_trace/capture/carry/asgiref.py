"""asgiref hands the caller's active span on: `sync_to_async` to the thread, `async_to_sync` to the loop. Both
threads.

`sync_to_async` submits to an executor: to a pool, which `executors` wraps, or to the thread that waits in an
outer `async_to_sync`. `async_to_sync` makes a task of the outer loop, or runs a loop of its own in a pool's
thread.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import switch, tasks
from llmobs_trace.capture.carry.executors import submit


def wrap(sync: ModuleType) -> None:
    wrapt.wrap_function_wrapper(sync, "CurrentThreadExecutor.submit", submit)
    wrapt.wrap_function_wrapper(sync, "AsyncToSync.main_wrap", _main_wrap)


def _main_wrap(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What is called here in the caller's thread is awaited in the loop's."""
    coroutine = wrapped(*args, **kwargs)
    try:
        if switch.threads:
            tasks.hand_to_loop(coroutine, active.caller(1))
    except Exception as fault:
        slot.fault(fault)
    return coroutine
