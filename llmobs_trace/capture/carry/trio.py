"""Hands a spawner's active span on to a trio task, and to trio's threads, there and back. The run's thread,
and its workers'.

An instrument, put in place by the first span a run sees, hears of each task as it is spawned. The parent is
the task that spawns, not the one that opened the nursery.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

import trio
import wrapt
from trio._core._run import GLOBAL_RUN_CONTEXT as _running

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry import jobs
from llmobs_trace.capture.carry.callables import AsyncJob, Job
from llmobs_trace.capture.entry import Chain

# A trio task has slots and none for us.
_chains: weakref.WeakKeyDictionary[Any, Chain] = weakref.WeakKeyDictionary()


def wrap(library: ModuleType) -> None:
    # Before the greenlets' keeper: a task may run in several greenlets.
    active.other_keepers.insert(0, _chain)
    wrapt.wrap_function_wrapper("trio._threads", "start_thread_soon", jobs.submit)
    wrapt.wrap_function_wrapper(library, "from_thread.run", _into_run(AsyncJob))
    wrapt.wrap_function_wrapper(library, "from_thread.run_sync", _into_run(Job))


def _chain() -> Chain | None:
    """The running task's chain; None outside a run, and between its tasks."""
    # 40 ns; as an attribute 300 outside a run, where `trio.lowlevel.current_task` raises.
    task = _running.__dict__.get("task")
    if task is None:
        return None
    chain = _chains.get(task)
    if chain is None:
        chain = _chain_from_before(task)
    return chain if active.in_greenlet is None else active.in_greenlet(chain)


def _chain_from_before(task: Any) -> Chain:
    """A task that was spawned before the run's first span: the instrument has not heard of it."""
    trio.lowlevel.add_instrument(_spawns)
    chain = _give_chain(task)
    chain.base = active.active_around(chain, _chain)
    return chain


def _give_chain(task: Any) -> Chain:
    reference = weakref.ref(task)

    def outermost() -> FrameType | None:
        running = reference()
        return getattr(running.coro, "cr_frame", None) if running is not None else None

    chain = _chains[task] = Chain(task=True, outermost=outermost)
    return chain


class _Spawns(trio.abc.Instrument):
    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """In the task that spawns."""
        try:
            base = active.handed_over(active.now(active.caller(1)))
            _give_chain(task).base = base
        except Exception as fault:
            slot.fault(fault)


_spawns = _Spawns()


def _into_run(job: type[Job]) -> Callable[..., Any]:
    """The wrapper of a `trio.from_thread` function: what it is given runs in the run, under what is active
    here.
    """

    def from_thread(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        try:
            if jobs.enabled and args and callable(args[0]):
                args = (job(args[0], active.handed_over(active.now(active.caller(1)))), *args[1:])
        except Exception as fault:
            slot.fault(fault)
        return wrapped(*args, **kwargs)

    return from_thread
