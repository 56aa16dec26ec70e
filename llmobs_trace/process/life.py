"""Carries out `configure`, `flush`, `shutdown` and `delivery_stats`, and follows the process's life: its
first span, forks and exit. Any thread.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmobs_trace.capture import active, metric_times, model_sums, row_ids
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.before_set_up import Early
from llmobs_trace.capture.carry.install import install
from llmobs_trace.capture.lifetime import end_what_is_open
from llmobs_trace.capture.recorder import Recorder, Scope, discard
from llmobs_trace.pipeline import Pipeline, recorder_for, redactor, warn
from llmobs_trace.process import children, worker_exits
from llmobs_trace.process.signals import PutOff
from llmobs_trace.settings import config as configuration
from llmobs_trace.settings.config import Config
from llmobs_trace.settings.inherited import Handed
from llmobs_trace.stats import DeliveryStats

if TYPE_CHECKING:
    from llmobs_trace.journal import NamedRun, Queue

# The system's timers have a bound.
_LONGEST_SECONDS = threading.TIMEOUT_MAX / 2

# Re-entrant: a signal handler's first span may come in while `configure` runs.
_lock = threading.RLock()  # guards _pipeline, _early, _inherited and the changes of slot.current
_pipeline: Pipeline | None = None
_early: Early | None = None  # while a thread sets up
_inherited: tuple[Config, tuple[str, ...]] | None = None  # a forked child's from its parent, already said
_runs: tuple[NamedRun, ...] = ()  # of all configurations so far, the newest first
_finalized_pid: int | None = None
# Filled by `model_calls`, which stands above: told which model clients to trace at each start.
trace_clients: Callable[[tuple[str, ...]], None] | None = None
_signals = PutOff()  # used under _lock


def set_up(given: configuration.Unseen[object]) -> None:
    """What `configure` does with the options that it was given."""
    config = configuration.resolve(given, os.environ)
    _start(config, config.notes + children.stay_as_they_are())


def start(config: Config, notes: tuple[str, ...] = ()) -> None:
    """Have what is recorded from now on go where this configuration says, and say the notes. What came before
    is delivered as it was to be.
    """
    _start(config, notes)


def configured() -> Config:
    """What is at work, or would be with the next span. Raises nothing: what won't do has its default."""
    with _lock:
        if _pipeline is not None:
            return _pipeline.config
        return (_inherited or _from_environment())[0]


def _at_first_span() -> Recorder:
    """The first span came before `configure`: set up, quietly, as the environment says, or in a forked child
    as its parent was. Never raises.
    """
    with _lock:
        if slot.current is None:
            if _early is not None:
                return _early.recorder  # this is a signal handler, or a finalizer, in the middle of it
            with _setting_up():
                try:
                    config, notes = _inherited or _from_environment()
                    if config.refused and children.is_importing_the_program():
                        return _disabled()  # the next span tries again
                    _start(config, notes)
                except Exception as error:
                    # Whatever it is, the user's program runs on untraced.
                    warn("tracing is off, since it could not be set up: %s: %s", type(error).__name__, error)
                    slot.current = _disabled()
        current = slot.current
    return current if current is not None else _disabled()


slot.first_filler = _at_first_span


def _from_environment() -> tuple[Config, tuple[str, ...]]:
    config, problems = configuration.from_environment(os.environ)
    return config, (*config.notes, *problems)


@contextmanager
def _setting_up() -> Iterator[Early]:
    """What comes in meanwhile, on top of this thread, is kept; holding `_lock`."""
    global _early
    is_outermost = _early is None
    early = _early = _early or Early()
    try:
        yield early
    finally:
        if is_outermost:
            _early = None
            early.hand_over(slot.current or _disabled())


def _to_current(record: bytes) -> None:
    """The `append` of a recorder that was replaced, perhaps more than once since."""
    current = slot.current
    if current is not None and current.append is not _to_current:
        current.append(record)


def _disabled() -> Recorder:
    return Recorder(discard, Scope("disabled", "disabled", "disabled"), enabled=False)


