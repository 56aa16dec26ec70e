"""Brings one row's task to its end: attempts, each on disk before the next, until one of them counts. The
run's threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import msgspec
from msgspec import Struct

from llmobs_trace.capture.message import message_of
from llmobs_trace.capture.user_tags import plain_tags
from llmobs_trace.encode import encode
from llmobs_trace.experiment import attempt, remote
from llmobs_trace.experiment.attempt import Outcome, Place
from llmobs_trace.experiment.calling import Caller, CancelledWithin
from llmobs_trace.experiment.limits import AttemptTimeout
from llmobs_trace.experiment.made_ids import UnitIds
from llmobs_trace.experiment.parameters import Callee
from llmobs_trace.experiment.retrying import Retries, pause_before_another
from llmobs_trace.experiment.routing import Live
from llmobs_trace.experiment.rows import Row
from llmobs_trace.experiment.states import MOST_DEATHS, State
from llmobs_trace.experiment.steps import Begin, Ended, TaskError, Tried
from llmobs_trace.experiment.throttle import Stopping, Throttle
from llmobs_trace.experiment.work import Work
from llmobs_trace.wire import ITERATION_TAG

NOTHING = nullcontext()


class ProcessDied(RuntimeError):
    """The process died each time while a row ran: the row is not tried again."""


class Undecoded(Struct):
    """In the place of an output: why evaluators can't have it."""

    error: Exception


