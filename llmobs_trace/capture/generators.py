"""Drives a user's generator, whose span is active around each of its steps and nowhere between. User's
thread.

A generator is suspended at each `yield`, and whoever consumes it goes on: what it made active must not leak
there. `yield from` hides the steps, so they are driven one by one here, with everything `yield from` passes
on: `send`, `throw`, `close` and the return value (https://peps.python.org/pep-0380/#formal-semantics). A
fault of our own never reaches the user.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from types import FrameType, FunctionType
from typing import Any

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.entry import Active
from llmobs_trace.capture.lifetime import lost
from llmobs_trace.capture.span import clock_ns

Keep = Callable[[object], "Keep | None"]


class Steps:
    """What happens around the steps of one generator: `entry` is active during each."""

    __slots__ = ("_inside", "_spans", "async_generator", "entry")

    entry: Active

    def __init__(self) -> None:
        self._spans: list[Active] | None = None  # those of the chain in which the entry is active
        self._inside: Sequence[Active] = ()  # what the last step left open
        self.async_generator: Any = None  # the user's, whose steps may await

    def begin(self) -> bool:
        """At the first step; False where there is nothing to do."""
        return True

    def enter(self) -> None:
        """Before each step; the driver's frame calls it."""
        chain = active.current_chain()
        generator = self.async_generator
        if active._blocks or self._inside or (generator is not None and not chain.task):
            frame = active.caller(1)
            own_frame: FrameType | None = None if generator is None or chain.task else generator.ag_frame
            if own_frame is not None:
                # Outside a task nobody knows who runs while a step awaits.
                active.step_into_frame(self.entry, chain, own_frame, frame)
                return
            active.step_in(self.entry, chain, frame, clock_ns, self._inside)
        else:
            # Most steps come here, and a frame object or a call would cost as much as all of this.
            self.entry._within = None
            chain.spans.append(self.entry)
        self._spans = chain.spans

    def leave(self, spans: list[Active] | None = None) -> bool:
        """After each step, however it ended; with `spans` after one that was not entered by `enter`. Whether
        it left something open that was opened inside it.
        """
        if spans is None:
            spans, self._spans = self._spans, None
        if spans is not None:
            self._inside = active.step_out(self.entry, spans)
        elif self.entry._blocks is not None:
            active.step_out_of_frame(self.entry)
        return bool(self._inside)

    def first(self, item: object) -> Keep | None:
        """What the first step yielded. The answer is called with the next item, and answers likewise."""
        return None

    def finish(self, error: BaseException | None = None, result: object = None) -> None:
        """At the end: by return of `result`, or by the exception that left the generator (`GeneratorExit`
        where it was closed).
        """
        self.entry._ended = True


def run_generator(inner: Generator[Any, Any, Any], steps: Steps) -> Generator[Any, Any, Any]:
    """Drive the user's generator as `yield from` would, with `steps` around each step."""
    try:
        recorded = steps.begin()
    except Exception as fault:
        slot.fault(fault)
        recorded = False
    keep: Keep | None = steps.first if recorded else None
    value: Any = None
    is_left_open = False
    # A list, so that no local of this frame refers to an exception that leaves it.
    thrown: list[BaseException] = []
    try:
        while True:
            spans = None
            if recorded:
                try:
                    if active._blocks or is_left_open:
                        steps.enter()
                    else:
                        # What `enter` and `leave` come to for most, without the calls (30 ns each).
                        entry = steps.entry
                        spans = active.current_chain().spans
                        entry._within = None
                        spans.append(entry)
                except Exception as fault:
                    slot.fault(fault)
            try:
                item = inner.throw(thrown.pop()) if thrown else inner.send(value)
            finally:
                if spans and spans[-1] is entry:
                    spans.pop()
                elif recorded:
                    try:
                        is_left_open = steps.leave(spans)
                    except Exception as fault:
                        slot.fault(fault)
            if keep is not None:
                try:
                    keep = keep(item)
                except Exception as fault:
                    slot.fault(fault)
            value = None
            try:
                value = yield item
            except BaseException as error:
                # It passes this frame on its way in and again on its way out: its traceback shows it once.
                error.__traceback__ = getattr(error.__traceback__, "tb_next", None)
                thrown.append(error)
            item = None
    except StopIteration as stop:
        if recorded:
            try:
                steps.finish(None, stop.value)
            except Exception as fault:
                lost(steps.entry, fault)
        return stop.value
    except BaseException as error:
        value = None  # an exception that was sent would hold itself, by its traceback
        if recorded:
            try:
                steps.finish(error)
            except Exception as fault:
                lost(steps.entry, fault)
        raise


def _iterable_coroutine(function: Any) -> Any:
    """The same driver for `types.coroutine`, whose generators can be awaited by this flag of their code."""
    code = function.__code__.replace(co_flags=function.__code__.co_flags | inspect.CO_ITERABLE_COROUTINE)
    return FunctionType(code, function.__globals__, function.__name__)


run_iterable_coroutine = _iterable_coroutine(run_generator)


async def run_async_generator(inner: AsyncGenerator[Any, Any], steps: Steps) -> AsyncGenerator[Any, Any]:
    """The same for an async generator; `send`, `throw` and `close` reach the user's."""
    steps.async_generator = inner
    try:
        recorded = steps.begin()
    except Exception as fault:
        slot.fault(fault)
        recorded = False
    keep: Keep | None = steps.first if recorded else None
    value: Any = None
    thrown: list[BaseException] = []
    try:
        step = _first_step(inner)
    except Exception as fault:
        slot.fault(fault)
        step = inner.asend(None)
    try:
        while True:
            if recorded:
                try:
                    steps.enter()
                except Exception as fault:
                    slot.fault(fault)
            try:
                item = await step
            finally:
                if recorded:
                    try:
                        steps.leave()
                    except Exception as fault:
                        slot.fault(fault)
            if keep is not None:
                try:
                    keep = keep(item)
                except Exception as fault:
                    slot.fault(fault)
            step = None
            try:
                value = yield item
            except BaseException as error:
                # It passes this frame on its way in and again on its way out: its traceback shows it once.
                error.__traceback__ = getattr(error.__traceback__, "tb_next", None)
                thrown.append(error)
            item = None
            step = inner.athrow(thrown.pop()) if thrown else inner.asend(value)
            value = None
    except StopAsyncIteration:
        if recorded:
            try:
                steps.finish()
            except Exception as fault:
                lost(steps.entry, fault)
        return
    except BaseException as error:
        step = value = None  # as above
        if recorded:
            try:
                steps.finish(error)
            except Exception as fault:
                lost(steps.entry, fault)
        raise


def _first_step(inner: AsyncGenerator[Any, Any]) -> Any:
    """Start the user's generator without the loop's hooks, which watch ours: `shutdown_asyncgens` would
    otherwise close both at once and log that one is already running. The hooks are read when `asend` is
    called, not when awaited.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return inner.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
