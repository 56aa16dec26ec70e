"""Removes, at the start, what somebody deleted long enough ago. The thread that takes events, a part at a
time: what comes in meanwhile waits for no more than one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from llmobs_trace.errors import LLMObsTraceError
from llmobs_trace.store import removal
from llmobs_trace.store.store import Store

_log: Final = logging.getLogger("llmobs_trace")


def begin(store: Store, pool: ThreadPoolExecutor) -> None:
    """`store` is one that writes, and `pool` has the only thread that does."""
    _then(pool, removal.remove_expired(store))


def _then(pool: ThreadPoolExecutor, steps: Iterator[int]) -> None:
    with suppress(RuntimeError):  # the pool is closed, and the rest is for the next start
        pool.submit(_step, pool, steps)


def _step(pool: ThreadPoolExecutor, steps: Iterator[int]) -> None:
    try:
        if next(steps, None) is not None:
            _then(pool, steps)
    except LLMObsTraceError as error:
        _log.warning("what was deleted long ago is not removed: %s", error)
