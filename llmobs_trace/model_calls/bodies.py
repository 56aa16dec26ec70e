"""Watches the body of an HTTP response that a caller reads by itself: as lines, bytes or text, or as a stream
that is made of it later. User's thread.

The client's raw responses give out the HTTP response. All ways to read its body go through its `iter_bytes`
(or `aiter_bytes`); ours stands on that one response, until the first reading begins, and hands on the same
bytes. They are read as server-sent events, or at their end as one JSON value: plain mappings, of which a
dialect is told as of the client's objects.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec

from llmobs_trace.capture import recorder as slot
from llmobs_trace.model_calls.call import StreamedCall, tell
from llmobs_trace.model_calls.streams import ended, failed, tell_when_closed

_decode = msgspec.json.Decoder().decode


class Body:
    """What has come of a body, and the call whose answer it is."""

    def __init__(self, call: StreamedCall, is_events: bool) -> None:
        self.call = call
        self.is_running = False  # while the response is asked for its next bytes
        self.is_done = False  # the events said so
        self._is_events = is_events
        self._rest: list[bytes] = []
        self._data: list[bytes] = []
        self._add: Callable[[Any], None] | None = None

    def add(self, piece: bytes) -> None:
        """Take in the next bytes."""
        if not self._is_events or b"\n" not in piece:
            self._rest.append(piece)
            return
        *lines, rest = b"".join([*self._rest, piece]).split(b"\n")
        self._rest = [rest]
        for line in lines:
            self._line(line.rstrip(b"\r"))

    def _line(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].lstrip())
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            if data.startswith(b"[DONE]"):
                self.is_done = True
            else:
                self._event(_decode(data))

    def _event(self, event: Any) -> None:
        try:
            if self._add is None:
                self._add = self.call.add_first(event)
            else:
                self._add(event)
        except Exception as problem:
            tell(problem)
            self.call.keep(event)

    def end(self) -> None:
        """The body was read to its end."""
        if self._is_events:
            self._line(b"".join(self._rest))
            self._line(b"")
            self.call.ended(is_exhausted=True)
        else:
            self.call.answered(_decode(b"".join(self._rest)))


def watch_body(response: Any, call: StreamedCall) -> None:
    """Watch an HTTP response whose body is still to be read."""
    body = Body(call, "event-stream" in response.headers.get("content-type", ""))
    is_async = hasattr(response.stream, "__aiter__")
    name = "aiter_bytes" if is_async else "iter_bytes"
    its = getattr(response, name)  # bound: it holds the response

    def iter_bytes(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        response.__dict__.pop(name, None)
        return _read(body, its(*args, **kwargs))

    def aiter_bytes(*args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
        response.__dict__.pop(name, None)
        return _aread(body, its(*args, **kwargs))

    response.__dict__[name] = aiter_bytes if is_async else iter_bytes
    tell_when_closed(response, call, lambda: body.is_running, lambda: body.is_done, is_async=is_async)


def _added(body: Body, piece: bytes) -> None:
    try:
        body.add(piece)
    except Exception as fault:
        slot.fault(fault)


def _ended(body: Body) -> None:
    try:
        body.end()
    except Exception as fault:
        slot.fault(fault)
        ended(body.call, is_exhausted=True)


def _read(body: Body, pieces: Iterator[bytes]) -> Iterator[bytes]:
    while True:
        body.is_running = True
        try:
            piece = next(pieces)
        except StopIteration:
            break
        except BaseException as error:
            failed(body.call, error)
            raise
        finally:
            body.is_running = False
        _added(body, piece)
        yield piece
    _ended(body)


async def _aread(body: Body, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        body.is_running = True
        try:
            piece = await pieces.__anext__()
        except StopAsyncIteration:
            break
        except BaseException as error:
            failed(body.call, error)
            raise
        finally:
            body.is_running = False
        _added(body, piece)
        yield piece
    _ended(body)
