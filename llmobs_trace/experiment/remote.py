"""Runs attempts on any `concurrent.futures.Executor`, and brings their spans home with the result. The run's
threads, and the executor's workers.

A worker needs no configuration, no keys and no network: what is recorded there is collected in memory and
returned. So there is one journal and one ledger, a trace is whole or not there at all, and a worker that is
lost is an attempt that never was.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.before_set_up import Early
from llmobs_trace.capture.recorder import Recorder, Scope
from llmobs_trace.encode import Redactor
from llmobs_trace.errors import ConfigurationError
from llmobs_trace.experiment import attempt
from llmobs_trace.experiment.attempt import Outcome, Place
from llmobs_trace.experiment.parameters import Callee
from llmobs_trace.experiment.routing import Live, routed
from llmobs_trace.experiment.rows import Row

# What comes home with one job at most; what is beyond is cut, and said.
MOST_COLLECTED_BYTES = 64 << 20


# How clusters say that a worker died, by the name of the class: Dask, after it tried several itself, and Ray.
# The cluster goes on.
_DEATHS_OF_WORKERS = frozenset(
    {"KilledWorker", "WorkerCrashedError", "ActorDiedError", "NodeDiedError", "OwnerDiedError"}
)


class LostWorker(Exception):
    """The worker died, or its pool broke: nothing is known of the attempt. `is_final`: no other pool comes in
    its place.
    """

    def __init__(self, message: str, *, is_final: bool) -> None:
        super().__init__(message)
        self.is_final = is_final


@dataclass(frozen=True)
class Capture:
    """How the driver captures, for a worker that is not configured."""

    enabled: bool
    capture_input: bool
    capture_output: bool
    max_event_bytes: int
    redact: Callable[[str, Any], Any] | None

    @classmethod
    def of(cls, recorder: Recorder) -> Capture:
        redactor = recorder.redactor
        return cls(
            recorder.enabled,
            recorder.capture_input,
            recorder.capture_output,
            recorder.max_event_bytes,
            None if redactor is None else redactor.function,
        )


@dataclass(frozen=True)
class Job:
    """One attempt, as it goes to a worker. Each carries its own ids, so that no two are the same call.

    `parent_id` is an evaluator's: the span of the row that it looks at.
    """

    callee: Callee
    known: dict[str, Any]
    row: Row
    place: Place
    scope_ids: tuple[str, str, str]
    capture: Capture
    timeout: float | None = None
    parent_id: str | None = None


@dataclass
class Returned:
    """What comes home. `is_late`: it took longer than it may, and nothing but its children is known."""

    outcome: Outcome = field(default_factory=Outcome)
    cut: int = 0
    is_late: bool = False


def work(job: Job) -> Returned:
    """On the worker: run one attempt, and collect what it recorded."""
    if not job.capture.enabled:
        outcome = _run(job, None)
        return Returned(outcome or Outcome(), is_late=outcome is None)
    with _recorder(job.capture) as recorder, routed(recorder) as router:
        collected: list[bytes] = []
        watched = None if job.parent_id is None else job.place.span_id
        live = Live(job.place.attempt, collected, watched=watched)
        scope = Scope(*job.scope_ids)
        router.claims = _metrics.claims(scope.metric_head)
        with router.following(job.place.trace_id, live):
            if job.parent_id is None:
                span = attempt.root(recorder, scope, job.place, job.row)
            else:
                span = attempt.below_row(recorder, scope, job.place, job.parent_id)
            outcome = _run(job, span)
        collected += _metrics.taken({_span_id(record) for record in collected} | {job.place.span_id.encode()})
    is_late = outcome is None
    outcome = outcome or Outcome()
    total = cut = 0
    for record in collected:
        total += len(record)
        if total > MOST_COLLECTED_BYTES:
            cut += 1
        else:
            outcome.children.append(record)
    outcome.error = sendable(outcome.error)
    return Returned(outcome, cut, is_late)


_SPAN_ID = b'"span_id":"'


def _span_id(record: bytes) -> bytes:
    """Of a span's record, in which it stands behind all that is the user's."""
    place = record.rfind(_SPAN_ID) + len(_SPAN_ID)
    return record[place : record.index(b'"', place)]


class _Metrics:
    """The metrics that jobs in this process recorded: they name a span, and not whose trace it is in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards `_found`
        self._found: list[tuple[bytes, bytes]] = []

    def claims(self, head: bytes) -> Callable[[bytes], bool]:
        """What keeps an experiment's metrics here, by how their records begin."""
        begins = head + b'{"span_id":"'

        def claim(record: bytes) -> bool:
            if not record.startswith(begins):
                return False
            span_id = record[len(begins) : record.index(b'"', len(begins))]
            with self._lock:
                self._found.append((span_id, record))
            return True

        return claim

    def taken(self, span_ids: set[bytes]) -> list[bytes]:
        """Those of these spans, which are a job's."""
        with self._lock:
            found = self._found
            self._found = [each for each in found if each[0] not in span_ids]
        return [record for span_id, record in found if span_id in span_ids]


_metrics = _Metrics()


