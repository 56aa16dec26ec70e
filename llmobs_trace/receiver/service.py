"""Passes whole requests to threads that do their work, and their answers back. The loop's thread, which
never waits itself.

One thread takes events: SQLite writes one batch at a time, and a second one, reading its body meanwhile, made
eight clients 20% slower and held as much memory again. Three answer the viewer, each with a connection of its
own to the store: readers wait for no writer.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct, structs

from llmobs_trace.receiver import endpoint, expiry, pages, questions
from llmobs_trace.receiver.access import Access
from llmobs_trace.receiver.catalog import endpoint as catalog
from llmobs_trace.receiver.catalog import routes
from llmobs_trace.receiver.catalog.routes import Found
from llmobs_trace.receiver.http import Head, Reply
from llmobs_trace.receiver.limits import Limits
from llmobs_trace.receiver.page_writes import TOKEN_PATH, PageWrites
from llmobs_trace.receiver.pricing import Pricing
from llmobs_trace.receiver.problems import in_a_line, problem
from llmobs_trace.receiver.rehearsal import Rehearsal
from llmobs_trace.receiver.routes import is_of_the_api, posted_to
from llmobs_trace.store.made_experiments import made_ids
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import Apart
from llmobs_trace.viewer.writes import is_write

_WRITERS: Final = 1
_READERS: Final = 3
_log = logging.getLogger("llmobs_trace")
_Result = TypeVar("_Result")


class Taken(Struct):
    """What was taken: requests answered with 202, and their events, repeats included."""

    requests: int = 0
    spans: int = 0
    metrics: int = 0


class StoreService:
    """The endpoint and the viewer on the store at `database`, which is made where it isn't there.

    `declared`: the experiments that there are; none: whichever is posted to.
    """

    def __init__(
        self,
        database: Path,
        access: Access,
        declared: frozenset[str],
        rehearsal: Rehearsal,
        limits: Limits,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.totals = Taken()
        self._database = database
        self._access = access
        self._declared = declared
        self._known = declared  # and those that were made by name since
        self._rehearsal = rehearsal
        self._limits = limits
        self._tell = tell
        self._store = Store(database)
        self._apart = Apart(database)
        self._page_writes = PageWrites()
        self._of_thread = threading.local()
        self._readers: list[Store] = []  # all that threads have opened; guarded by the interpreter's own lock
        self._to_write = ThreadPoolExecutor(_WRITERS, "llmobs-trace-writer")
        self._to_read = ThreadPoolExecutor(_READERS, "llmobs-trace-reader")
        self._pricing = Pricing(self._store, self._to_write)
        expiry.begin(self._store, self._to_write)

    def refuse(self, head: Head) -> Reply | None:
        refusal = self._access.refuses_host(head)
        if refusal is not None:
            return refusal
        experiment_id = posted_to(head.method, head.path)
        if experiment_id is not None:
            refusal = endpoint.refuse(head, experiment_id, self._access, self._known)
            if refusal is not None:
                self._log(head, experiment_id, f"{refusal.status} {in_a_line(refusal)}")
            return refusal
        answer = questions.answer(head, self._access)
        if answer is not None:
            return answer
        found = routes.find(head.method, head.path)
        if found is not None:
            return catalog.refuse(head, found, self._access)
        if is_of_the_api(head.path):
            return problem(404, f"there is nothing at {head.path[:200]}")
        if head.method == "POST" and is_write(head.path):
            return self._page_writes.refuse(head, self._access)
        if head.method not in pages.METHODS:
            return problem(
                405, f"{head.method} is not answered here", headers=(("Allow", ", ".join(pages.METHODS)),)
            )
        return self._access.refuses_viewer(head.headers)

    async def answer(self, head: Head, body: bytearray) -> Reply | None:
        try:
            experiment_id = posted_to(head.method, head.path)
            if experiment_id is None:
                found = routes.find(head.method, head.path)
                if found is not None:
                    return await self._catalog(head, found, body)
                return await (self._change(head, body) if head.method == "POST" else self._page(head))
            return await self._events(head, experiment_id, body)
        except Exception:
            _log.exception("llmobs-trace serve: %s %s", head.method, head.path[:200])
            return problem(500, "the server has a fault; its own output says which")

    def close(self) -> None:
        """Finish what was begun, then give the store up."""
        for pool in (self._to_write, self._to_read):
            pool.shutdown(wait=True, cancel_futures=True)
        self._apart.close()  # now nobody is left who would begin another
        for store in (*self._readers, self._store):
            store.close()

    async def _events(self, head: Head, experiment_id: str, body: bytearray) -> Reply | None:
        fate = self._rehearsal.next()
        if fate.latency_seconds:
            await asyncio.sleep(fate.latency_seconds)
        if fate.instead is not None:
            self._log(head, experiment_id, f"{fate.instead.status} {in_a_line(fate.instead)}")
            return fate.instead
        if fate.drop_before:
            self._log(head, experiment_id, "closed without an answer; nothing was kept")
            return None
        taken = await _on(
            self._to_write,
            lambda: endpoint.take(self._store, head, experiment_id, body, self._limits),
        )
        if taken.answer.status == 202:
            self.totals.requests += 1
            self.totals.spans += taken.spans
            self.totals.metrics += taken.metrics
            said = f"{_counted(taken.spans, 'span')}, {_counted(taken.metrics, 'metric')}"
        else:
            said = in_a_line(taken.answer)
        self._log(head, experiment_id, f"{taken.answer.status} {said}")
        if fate.drop_after:
            self._log(head, experiment_id, "closed without this answer")
            return None
        return structs.replace(taken.answer, headers=taken.answer.headers + fate.headers)

    def _log(self, head: Head, experiment_id: str, said: str) -> None:
        if self._tell is not None:
            self._tell(f"{head.method} {experiment_id}: {said}")

    async def _catalog(self, head: Head, found: Found, body: bytearray) -> Reply:
        writes = found.route is not None and found.route.writes
        answer = await _on(
            self._to_write if writes else self._to_read,
            lambda: catalog.answer(
                self._store if writes else self._reading(), head, found, body, self._limits, self._declared
            ),
        )
        if self._declared and writes:
            self._known = self._declared | await _on(self._to_read, lambda: made_ids(self._reading()))
        if self._tell is not None:
            said = "" if answer.status < 400 else f" {in_a_line(answer)}"
            self._tell(f"{head.method} {head.path}: {answer.status}{said}")
        return answer

    async def _page(self, head: Head) -> Reply:
        if head.path == TOKEN_PATH:
            token = self._page_writes.token(head)
            return structs.replace(token, headers=token.headers + pages.SECURITY)
        answer = await _on(self._to_read, lambda: pages.page(self._reading, head, self._apart))
        for experiment_id in pages.asked_about(head):
            self._pricing.begin(experiment_id)
        return structs.replace(answer, headers=answer.headers + pages.SECURITY)

    async def _change(self, head: Head, body: bytearray) -> Reply:
        answer = await _on(self._to_write, lambda: pages.change(self._store, head, bytes(body)))
        return structs.replace(answer, headers=answer.headers + pages.SECURITY)

    def _reading(self) -> Store:
        """This thread's own connection, to the store that is there now."""
        self._store.renew()  # made anew where it was removed, as it is at the start
        store: Store | None = getattr(self._of_thread, "store", None)
        if store is None:
            store = self._of_thread.store = Store(self._database, read_only=True)
            self._readers.append(store)
        return store


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


async def _on(pool: ThreadPoolExecutor, work: Callable[[], _Result]) -> _Result:
    return await asyncio.get_running_loop().run_in_executor(pool, work)
