"""A job of `gevent.threadpool.ThreadPool`, and through it of gevent's executor, hands its submitter's active
span on. User's thread.

Its workers are native threads, in a monkey-patched program too.
"""

from __future__ import annotations

from types import ModuleType

import wrapt

from llmobs_trace.capture.carry.executors import submit


def wrap(threadpool: ModuleType) -> None:
    wrapt.wrap_function_wrapper(threadpool, "ThreadPool.spawn", submit)
