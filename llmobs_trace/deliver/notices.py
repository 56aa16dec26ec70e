"""Says troubles in few log lines: each cause at most once a minute, and of causes a bounded number.
Sender's thread.

A trouble is something that lasts: an outage, an experiment that is refused. A cause is what many troubles may
have in common: thousands of experiments are refused with one status. What may not be said now is owed: it is
said when its cause's minute is over, with how many more there are like it, unless its trouble is over by
then. So the last word on a trouble is true, however often it comes and goes.

What comes in here has been through the destination, which knows the keys: none is in any text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_OF_ONE: Final = {"are": "is", "were": "was"}
SAY_AGAIN_SECONDS: Final = 60.0
# So many different causes are named in any minute; others wait for theirs.
MAX_CAUSES: Final = 16
# What a program, or a server, makes without end must not grow this for ever; causes beyond become one.
_MAX_TROUBLES: Final = 1024
_MAX_OWED: Final = 64
_ALL_OTHERS: Final = ("all others",)


def events(count: int, verb: str) -> str:
    """`1 event is`, `3 events are`."""
    return f"1 event {_OF_ONE[verb]}" if count == 1 else f"{count} events {verb}"


@dataclass
class _Trouble:
    since: float
    times: int = 0
    told: set[Hashable] = field(default_factory=set)  # the causes that a line named of it


class _Line(NamedTuple):
    text: str
    trouble: _Trouble
    is_end: bool = False


class Notices:
    """What is wrong at the moment, and what has been said about it."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._troubles: dict[Hashable, _Trouble] = {}
        self._said_at: dict[Hashable, float] = {}  # by cause
        self._owed: dict[Hashable, dict[Hashable, _Line]] = {}  # by cause, then by trouble

    def happened(
        self,
        trouble_id: Hashable,
        text: str,
        *,
        kind: Hashable = None,
        cause: Hashable = None,
        quiet: bool = False,
        once: bool = False,
        times: int = 1,
    ) -> None:
        """It went wrong again: say so, unless this cause was named less than a minute ago.

        `kind` is what troubles have in common that may have one cause; without it each has its own. `once`:
        a trouble is not named again until it is over. `quiet`: count it, and say nothing yet. `times`: how
        often it happened since the last call.
        """
        trouble = self._trouble(trouble_id, kind)
        trouble.times += times
        key = (trouble_id if kind is None else kind, cause)
        if quiet or (once and key in trouble.told):
            return
        self._owe(key, trouble_id, _Line(text, trouble))

    def over(self, trouble_id: Hashable, text: str, *, kind: Hashable = None, total: bool = True) -> None:
        """The trouble is gone: say so, with its total where that is one, if anything was said of it."""
        trouble = self._troubles.pop(trouble_id, None)
        if trouble is None:
            return
        for key in list(self._owed):
            self._settle(key, trouble_id)
        if trouble.told:
            if total:
                text = f"{text}: {trouble.times} failed in {self._clock() - trouble.since:.0f} s"
            self._owe(_end_of(trouble_id, kind), trouble_id, _Line(text, trouble, is_end=True))

    def next_due(self) -> float | None:
        """The moment of the clock when something that is owed may be said; None where nothing is."""
        if not self._owed:
            return None
        now = self._clock()
        return min(self._may_say_at(key, now) for key in self._owed)

    def look(self) -> None:
        """Say what is owed, as far as it may be said by now."""
        for key in list(self._owed):
            self._say_if_time(key)

    def end(self) -> None:
        """Nothing comes any more: say what is owed and was never said."""
        for key, lines in list(self._owed.items()):
            for trouble_id, line in list(lines.items()):
                if line.trouble.told and not line.is_end:
                    self._settle(key, trouble_id)
            if key in self._owed:
                self._say_all(key)

    def detail(self, text: str, error: BaseException) -> None:
        """What only somebody who looks for a fault of ours wants to see."""
        with suppress(Exception, SystemExit):
            self._log.debug("%s", text, exc_info=error)

    def _trouble(self, trouble_id: Hashable, kind: Hashable) -> _Trouble:
        trouble = self._troubles.get(trouble_id)
        if trouble is None:
            if len(self._troubles) >= _MAX_TROUBLES:
                del self._troubles[next(iter(self._troubles))]
            # Where its end was not said yet it goes on, for whoever reads the log.
            unsaid_end = self._settle(_end_of(trouble_id, kind), trouble_id)
            trouble = unsaid_end.trouble if unsaid_end is not None else _Trouble(since=self._clock())
            self._troubles[trouble_id] = trouble
        return trouble

    def _owe(self, key: Hashable, trouble_id: Hashable, line: _Line) -> None:
        if key not in self._owed and len(self._owed) >= _MAX_OWED:
            key = _ALL_OTHERS
        lines = self._owed.setdefault(key, {})
        lines.pop(trouble_id, None)  # the newest comes last
        if len(lines) >= _MAX_TROUBLES:
            del lines[next(iter(lines))]
        lines[trouble_id] = line
        self._say_if_time(key)

    def _settle(self, key: Hashable, trouble_id: Hashable) -> _Line | None:
        """Owe a trouble's line no longer; the line."""
        lines = self._owed.get(key, {})
        line = lines.pop(trouble_id, None)
        if line is not None and not lines:
            del self._owed[key]
        return line

    def _may_say_at(self, key: Hashable, now: float) -> float:
        if key in self._said_at:
            return self._said_at[key] + SAY_AGAIN_SECONDS
        if len(self._said_at) < MAX_CAUSES:
            return now
        return min(self._said_at.values()) + SAY_AGAIN_SECONDS

    def _say_if_time(self, key: Hashable) -> None:
        now = self._clock()
        for old, said_at in list(self._said_at.items()):
            if now - said_at >= SAY_AGAIN_SECONDS:
                del self._said_at[old]
        if self._may_say_at(key, now) <= now:
            self._say_all(key)

    def _say_all(self, key: Hashable) -> None:
        """One line for all troubles that this cause is owed for: the newest's words, and how many more."""
        now = self._clock()
        lines = self._owed.pop(key)
        *others, (text, trouble, is_end) = lines.values()
        self._said_at[key] = now
        counts = []
        if key in trouble.told and not is_end:
            counts.append(f"{trouble.times} times in {now - trouble.since:.0f} s")
        if others:
            at_least = "at least " if len(lines) >= _MAX_TROUBLES else ""
            counts.append(f"and {at_least}{len(others):,} more like it")
        for line in lines.values():
            line.trouble.told.add(key)
        self._say(f"{text} ({'; '.join(counts)})" if counts else text)

    def _say(self, text: str) -> None:
        # A handler of the user's may raise, or tell the thread to exit: delivery is not to end by it.
        with suppress(Exception, SystemExit):
            self._log.warning("%s", text)


def _end_of(trouble_id: Hashable, kind: Hashable) -> Hashable:
    return ("over", trouble_id if kind is None else kind)
