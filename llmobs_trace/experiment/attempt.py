"""Runs a task once for one row, as the row's root span, and says what came of it. Where the task runs: a
thread of the run's, its event loop, or an executor's worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from msgspec import Struct

from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.capture.row_root import MadeSpan
from llmobs_trace.experiment.parameters import Callee
from llmobs_trace.experiment.rows import Row

_PLAIN = frozenset({str, bool, float, int, dict, list, type(None)})


class Place(Struct, frozen=True):
    """Which attempt at which row it is, and the ids that were made for it."""

    row_id: str
    repeat: int
    attempt: int
    trace_id: str
    span_id: str
    last_span_id: str  # stands for the last attempt's, which nobody knows yet
    name: str
    tags: Mapping[str, object] | None = None


class Outcome(Struct):
    """What came of an attempt. `record` is the root span's, b"" where nothing is recorded; `as_attempt` is
    the same as a task below the row, which it is if another attempt follows; `children` are the records of
    what ran below it, where these come home with it.
    """

    output: Any = None
    error: BaseException | None = None
    start_ns: int = 0
    duration_ns: int = 0
    record: bytes = b""
    as_attempt: bytes = b""
    children: list[bytes] = []


def root(recorder: Recorder, scope: Scope, place: Place, row: Row) -> MadeSpan:
    """The span of an attempt, while it may be the last: the row's root."""
    return MadeSpan(
        recorder,
        scope,
        place.name,
        place.trace_id,
        place.span_id,
        row_id=place.row_id,
        input=row.input,
        expected_output=row.expected_output,
        tags=place.tags,
    )


def below_row(recorder: Recorder, scope: Scope, place: Place, parent_id: str) -> MadeSpan:
    """The span of an evaluator of a row."""
    return MadeSpan(
        recorder, scope, place.name, place.trace_id, place.span_id, kind="task", parent_id=parent_id
    )


def run(
    callee: Callee,
    known: Mapping[str, Any],
    place: Place,
    span: MadeSpan | None,
    *,
    keeps_record: bool = True,
) -> Outcome:
    """Call a task or an evaluator; whatever it raises is its outcome. An interrupt of the program is never
    raised here, but in its main thread.

    `keeps_record` is False for an evaluator whose record is wanted only where it recorded something itself.
    """
    outcome = Outcome()
    try:
        if span is None:
            outcome.output = callee(known)
            if keeps_record:
                _refuse_unfinished(callee, outcome.output)
        else:
            with span as opened:
                outcome.output = callee(known)
                if keeps_record:
                    _refuse_unfinished(callee, outcome.output)
                    opened.set_output(outcome.output)
    except BaseException as error:
        outcome.error = error
    return _timed(outcome, place, span) if keeps_record else outcome


async def run_async(
    callee: Callee,
    known: Mapping[str, Any],
    place: Place,
    span: MadeSpan | None,
    *,
    keeps_record: bool = True,
) -> Outcome:
    """The same for a coroutine function. A cancellation goes on: it is the run's own."""
    outcome = Outcome()
    try:
        if span is None:
            outcome.output = await callee(known)
        else:
            async with span as opened:
                outcome.output = await callee(known)
                if keeps_record:
                    opened.set_output(outcome.output)
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        outcome.error = error
    return _timed(outcome, place, span) if keeps_record else outcome


def _refuse_unfinished(callee: Callee, output: object) -> None:
    """A task that has not run when it returns has no output: raises `TypeError`."""
    if is_awaitable(output):
        if isinstance(output, CoroutineType):
            output.close()
        raise TypeError(f"{callee.name} returned an awaitable: declare it with `async def`")
    if isinstance(output, (GeneratorType, AsyncGeneratorType)):
        kind = type(output).__name__.replace("_", " ")
        raise TypeError(f"{callee.name} returned a {kind}: return what comes of it, as a list")


def is_awaitable(value: object) -> bool:
    """As `inspect.isawaitable`, but for generators of old, in a tenth of its time."""
    kind = type(value)
    return kind not in _PLAIN and hasattr(kind, "__await__")


def _timed(outcome: Outcome, place: Place, span: MadeSpan | None) -> Outcome:
    if span is not None:
        outcome.start_ns, outcome.duration_ns, outcome.record = (
            span.span.start_ns,
            span.duration_ns,
            span.record,
        )
        if outcome.error is not None:
            outcome.as_attempt = span.as_attempt(f"attempt {place.attempt}", place.last_span_id)
    return outcome


def failed(
    recorder: Recorder, scope: Scope, place: Place, row: Row, error: BaseException, took_ns: int = 0
) -> Outcome:
    """An attempt of which nothing but its failure is known: it took too long, or its process died."""
    span = root(recorder, scope, place, row) if recorder.enabled else None
    if span is not None:
        with suppress(type(error)), span as opened:
            opened.start_ns -= took_ns
            opened._opened_ns -= took_ns
            raise error
        error.__traceback__ = None
    return _timed(Outcome(error=error), place, span)
