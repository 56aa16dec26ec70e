"""Finds the parent of a new span: the active span, without context variables. User's thread.

Context variables can't say it: what a generator sets stays set for its caller while it is suspended (PEP 568
would have mended that), and a block that ends in another task than it began in can't be reset. So:

The rule: *the parent of a new span is the innermost open span whose block is on the current call stack, the
await chain included; where there is none, the span that was active where this task or this piece of a
thread's work was started.*

Open spans are kept in two places. Blocks of plain functions, and of coroutines inside a task, go to a
`Chain`: one for each thread, task or greenlet. A block that a suspendable frame entered (a generator's or an
async generator's; a coroutine's too outside a task) goes to `_blocks`, one table for the process, because it
is active only while its frame is on the stack. While the table is empty the parent is the chain's top.
Otherwise the stack is walked outward from the caller, looking only for frames in the table; a hit is the
parent, unless the chain's top was opened inside it.

A span that another tracer has current stands in neither place: see `elsewhere`.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from threading import get_ident
from types import FrameType
from typing import Any

from llmobs_trace.capture.entry import NO_SCOPE, Active, Carried, Chain, FrameBlocks
from llmobs_trace.capture.ids import NO_SPAN_ID, NO_TRACE_ID

_GENERATOR = CO_GENERATOR | CO_ASYNC_GENERATOR
SUSPENDABLE = _GENERATOR | CO_COROUTINE

# Frames that enter a block on behalf of their caller: the block is their caller's. Looked through on entry
# only, never on exit: a span in the `finally` of a generator under `closing()` belongs to that generator's
# block.
ENTERS_FOR_ITS_CALLER = frozenset(
    {"__enter__", "__aenter__", "enter_context", "enter_async_context", "call_fixture_func"}
)

_blocks: dict[int, FrameBlocks] = {}

# Which span another tracer has current here, where the chain does not show it already: see `elsewhere`, which
# keeps an entry in the table that is no frame's.
_elsewhere: Callable[[Chain | None], FrameBlocks | None] | None = None
NO_FRAME = 0


# --- the chain of the running thread, task or greenlet ------------------------------------------------------


class _ThreadChain(threading.local):
    """Made on first use in each thread; a thread that was handed something starts from it."""

    def __init__(self) -> None:
        self.chain = Chain(handed_to_thread())


def handed_to_thread() -> Active | None:
    """What `Thread.start` left on the thread object (see `carry`), without making a dummy for threads of
    C's.
    """
    thread = threading._active.get(get_ident())  # type: ignore[attr-defined]
    base: Active | None = getattr(thread, "_llmobs_base", None)
    return base


_thread = _ThreadChain()

# Other libraries' units of work (trio tasks, greenlets), asked in turn; `carry` adds one when the library is
# there.
other_keepers: list[Callable[[], Chain | None]] = []

# A task may run in several greenlets. `carry` says whose chain counts in this one, given the task's, and
# where the walk goes on from the last frame of one's stack.
in_greenlet: Callable[[Chain], Chain] | None = None
outer_stack: Callable[[FrameType], FrameType | None] | None = None

# Called with a task and its loop when a task's first span opens: `carry` keeps the loop's task factory in
# place, and answers what the task starts from where it knows (a tuple, since that may be None).
new_task: Callable[[Any, Any], tuple[Active | None] | None] | None = None
# Called with a loop whose task factory is not what it was: puts ours in front again, and answers with it.
keep_factory: Callable[[Any], Any] | None = None


def _find_running_loop() -> Any:
    """Until asyncio is loaded no loop can run; once it is, this gives way to its C function."""
    global _running_loop, _current_task
    events = sys.modules.get("asyncio.events")
    tasks = sys.modules.get("asyncio.tasks")
    if events is None or not hasattr(tasks, "current_task"):
        return None
    # Before 3.12 `current_task` is Python (0.3 µs); the dictionary it reads is not.
    _current_task = (
        tasks._current_tasks.get if sys.version_info < (3, 12) and tasks is not None else tasks.current_task  # type: ignore[union-attr]
    )
    _running_loop = events._get_running_loop
    return _running_loop()


_running_loop: Callable[[], Any] = _find_running_loop
_current_task: Callable[[Any], Any] = lambda loop: None  # noqa: E731


def current_chain() -> Chain:
    """The chain of what runs now: its task, else its greenlet or other unit, else its thread."""
    loop = _running_loop()
    if loop is not None:
        task = _current_task(loop)
        if task is not None:
            try:
                chain: Chain = task._llmobs_chain
            except AttributeError:
                chain = _chain_of_new_task(task, loop)
            else:
                if keep_factory is not None and loop.get_task_factory() is not chain.factory:
                    chain.factory = keep_factory(loop)
            return chain if in_greenlet is None else in_greenlet(chain)
        if keep_factory is not None:
            keep_factory(loop)  # in a callback: the tasks made there start from what is active there
    if other_keepers:
        for keeper in other_keepers:
            found = keeper()
            if found is not None:
                return found
    return _thread.chain


# Tasks that take no attributes (a factory's own class with slots).
_chains_elsewhere: weakref.WeakKeyDictionary[Any, Chain] = weakref.WeakKeyDictionary()


def _chain_of_new_task(task: Any, loop: Any) -> Chain:
    chain = _chains_elsewhere.get(task)
    if chain is not None:
        return chain
    known = new_task(task, loop) if new_task is not None else None
    chain = give_chain(task, known[0] if known is not None else None)
    if known is None:
        chain.base = active_around(chain)
    return chain


def active_around(task_chain: Chain, task_keeper: Callable[[], Chain | None] | None = None) -> Carried | None:
    """What a task from before anybody looked after it starts from: what is active where its loop was run.

    `task_keeper` is the keeper that knows the task itself; it is not asked.
    """
    around = None
    for keeper in other_keepers:
        if around is None and keeper is not task_keeper:
            around = keeper()
    outermost = task_chain.outermost() if task_chain.outermost is not None else None
    return handed_over(find(around or _thread.chain, outermost.f_back if outermost is not None else None))


def thread_chain() -> Chain:
    """The chain of the running thread, whatever runs in it."""
    return _thread.chain


def chain_given(task: Any) -> Chain | None:
    """The chain a task has already, or None."""
    return getattr(task, "_llmobs_chain", None) or _chains_elsewhere.get(task)


def give_chain(task: Any, base: Active | None) -> Chain:
    """Make a task's chain, starting from `base`."""
    reference = weakref.ref(task)

    def outermost() -> FrameType | None:
        running = reference()
        coroutine = running.get_coro() if running is not None else None
        return getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)

    chain = Chain(base, task=True, outermost=outermost)
    try:
        task._llmobs_chain = chain
    except AttributeError:
        _chains_elsewhere[task] = chain
    return chain


