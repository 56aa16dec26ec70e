"""Defines what can be a parent, and where it stands while it is open: the nouns of `active`, without its
rule. Any thread.

- `Active`: an open span, or the ids of one; `Carried`: ids handed over; `nothing`: an entry that says "no
  parent"; without ids but with a scope one says to whom roots belong (see `roots`)
- `Chain`: the open spans of one thread, task or greenlet
- `FrameBlocks`: the open blocks of one frame that can be suspended
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from threading import get_ident
from types import FrameType
from typing import Any

from llmobs_trace.capture.recorder import Scope


class Active:
    """What can be the parent of a span: an open span, or the ids of one handed over from elsewhere.

    It holds ids, never another span. `_opened_ns` is the monotonic clock at its opening.
    """

    __slots__ = (
        "__weakref__",
        "_blocks",
        "_chain",
        "_ended",
        "_frame",
        "_opened_by",
        "_opened_ns",
        "_sampled",
        "_scope",
        "_within",
        "span_id",
        "trace_id",
    )

    trace_id: str
    span_id: str
    _scope: Scope
    _sampled: bool
    _ended: bool
    _opened_ns: int
    _chain: Chain | None
    # For a block in the table: the frame that entered it, and that frame's open blocks. For one in a chain
    # that a context manager's generator entered for its user: that generator's frame, and None.
    _frame: FrameType | None
    _blocks: FrameBlocks | None
    # The frame in the table that was innermost on the stack when this was opened.
    _within: FrameBlocks | None
    # What only the object that opened it holds, where one can be open several times: set for those alone.
    _opened_by: object

    def as_parent(self) -> Active | None:
        """Whose children the spans are that are opened while this is active, or to whom roots belong."""
        return self if self.trace_id or self._scope.experiment_id else None


class Carried(Active):
    """Ids handed over: to a task, a thread's job, or by a request's headers. `span` is None once nobody
    holds that span.
    """

    __slots__ = ("_span",)

    def __init__(
        self,
        trace_id: str,
        span_id: str,
        scope: Scope,
        sampled: bool,
        span: weakref.ref[Active] | None = None,
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self._scope = scope
        self._sampled = sampled
        self._span = span
        self._ended = False
        self._opened_ns = 0
        self._chain = None
        self._frame = None
        self._blocks = None
        self._within = None

    @property
    def span(self) -> Active | None:
        return self._span() if self._span is not None else None

    def again(self) -> Carried:
        """The same ids as a block of its own: an entry stands in one place only."""
        return Carried(self.trace_id, self.span_id, self._scope, self._sampled, self._span)

    def __reduce__(self) -> tuple[Any, ...]:
        """What of it another process can use: the ids."""
        return Carried, (self.trace_id, self.span_id, self._scope, self._sampled)


def nothing() -> Carried:
    """An entry that says: no parent. What a pool's worker starts a job from when nothing was active at
    `submit`.
    """
    return Carried("", "", NO_SCOPE, False)


NO_SCOPE = Scope("", "", "")


class Chain:
    """The open spans of one thread, task or greenlet, oldest first; only the owning thread writes `spans`.

    `base` is what was active where it was started. `outermost` gives the frame at which the walk stops.
    """

    __slots__ = ("__weakref__", "base", "factory", "host", "outermost", "spans", "task", "thread")

    def __init__(
        self,
        base: Active | None = None,
        *,
        task: bool = False,
        outermost: Callable[[], FrameType | None] | None = None,
    ) -> None:
        self.spans: list[Active] = []
        self.base = base
        self.task = task
        self.outermost = outermost
        self.thread = get_ident()
        self.factory: Any = None  # a task's: the loop's task factory as it was last looked after
        self.host: Callable[[], Any] | None = None  # a task's: the greenlet its loop runs in, weakly


class FrameBlocks:
    """The open blocks of one suspendable frame, oldest first, held weakly: the block's owner alone keeps
    them.
    """

    __slots__ = ("outer", "refs")

    is_on_stack = True

    def __init__(self, outer: FrameBlocks | None) -> None:
        self.refs: list[weakref.ref[Active]] = []
        self.outer = outer

    def innermost(self) -> Active | None:
        while self.refs:
            entry = self.refs[-1]()
            if entry is not None and not entry._ended:
                return entry
            self.refs.pop()
        return None
