"""Binds a callable to an active span: it runs later or elsewhere, and its spans are that span's children.
Both threads.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.entry import Carried, nothing
from llmobs_trace.capture.generators import Steps, run_async_generator, run_generator
from llmobs_trace.capture.lifetime import lost
from llmobs_trace.capture.proxy import Proxy, stand_in
from llmobs_trace.capture.span import clock_ns

F = TypeVar("F", bound=Callable[..., Any])


def propagate(function: F) -> F:
    """Bind the active span to `function`: wherever it is called, its spans are children of the span active
    now.

    >>> with experiment_span("row") as row:
    ...     later = propagate(current_span)
    >>> later().span_id == row.span_id
    True

    For callbacks that carry nothing by themselves (`call_soon`, `call_later`, done-callbacks, a thread pool
    of another library's). Functions, coroutine functions, generators and async generators keep their
    signature and kind. A process pool takes it too, where it takes `function`: its spans there are of this
    trace. Raises nothing.
    """
    try:
        return _propagated(function, active.handed_over(active.now(active.caller(1))))  # type: ignore[no-any-return]
    except RecursionError:
        slot.faults.count += 1  # no room for a call that says so
        return function
    except Exception as fault:
        slot.fault(fault)
        return function


class Job:
    """A function to be run by an executor: under the span that was active when it was submitted, or under
    none.
    """

    __slots__ = ("_base", "_function")

    def __init__(self, function: Callable[..., Any], base: Carried | None) -> None:
        self._function = function
        self._base = base

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        entry = None
        try:
            entry = opened(self._base)
        except Exception as fault:
            slot.fault(fault)
        try:
            return self._function(*args, **kwargs)
        finally:
            args, kwargs = (), {}  # as in `call`: an exception among them may go on from here
            try:
                if entry is not None:
                    active.end_job(entry)
            except Exception as fault:
                lost(entry, fault)

    def __getattr__(self, name: str) -> Any:
        # What a library makes of the function's name (a thread's name, an error) stays what it was.
        if name in Job.__slots__:
            raise AttributeError(name)
        return getattr(self._function, name)


class AsyncJob(Job):
    """The same for a function that makes a coroutine, which is awaited under that span too."""

    __slots__ = ()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        made = self._function(*args, **kwargs)
        return _driven(made, _run_coroutine, self._base) if inspect.iscoroutine(made) else made


def opened(base: Carried | None) -> Carried:
    """Make `base` active here, on top of whatever is; None makes nothing active."""
    entry = base.again() if base is not None else nothing()
    entry._opened_ns = clock_ns()
    active.place_on_chain(entry, active.current_chain(), active.caller(1))
    return entry


class _CarriedSteps(Steps):
    __slots__ = ()

    def __init__(self, base: Carried | None) -> None:
        super().__init__()
        self.entry = base.again() if base is not None else nothing()
        self.entry._opened_ns = clock_ns()


async def _run_coroutine(coroutine: Coroutine[Any, Any, Any], steps: _CarriedSteps) -> Any:
    try:
        chain = active.current_chain()
        frame = active.caller(0)
        if chain.task or frame is None:
            active.place_on_chain(steps.entry, chain, frame)
        else:
            active.place_in_frame(steps.entry, chain, frame)
            active.move_to_frame(steps.entry, getattr(coroutine, "cr_frame", None))
        del chain, frame
    except Exception as fault:
        slot.fault(fault)
    try:
        return await coroutine
    finally:
        try:
            active.leave(steps.entry)
        except Exception as fault:
            lost(steps.entry, fault)


def _driven(made: Any, drive: Callable[[Any, _CarriedSteps], Any], base: Carried | None) -> Any:
    """What a coroutine function or a generator made, `drive`n under `base`."""
    try:
        return drive(made, _CarriedSteps(base))
    except Exception as fault:
        slot.fault(fault)
        return made


def _driver_of(function: Callable[..., Any]) -> Callable[[Any, _CarriedSteps], Any] | None:
    for is_kind, drive in _DRIVERS:
        if is_kind(function):
            return drive
    return None


_DRIVERS: tuple[tuple[Callable[[Any], bool], Callable[[Any, _CarriedSteps], Any]], ...] = (
    (inspect.iscoroutinefunction, _run_coroutine),
    (inspect.isgeneratorfunction, run_generator),
    (inspect.isasyncgenfunction, run_async_generator),
)


def _propagated(function: Any, base: Carried | None, *, retold: bool = False) -> Any:
    return stand_in(Proxy, function, _calling(function, base), _propagated, base)


def _calling(function: Callable[..., Any], base: Carried | None) -> Callable[..., Any]:
    """What runs when a function bound to `base` is called."""
    drive = _driver_of(function)

    def call_driven(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        try:
            return made if drive is None else _driven(made, drive, base)
        except Exception as fault:
            slot.fault(fault)
            return made

    def call_under(*args: Any, **kwargs: Any) -> Any:
        entry = None
        try:
            entry = opened(base)
        except Exception as fault:
            slot.fault(fault)
        try:
            return function(*args, **kwargs)
        finally:
            args, kwargs = (), {}  # as in `Job`
            try:
                if entry is not None:
                    active.leave(entry)
            except Exception as fault:
                lost(entry, fault)

    return call_under if drive is None else call_driven
