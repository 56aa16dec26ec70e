"""Reads one connection's requests and writes their answers, in order. The loop's thread."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from msgspec import structs

from llmobs_trace.receiver.budget import Budget
from llmobs_trace.receiver.http import Head, Malformed, Reply, answer_head
from llmobs_trace.receiver.incoming import Incoming, TooSlow
from llmobs_trace.receiver.limits import Limits
from llmobs_trace.receiver.problems import problem

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Service(Protocol):
    """What is behind the connections."""

    def refuse(self, head: Head) -> Reply | None:
        """The answer for which no body is needed; None where it has to be seen."""

    async def answer(self, head: Head, body: bytearray) -> Reply | None:
        """The answer to a whole request; None: close without one."""


class Connection:
    """One client; `run` returns when it is done with."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        service: Service,
        limits: Limits,
        budget: Budget,
    ) -> None:
        self._incoming = Incoming(reader, limits)
        self._writer = writer
        self._service = service
        self._limits = limits
        self._budget = budget
        self._is_idle = True
        self._is_ending = False
        # Draining then means: all of it is on its way.
        writer.transport.set_write_buffer_limits(high=0)

    async def run(self) -> None:
        """Serve until either side is done."""
        try:
            while await self._one():
                pass
        except (OSError, EOFError, TooSlow):
            pass  # the other side is gone, or as good as gone
        finally:
            self.abort()

    def end(self) -> None:
        """Close it, after the answer to what is being asked, if anything is."""
        self._is_ending = True
        if self._is_idle:
            self.abort()

    def abort(self) -> None:
        """Close it now, whatever there was still to say."""
        self._writer.transport.abort()

    async def send_away(self, answer: Reply) -> None:
        """Answer without having been asked, and close."""
        try:
            await self._last(answer, None)
        except OSError:
            pass
        finally:
            self.abort()

    async def _one(self) -> bool:
        """Answer one request; False where it was the last."""
        self._is_idle = True
        first = await self._incoming.first_byte()
        if not first or self._is_ending:
            return False
        self._is_idle = False
        head: Head | None = None
        try:
            head = await self._incoming.head(first)
            answer = await self._answer(head)
        except Malformed as error:
            answer = problem(error.status, str(error), header=error.header, close=True)
        except TooSlow:
            what = "head" if head is None else "body"
            answer = problem(408, f"the {what} of the request came too slowly", close=True)
        if answer is None:
            return False
        if head is None or answer.close or self._is_ending or not head.keeps_alive:
            await self._last(answer, head)
            return False
        await self._write(answer, head, keep_alive=True)
        return True

    async def _answer(self, head: Head) -> Reply | None:
        waits_for_us = head.expects_continue and head.length_bytes is not None
        refusal = self._service.refuse(head)
        if refusal is not None:
            if waits_for_us or self._is_too_large(head):
                # It may be sent all the same, or not: where the next request begins can't be told.
                return structs.replace(refusal, close=True)
            async for _ in self._incoming.pieces(head):
                pass
            return refusal
        if self._is_too_large(head):
            raise Malformed(
                413, f"the body is larger than {self._limits.max_body_bytes} bytes", "Content-Length"
            )
        if waits_for_us:
            self._writer.write(_CONTINUE)
        body = bytearray()
        with self._budget.share(self._incoming.give_up) as share:
            async for piece in self._incoming.pieces(head):
                await share.take(len(piece))
                body += piece
            share.is_whole = True
            return await self._service.answer(head, body)

    def _is_too_large(self, head: Head) -> bool:
        return (head.length_bytes or 0) > self._limits.max_body_bytes

    async def _last(self, answer: Reply, head: Head | None) -> None:
        await self._write(answer, head, keep_alive=False)
        # Closing while there is something unread makes the system throw away what we have said.
        if self._writer.can_write_eof():
            self._writer.write_eof()
        await self._incoming.discard(self._limits.linger_seconds)

    async def _write(self, answer: Reply, head: Head | None, *, keep_alive: bool) -> None:
        data = answer_head(answer, keep_alive=keep_alive)
        is_bodiless = answer.status in (204, 304) or (head is not None and head.method == "HEAD")
        self._writer.write(data if is_bodiless else data + answer.body)
        # What nobody takes must not be kept for ever.
        timer = asyncio.get_running_loop().call_later(self._limits.write_seconds, self.abort)
        try:
            await self._writer.drain()
        finally:
            timer.cancel()