class TaskSteps:
    """The task of a run. `collects` says that evaluators ask for what was recorded; `pool` is where it runs,
    None for here.
    """

    def __init__(
        self,
        work: Work,
        caller: Caller,
        task: Callee,
        pool: remote.Pool | None,
        tags: Mapping[str, object],
        decode: Callable[[Any], Any] | None,
        *,
        collects: bool,
    ) -> None:
        self.throttle = Throttle(task.name, work.options.jobs, work.lock, work.changed, work.stops)
        self._work = work
        self._caller = caller
        self._task = task
        self._asks_for_row = "row" in task.by_name.values()
        self._pool = pool
        self._tags = plain_tags(tags)
        self._tags_of: dict[int, dict[str, object]] = {}  # by repeat: the same object for all of its rows
        self._decode = decode
        self._collects = collects
        self._suspects = threading.Lock()  # held by a row that was in flight when a worker died
        self._has_compared = False

    def ended(
        self, row: Row, repeat: int, ids: UnitIds, state: State
    ) -> tuple[Ended, Any, BaseException | None, list[bytes]]:
        """Attempts until one of them counts; what came of it, on disk."""
        work = self._work
        row_id, tried = row.id or "", [msgspec.Raw(each.record) for each in state.tried]
        retries, waited, number, deaths = Retries(work.options.retries), 0.0, state.begun, state.deaths
        throttle = self.throttle
        while True:
            if deaths >= MOST_DEATHS:
                place = self._place(ids, row_id, repeat, number, len(tried), waited)
                died = ProcessDied(f"the process died {deaths} times while it ran")
                outcome = self._without_running(place, row, died)
                break
            waited += throttle.enter()
            started = time.monotonic()
            succeeded = False
            try:
                number += 1
                place = self._place(ids, row_id, repeat, number, len(tried), waited)
                work.steps.write(Begin(row_id, repeat, number, time.time_ns()))
                with self._suspects if deaths else NOTHING:
                    outcome = self._attempt(row, place)
                if not work.is_this_process:  # a child that the task forked came back in its place
                    raise Stopping
                succeeded = outcome.error is None
            finally:
                throttle.leave(succeeded=succeeded)
            error = outcome.error
            if error is None:
                break
            deaths += isinstance(error, remote.LostWorker)
            pause = pause_before_another(work, throttle, error, retries, started)
            if pause is None:
                break
            record = msgspec.Raw(outcome.as_attempt.rstrip(b"\n") or b"null")
            work.steps.write(Tried(row_id, repeat, number, record))
            tried.append(record)
            throttle.sleep(pause)
            waited += pause
        return self._keep(place, outcome, tried, waited)

    def _attempt(self, row: Row, place: Place) -> Outcome:
        work = self._work
        known = {
            "input": row.input,
            "config": work.config,
            "metadata": row.metadata,
            "row": row.without_expected_output() if self._asks_for_row else None,
        }
        if self._pool is not None:
            return self._remote(row, place, known)
        span = attempt.root(work.recorder, work.scope, place, row) if work.router is not None else None
        live = Live(place.attempt, copies=[] if self._collects else None)
        started = time.monotonic()
        with NOTHING if work.router is None else work.router.following(place.trace_id, live):
            try:
                outcome = self._caller.call(
                    self._task.is_async,
                    lambda: attempt.run(self._task, known, place, span),
                    lambda: attempt.run_async(self._task, known, place, span),
                    work.options.timeout,
                )
            except (AttemptTimeout, CancelledWithin) as error:
                return self._without_running(place, row, error, time.monotonic() - started)
        outcome.children = live.copies or []
        return outcome

    def _remote(self, row: Row, place: Place, known: dict[str, Any]) -> Outcome:
        work = self._work
        assert self._pool is not None
        capture, seconds = remote.Capture.of(work.recorder), work.options.timeout
        job = remote.Job(self._task, known, row, place, work.scope.ids, capture, seconds)
        try:
            returned = self._pool.run(job)
        except remote.LostWorker as error:
            return Outcome(error=error)
        except Exception as error:  # what the task returned could not come home
            return self._without_running(place, row, error)
        work.take_home(returned, place.row_id)
        if returned.is_late:
            late = AttemptTimeout(f"took longer than {seconds:g} s")
            return self._without_running(place, row, late, seconds or 0.0)
        return returned.outcome

    def _without_running(self, place: Place, row: Row, error: BaseException, seconds: float = 0.0) -> Outcome:
        work = self._work
        return attempt.failed(work.recorder, work.scope, place, row, error, round(seconds * 1e9))

    def _place(
        self, ids: UnitIds, row_id: str, repeat: int, number: int, retries: int, waited: float
    ) -> Place:
        tags = self._tags_of.get(repeat)
        if tags is None:
            tags = self._tags_of[repeat] = {**self._tags, ITERATION_TAG: repeat}
        if retries:
            tags = {**tags, "retries": retries}
        if waited:
            tags = {**tags, "waited_ms": round(waited * 1000)}
        return Place(
            row_id,
            repeat,
            number,
            ids.trace_id,
            ids.span_id(number),
            ids.span_id("last"),
            self._task.name,
            tags,
        )

    def _keep(
        self, place: Place, outcome: Outcome, tried: list[msgspec.Raw], waited: float
    ) -> tuple[Ended, Any, BaseException | None, list[bytes]]:
        """Put what came of a row's task on disk."""
        work = self._work
        records = [
            msgspec.Raw(bytes(record).replace(place.last_span_id.encode(), place.span_id.encode()))
            for record in tried
            if bytes(record) != b"null"
        ]
        if outcome.record:
            records.append(msgspec.Raw(outcome.record[:-1]))
        encoded = b"null"
        if outcome.error is None and outcome.output is not None:
            encoded = encode(outcome.output)
            if work.recorder.redactor is not None:
                encoded = work.recorder.redactor.apply("output", encoded)
        line, blob = work.steps.keep_output(encoded)
        error = outcome.error
        ended = Ended(
            place.row_id,
            place.repeat,
            place.attempt,
            outcome.start_ns,
            outcome.duration_ns,
            place.span_id,
            records,
            line,
            blob,
            None if error is None else TaskError(_type_name(error), message_of(error)),
            len(tried),
            round(waited * 1000),
        )
        work.steps.write(ended)
        output = outcome.output
        if error is None:
            self._compare_forms(output, encoded)
            if self._decode is not None:
                output = self.as_evaluators_see(msgspec.json.decode(encoded))
        return ended, output, error, outcome.children

    def as_evaluators_see(self, recorded: Any) -> Any:
        """`Undecoded` where the user's `decode` raises: the row has its output, and evaluators have none."""
        if self._decode is None or recorded is None:
            return recorded
        try:
            return self._decode(recorded)
        except Exception as error:
            return Undecoded(error)

    def _compare_forms(self, output: Any, encoded: bytes) -> None:
        """At the first row: say where evaluators would get something else after a resume."""
        work = self._work
        if self._has_compared or self._decode is not None:
            return
        self._has_compared = True
        recorded = msgspec.json.decode(encoded)
        if type(recorded) is not type(output) and not (
            isinstance(output, tuple) and isinstance(recorded, list)
        ):
            given, other = type(output).__name__, type(recorded).__name__
            work.say(
                f"after a resume evaluators would get a {other} here, not a {given}: "
                f"Experiment(..., decode=…) makes it one again"
            )
        elif recorded != output and work.recorder.redactor is not None:
            work.say("after a resume evaluators would get outputs as the redactor leaves them")


def _type_name(error: BaseException) -> str:
    return error.type_name if isinstance(error, remote.RemoteError) else type(error).__name__
