"""Asks a server for one thing, again where that helps, within a time; pages are followed. Any thread, one at
a time.

Only a question that may come twice is repeated here. What makes something is asked for once: `Unsure` says
that nobody knows whether it was made, and whoever asked looks before it asks again.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from llmobs_trace.catalog.catalog import CatalogError
from llmobs_trace.catalog.refusals import TRIES, Next, advice, next_after
from llmobs_trace.catalog.resources import page_in
from llmobs_trace.http_client.backoff import Pace, asked_delay, asked_seconds, retry_delay
from llmobs_trace.http_client.clock import Clock
from llmobs_trace.http_client.request import Connection, Hindered, NoAnswer

PREFIX: Final = "/api/v2/llm-obs/v1"
# One request may take so long, of the time that there is in all: after it another connection may do better.
_REQUEST_SECONDS: Final = 15.0
# A page of records has no bound of its own; what has no end is not read to it.
_MAX_BODY_BYTES: Final = 256 << 20
# A list that goes on and on with nothing new has no end; nor has one of so many pages.
_MOST_ALIKE: Final = 100
_MOST_PAGES: Final = 10_000
# With so little left nothing is tried any more.
_LAST_SECONDS: Final = 0.5
# A program's tests may stop time, and with it everybody's naps.
_nap = time.sleep


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


_Found = TypeVar("_Found", bound=_Identified)
_Read = TypeVar("_Read")


class Question(msgspec.Struct, frozen=True):
    """What is asked; for an error's words `doing`, as in "looking for the dataset 'capitals'", and `named`,
    which is what the server must know already.
    """

    method: str
    path: str
    doing: str
    named: str = "the experiments API"
    body: bytes | None = None


class Unsure(Exception):
    """Nobody knows whether a question took effect; `error` is what it comes to where nobody asks again."""

    def __init__(self, error: CatalogError, decided: Next) -> None:
        super().__init__(str(error))
        self.error = error
        self.decided = decided


class Conflict(CatalogError):
    """The server says that it is there already."""


class Times:
    """How to wait, and by which clock; replaced in tests alone."""

    def __init__(
        self,
        pace: Pace | None = None,
        now: Callable[[], float] = Clock.now,
        wait: Callable[[float], None] = _nap,
    ) -> None:
        self.pace = pace or Pace()
        self.now = now
        self.wait = wait


class Patience:
    """How much time may be lost to failures before it is given up; a request that is answered costs none, as
    a dataset may be large. Where nothing is asked `again`, all requests together have so long.

    `is_whole`: it is for all that is asked, and never renewed.
    """

    def __init__(self, seconds: float, times: Times, *, again: bool = True, is_whole: bool = False) -> None:
        self._seconds = seconds
        self._again = again
        self._is_whole = is_whole
        self._times = times
        self._lost_seconds = 0.0
        self._failures = 0

    def renew(self) -> None:
        """A part of the work is done for good: the rest has as long again."""
        if not self._is_whole:
            self._lost_seconds = 0.0
        self._failures = 0

    @property
    def left_seconds(self) -> float:
        return self._seconds - self._lost_seconds

    def took(self, seconds: float, *, is_answered: bool) -> None:
        """A request is over."""
        if not (is_answered and self._again):
            self._lost_seconds += seconds

    def wait_after(self, unsure: Unsure) -> None:
        """Wait before the next try; raise the error where there is none."""
        self._failures += 1
        left, chance = self.left_seconds, random.random()
        if unsure.error.asked_seconds is not None:
            seconds = asked_delay(unsure.error.asked_seconds, chance)
        else:
            # Towards the end of the time tries come closer together: each may be the last.
            seconds = min(retry_delay(self._failures, chance, self._times.pace), left / 2)
        is_over = not self._again or seconds >= left or left < _LAST_SECONDS
        if is_over or self._failures >= TRIES.get(unsure.decided, math.inf):
            raise unsure.error from None
        self._times.wait(seconds)
        self._lost_seconds += seconds


class Asking:
    """The way to one server; `in_all`: all that is asked has one patience."""

    def __init__(
        self,
        connection: Connection,
        seconds: float,
        times: Times,
        *,
        again: bool = True,
        in_all: bool = False,
    ) -> None:
        self.name = connection.base_url
        self._connection = connection
        self._times = times
        self._new_patience = partial(Patience, seconds, times, again=again, is_whole=in_all)
        self._one_patience = self._new_patience() if in_all else None
        self._process = os.getpid()

    def patience(self) -> Patience:
        """That of one verb, or of them all."""
        return self._one_patience or self._new_patience()

    def close(self) -> None:
        if self._process == os.getpid():
            self._connection.close()

    def once(self, question: Question, patience: Patience) -> bytes:
        """The body of the answer. Raises `Unsure`, `Conflict` and `CatalogError`."""
        if self._process != os.getpid():
            self._connection.after_fork_in_child()  # the connection is the parent's
            self._process = os.getpid()
        self._connection.open()
        timeout = max(min(_REQUEST_SECONDS, patience.left_seconds), 0.1)
        began, decided = self._times.now(), Next.AGAIN
        try:
            came = self._connection.ask(
                question.method, question.path, question.body, timeout, _MAX_BODY_BYTES
            )
        except Hindered as hindered:
            raise CatalogError(self._told(question, str(hindered))) from None
        except NoAnswer as none:
            raise Unsure(CatalogError(self._told(question, str(none))), Next.AGAIN) from None
        else:
            decided, instead = next_after(came.status, came.headers, came.body, is_whole=came.is_whole)
        finally:
            patience.took(self._times.now() - began, is_answered=decided is Next.READ)
        if decided is Next.READ:
            return came.body
        words = self._connection.fit_to_print(instead or came.words)
        changes = question.method != "GET"
        # What broke off is no refusal.
        refusal = None if decided is Next.AGAIN and came.status // 100 == 2 else came.status
        error = (Conflict if decided is Next.LOOK else CatalogError)(
            self._told(
                question,
                f"HTTP {came.status}: {words}",
                advice(refusal or 0, changes=changes, named=question.named),
            ),
            refusal,
            is_final=decided in (Next.NEVER, Next.LOOK),
            asked_seconds=asked_seconds(came.status, came.headers, time.time()),
        )
        if decided in (Next.AGAIN, Next.A_FEW_TIMES):
            raise Unsure(error, decided)
        raise error

    def ask(self, question: Question, patience: Patience) -> bytes:
        """The same for what may come twice: again until there is an answer. Raises `CatalogError`."""
        while True:
            try:
                return self.once(question, patience)
            except Unsure as unsure:
                patience.wait_after(unsure)

    def pages(
        self,
        question: Question,
        filters: Mapping[str, str],
        patience: Patience | None = None,
        dispensable: str | None = None,
    ) -> Iterator[bytes]:
        """The bodies of a list's pages; without `patience` each page has its own. `dispensable` is a filter
        without which the list is only longer: where a server refuses it, it is left out.
        """
        wanted = dict(filters)
        cursors: set[str] = set()
        before, alike = 0, 0
        while len(cursors) < _MOST_PAGES:
            path = f"{question.path}?{urlencode(wanted, quote_via=quote)}" if wanted else question.path
            asked = msgspec.structs.replace(question, path=path)
            try:
                body = self.ask(asked, patience or self.patience())
            except CatalogError as error:
                if error.status not in (400, 422) or dispensable not in wanted:
                    raise
                del wanted[dispensable]
                continue
            yield body
            held, cursor = self.read(asked, body, page_in)
            if not cursor:
                return
            alike = alike + 1 if held == before else 0
            if cursor in cursors or alike == _MOST_ALIKE:
                raise CatalogError(self._told(question, "its pages go round in a circle"))
            before = held
            cursors.add(cursor)
            # The cursor may have to carry the filters, or they it: who has both is right in either case.
            wanted["page[cursor]"] = cursor
        raise CatalogError(self._told(question, f"its pages have no end: {_MOST_PAGES:,} were read"))

    def read(self, question: Question, body: bytes, how: Callable[[bytes], _Read]) -> _Read:
        """What a body says. Raises `CatalogError` where it says nothing that is understood."""
        try:
            return how(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise CatalogError(self._told(question, f"the answer can't be read: {error}")) from None

    def made_once(
        self,
        make: Question,
        look: Callable[[Patience], _Found | None],
        read: Callable[[bytes], _Found | None],
    ) -> _Found:
        """What `look` finds, or what `make` makes where there is nothing; never two of it.

        Another machine may make it at the same moment, and a proxy may send a request twice: so once it is
        made it is looked for again, and all who look choose the same.
        """
        patience = self.patience()
        while True:
            found = look(patience)
            if found is not None:
                return found
            try:
                made = self.read(make, self.once(make, patience), read)
                if made is not None:
                    found = look(patience)
                    return made if found is None or found.id == made.id else found
                nothing = CatalogError(self._told(make, "the answer does not say what was made"))
                raise Unsure(nothing, Next.A_FEW_TIMES)
            except Conflict:
                found = look(patience)
                if found is None:
                    raise
                return found
            except Unsure as unsure:
                patience.wait_after(unsure)

    def _told(self, question: Question, said: str, then: str = "") -> str:
        return f"{question.doing} at {self.name}: {said}" + (f"; {then}" if then else "")