def handed_over(entry: Active | None) -> Carried | None:
    """What is handed to a task or a job: the ids, and the span itself only weakly."""
    if entry is None:
        return None
    if not isinstance(entry, Carried):
        carried = Carried(entry.trace_id, entry.span_id, entry._scope, entry._sampled, weakref.ref(entry))
    elif _elsewhere is None:
        return entry
    else:
        carried = entry.again()
    if _elsewhere is not None:
        # The other tracer may hand its own over as well, and what is handed over here is inside that.
        carried._within = _elsewhere(None)
    return carried


# --- finding the parent -------------------------------------------------------------------------------------


def find(chain: Chain, frame: FrameType | None) -> Active | None:
    """The active entry as seen from `frame`, if any; one without a trace says to whom roots belong."""
    return find_within(chain, innermost_blocks(chain, frame)) if _blocks else top(chain)


def find_within(chain: Chain, blocks: FrameBlocks | None) -> Active | None:
    """The same where the innermost frame in the table is known already."""
    entry = _find_among_blocks(chain, blocks)
    return None if entry is None else entry.as_parent()


def now(frame: FrameType | None = None) -> Active | None:
    """The active entry as seen by the caller."""
    return find(current_chain(), frame if frame is not None else caller(1))


def caller(depth: int) -> FrameType | None:
    """The frame `depth` calls out from the caller's; None where the stack is not that deep."""
    try:
        return sys._getframe(depth + 1)
    except ValueError:
        return None


def top(chain: Chain) -> Active | None:
    """The active entry while the table is empty."""
    spans = chain.spans
    while spans:
        entry = spans[-1]
        if not entry._ended:
            return entry if entry.trace_id else entry.as_parent()
        spans.pop()  # ended by another thread, which only marked it
    base = None if chain.base is None else _base_of(chain)  # for most roots there is none
    return None if base is None else base.as_parent()


