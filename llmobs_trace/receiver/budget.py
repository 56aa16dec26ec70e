"""Bounds the memory of all bodies together: back-pressure on connections that send more. The loop's thread.

What counts is what has come, not what was announced: who says that much will come, and sends nothing, has
nobody wait. Who waits is not read from, so that its bytes stay in the system's buffers, and with the client
once those are full. Two rules keep a full house from standing still: the body that began first has whatever
room it needs, and is alone with what is too much; and while others wait, a body of which next to nothing
comes is given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

# While others wait for room, a body of which less than so much came within so long gives its own back: a byte
# now and then is no progress.
PATIENCE_SECONDS: Final = 1.0
_PROGRESS_BYTES: Final = 16 << 10


class Budget:
    """`total_bytes` may be kept at a time, and what the oldest body has beyond that."""

    def __init__(self, total_bytes: int) -> None:
        self._left_bytes = total_bytes
        self._shares: dict[Share, None] = {}  # of bodies of which something came, the oldest first
        self._waiting: dict[Share, tuple[int, asyncio.Future[None]]] = {}

    @contextmanager
    def share(self, give_up: Callable[[], None]) -> Iterator[Share]:
        """Within the block, a body's own share; `give_up` ends the waiting for more of it."""
        share = Share(self, give_up)
        try:
            yield share
        finally:
            self._shares.pop(share, None)
            self._left_bytes += share.kept_bytes
            for other, (more_bytes, turn) in list(self._waiting.items()):
                if not turn.done() and self._takes(other, more_bytes):
                    turn.set_result(None)

    async def take(self, share: Share, more_bytes: int) -> None:
        """Give it so much more, once there is room."""
        self._shares.setdefault(share)
        if self._takes(share, more_bytes):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[share] = (more_bytes, turn)
        try:
            while not turn.done():
                await asyncio.wait((turn,), timeout=PATIENCE_SECONDS)
                if not turn.done():
                    self._give_up_the_slow()
        finally:
            del self._waiting[share]

    def _takes(self, share: Share, more_bytes: int) -> bool:
        if more_bytes > self._left_bytes and share is not next(iter(self._shares)):
            return False
        self._left_bytes -= more_bytes
        share.kept_bytes += more_bytes
        return True

    def _give_up_the_slow(self) -> None:
        too_early = asyncio.get_running_loop().time() - PATIENCE_SECONDS
        for share in self._shares:
            if not share.is_whole and share not in self._waiting and share.progress_at <= too_early:
                share.give_up()


class Share:
    """What one body has. `is_whole`: nothing more of it is waited for."""

    def __init__(self, budget: Budget, give_up: Callable[[], None]) -> None:
        self.give_up = give_up
        self.is_whole = False
        self.kept_bytes = 0
        self.progress_at = float("-inf")
        self._next_bytes = 0  # with so many kept there is progress
        self._budget = budget

    async def take(self, more_bytes: int) -> None:
        """Have room for more bytes, which have come; waits until there is some."""
        asked_at = asyncio.get_running_loop().time()
        await self._budget.take(self, more_bytes)
        now = asyncio.get_running_loop().time()
        self.progress_at += now - asked_at  # to wait for room is no delay of its own
        if self.kept_bytes >= self._next_bytes:
            self.progress_at, self._next_bytes = now, self.kept_bytes + _PROGRESS_BYTES
