"""Gives each greenlet a chain of its own, which starts from what is active in its parent at its first span.
Its thread.

Inside a task the task's chain counts in the greenlet that runs the loop, and in those that only split the
task in two so that plain functions can await: SQLAlchemy's and greenback's. What is awaited for such a
greenlet runs in its parent meanwhile, and belongs to it.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from types import FrameType, ModuleType
from typing import Any

from greenlet import getcurrent

from llmobs_trace.capture import active
from llmobs_trace.capture.entry import Active, Carried, Chain

# Classes of greenlets that only schedule others: nothing is a child of what they happen to interrupt.
hubs: tuple[type, ...] = ()

# Packages whose greenlets split a task: the parent's last frame, where it switched, is in one of theirs.
_BRIDGES = ("sqlalchemy.", "greenback.")


def wrap(library: ModuleType) -> None:
    active.other_keepers.append(_chain)
    active.in_greenlet = _chain_in_task
    active.outer_stack = _outer_stack


def hand_over(greenlet: Any, base: Carried | None) -> None:
    """Say what a greenlet that has not run yet starts from."""
    if base is not None:
        greenlet._llmobs_base = base


# --- which chain --------------------------------------------------------------------------------------------


def _chain() -> Chain | None:
    """The running greenlet's chain, outside tasks; None for the thread's, in a thread's main greenlet."""
    here = getcurrent()
    try:
        return here._llmobs_chain  # type: ignore[no-any-return,attr-defined,unused-ignore]
    except AttributeError:
        return _new_chain(here, None, None)


def _chain_in_task(task_chain: Chain) -> Chain:
    """The chain that counts in the running greenlet while a task is the current one."""
    here = getcurrent()
    host = task_chain.host() if task_chain.host is not None else None
    if host is None:
        host = _host(task_chain, here)
        if host is not None:
            task_chain.host = weakref.ref(host)
    return _chain_of(here, task_chain, host) or active.thread_chain()


def _host(task_chain: Chain, here: Any) -> Any:
    """The greenlet that runs the task's loop; None where that is not this one nor around it.

    Then the task is current only because it waits in another greenlet, as code under gevent can.
    """
    outermost = task_chain.outermost() if task_chain.outermost is not None else None
    if outermost is None:
        return here  # a coroutine without a Python frame
    # The caller's frame: one's own, in a local, would be a cycle that keeps the whole stack alive.
    for greenlet, stack in _stacks(here, sys._getframe(1)):
        if _reaches(stack, outermost):
            return greenlet
    return None


def _chain_of(greenlet: Any, task_chain: Chain | None, host: Any) -> Chain | None:
    if greenlet is host:
        return task_chain
    try:
        return greenlet._llmobs_chain  # type: ignore[no-any-return]
    except AttributeError:
        return _new_chain(greenlet, task_chain, host)


def _new_chain(here: Any, task_chain: Chain | None, host: Any) -> Chain | None:
    """Made at the first span, not at the hand-over: only who made a chain writes it, and to gevent that is
    the greenlet.
    """
    parent = here.parent
    if parent is not None and host is None and _splits_a_task(here):
        return _chain_of(parent, None, None)  # the task itself is asking what is around it
    if parent is None:
        chain = None
    elif _splits_a_task(here):
        chain = _chain_of(parent, task_chain, host)
    else:
        chain = Chain(_base(here, task_chain, host))
    here._llmobs_chain = chain
    return chain


def _splits_a_task(greenlet: Any) -> bool:
    switched_in = greenlet.parent.gr_frame
    module = switched_in.f_globals.get("__name__") if switched_in is not None else None
    return isinstance(module, str) and module.startswith(_BRIDGES)


def _base(greenlet: Any, task_chain: Chain | None, host: Any) -> Carried | None:
    handed: Carried | None = getattr(greenlet, "_llmobs_base", None)
    if handed is not None or isinstance(greenlet, hubs) or isinstance(greenlet.parent, hubs):
        return handed
    return active.handed_over(_active_in(greenlet.parent, task_chain, host))


def _active_in(greenlet: Any, task_chain: Chain | None, host: Any) -> Active | None:
    """What is active in a greenlet that is suspended. It gets no chain here, which would be another's."""
    if greenlet is host and task_chain is not None:
        chain = task_chain
    elif greenlet.parent is None:
        chain = active.thread_chain()
    else:
        chain = getattr(greenlet, "_llmobs_chain", None) or Chain(_base(greenlet, task_chain, host))
    return active.find(chain, greenlet.gr_frame)


# --- stacks -------------------------------------------------------------------------------------------------


def _stacks(here: Any, frame: FrameType) -> Iterator[tuple[Any, FrameType]]:
    """The running greenlet and those around it, each with the innermost frame of its stack: here, `frame`."""
    stack: FrameType | None = frame
    while here is not None and stack is not None:
        yield here, stack
        here = here.parent
        stack = here.gr_frame if here is not None else None


def _outer_stack(frame: FrameType) -> FrameType | None:
    """Where the walk goes on after `frame`, the last of a greenlet's stack: in its parent's stack."""
    stacks = _stacks(getcurrent(), sys._getframe(1))
    for _, stack in stacks:
        if _reaches(stack, frame):
            return next(stacks, (None, None))[1]
    return None


def _reaches(start: FrameType, frame: FrameType) -> bool:
    walker: FrameType | None = start
    while walker is not None:
        if walker is frame:
            return True
        walker = walker.f_back
    return False
