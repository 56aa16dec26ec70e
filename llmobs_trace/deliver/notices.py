"""Troubles in, few log lines out: a cause at most once a minute, a total when it is over. Sender's thread.

What comes in here has been through the destination, which knows the keys: none is in any text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

_OF_ONE: Final = {"are": "is", "were": "was"}
SAY_AGAIN_SECONDS: Final = 60.0
# Paused experiments are a trouble each; a program that makes them without end must not grow this for ever.
_MAX_TROUBLES: Final = 1024


def events(count: int, verb: str) -> str:
    """`1 event is`, `3 events are`."""
    return f"1 event {_OF_ONE[verb]}" if count == 1 else f"{count} events {verb}"


@dataclass
class _Trouble:
    since: float
    times: int = 0
    said_at: dict[Hashable, float] = field(default_factory=dict)  # by cause


class Notices:
    """What is wrong at the moment, and what has been said about it."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._troubles: dict[Hashable, _Trouble] = {}

    def happened(
        self,
        trouble_id: Hashable,
        text: str,
        *,
        cause: Hashable = None,
        quiet: bool = False,
        once: bool = False,
        times: int = 1,
    ) -> None:
        """It went wrong again: say so, unless this cause of the trouble was named less than a minute ago.

        `once`: or ever before, until it is over. `quiet`: count it, and say nothing yet. `times`: how often
        it happened since the last call.
        """
        now = self._clock()
        trouble = self._troubles.get(trouble_id)
        if trouble is None:
            if len(self._troubles) >= _MAX_TROUBLES:
                del self._troubles[next(iter(self._troubles))]
            trouble = self._troubles[trouble_id] = _Trouble(since=now)
        trouble.times += times
        said_at = trouble.said_at.get(cause)
        if quiet or (said_at is not None and (once or now - said_at < SAY_AGAIN_SECONDS)):
            return
        trouble.said_at[cause] = now
        count = f" ({trouble.times} times in {now - trouble.since:.0f} s)" if said_at is not None else ""
        self._say(f"{text}{count}")

    def over(self, trouble_id: Hashable, text: str, *, total: bool = True) -> None:
        """The trouble is gone: say so, with its total where that is one, if anything was said of it."""
        trouble = self._troubles.pop(trouble_id, None)
        if trouble is None or not trouble.said_at:
            return
        if total:
            seconds = self._clock() - trouble.since
            self._say(f"{text}: {trouble.times} failed in {seconds:.0f} s")
        else:
            self._say(text)

    def detail(self, text: str, error: BaseException) -> None:
        """What only somebody who looks for a fault of ours wants to see."""
        with suppress(Exception, SystemExit):
            self._log.debug("%s", text, exc_info=error)

    def _say(self, text: str) -> None:
        # A handler of the user's may raise, or tell the thread to exit: delivery is not to end by it.
        with suppress(Exception, SystemExit):
            self._log.warning("%s", text)
