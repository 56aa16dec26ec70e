"""Hands a creator's active span on to an asyncio task. The loop's thread.

A task factory, put in place by the first span a loop sees and looked after at later ones, in front of the
loop's own. An eager task's body runs while the task is made, so what it starts from is laid ready before.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

import wrapt

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import jobs
from llmobs_trace.capture.entry import Active


class _Making(threading.local):
    """What the tasks being made in this thread start from, innermost last."""

    def __init__(self) -> None:
        self.bases: list[Active | None] = []


_making = _Making()

# Coroutines handed to a loop from another thread, and what was active there.
_from_threads: weakref.WeakKeyDictionary[Any, Active | None] = weakref.WeakKeyDictionary()

_eager_factory: Any = None


def wrap(tasks: ModuleType) -> None:
    global _eager_factory
    # From its module: `asyncio` itself may still be half imported.
    _eager_factory = getattr(tasks, "eager_task_factory", None)
    active.new_task = _look_after
    active.keep_factory = put_in_place
    wrapt.wrap_function_wrapper(tasks, "run_coroutine_threadsafe", _run_coroutine_threadsafe)
    asyncio.run_coroutine_threadsafe = tasks.run_coroutine_threadsafe


def wrap_asgiref(sync: ModuleType) -> None:
    """`async_to_sync` makes a task of the outer loop, or runs a loop of its own in a pool's thread."""
    wrapt.wrap_function_wrapper(sync, "AsyncToSync.main_wrap", _main_wrap)


def _look_after(task: Any, loop: Any) -> tuple[Active | None] | None:
    """A task's first span: keep our factory in place; what the task starts from, if it is being made right
    now.
    """
    put_in_place(loop)
    coroutine = task.get_coro()
    if coroutine in _from_threads:
        return (_from_threads.pop(coroutine),)
    return (_making.bases[-1],) if _making.bases else None


def put_in_place(loop: Any) -> Any:
    """Put our factory in front of the loop's, unless it is there; the factory that the loop has then."""
    theirs = loop.get_task_factory()
    if isinstance(theirs, _Factory) or getattr(theirs, "_llmobs_trace", False):
        return theirs
    if _eager_factory is not None and getattr(theirs, "__code__", None) is _eager_factory.__code__:
        # anyio knows the eager factory by its code, so ours is another made of the same code.
        constructor = theirs.__closure__[0].cell_contents
        ours = asyncio.create_eager_task_factory(_EagerTasks(constructor))  # type: ignore[attr-defined,unused-ignore]
        ours._llmobs_trace = True
        loop.set_task_factory(ours)
    else:
        loop.set_task_factory(_Factory(theirs))
    return loop.get_task_factory()


class _HandingOver:
    """What makes a task, in front of `theirs`, which makes it (None: asyncio's own task)."""

    __slots__ = ("theirs",)

    def __init__(self, theirs: Callable[..., Any] | None) -> None:
        self.theirs = theirs

    def __call__(self, *args: Any, **options: Any) -> Any:
        laid = base = None
        try:
            base = _base_of(args[-1])
            laid = _making.bases
            laid.append(base)
        except Exception as fault:
            slot.fault(fault)
        try:
            if self.theirs is not None:
                task = self.theirs(*args, **options)
            else:
                task = asyncio.Task(args[1], loop=args[0], **options)
        finally:
            if laid is not None:
                laid.pop()
        try:
            if laid is not None and active.chain_given(task) is None:
                active.give_chain(task, base)
        except Exception as fault:
            slot.fault(fault)
        return task


class _Factory(_HandingOver):
    """A task factory: called with a loop and a coroutine."""

    __slots__ = ()


class _EagerTasks(_HandingOver):
    """The constructor that an eager factory calls with a coroutine."""

    __slots__ = ()


def _base_of(coroutine: Any) -> Active | None:
    """What the task that is being made of a coroutine starts from; its maker's maker called this."""
    if coroutine in _from_threads:
        return _from_threads.pop(coroutine)
    return active.handed_over(active.now(active.caller(2)))


def _run_coroutine_threadsafe(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    try:
        coroutine, loop = _coroutine_and_loop(*args, **kwargs)
        put_in_place(loop)
        _hand_to_loop(coroutine, active.caller(1))
    except Exception as fault:
        slot.fault(fault)
    return wrapped(*args, **kwargs)


def _main_wrap(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What is called here in the caller's thread is awaited in the loop's."""
    coroutine = wrapped(*args, **kwargs)
    try:
        if jobs.enabled:
            _hand_to_loop(coroutine, active.caller(1))
    except Exception as fault:
        slot.fault(fault)
    return coroutine


def _hand_to_loop(coroutine: Any, frame: FrameType | None) -> None:
    """A task will be made of `coroutine` in another thread's loop: it starts from what is active here, seen
    from `frame`.
    """
    _from_threads[coroutine] = active.handed_over(active.now(frame))


def _coroutine_and_loop(coro: Any, loop: Any) -> tuple[Any, Any]:
    return coro, loop
