"""Provides the span processor that makes OpenTelemetry's spans ours. User's thread.

    provider.add_span_processor(llmobs_trace.otel.SpanProcessor())

It needs the extra `otel`: nothing else of the package imports OpenTelemetry.
"""

from __future__ import annotations

import atexit
import sys
import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.trace import INVALID_SPAN, get_current_span

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry.headers import extract
from llmobs_trace.capture.elsewhere import CurrentElsewhere, listen
from llmobs_trace.capture.entry import Active, Chain, FrameBlocks
from llmobs_trace.capture.span import clock_ns
from llmobs_trace.model_calls.call import call_of
from llmobs_trace.model_calls.conventions.describe import describe, is_model_call
from llmobs_trace.model_calls.foreign import (
    ForeignSpan,
    begin_foreign,
    end_foreign,
    known,
    nearest_of_trace,
    open_one,
)
from llmobs_trace.process import life

__all__ = ["SpanProcessor"]

# The SDK opens a span some frames below the one that makes it current; instrumentations add one or two.
_BLOCK, _FRAMES_TO_BLOCK = "start_as_current_span", 8

# What a span of OpenTelemetry's keeps of ours; a remote or unsampled one, what stands for it.
_KEPT = "_llmobs_trace"


class SpanProcessor(sdk.SpanProcessor):
    """Makes the spans of a tracer provider spans of ours, as they end.

    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> provider = TracerProvider()
    >>> provider.add_span_processor(SpanProcessor())
    >>> with experiment_span("row"), provider.get_tracer("mine").start_as_current_span("search"):
    ...     pass

    Spans of OpenTelemetry's GenAI conventions, of OpenInference and of OpenLLMetry come with their kind,
    messages, tools and tokens; others are of kind `task`. A span that is opened within a block of ours is its
    child, and a block within one of OpenTelemetry's spans is that one's.

    - `only`: a callable that says of a `ReadableSpan` whether it is kept; by default all are. What it passes
      over leaves the tree unbroken. It is asked when the first span opens within, and when the span ends.
    """

    def __init__(self, only: Callable[[sdk.ReadableSpan], bool] | None = None) -> None:
        self._only = only
        self._is_shut_down = False
        _processors.add(self)
        listen(_current)

    def on_start(self, span: sdk.Span, parent_context: Context | None = None) -> None:
        """Find whose child a span is; the provider calls it."""
        try:
            self._start(span, parent_context)
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def on_end(self, span: sdk.ReadableSpan) -> None:
        """Record a span; the provider calls it."""
        try:
            context = span.get_span_context()
            ours = open_one(context.span_id, span.start_time or 0) if context is not None else None
            if ours is not None:
                self._end(ours, span)
        except RecursionError:
            slot.faults.count += 1
        except Exception as fault:
            slot.fault(fault)

    def shutdown(self) -> None:
        """Record what is still open as far as it came, and deliver; the library itself goes on."""
        self._is_shut_down = True
        _processors.discard(self)
        if not _processors:
            listen(None)
        self._record_what_is_open()
        life.flush()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what ended before the call; whether that was done within the time."""
        return life.flush(timeout_millis / 1000)

    def _start(self, span: sdk.Span, parent_context: Context | None) -> None:
        recorder = slot.current or slot.get()
        context = span.get_span_context()
        if not recorder.enabled or self._is_shut_down or not context.trace_flags.sampled:
            return
        if getattr(span, _KEPT, None) is not None:
            return  # another processor's
        chain = active.current_chain()
        within = active.innermost_blocks(chain, active.caller(1))
        parent = _parent(parent_context, chain, within)
        # A client that is instrumented by us may be by others as well: one call is one span.
        is_part = call_of(parent) is not None
        ours = begin_foreign(
            recorder,
            span.name,
            context.trace_id,
            context.span_id,
            span.start_time or 0,
            is_root=span.parent is None,
            parent=parent,
            chain=chain,
            within=within,
            block=_block(),
            wanted=None if self._only is None and not is_part else lambda: self._wants(span, is_part=is_part),
            is_model_call=lambda: is_model_call(span),
            is_part=is_part,
        )
        ours.record_as_it_is = lambda: self._end(ours, span, never_ended=True)
        # Whoever has the span has ours; it goes when that goes.
        setattr(span, _KEPT, ours)

    def _end(self, ours: ForeignSpan, span: sdk.ReadableSpan, *, never_ended: bool = False) -> None:
        is_kept, duration_ns = ours.is_kept is True, 0
        try:
            # What it has only now may make it one that is wanted.
            is_kept = is_kept or self._wants(span, is_part=ours.is_part)
            start_ns = span.start_time or 0
            duration_ns = 0 if span.end_time is None else span.end_time - start_ns
            if is_kept and ours._sampled:
                describe(ours, span, start_ns, never_ended=never_ended)
        finally:
            end_foreign(ours, duration_ns, is_kept=is_kept)

    def _wants(self, span: sdk.ReadableSpan, *, is_part: bool) -> bool:
        if is_part and is_model_call(span):
            return False
        if self._only is None:
            return True
        try:
            return bool(self._only(span))
        except Exception as error:
            slot.misuse(f"only= of the span processor raised {type(error).__name__}: the span is kept")
            return True

    def _record_what_is_open(self) -> None:
        for ours in list(known.values()):
            if not ours._ended and ours.record_as_it_is is not None:
                ours.record_as_it_is()


# Those that are not shut down.
_processors: weakref.WeakSet[SpanProcessor] = weakref.WeakSet()


def _block() -> Any:
    """The frame of `start_as_current_span`, where that is who opens the span; None where nobody knows when it
    will be current.
    """
    frame = sys._getframe(2)
    for _ in range(_FRAMES_TO_BLOCK):
        if frame.f_code.co_name == _BLOCK:
            return frame
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None


def _parent(parent_context: Context | None, chain: Chain, within: FrameBlocks | None) -> Active | None:
    """Whose child a span is that is being opened: of who was named for it, else of what is active here."""
    if parent_context is not None:
        named = get_current_span(parent_context)
        if named is not INVALID_SPAN and not _is_current(named):
            blocks = _blocks_of(named, chain)
            entry = blocks.innermost() if blocks is not None else None
            found = entry.as_parent() if entry is not None else None
            if found is not None:
                return found
    return active.find_within(chain, within) if active._blocks else active.top(chain)


def _is_current(span: Any) -> bool:
    return bool(get_current_span().get_span_context().span_id == span.get_span_context().span_id)


def _current(chain: Chain | None) -> CurrentElsewhere | None:
    """What `active` asks: the span that is current in OpenTelemetry's own context."""
    span = get_current_span()
    return None if span is INVALID_SPAN else _blocks_of(span, chain, unless_shown=True)