def _run(job: Job, span: Any) -> Outcome | None:
    """What came of it; None where it took longer than it may. The time is taken here, so that the wait in an
    executor's queue is not part of it, and so that what hangs does not keep its worker.
    """
    if job.callee.is_async:
        import asyncio

        async def limited() -> Outcome | None:
            # Not `wait_for`, which says the same of a timeout of the task's own.
            running = asyncio.ensure_future(attempt.run_async(job.callee, job.known, job.place, span))
            await asyncio.wait({running}, timeout=job.timeout)
            return running.result() if running.done() else None

        return asyncio.run(limited())
    if job.timeout is None:
        return attempt.run(job.callee, job.known, job.place, span)
    done: list[Outcome] = []
    thread = threading.Thread(
        target=lambda: done.append(attempt.run(job.callee, job.known, job.place, span)),
        name="llmobs-run-attempt",
        daemon=True,
    )
    thread.start()
    thread.join(job.timeout)
    return done[0] if done else None


def sendable(error: BaseException | None) -> BaseException | None:
    """An exception that can come home: another one with its words where it can't be pickled and back."""
    if error is None:
        return None
    import pickle

    error.__traceback__ = None
    try:
        pickle.loads(pickle.dumps(error))  # of our own making, a moment ago
    except Exception:
        told = RemoteError(f"{type(error).__name__}: {error}")
        told.status_code = getattr(error, "status_code", None)
        told.type_name = type(error).__name__
        return told
    return error


class RemoteError(Exception):
    """Stands for a worker's exception that could not be sent; `type_name` is its type's."""

    status_code: int | None = None
    type_name = "RemoteError"

    def __reduce__(self) -> Any:
        return _remote_error, (self.args, self.status_code, self.type_name)


def _remote_error(args: tuple[Any, ...], status_code: int | None, type_name: str) -> RemoteError:
    error = RemoteError(*args)
    error.status_code, error.type_name = status_code, type_name
    return error


_lock = threading.Lock()  # guards what stands in the slot of a worker that is not configured
_early: Early | None = None
_users = 0


def _after_fork_in_child() -> None:
    """A pool forks its workers in whichever thread submits, while others may hold the lock."""
    global _lock, _early, _users, _metrics
    _lock, _early, _users, _metrics = threading.Lock(), None, 0, _Metrics()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


@contextmanager
def _recorder(capture: Capture) -> Iterator[Recorder]:
    """The process's recorder; where nobody has configured it one that does for as long as jobs run. What
    others record meanwhile is handed over when there is a real one.
    """
    global _early, _users
    with _lock:
        if slot.current is None:
            _early = early = Early()
            bare = slot.current = early.recorder
            bare.capture_input, bare.capture_output = capture.capture_input, capture.capture_output
            bare.max_event_bytes = capture.max_event_bytes
            bare.redactor = None if capture.redact is None else Redactor(capture.redact, slot.say)
        recorder = slot.current
        is_ours = _early is not None and recorder is _early.recorder
        _users += is_ours
    try:
        yield recorder
    finally:
        with _lock:
            if is_ours:
                _users -= 1
                if not _users and _early is not None:
                    early, _early = _early, None
                    slot.current = None
                    if early.has_records:
                        early.hand_over(slot.get())


# --- The driver's side --------------------------------------------------------------------------------------


class Pool:
    """An executor, or a function that makes one and is asked again when one breaks."""

    def __init__(self, given: Executor | Callable[[], Executor]) -> None:
        self._make = None if hasattr(given, "submit") else given
        if self._make is not None and not callable(self._make):
            kind = type(given).__name__
            raise ConfigurationError(f"executor: given a {kind}; expected an Executor, or what makes one")
        self._lock = threading.Lock()  # guards `_executor`, so that a broken one is replaced once
        self._executor: Any = given if self._make is None else None

    def run(self, job: Job) -> Returned:
        """What came of a job. Raises `LostWorker` where that can't be known."""
        executor = self._current()
        try:
            future: Future[Returned] = executor.submit(work, job)
        except (BrokenExecutor, RuntimeError) as error:
            self._broke(executor)
            raise LostWorker(str(error), is_final=self._make is None) from error
        try:
            return future.result()
        except (BrokenExecutor, CancelledError) as error:
            self._broke(executor)
            raise LostWorker(str(error) or type(error).__name__, is_final=self._make is None) from error
        except Exception as error:
            if any(base.__name__ in _DEATHS_OF_WORKERS for base in type(error).__mro__):
                raise LostWorker(f"{type(error).__name__}: {error}", is_final=False) from error
            raise

    def _current(self) -> Any:
        with self._lock:
            if self._executor is None and self._make is not None:
                self._executor = self._make()
            return self._executor

    def _broke(self, executor: Any) -> None:
        with self._lock:
            if self._make is not None and self._executor is executor:
                self._executor = None
        if self._make is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Shut down what was made here; what was given is its owner's."""
        with self._lock:
            if self._make is not None and self._executor is not None:
                self._executor.shutdown(wait=False, cancel_futures=True)
                self._executor = None
