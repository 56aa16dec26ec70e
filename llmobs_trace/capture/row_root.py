"""Opens a row's root span under ids that were made for it, and gives its record to whoever opened it. User's
thread.

A runner of experiments decides when a row counts: it keeps the record beside the row's outcome first, and
hands it to the recorder afterwards. What is recorded within the block goes to the recorder as always. The
record is made when it is asked for: of most evaluators it never is.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.failure import Failure
from llmobs_trace.capture.recorder import Recorder, Scope, discard
from llmobs_trace.capture.span import NOT_GIVEN, Span, clock_ns, details_of, time_ns
from llmobs_trace.capture.span_record import span_record
from llmobs_trace.capture.user_tags import written_tags
from llmobs_trace.capture.values import captured
from llmobs_trace.wire import Kind


class MadeSpan:
    """A span under given ids, as a block: `with` and `async with`. `record` is its line once it has ended.

    It has no parent but the one that is given, whatever is active where it is opened, and is never sampled
    out. `tags` are plain, as `plain_tags` leaves them.
    """

    def __init__(
        self,
        recorder: Recorder,
        scope: Scope,
        name: str,
        trace_id: str,
        span_id: str,
        *,
        kind: Kind = "experiment",
        parent_id: str | None = None,
        row_id: str | None = None,
        input: Any = None,
        expected_output: Any = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        self._record = b""
        span = self.span = Span()
        span._recorder = _keeping(recorder)
        span._scope = scope
        span.name, span.kind = name, kind
        span.trace_id, span.span_id, span.parent_id = trace_id, span_id, parent_id
        span._sampled, span._ended = True, False
        span._input = captured(recorder, "input", input)
        span._output = NOT_GIVEN
        span._details = span._chain = span._frame = span._blocks = span._within = None
        if row_id is not None or expected_output is not None or tags:
            details = details_of(span)
            details.expected = captured(recorder, "expected_output", expected_output)
            details.row_id = row_id
            if tags:
                written = _written(tags) if recorder.redactor is None else b""
                details.written_tags = written
                details.tags = None if written else dict(tags)
        self.duration_ns = 0

    @property
    def record(self) -> bytes:
        """The ended span's line."""
        if not self._record:
            self._record = span_record(self.span, self.span._recorder, self.duration_ns)
        return self._record

    def give_output(self, value: object) -> None:
        """Say what came of it, after its end too, where the record was not asked for yet."""
        self.span._output = captured(self.span._recorder, "output", value)

    def as_attempt(self, name: str, parent_id: str) -> bytes:
        """The record of the ended span as what it is where it was not the last attempt: a task below the
        row.
        """
        span = self.span
        span.name, span.kind, span.parent_id = name, "task", parent_id
        return span_record(span, span._recorder, self.duration_ns)

    def __enter__(self) -> Span:
        return self._enter(1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._leave(error)

    async def __aenter__(self) -> Span:
        return self._enter(1)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._leave(error)

    def _enter(self, depth: int) -> Span:
        span = self.span
        slot.remember_scope(span.span_id, span._scope)
        active.place(span, active.current_chain(), sys._getframe(depth + 1))
        span.start_ns = time_ns()
        span._opened_ns = clock_ns()
        return span

    def _leave(self, error: BaseException | None) -> None:
        ended_ns = clock_ns()
        span = self.span
        if error is not None:
            details_of(span).failure = Failure(error)
        self.duration_ns = ended_ns - span._opened_ns
        if not span._ended:
            active.leave(span)
        if span.parent_id is not None:  # an evaluator's: of a row metrics may come later
            slot.forget_scope(span.span_id)


_last_written: tuple[Mapping[str, object], bytes] = ({}, b"")


def _written(tags: Mapping[str, object]) -> bytes:
    """Tags as they are recorded. The last ones are remembered: most rows of a run have the same object."""
    global _last_written
    known, written = _last_written
    if known is not tags:
        written = written_tags(dict(tags))
        _last_written = tags, written
    return written


_kept: tuple[Recorder, Recorder] | None = None


def _keeping(recorder: Recorder) -> Recorder:
    """The recorder, but for that it hands nothing on: whoever ends all that is open at the process's end must
    not record a row that did not end. The last one is remembered, since all rows of a run have the same.
    """
    global _kept
    known = _kept
    if known is None or known[0] is not recorder:
        known = _kept = recorder, replace(recorder, append=discard)
    return known[1]
