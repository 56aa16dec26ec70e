"""Works out the costs of the experiments that somebody looks at. The thread that takes events, a part at a
time: what comes in meanwhile waits for no more than one, and a page that shows it is told of each.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from llmobs_trace.errors import StoreError
from llmobs_trace.store import prices
from llmobs_trace.store.store import Store

_log: Final = logging.getLogger("llmobs_trace")


class Pricing:
    """The costs of one store; `store` is one that writes, and `pool` has the only thread that does."""

    def __init__(self, store: Store, pool: ThreadPoolExecutor) -> None:
        self._store = store
        self._pool = pool
        self._at_work: set[str] = set()  # the loop's thread adds, the pool's takes out: each one call

    def begin(self, experiment_id: str) -> None:
        """Go on with an experiment's costs, unless that is being done."""
        if experiment_id not in self._at_work:
            self._at_work.add(experiment_id)
            self._then(experiment_id, prices.work_out(self._store, experiment_id))

    def _then(self, experiment_id: str, steps: Iterator[int]) -> None:
        with suppress(RuntimeError):  # the pool is closed, and the rest is for the next reader
            self._pool.submit(self._step, experiment_id, steps)

    def _step(self, experiment_id: str, steps: Iterator[int]) -> None:
        has_more = False
        try:
            has_more = next(steps, None) is not None
        except StoreError as error:
            _log.warning("costs are not worked out: %s", error)
        except Exception:
            _log.exception("costs are not worked out")
        if has_more:
            self._then(experiment_id, steps)
        else:
            self._at_work.discard(experiment_id)