def _find_among_blocks(chain: Chain, blocks: FrameBlocks | None) -> Active | None:
    hit = blocks.innermost() if blocks is not None else None
    if hit is None:
        blocks = None
    for entry in chain.spans[::-1]:
        if entry._ended:
            chain.spans.remove(entry)  # by another thread, which only marked it
        elif hit is not None and entry._opened_ns < hit._opened_ns:
            break
        # What was opened inside a generator's block is not active while that generator is off the stack.
        elif _is_directly_in(entry._within, blocks):
            return entry
    base = chain.base
    if hit is None or (
        base is not None and base._within is not None and _is_directly_in(base._within, blocks)
    ):
        return _base_of(chain)
    return hit


def _base_of(chain: Chain) -> Active | None:
    """What was active where this was started."""
    base = chain.base
    return None if base is _NOBODY and _in_finalizer() else base


def innermost_blocks(chain: Chain, frame: FrameType | None) -> FrameBlocks | None:
    if _elsewhere is None:
        return _innermost_on_stack(chain, frame)
    blocks = _innermost_on_stack(chain, frame) if len(_blocks) > 1 else None
    current = within = _elsewhere(chain)
    while within is not blocks and within is not None:
        within = within.outer
    return current if within is blocks and current is not None else blocks


def _innermost_on_stack(chain: Chain, frame: FrameType | None) -> FrameBlocks | None:
    stop = chain.outermost() if chain.outermost is not None else None
    while frame is not None:
        blocks = _blocks.get(id(frame))
        if blocks is not None:
            if blocks.innermost() is not None:
                return blocks
            _blocks.pop(id(frame), None)
        if frame is stop:
            return None
        outer = frame.f_back
        if outer is None and chain.task and outer_stack is not None:
            outer = outer_stack(frame)
        frame = outer
    return None


def _is_directly_in(within: FrameBlocks | None, blocks: FrameBlocks | None) -> bool:
    """Whether no frame's blocks are open between the two."""
    while within is not blocks and within is not None and not (within.is_on_stack and within.innermost()):
        within = within.outer
    return within is blocks


# --- opening and leaving ------------------------------------------------------------------------------------


def place(entry: Active, chain: Chain, frame: FrameType | None) -> None:
    """Open a block that `frame` entered: in the chain, or in the table where the frame can be suspended."""
    owner, driven = owner_of(chain, frame)
    if owner is not None:
        place_in_frame(entry, chain, owner)
    else:
        place_on_chain(entry, chain, frame)
        entry._frame = driven


def place_on_chain(entry: Active, chain: Chain, frame: FrameType | None) -> None:
    entry._frame = entry._blocks = None
    entry._within = innermost_blocks(chain, frame) if _blocks else None
    entry._chain = chain
    chain.spans.append(entry)


def place_within(entry: Active, chain: Chain, frame: FrameType | None, within: FrameBlocks | None) -> None:
    """The same as `place` where the innermost frame in the table is known already."""
    owner, driven = owner_of(chain, frame)
    if owner is not None:
        place_in_frame(entry, chain, owner)
    else:
        entry._frame, entry._blocks, entry._within, entry._chain = driven, None, within, chain
        chain.spans.append(entry)


def place_in_frame(entry: Active, chain: Chain, frame: FrameType) -> None:
    _tie(entry, chain, frame, frame.f_back).refs.append(weakref.ref(entry))


def _tie(entry: Active, chain: Chain, frame: FrameType, outer_frame: FrameType | None) -> FrameBlocks:
    """Make an entry one of a suspendable frame's; the answer is where it is to be listed."""
    blocks = _blocks.get(id(frame))
    if blocks is None or blocks.innermost() is None:
        outer = innermost_blocks(chain, outer_frame) if _blocks else None
        blocks = _blocks[id(frame)] = FrameBlocks(outer)
    entry._chain = chain
    entry._within = None
    entry._frame = frame
    entry._blocks = blocks
    return blocks


def owner_of(chain: Chain, frame: FrameType | None) -> tuple[FrameType | None, FrameType | None]:
    """The suspendable frame whose block it is; None where it is a plain function's, or a coroutine's in a
    task.
    """
    driven: FrameType | None = None
    while frame is not None:
        flags = frame.f_code.co_flags
        entered_for = frame.f_back
        if flags & _GENERATOR:
            # A generator that a context manager drives into its block enters it for the manager's user.
            if entered_for is None or entered_for.f_code.co_name not in ENTERS_FOR_ITS_CALLER:
                return frame, None
            driven = driven or frame
            frame = entered_for
        elif frame.f_code.co_name not in ENTERS_FOR_ITS_CALLER:
            return (frame if flags & CO_COROUTINE and not chain.task else None), driven
        else:
            frame = entered_for
    return None, driven


