"""A job of `multiprocessing.pool.ThreadPool` hands its submitter's active span on. User's thread."""

from __future__ import annotations

from types import ModuleType

import wrapt

from llmobs_trace.capture.carry.executors import submit

# All other ways in (`apply`, `map`, `starmap` and their `_async`) go through these; the function comes first
# in each.
_WAYS_IN = ("apply_async", "_map_async", "imap", "imap_unordered")


def wrap(pool: ModuleType) -> None:
    for way_in in _WAYS_IN:
        wrapt.wrap_function_wrapper(pool, f"ThreadPool.{way_in}", submit)
