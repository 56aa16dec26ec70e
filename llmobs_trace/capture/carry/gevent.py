"""Hands the starter's active span on to a gevent greenlet: `spawn`, `spawn_later`, `start`, pools and
groups. The hub's thread.

`gevent.Greenlet` is a compiled type that can't be wrapped, but it calls back whenever one is started, in the
starter's greenlet. Raw greenlets don't, so the function that makes them is wrapped. A thread of a
monkey-patched program is a greenlet too: what it starts from is for `threads` to say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import MethodType, ModuleType
from typing import Any

import gevent
import gevent.hub
import wrapt

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import greenlets
from llmobs_trace.capture.entry import Carried


def wrap(library: ModuleType) -> None:
    greenlets.hubs = (gevent.hub.Hub,)
    gevent.Greenlet.add_spawn_callback(_started)
    wrapt.wrap_function_wrapper("gevent.hub", "spawn_raw", _spawn_raw)
    gevent.spawn_raw = gevent.hub.spawn_raw


def _started(greenlet: Any) -> None:
    try:
        function = getattr(greenlet, "_run", None)
        thread = function.__self__ if type(function) is MethodType else None
        if isinstance(thread, threading.Thread):
            base: Carried | None = getattr(thread, "_llmobs_base", None)
        else:
            base = active.handed_over(active.now(active.caller(1)))
        greenlets.hand_over(greenlet, base)
    except Exception as fault:
        slot.fault(fault)


def _spawn_raw(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    greenlet = wrapped(*args, **kwargs)
    try:
        greenlets.hand_over(greenlet, active.handed_over(active.now(active.caller(1))))
    except Exception as fault:
        slot.fault(fault)
    return greenlet
