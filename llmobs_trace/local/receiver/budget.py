"""Bytes are wanted, and are there or waited for: what bounds the memory of all bodies; the loop's thread.

First come, first served: a large body is not overtaken for ever by small ones. Who waits is not read from, so
that its bytes stay in the system's buffers, and with the client once those are full.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Budget:
    """`total_bytes` may be held at a time; who wants more than that has it all, and is alone."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._left_bytes = total_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def hold(self, wanted_bytes: int) -> AsyncIterator[None]:
        """Within the block, `wanted_bytes` are this caller's."""
        wanted_bytes = min(wanted_bytes, self._total_bytes)
        await self._take(wanted_bytes)
        try:
            yield
        finally:
            self._left_bytes += wanted_bytes
            self._hand_out()

    async def _take(self, wanted_bytes: int) -> None:
        if not self._waiting and wanted_bytes <= self._left_bytes:
            self._left_bytes -= wanted_bytes
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted_bytes, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._left_bytes += wanted_bytes
            self._hand_out()
            raise

    def _hand_out(self) -> None:
        while self._waiting:
            wanted_bytes, turn = self._waiting[0]
            if turn.cancelled():
                self._waiting.popleft()
                continue
            if wanted_bytes > self._left_bytes:
                return
            self._waiting.popleft()
            self._left_bytes -= wanted_bytes
            turn.set_result(None)