def _start(config: Config, notes: tuple[str, ...]) -> None:
    global _pipeline, _runs
    with _lock, _setting_up() as early:
        started: Pipeline | None = None
        recorder = recorder_for(config, discard, enabled=False)
        if config.refused:
            warn("%s", config.refused)
        elif config.records:
            install(threads=config.instrument_threads)
            _trace_clients(config.instrument)
            recorder = recorder_for(config, children.AppendTo(config.records))
        elif config.enabled:
            early.recorder.redactor = redactor(config)
            for note in notes:
                warn("%s", note)
            _hook_multiprocessing()
            install(threads=config.instrument_threads)
            _trace_clients(config.instrument)
            started = Pipeline(config, _runs)
            _runs = started.runs
            recorder = started.recorder
        before, before_recorder = _pipeline, slot.current
        _pipeline, slot.current, children.configured = started, recorder, config
        children.instead = None
        if before_recorder is not None:
            # Spans that are open now end in the new pipeline: nothing is lost between the two.
            before_recorder.append = _to_current
    if before is not None and not before.is_closed:
        goes_on = started is not None and started.config.mark == before.config.mark
        is_delivered = before.shutdown(before.config.shutdown_timeout, ends_run=not goes_on)
        in_memory = 0 if is_delivered else before.tell_what_is_pending()
        before.close()
        before.tell_what_is_lost(and_pending=in_memory)
        if started is not None and not is_delivered:
            started.worker.look_again()


def _trace_clients(names: tuple[str, ...]) -> None:
    try:
        if trace_clients is not None:
            trace_clients(names)
    except Exception as fault:
        slot.fault(fault)


def flush(timeout: float | None = None) -> bool:
    """Deliver what was recorded before the call. True when none of it is pending any more.

    >>> with experiment_span("row", input="2+2?"):
    ...     pass
    >>> flush(timeout=30)
    True

    `timeout` is how many seconds to wait at most; by default `shutdown_timeout`. What is not delivered by
    then stays, and is delivered later. Raises nothing, but `UsageError` under `strict` for what is no number.
    """
    pipeline = _pipeline
    if pipeline is None:
        return True
    return pipeline.worker.flush(_seconds(timeout, pipeline.config))


def deliver_leftovers() -> None:
    """Deliver what ended processes left, within `shutdown_timeout`."""
    pipeline = _pipeline
    if pipeline is not None:
        pipeline.worker.deliver_leftovers(_seconds(None, pipeline.config))


def shutdown(timeout: float | None = None) -> bool:
    """Deliver what was recorded and stop the sender. True when nothing is pending.

    >>> shutdown(timeout=30)
    True

    `timeout` is how many seconds to wait at most; by default `shutdown_timeout`. The program's exit does this
    by itself. What remains stays in the journal for the next run, or `llmobs-trace resend`; spans recorded
    afterwards are kept there too. `configure` starts anew; a second call is harmless. Raises nothing, but
    `UsageError` under `strict` for what is no number.
    """
    pipeline = _pipeline
    if pipeline is None:
        return True
    return pipeline.shutdown(_seconds(timeout, pipeline.config))


def _seconds(timeout: object, config: Config) -> float:
    """How long to wait: what was asked for, as far as the system's timers go."""
    if timeout is None:
        return config.shutdown_timeout
    if isinstance(timeout, (int, float)) and timeout == timeout:
        return float(min(max(timeout, 0.0), _LONGEST_SECONDS))
    slot.misuse(
        f"flush and shutdown take a number of seconds, or None: waiting for {config.shutdown_timeout:g}",
        f"given {slot.shown('value', timeout)}",
    )
    return config.shutdown_timeout


def delivery_stats() -> DeliveryStats:
    """What became of the events that this process recorded, at this moment.

    >>> with experiment_span("row"):
    ...     pass
    >>> stats = delivery_stats()
    >>> stats.recorded
    1
    >>> stats.delivered + stats.pending + stats.rejected + stats.dropped == stats.recorded
    True

    It begins anew with each `configure` and after a fork; `llmobs-trace doctor` knows the counts of all
    processes. Raises nothing.
    """
    pipeline = _pipeline
    if pipeline is None:
        return DeliveryStats()
    return pipeline.worker.stats()


def at_work() -> Pipeline | None:
    """What was configured and delivers, for tests to look into."""
    return _pipeline


def reset() -> None:
    """Forget what was configured, as a test does at its end: the next span is this process's first. What is
    pending is dropped.
    """
    global _pipeline, _inherited
    with _lock:
        before, _pipeline = _pipeline, None
        slot.current = _inherited = children.configured = children.instead = None
        slot.forget_what_was_said()
    if before is not None:
        before.shutdown(0.1)
        before.close(keep=False)


@contextmanager
def recording_to(recorder: Recorder, in_children: Handed | None = None) -> Iterator[None]:
    """Put `recorder` in the slot for a while, as tests do; what was there before comes back, unless somebody
    called `configure` meanwhile: that has closed what was before. Processes started meanwhile are handed
    `in_children`.
    """
    install(threads=True)
    _trace_clients(())
    with _lock:
        before, slot.current = slot.current, recorder
        handed_before, children.instead = children.instead, in_children
    try:
        yield
    finally:
        with _lock:
            children.instead = handed_before
            if slot.current is recorder:
                slot.current = before


# --- the life of the process --------------------------------------------------------------------------------