def _blocks_of(span: Any, chain: Chain | None, *, unless_shown: bool = False) -> CurrentElsewhere | None:
    kept, context = getattr(span, _KEPT, None), None
    ours: ForeignSpan | None = kept if type(kept) is ForeignSpan else None
    if ours is None:
        context = span.get_span_context()
        ours = known.get(context.span_id)
    if ours is not None and not ours.is_forgotten:
        return None if unless_shown and ours.is_shown_by(chain) else ours.current
    if kept is None:
        return _stand_in(span, context, chain or active.current_chain())
    # Else it is a forked child's, from its parent.
    return kept[0] if type(kept) is tuple else None


def _stand_in(span: Any, context: Any, chain: Chain) -> CurrentElsewhere | None:
    """What stands for a span that is none of ours: a remote one's ids, or what is nearest to one that is not
    sampled.
    """
    entry: Active | None = None
    blocks = None
    if context.is_valid and context.is_remote:
        headers = {
            "traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}",
            "tracestate": context.trace_state.to_header(),
        }
        entry = extract(headers, slot.current or slot.get())
        # Somebody else's decision is not ours: only a trace that we left out is left out here as well.
        if entry is not None and not entry._sampled and "llmobs" not in context.trace_state:
            entry = None
        if entry is not None:
            entry._opened_ns = clock_ns()
            blocks = CurrentElsewhere(entry, None)
    elif context.is_valid:
        nearest = nearest_of_trace(context.trace_id, chain)
        blocks = nearest.current if nearest is not None else None
    setattr(span, _KEPT, (blocks, entry))
    return blocks


@atexit.register
def _at_exit() -> None:
    """Before the library's own hook: what nobody will end any more is recorded as far as it came."""
    try:
        for processor in list(_processors):
            processor._record_what_is_open()
    except Exception as fault:
        slot.fault(fault)
