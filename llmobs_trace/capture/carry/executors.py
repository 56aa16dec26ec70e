"""An executor's job hands its submitter's active span on: `ThreadPoolExecutor`, and through it
`asyncio.to_thread` and `run_in_executor`. User's thread.

`ProcessPoolExecutor` is another process: `inject` and `continue_trace` are for that. Interpreters of their
own are left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import switch
from llmobs_trace.capture.carry.callables import Job


def wrap(thread: ModuleType) -> None:
    wrapt.wrap_function_wrapper(thread, "ThreadPoolExecutor.submit", submit)


def submit(wrapped: Callable[..., Any], executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`submit(fn, …)` with `fn` as a job."""
    try:
        if switch.threads and args and callable(args[0]) and not _in_another_interpreter(executor):
            args = (Job(args[0], active.handed_over(active.now(active.caller(1)))), *args[1:])
    except Exception as fault:
        slot.fault(fault)
    return wrapped(*args, **kwargs)


def _in_another_interpreter(executor: Any) -> bool:
    return any(kind.__module__ == "concurrent.futures.interpreter" for kind in type(executor).__mro__)
