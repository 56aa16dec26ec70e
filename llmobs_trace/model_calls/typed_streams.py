"""Watches streams that are iterators of a class of the client's own, whoever reads them. User's thread.

`next()` looks a method up on the class and not on the object. So it is the class whose steps are replaced,
when the first of its objects is seen; each object says by an attribute which call it is of, and one without
passes by.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Final

from llmobs_trace.capture import recorder as slot
from llmobs_trace.model_calls.streams import Add, AsyncWatched, Watching, ended, failed, watched

Method = Callable[..., Any]

_WATCH: Final = "_llmobs_trace_watch"


class Watch:
    """What one stream has: its call, and whether a step of it is being made."""

    __slots__ = ("_add", "call", "is_busy")

    def __init__(self, call: Watching) -> None:
        self.call = call
        self.is_busy = False
        self._add: Add | None = None

    def came(self, chunk: Any) -> None:
        """A chunk came."""
        try:
            if self._add is None:
                self._add = self.call.add_first(chunk)
            else:
                self._add(chunk)
        except Exception as fault:
            slot.fault(fault)
            self.call.keep(chunk)


def _watch_of(stream: Any) -> Watch | None:
    """A stream's, unless one of its own methods is at work: that one's step counts, and not those within."""
    watch: Watch | None = getattr(stream, "__dict__", {}).get(_WATCH)
    return None if watch is None or watch.is_busy else watch


def watching(stream: Any) -> Watching | None:
    """Who watches a stream already."""
    watch: Watch | None = getattr(stream, "__dict__", {}).get(_WATCH)
    return None if watch is None else watch.call


class StreamTypes:
    """The classes of streams whose methods are replaced."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the one below
        self._replaced: dict[tuple[type, str], tuple[Method, Method]] = {}

    def watch(self, stream: Any, call: Watching) -> Any:
        """Watch a stream. What is answered is the same object, but for a bare generator."""
        if isinstance(stream, GeneratorType):
            return watched(call, stream)
        if isinstance(stream, AsyncGeneratorType):
            return AsyncWatched(call, stream)
        vars(stream)[_WATCH] = Watch(call)
        with self._lock:
            for name, replacing in _REPLACING.items():
                owner = next((each for each in type(stream).__mro__ if name in vars(each)), None)
                if owner is not None and (owner, name) not in self._replaced:
                    original = vars(owner)[name]
                    replacement = replacing(original)
                    setattr(owner, name, replacement)
                    self._replaced[owner, name] = original, replacement
        return stream

    def put_back(self) -> None:
        """Put the methods back; streams that are open are recorded as they end."""
        with self._lock:
            for (owner, name), (original, replacement) in list(self._replaced.items()):
                if vars(owner).get(name) is replacement:
                    setattr(owner, name, original)
                    del self._replaced[owner, name]


def _next(original: Method) -> Method:
    @functools.wraps(original)
    def __next__(self: Any) -> Any:
        watch = _watch_of(self)
        if watch is None:
            return original(self)
        watch.is_busy = True
        try:
            chunk = original(self)
        except StopIteration:
            ended(watch.call, is_exhausted=True)
            raise
        except BaseException as error:
            failed(watch.call, error)
            raise
        finally:
            watch.is_busy = False
        watch.came(chunk)
        return chunk

    return __next__


def _anext(original: Method) -> Method:
    @functools.wraps(original)
    async def __anext__(self: Any) -> Any:
        watch = _watch_of(self)
        if watch is None:
            return await original(self)
        watch.is_busy = True
        try:
            chunk = await original(self)
        except StopAsyncIteration:
            ended(watch.call, is_exhausted=True)
            raise
        except BaseException as error:
            failed(watch.call, error)
            raise
        finally:
            watch.is_busy = False
        watch.came(chunk)
        return chunk

    return __anext__


def _close(original: Method) -> Method:
    @functools.wraps(original)
    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        watch = _watch_of(self)
        try:
            return original(self, *args, **kwargs)
        finally:
            if watch is not None:
                ended(watch.call, is_exhausted=False)

    return close


def _aclose(original: Method) -> Method:
    @functools.wraps(original)
    async def aclose(self: Any, *args: Any, **kwargs: Any) -> Any:
        watch = _watch_of(self)
        try:
            return await original(self, *args, **kwargs)
        finally:
            if watch is not None:
                ended(watch.call, is_exhausted=False)

    return aclose


_REPLACING: Final[dict[str, Callable[[Method], Method]]] = {
    "__next__": _next,
    "__anext__": _anext,
    "close": _close,
    "aclose": _aclose,
}
