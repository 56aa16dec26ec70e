"""Watches a client's stream to its end, whoever reads it: each chunk passes by, and is folded. User's thread.

The caller keeps the client's own stream. What stands in it is the iterator that its chunks come from, and on
the HTTP response a `close` that tells when the stream was closed before its end.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

from llmobs_trace.capture import recorder as slot
from llmobs_trace.model_calls.call import tell

Add = Callable[[Any], object]
Withheld = Callable[[Any], bool]


class Watching(Protocol):
    """Who is told of a stream: of its chunks, and once of its end."""

    @property
    def withheld(self) -> Withheld | None:
        """Which chunks are kept from the caller."""

    def add_first(self, chunk: Any, /) -> Add:
        """Take in the first chunk. The answer takes the others."""
        ...

    def keep(self, chunk: Any, /) -> None:
        """Keep a chunk that could not be read."""

    def ended(self, *, is_exhausted: bool) -> None:
        """The stream was read to its end, or closed, left or collected before."""

    def failed(self, error: BaseException, /) -> None:
        """A step of the stream raised this."""


def watched(call: Watching, chunks: Iterator[Any]) -> Iterator[Any]:
    """The same chunks, folded as they come, but those that the call says are kept from the caller."""
    add: Add | None = None
    withheld = call.withheld
    try:
        for chunk in chunks:
            try:
                if add is None:
                    add = call.add_first(chunk)
                else:
                    add(chunk)
            except Exception as problem:
                tell(problem)
                call.keep(chunk)
            if withheld is None or not withheld(chunk):
                yield chunk
    except GeneratorExit:
        ended(call, is_exhausted=False)
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
        raise
    except BaseException as error:
        failed(call, error)
        raise
    ended(call, is_exhausted=True)


def ended(call: Watching, *, is_exhausted: bool) -> None:
    """End a stream's call; a fault of ours stays ours."""
    try:
        call.ended(is_exhausted=is_exhausted)
    except Exception as fault:
        slot.fault(fault)


def failed(call: Watching, error: BaseException) -> None:
    """The same by an exception."""
    try:
        call.failed(error)
    except Exception as fault:
        slot.fault(fault)


class AsyncWatched:
    """The same for an async iterator. No generator: the loop's hooks would watch it beside the client's."""

    __slots__ = ("_add", "_call", "_chunks", "_next", "_withheld", "is_running")

    def __init__(self, call: Watching, chunks: AsyncIterator[Any]) -> None:
        self._call = call
        self._chunks = chunks
        self._next = chunks.__anext__
        self._add: Add | None = None
        self._withheld = call.withheld
        self.is_running = False

    def __aiter__(self) -> AsyncWatched:
        return self

    async def __anext__(self) -> Any:
        while True:
            self.is_running = True
            try:
                chunk = await self._next()
            except StopAsyncIteration:
                ended(self._call, is_exhausted=True)
                raise
            except GeneratorExit:
                ended(self._call, is_exhausted=False)
                raise
            except BaseException as error:
                failed(self._call, error)
                raise
            finally:
                self.is_running = False
            try:
                if self._add is None:
                    self._add = self._call.add_first(chunk)
                else:
                    self._add(chunk)
            except Exception as problem:
                tell(problem)
                self._call.keep(chunk)
            if self._withheld is None or not self._withheld(chunk):
                return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chunks, name)


def watch(stream: Any, call: Watching) -> None:
    """Watch a stream of a generated client (`openai.Stream`, `openai.AsyncStream` and their like)."""
    chunks, response = stream._iterator, getattr(stream, "response", None)
    if hasattr(chunks, "__anext__"):
        watching = AsyncWatched(call, chunks)
        stream._iterator = watching
        tell_when_closed(response, call, lambda: watching.is_running, _never, is_async=True)
    else:
        generator: Any = watched(call, chunks)
        stream._iterator = generator
        tell_when_closed(response, call, lambda: generator.gi_running, _never, is_async=False)


def _never() -> bool:
    return False


def tell_when_closed(
    response: Any,
    call: Watching,
    is_running: Callable[[], bool],
    is_exhausted: Callable[[], bool],
    *,
    is_async: bool,
) -> None:
    """Have an HTTP response's `close` end the call, but where the stream itself closes it in a step."""
    if response is None:
        return
    its, method = weakref.ref(response), "aclose" if is_async else "close"
    before = response.__dict__.get(method)  # of whoever watches the same stream already

    def told() -> None:
        if not is_running():
            ended(call, is_exhausted=is_exhausted())

    def close() -> None:
        if (closed := _without_ours(its(), method, before)) is not None:
            try:
                closed.close()
            finally:
                told()

    async def aclose() -> None:
        if (closed := _without_ours(its(), method, before)) is not None:
            try:
                await closed.aclose()
            finally:
                told()

    response.__dict__[method] = aclose if is_async else close


def _without_ours(response: Any, method: str, before: Any) -> Any:
    """A response whose method is again what it was before."""
    if response is not None:
        response.__dict__.pop(method, None)
        if before is not None:
            response.__dict__[method] = before
    return response