# The standard library's, whose names celery's sets as well, and pathos's, which is a copy.
_PROCESS_LIBRARIES = ("multiprocessing", "multiprocess")


def _hook_multiprocessing() -> None:
    """Deliver at the end of a child that `multiprocessing` forked: it ends by `os._exit`, which no `atexit`
    hears of.
    """
    global _finalized_pid
    if _finalized_pid == os.getpid():
        return
    for library in _PROCESS_LIBRARIES:
        process, util = sys.modules.get(f"{library}.process"), sys.modules.get(f"{library}.util")
        if process is None or util is None or type(process.current_process()).__name__ == "_MainProcess":
            continue
        _finalized_pid = os.getpid()
        # The lowest priority comes last: what other finalizers record is delivered too.
        util.Finalize(None, _at_exit, exitpriority=-(1 << 30))


def _at_exit() -> None:
    pipeline = _pipeline
    if pipeline is None or pipeline.is_closed:
        return
    try:
        end_what_is_open()
    except Exception as fault:
        slot.fault(fault)
    is_delivered = pipeline.shutdown(pipeline.seconds_to_end())
    in_memory = 0 if is_delivered else pipeline.tell_what_is_pending()
    # A daemon thread may still record: then the journal stays open, and the next run looks into it.
    if threading.active_count() <= 1:
        pipeline.close()
        pipeline.recorder.append = _AfterExit(pipeline.open_queue)
    else:
        # What is not in its file yet, or whose file somebody removed, is brought there once more.
        pipeline.queue.prepare()
    pipeline.tell_what_is_lost(and_pending=in_memory)


def _before_a_signal_ends_it() -> None:
    """Deliver, and record on: whether the process ends is decided by an action that we don't know."""
    pipeline = _pipeline
    if pipeline is not None and not pipeline.worker.flush(pipeline.seconds_to_end()):
        pipeline.tell_what_is_pending()


class _AfterExit:
    """The `append` of a recorder after the exit: what finalizers, and exit hooks older than ours, record has
    a journal of its own, which the next run delivers. Nothing can be imported any more, nor a thread started.
    """

    def __init__(self, open_queue: Callable[[], Queue]) -> None:
        self._open_queue = open_queue
        self._queue: Queue | None = None

    def __call__(self, record: bytes) -> None:
        queue = self._queue
        if queue is None:
            queue = self._queue = self._open_queue()
            if queue.storage == "memory":
                warn("what is recorded after the exit is lost: no journal is kept")
            else:
                warn("recorded after the exit: the next run will deliver it, or: llmobs-trace resend")
        queue.append(record)
        if queue.storage == "mirrored":
            queue.prepare()  # nobody else copies it to its file


def _before_fork() -> None:
    _lock.acquire()
    if _pipeline is not None:
        _signals.begin()
        _pipeline.worker.pause_for_fork()


def _in_parent() -> None:
    if _pipeline is not None:
        _pipeline.worker.resume_after_fork()
    try:
        _signals.end()
    finally:
        _lock.release()


def _in_child() -> None:
    """A child starts anew: an empty chain, a journal and a sender of its own; its parent's events are its
    parent's.
    """
    try:
        _start_anew()
    finally:
        _signals.end()


def _start_anew() -> None:
    global _lock, _pipeline, _early, _inherited
    _lock = threading.RLock()
    inherited, recorder = _pipeline, slot.current
    _pipeline = _early = None
    active.forget_everything()
    metric_times.forget()
    row_ids.forget_rows()
    model_sums.forget()
    slot.after_fork_in_child()
    children.forked()
    if children.instead is not None:
        _use_what_was_handed_over()
    if inherited is None or recorder is None:
        return
    recorder.append = discard  # spans the parent had open end here without a trace
    try:
        inherited.queue.after_fork_in_child()
        # The locks on what it adopted are the parent's too: a child that kept them would outlive them.
        inherited.worker.after_fork_in_child(inherited.queue)
    except Exception as fault:
        slot.fault(fault)
    if children.instead is None:
        # Not now: a child that only calls `exec` needs none of it. The first span here makes it.
        slot.current = None
        _inherited = inherited.config, ()


def _use_what_was_handed_over() -> None:
    """It comes before the first span. A fork server's child may have been configured by that process."""
    global _pipeline, _inherited
    _pipeline = slot.current = _inherited = None


# At import: a process that records nothing itself has children that do.
children.install(_use_what_was_handed_over)

# At import, since a worker's first span may be one that it records as it leaves.
worker_exits.install(worker_exits.Deliver(_at_exit, _before_a_signal_ends_it))

# At import: hooks run in the opposite order, and those that the program adds may record.
atexit.register(_at_exit)

# At import, not at the first span: a fork while another thread makes that one would inherit `_lock` held.
if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