def leave(entry: Active) -> None:
    """Close a block, in any order, from any thread; another thread's chain is only marked."""
    entry._ended = True
    chain = entry._chain
    if entry._blocks is None and chain is not None:
        entry._chain = entry._frame = entry._within = None
        if chain.thread == get_ident():
            spans = chain.spans
            if spans and spans[-1] is entry:
                spans.pop()
            elif entry in spans:
                spans.remove(entry)
        return
    frame, blocks, entry._frame, entry._blocks = entry._frame, entry._blocks, None, None
    if blocks is None:
        return  # it was placed nowhere
    if blocks.innermost() is None and frame is not None and _blocks.get(id(frame)) is blocks:
        _blocks.pop(id(frame), None)


def end_job(entry: Active) -> None:
    """The end of a pool's job: what it left open is active in no later job, but goes on with its own
    frame.
    """
    chain = entry._chain
    if chain is not None and entry in chain.spans:
        place = chain.spans.index(entry)
        left, chain.spans[place + 1 :] = chain.spans[place + 1 :], []
        for span in left:
            if not span._ended and span._frame is not None:
                place_in_frame(span, chain, span._frame)
    leave(entry)


def move_to_frame(entry: Active, frame: FrameType | None) -> None:
    """From now on a coroutine's span is active with the user's own frame, which alone is on the stack where
    `close` skips the wrapper's.
    """
    if frame is not None and entry._frame is not None and entry._blocks is not None:
        _blocks.pop(id(entry._frame), None)
        _blocks[id(frame)] = entry._blocks
        entry._frame = frame


def step_in(
    entry: Active,
    chain: Chain,
    frame: FrameType | None,
    opened_ns: Callable[[], int],
    inside: Sequence[Active] = (),
) -> None:
    """Make a decorated generator's span active for one step; it never enters the table. `inside` it something
    may still be open since an earlier step, such as the coroutine that it awaits.
    """
    entry._within = None
    if _blocks:
        entry._within = innermost_blocks(chain, frame)
        entry._opened_ns = opened_ns()
    spans = chain.spans
    still = [span for span in inside if not span._ended]
    place = len(spans) - len(still)
    # Unless the consumer opened something since, in which this step is.
    spans.insert(place if spans[place:] == still else len(spans), entry)


def step_out(entry: Active, spans: list[Active]) -> Sequence[Active]:
    """The end of a step, and what it leaves open. The span stays open; it is active nowhere until the next
    step.
    """
    if spans and spans[-1] is entry:
        spans.pop()
    elif entry in spans:
        place = spans.index(entry)
        del spans[place]
        return spans[place:]
    return ()


def step_into_frame(entry: Active, chain: Chain, frame: FrameType, driver: FrameType | None) -> None:
    """The same for an async generator's outside a task: active with the generator's own frame only, beneath
    the blocks that it has open. Its driver's frame is not on the stack where `throw` skips it.
    """
    _tie(entry, chain, frame, driver).refs.insert(0, weakref.ref(entry))


def step_out_of_frame(entry: Active) -> None:
    """The end of a step that was active with its frame only."""
    frame, blocks, entry._frame, entry._blocks = entry._frame, entry._blocks, None, None
    if blocks is not None:
        blocks.refs[:] = [reference for reference in blocks.refs if reference() is not entry]
        if blocks.innermost() is None and _blocks.get(id(frame)) is blocks:
            _blocks.pop(id(frame), None)


# What a muted thread starts from.
_NOBODY = Carried(NO_TRACE_ID, NO_SPAN_ID, NO_SCOPE, False)


def mute_thread() -> None:
    """Record nothing of what this thread does: the sender's own requests are nobody's spans."""
    # Under gevent the sender is a greenlet, and the thread below it is the program's own.
    current_chain().base = _NOBODY


def _in_finalizer() -> bool:
    """Whether a `__del__` is on the stack: the collector calls them in whichever thread it is due, and what
    they do is the program's. (A hook of the collector's would say it exactly; but in such hooks, which run in
    the program's threads, what a signal handler raises is forgotten.)
    """
    frame = caller(1)
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def forget_everything() -> None:
    """In a forked child: nothing that was open in the parent is active here."""
    for blocks in list(_blocks.values()):
        for reference in blocks.refs:
            entry = reference()
            if entry is not None:
                entry._ended = True
    _blocks.clear()
    if _elsewhere is not None:
        _blocks[NO_FRAME] = FrameBlocks(None)
    chain = current_chain()
    for entry in chain.spans:
        entry._ended = True
    chain.spans.clear()
    chain.base = None
    _thread.chain = Chain()
