"""Stands in the place of a client's function: opens a call, makes it, and hands on what the client gave.
User's thread.

The caller gets what the function returned, the same object, or the exception it raised, with one frame of
ours in its traceback.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.model_calls.call import Call

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


class Site(Protocol):
    """How one function of a client is called, and what it gives."""

    def begin(self, args: Args, kwargs: Kwargs, frame: Any, /) -> Call | None:
        """Open the call that these arguments make, as of the wrapper's `frame`; None where it is none."""
        ...

    def returned(self, call: Call, result: Any, /) -> Any:
        """End the call with what the function gave, or have its stream watched. What is answered is handed to
        the caller: the same object, but where the client gives a bare generator.
        """
        ...


def wrapped(original: Callable[..., Any], site: Site) -> Callable[..., Any]:
    """What stands in the place of a plain function."""

    @functools.wraps(original)
    def call_client(*args: Any, **kwargs: Any) -> Any:
        try:
            call = site.begin(args, kwargs, active.caller(0))
        except Exception as fault:
            slot.fault(fault)
            call = None
        if call is None:
            return original(*args, **kwargs)
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            args, kwargs = (), {}  # an exception among them would hold itself, by its traceback
            _failed(call, error)
            raise
        return _returned(site, call, result)

    return call_client


def wrapped_coroutine(original: Callable[..., Any], site: Site) -> Callable[..., Any]:
    """The same for a coroutine function."""

    @functools.wraps(original)
    async def call_client(*args: Any, **kwargs: Any) -> Any:
        try:
            call = site.begin(args, kwargs, active.caller(0))
        except Exception as fault:
            slot.fault(fault)
            call = None
        if call is None:
            return await original(*args, **kwargs)
        try:
            result = await original(*args, **kwargs)
        except BaseException as error:
            args, kwargs = (), {}
            _failed(call, error)
            raise
        return _returned(site, call, result)

    return call_client


def _failed(call: Call, error: BaseException) -> None:
    try:
        call.failed(error)
    except Exception as fault:
        slot.fault(fault)


def _returned(site: Site, call: Call, result: Any) -> Any:
    try:
        return site.returned(call, result)
    except Exception as fault:
        slot.fault(fault)
        call.answered(result)
        return result
