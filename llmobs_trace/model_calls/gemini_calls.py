"""Stands in the place of google-genai's methods: what is wrapped, how its streams are begun. User's thread.

A stream of this client makes its request with its first step. So that step is part of the call, and what of
the request is said while it runs (a retry) is said of it; from then on the stream is watched as any other.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.model_calls.call import Call, begin_call, current_call, streamed
from llmobs_trace.model_calls.clients import Client, Place
from llmobs_trace.model_calls.dialect import Dialect
from llmobs_trace.model_calls.google_genai import EmbedContent, GenerateContent
from llmobs_trace.model_calls.streams import AsyncWatched, watched
from llmobs_trace.model_calls.wrappers import Args, Kwargs, wrapped, wrapped_coroutine

CLIENT: Final = Client("google-genai", since="3.6.1")

Function = Callable[..., Any]
Replace = Callable[[Function], Function]

_ENDED: Final = object()


class _Method:
    """A method of `client.models`: all of its arguments have names."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def begin(self, args: Args, kwargs: Kwargs, frame: Any) -> Call | None:
        return begin_call(self._dialect, kwargs, frame) if CLIENT.is_on else None

    def returned(self, call: Call, result: Any) -> Any:
        if type(result) is _Begun:
            return watched(streamed(call), result)
        if type(result) is _AsyncBegun:
            return AsyncWatched(streamed(call), result)
        call.answered(result)
        return result


# --- streams ------------------------------------------------------------------------------------------------


class _Begun:
    """A generator that has made its first step, as if it had not."""

    __slots__ = ("_first", "_generator", "close")

    def __init__(self, generator: Any, first: Any) -> None:
        self._generator = generator
        self._first = first
        self.close = generator.close

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        first, self._first = self._first, _ENDED
        return next(self._generator) if first is _ENDED else first


class _AsyncBegun:
    """The same of an async generator."""

    __slots__ = ("_first", "_generator")

    def __init__(self, generator: Any, first: Any) -> None:
        self._generator = generator
        self._first = first

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    def __anext__(self) -> Awaitable[Any]:
        if self._first is _ENDED:
            return self._generator.__anext__()  # type: ignore[no-any-return]
        first, self._first = self._first, _ENDED
        return _ready(first)


async def _ready(value: Any) -> Any:
    return value


class _Unopened:
    """An async stream whose call is opened by its first step. No generator, as what watches it is none: it is
    over, and the call with it, as soon as nobody holds it.
    """

    __slots__ = ("_next", "_open")

    def __init__(self, open: Callable[[], Awaitable[Any]]) -> None:
        self._open = open
        self._next: Callable[[], Awaitable[Any]] = self._first

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    def __anext__(self) -> Awaitable[Any]:
        return self._next()

    async def _first(self) -> Any:
        self._next = (await self._open()).__anext__
        return await self._next()


def _whole(site: _Method) -> Replace:
    """Replaces a function that gives a whole answer."""
    return lambda original: wrapped(original, site)


def _whole_async(site: _Method) -> Replace:
    """The same of a coroutine function."""
    return lambda original: wrapped_coroutine(original, site)


def _stream(site: _Method) -> Replace:
    """Replaces a generator function, which its caller reads at once."""

    def replace(original: Function) -> Function:
        @functools.wraps(original)
        def begun(*args: Any, **kwargs: Any) -> Any:
            generator = original(*args, **kwargs)
            return _Begun(generator, next(generator, _ENDED))

        return wrapped(begun, site)

    return replace


def _stream_async(site: _Method) -> Replace:
    """Replaces an async generator function."""

    def replace(original: Function) -> Function:
        async def begun(*args: Any, **kwargs: Any) -> Any:
            generator = original(*args, **kwargs)
            try:
                first = await generator.__anext__()
            except StopAsyncIteration:
                first = _ENDED
            return _AsyncBegun(generator, first)

        opened = wrapped_coroutine(begun, site)

        @functools.wraps(original)
        def unopened(*args: Any, **kwargs: Any) -> Any:
            return _Unopened(functools.partial(opened, *args, **kwargs))

        return unopened

    return replace


def _stream_awaited(site: _Method) -> Replace:
    """Replaces a coroutine function that makes a request, and gives an async generator."""

    def replace(original: Function) -> Function:
        @functools.wraps(original)
        async def begun(*args: Any, **kwargs: Any) -> Any:
            return _AsyncBegun(await original(*args, **kwargs), _ENDED)

        return wrapped_coroutine(begun, site)

    return replace


# --- retries ------------------------------------------------------------------------------------------------


def _counting(step: int, *, is_async: bool = False) -> Replace:
    """Replaces what is called for each request, and for each time that it is sent: the rest are retries."""

    def count(frame: Any) -> None:
        try:
            call = current_call(frame)
            if call is not None:
                call.retries += step
        except Exception as fault:
            slot.fault(fault)

    def replace(original: Function) -> Function:
        @functools.wraps(original)
        def counted(*args: Any, **kwargs: Any) -> Any:
            count(active.caller(0))
            return original(*args, **kwargs)

        @functools.wraps(original)
        async def counted_async(*args: Any, **kwargs: Any) -> Any:
            count(active.caller(0))
            return await original(*args, **kwargs)

        return counted_async if is_async else counted

    return replace


# --- what is wrapped ----------------------------------------------------------------------------------------

_MODELS: Final = "google.genai.models"
_REQUESTS: Final = "google.genai._api_client"
_GENERATE, _EMBED = _Method(GenerateContent()), _Method(EmbedContent())


def _answers(owner: str, method: str, replace: Replace, replace_older: Replace) -> tuple[Place, Place]:
    """A method that makes one request, and the one around it that continues an answer, where there is one."""
    around = f"{method}_with_continuation"

    def unless_there_is_one_around(original: Function) -> Function:
        return original if hasattr(sys.modules[_MODELS].Models, around) else replace_older(original)

    return (
        Place(_MODELS, f"{owner}.{around}", replace, is_needed=False),
        Place(_MODELS, f"{owner}.{method}", unless_there_is_one_around),
    )


CLIENT.places = (
    *_answers("Models", "_generate_content", _whole(_GENERATE), _whole(_GENERATE)),
    *_answers("Models", "_generate_content_stream", _stream(_GENERATE), _stream(_GENERATE)),
    *_answers("AsyncModels", "_generate_content", _whole_async(_GENERATE), _whole_async(_GENERATE)),
    *_answers(
        "AsyncModels", "_generate_content_stream", _stream_async(_GENERATE), _stream_awaited(_GENERATE)
    ),
    Place(_MODELS, "Models.embed_content", _whole(_EMBED)),
    Place(_MODELS, "AsyncModels.embed_content", _whole_async(_EMBED)),
    Place(_REQUESTS, "BaseApiClient._request", _counting(-1), is_needed=False),
    Place(_REQUESTS, "BaseApiClient._request_once", _counting(1), is_needed=False),
    Place(_REQUESTS, "BaseApiClient._async_request", _counting(-1, is_async=True), is_needed=False),
    Place(_REQUESTS, "BaseApiClient._async_request_once", _counting(1, is_async=True), is_needed=False),
)
