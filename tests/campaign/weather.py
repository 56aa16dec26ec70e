"""What the receiver does while a program runs, by name: a spell is a few answers, or one that lasts.

`poison` and the largest body are no weather but the server's opinion, and stay when it clears.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from random import Random
from time import time

from campaign.plan import Plan
from support.receiver import Receiver, Reply

# In the input of a span that the server will not have.
POISON = "a word that this server refuses"
WORDS = '{"errors":[{"title":"Refused","detail":"said on purpose"}]}'
ELSEWHERE = "/elsewhere"


def _times(reply: Reply, most: int = 3) -> Callable[[Random], list[Reply]]:
    return lambda chance: [reply] * chance.randint(1, most)


def _broken(chance: Random) -> list[Reply]:
    return [Reply(status=chance.choice([408, 500, 502, 503, 504, 599])) for _ in range(chance.randint(1, 3))]


def _until_a_date(_: Random) -> list[Reply]:
    return [Reply(status=429, headers={"Retry-After": formatdate(time() + 1, usegmt=True)})]


def _half(chance: Random) -> list[Reply]:
    # Up to the middle of the status line, of the headers, of the body.
    cuts = [chance.choice([1, 12, 40, 100]) for _ in range(chance.randint(1, 3))]
    return [Reply(close_after_bytes=cut, body="x" * 200, status=chance.choice([202, 500])) for cut in cuts]


# The next few answers.
SPELLS: dict[str, Callable[[Random], list[Reply]]] = {
    "busy, so many seconds": _times(Reply(status=429, headers={"Retry-After": "1"}), 2),
    "busy, until a date": _until_a_date,
    "busy, until the limit's reset": _times(Reply(status=429, headers={"X-RateLimit-Reset": "1"}), 2),
    "broken": _broken,
    "slow": _times(Reply(delay_seconds=0.15)),
    "slower than the timeout": _times(Reply(delay_seconds=1.2), 2),
    "a byte at a time": _times(Reply(drip_seconds=0.005)),
    "half an answer": _half,
    "closed without an answer": _times(Reply(close=True)),
    "reset": _times(Reply(reset=True)),
    "silent": _times(Reply(silent=True), 2),
    "refuses single bodies": _times(Reply(status=400, body=WORDS), 4),
}
# Those that accept what they answer, whatever it is.
ACCEPTING = frozenset({"slow", "slower than the timeout", "a byte at a time", "half an answer"})
# Every answer, until it clears.
LASTING: dict[str, Reply] = {
    "unauthorised": Reply(status=401, body=WORDS),
    "forbidden": Reply(status=403, body=WORDS),
    "unknown experiment": Reply(status=404, body=WORDS),
    "redirects": Reply(status=307, headers={"Location": ELSEWHERE}),
    "refuses everything": Reply(status=422, body=WORDS),
    "a login page": Reply(status=200, body="<html><title>Wi-Fi login</title></html>", takes_nothing=True),
    "a proxy's own version": Reply(status=203, takes_nothing=True),
    "errors within": Reply(status=202, body=WORDS, takes_nothing=True),
}
# To the end, or only for a while.
AWAY = _AWAY, _AWAY_A_WHILE = "refuses connections", "refuses connections for a while"
LOCKED = _LOCKED, _LOCKED_A_WHILE = "locked", "locked for a while"


class Weather:
    """A plan's weather over the receiver, or over the local store: the file `database`."""

    def __init__(self, plan: Plan, receiver: Receiver, database: Path) -> None:
        self._plan = plan
        self._receiver = receiver
        self._database = database
        self._lock = threading.Lock()  # guards what is to be done to end it
        self._to_end: list[Callable[[], object]] = []
        self._timer: threading.Timer | None = None

    def break_out(self) -> None:
        """Before the program starts."""
        chance = Random(self._plan.spell_seed)
        self._judge()
        spells = self._plan.spells
        for name in spells:
            if name in SPELLS:
                self._receiver.script(*SPELLS[name](chance))
            elif name in LASTING:
                self._receiver.usual(LASTING[name])
        if {*AWAY} & {*spells}:
            self._receiver.stop_listening()
            self._to_end.append(self._receiver.listen_again)
        if {*LOCKED} & {*spells}:
            self._to_end.append(self._locked())
        if {_AWAY_A_WHILE, _LOCKED_A_WHILE} & set(spells) and not {_AWAY, _LOCKED} & set(spells):
            self._timer = threading.Timer(chance.uniform(0.2, 0.8), self._end)
            self._timer.start()

    def clear(self) -> None:
        """Once everything that could go wrong has."""
        if self._timer is not None:
            self._timer.cancel()
        self._end()
        self._receiver.forget()
        self._judge()

    def _end(self) -> None:
        with self._lock:
            while self._to_end:
                self._to_end.pop()()

    def _locked(self) -> Callable[[], object]:
        """Somebody else keeps the store to himself."""
        self._database.parent.mkdir(parents=True, exist_ok=True)
        other = sqlite3.connect(self._database, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        return other.close

    def _judge(self) -> None:
        if self._plan.poison_status is not None:
            self._receiver.refuse(Reply(status=self._plan.poison_status, body=WORDS), containing=POISON)
        if self._plan.largest_body_bytes is not None:
            too_large = Reply(status=413, body=WORDS)
            self._receiver.refuse(too_large, larger_than_bytes=self._plan.largest_body_bytes)
