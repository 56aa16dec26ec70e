"""Cuts one connection's bytes into heads and pieces of bodies, each in time. The loop's thread.

What comes too slowly raises `TooSlow`; what is no HTTP, or too large, `Malformed`; what ends early, the
`EOFError` and `OSError` of the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from llmobs_trace.receiver.http import (
    CHUNKED,
    MAX_HEAD_BYTES,
    Head,
    Malformed,
    parse_chunk_size,
    parse_head,
)
from llmobs_trace.receiver.limits import Limits

_PIECE_BYTES: Final = 64 << 10
_MAX_TRAILERS: Final = 32


class TooSlow(Exception):
    """The other side did not keep to the pace."""


class Incoming:
    """What one client sends. One reader at a time."""

    def __init__(self, reader: asyncio.StreamReader, limits: Limits) -> None:
        self._reader = reader
        self._limits = limits

    async def first_byte(self) -> bytes:
        """The first byte of the next request; none where it doesn't come, in time or at all."""
        with suppress(TooSlow), self._within(self._limits.idle_seconds):
            while True:
                byte = await self._reader.read(1)
                # Some clients send an empty line after a body.
                if byte not in (b"\r", b"\n"):
                    return byte
        return b""

    async def head(self, first: bytes) -> Head:
        """The head that begins with `first`."""
        with self._within(self._limits.head_seconds):
            try:
                rest = await self._reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                rest = b""
        if not rest or len(rest) > MAX_HEAD_BYTES:
            raise Malformed(431, f"the head of a request is longer than {MAX_HEAD_BYTES} bytes")
        return parse_head(first + rest[:-4])

    async def pieces(self, head: Head) -> AsyncIterator[bytes]:
        """The body, piece by piece, without its chunks' heads."""
        if head.length_bytes is None:
            return
        loop, waited_seconds, came = asyncio.get_running_loop(), 0.0, 0
        chunks = self._chunks() if head.length_bytes == CHUNKED else self._known(head.length_bytes)
        while True:
            allowed = self._limits.body_seconds + came / self._limits.body_pace_bytes
            asked = loop.time()
            with self._within(allowed - waited_seconds):
                piece = await anext(chunks, b"")
            # Not what passes between two pieces, which are ours: there may be no room for the next.
            waited_seconds += loop.time() - asked
            if not piece:
                return
            came += len(piece)
            if came > self._limits.max_body_bytes:
                raise self._too_large()
            yield piece

    def give_up(self) -> None:
        """Have whoever waits for more bytes get `TooSlow` instead."""
        self._reader.set_exception(TooSlow())

    async def discard(self, seconds: float) -> None:
        """Throw away what comes, until it ends."""
        with suppress(TooSlow, OSError), self._within(seconds):
            while await self._reader.read(_PIECE_BYTES):
                pass

    async def _known(self, length_bytes: int) -> AsyncIterator[bytes]:
        while length_bytes:
            piece = await self._reader.read(min(length_bytes, _PIECE_BYTES))
            if not piece:
                raise EOFError
            length_bytes -= len(piece)
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := parse_chunk_size(await self._line()):
            if size > self._limits.max_body_bytes:
                raise self._too_large()
            async for piece in self._known(size):
                yield piece
            if await self._reader.readexactly(2) != b"\r\n":
                raise Malformed(400, "a chunk is longer than it said", "Transfer-Encoding")
        for _ in range(_MAX_TRAILERS):
            if await self._line() == b"\r\n":
                return
        raise Malformed(431, f"more than {_MAX_TRAILERS} trailers")

    async def _line(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError:
            raise Malformed(431, "a line between chunks is too long", "Transfer-Encoding") from None

    def _too_large(self) -> Malformed:
        return Malformed(
            413, f"the body is larger than {self._limits.max_body_bytes} bytes", "Transfer-Encoding"
        )

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Reading within the block raises `TooSlow` once its time is over, and ever after."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(max(0.0, seconds), self._reader.set_exception, TooSlow())
        try:
            yield
        finally:
            timer.cancel()
