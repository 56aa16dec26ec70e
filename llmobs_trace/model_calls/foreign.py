"""Gives another tracer's spans their places among ours: whose children they are, and who is theirs. User's
thread.

A `ForeignSpan` is a span of ours that somebody else times and describes. Where it was opened as a block it
stands on its chain, or with its frame, like any block of ours. Otherwise nobody knows when it is active but
its tracer, which has it current in a context of its own: that is asked (see `capture.elsewhere`).

What the other tracer leaves out, since it is not sampled or not wanted, is passed over: its children are
those of the nearest span around it that is kept.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from types import FrameType

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.elsewhere import CurrentElsewhere
from llmobs_trace.capture.entry import Active, Carried, Chain, FrameBlocks
from llmobs_trace.capture.ids import new_span_id, new_trace_id
from llmobs_trace.capture.lifetime import end, left_out
from llmobs_trace.capture.recorder import Recorder
from llmobs_trace.capture.span import NOT_GIVEN, Span, clock_ns
from llmobs_trace.model_calls import told_twice


class ForeignSpan(Span):
    """A span that another tracer opened, and will end.

    `foreign_id`, `foreign_start_ns` and `foreign_trace_id` are that tracer's; `above` is whose child it is.
    """

    __slots__ = (
        "_home",
        "_with_a_frame",
        "above",
        "current",
        "foreign_id",
        "foreign_start_ns",
        "foreign_trace_id",
        "is_forgotten",
        "is_kept",
        "is_model_call",
        "is_part",
        "namesake",
        "record_as_it_is",
        "wanted",
    )

    foreign_id: int
    foreign_start_ns: int
    foreign_trace_id: int
    # Another of the same id that is open.
    namesake: ForeignSpan | None
    above: Carried | None
    # What `active` is told of it while it is current by its tracer's own context.
    current: CurrentElsewhere
    # Whether it is a parent process's, in the forked child.
    is_forgotten: bool
    # None until somebody has to know: its first child, or its end.
    is_kept: bool | None
    # Whether it is to be kept, as far as can be told now.
    wanted: Callable[[], bool] | None
    # Whether it is a model call, as far as can be told now.
    is_model_call: Callable[[], bool] | None
    # Whether it was opened inside a call that has its span already.
    is_part: bool
    # What nobody ends is recorded as far as it came.
    record_as_it_is: Callable[[], None] | None
    # The chain of the thread or task that opened it; whether it stands with a frame that can be suspended.
    _home: weakref.ref[Chain]
    _with_a_frame: bool

    def as_parent(self) -> Active | None:
        """The span itself, or whose child it would have been."""
        if self.is_kept is None:
            self.is_kept = self.wanted is None or self.wanted()
        return self if self.is_kept else self.above

    def is_shown_by(self, chain: Chain | None) -> bool:
        """Whether where it stands, or stood, says all of when it is active there."""
        if self._with_a_frame:
            return True  # and it leaks into whoever consumes that generator
        if chain is None:
            return False
        return self._home() is chain and (self._chain is not None or self._ended)

    def __del__(self) -> None:
        try:
            if not self._ended and self.record_as_it_is is not None:
                self.record_as_it_is()
        except Exception as fault:
            slot.fault(fault)


# Those that are open, or that somebody still refers to, by their tracer's id.
known: weakref.WeakValueDictionary[int, ForeignSpan] = weakref.WeakValueDictionary()


def begin_foreign(
    recorder: Recorder,
    name: str,
    foreign_trace_id: int,
    foreign_id: int,
    started_ns: int,
    *,
    is_root: bool,
    parent: Active | None,
    chain: Chain,
    within: FrameBlocks | None,
    block: FrameType | None,
    wanted: Callable[[], bool] | None,
    is_model_call: Callable[[], bool],
    is_part: bool,
) -> ForeignSpan:
    """Open a span that another tracer has just opened, `is_root` in its own trace.

    `chain` and `within` are where it was opened, `block` is the frame that opened it as a block.
    """
    span = ForeignSpan()
    span.foreign_trace_id, span.foreign_id, span.foreign_start_ns = foreign_trace_id, foreign_id, started_ns
    span.span_id = f"{foreign_id:016x}" if _is_new(foreign_id) else new_span_id()
    if parent is None or not parent.trace_id:
        span.parent_id = None
        # One tree for each trace: what is only the first that is kept of its trace begins another.
        is_a_trace = is_root and _is_new(foreign_trace_id)
        span.trace_id = f"{foreign_trace_id:032x}" if is_a_trace else new_trace_id()
        span._scope = recorder.scope if parent is None else parent._scope
    else:
        span.parent_id, span.trace_id, span._scope = parent.span_id, parent.trace_id, parent._scope
    if span._scope is not recorder.scope:
        slot.remember_scope(span.span_id, span._scope)
    # Of one that is kept in any case nobody asks whose child it would have been.
    span.above = None if wanted is None else active.handed_over(parent)
    span.name = name
    span.kind = "task"
    span.start_ns = 0
    span._recorder = recorder
    span._sampled = left_out(recorder, name, parent) is None
    span._input = None
    span._output = NOT_GIVEN
    span._ended = False
    span._details = span._chain = span._frame = span._blocks = span._within = None
    span._opened_by = None
    span.is_forgotten = False
    span.is_kept = True if wanted is None else None
    span.wanted = wanted
    span.is_model_call = is_model_call
    span.is_part = is_part
    span.record_as_it_is = None
    span._home = weakref.ref(chain)
    span.current = CurrentElsewhere(span, within)
    span._opened_ns = clock_ns()
    if block is not None:
        active.place_within(span, chain, block, within)
    span._with_a_frame = span._blocks is not None
    span.namesake = known.get(foreign_id)
    known[foreign_id] = span
    return span


def open_one(foreign_id: int, started_ns: int) -> ForeignSpan | None:
    """The open span of this id, by its start where there are several."""
    span = known.get(foreign_id)
    while span is not None and (span._ended or span.foreign_start_ns != started_ns):
        span = span.namesake
    return span


# Tracers that draw their ids from `random` draw the same ones again where a program seeds it for each row.
_ids: dict[int, None] = {}
_REMEMBERED_IDS = 1 << 16


def _is_new(foreign_id: int) -> bool:
    """Whether an id has not been met; past the bound the oldest half is forgotten."""
    if foreign_id in _ids:
        return False
    _ids[foreign_id] = None
    if len(_ids) > _REMEMBERED_IDS:
        for old in list(_ids)[: _REMEMBERED_IDS // 2]:
            _ids.pop(old, None)
    return True


def end_foreign(span: ForeignSpan, duration_ns: int, *, is_kept: bool) -> None:
    """End it once, and record it where it is kept."""
    span.wanted = span.is_model_call = span.record_as_it_is = span.namesake = None
    if is_kept:
        end(span, span._opened_ns + max(duration_ns, 0))
    elif not span._ended:
        active.leave(span)


def nearest_of_trace(foreign_trace_id: int, chain: Chain) -> ForeignSpan | None:
    """What is nearest to a span that its tracer did not sample: of the open ones of its trace the last that
    was opened here, else the first of all, in which all the others are.
    """
    opened = [
        span for span in known.values() if span.foreign_trace_id == foreign_trace_id and not span._ended
    ]
    opened.sort(key=lambda span: span._opened_ns)
    here = [span for span in opened if span._home() is chain]
    return here[-1] if here else opened[0] if opened else None


def forget() -> None:
    """In a forked child: what its parent has open is its parent's."""
    for span in list(known.values()):
        span._ended = span.is_forgotten = True
        span.wanted = span.is_model_call = span.record_as_it_is = None
    known.clear()
    told_twice.forget()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=forget)
