"""Where the parts meet: a `Config` in, a running pipeline out: recorder → queue → sender → destination. Any
thread.

`configure`, `flush`, `shutdown` and `delivery_stats` are the user's; the rest is the process's life: the
first span before any `configure`, forks, and the exit.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from llmobs_trace import config as configuration
from llmobs_trace.capture import active, row, stamps
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.carry.install import install
from llmobs_trace.capture.early import Early
from llmobs_trace.capture.recorder import Recorder, Scope, discard
from llmobs_trace.config import Config
from llmobs_trace.encode import Redactor
from llmobs_trace.signals import PutOff

if TYPE_CHECKING:
    from llmobs_trace.deliver.destination import Destination
    from llmobs_trace.deliver.ledger import DeliveryStats
    from llmobs_trace.journal import Queue

log = logging.getLogger("llmobs_trace")


def _warn(message: str, *words: object) -> None:
    """Log a warning; a handler that raises is the user's, but the call that it would come out of is not."""
    with suppress(Exception):
        log.warning(message, *words)


class Pipeline:
    """One configuration at work: its recorder, its queue, its sender. What it opens, `close` closes."""

    is_closed = False

    def __init__(self, config: Config) -> None:
        from llmobs_trace.deliver import Worker
        from llmobs_trace.journal import adoptable, open_journal, this_process

        self.config = config
        self.destination = destination = _destination(config)
        journal = config.journal
        self.open_queue: Callable[[], Queue] = partial(
            open_journal,
            journal,
            owner=this_process(destination.name, config.experiment_id, config.experiment_name),
            segment_bytes=min(max(2 << 20, 2 * config.max_event_bytes), config.max_journal_bytes // 2),
            max_bytes=config.max_journal_bytes,
        )
        self.queue = self.open_queue()
        if self.queue.reason and self.queue.storage == "memory":
            _warn("%s; spans are kept in memory, where a kill loses them", self.queue.reason)
        self.worker = Worker(
            self.queue,
            destination,
            flush_interval=config.flush_interval,
            request_timeout=config.request_timeout,
            max_batch_bytes=config.max_batch_bytes,
            # What ended processes left for this destination goes with our own.
            adopt=None if journal is None else lambda: adoptable(journal, destination.name),
            on_thread=active.mute_thread,
            rejected=journal,
        )
        self.recorder = Recorder(
            self.queue.append,
            Scope(config.experiment_id, config.project_id, config.dataset_id),
            capture_input=config.capture_input,
            capture_output=config.capture_output,
            redactor=_redactor(config),
            sample_rate=config.sample_rate,
            max_event_bytes=config.max_event_bytes,
            strict=config.strict,
        )
        self.worker.start()

    def shutdown(self, timeout_seconds: float) -> bool:
        """Deliver what can be within the time, and stop the sender; what remains stays in the journal."""
        return self.worker.shutdown(timeout_seconds)

    def close(self) -> None:
        """Let go of the journal; what is pending stays in it."""
        self.is_closed = True
        events, _ = self.queue.pending()
        self.queue.close(keep=bool(events))

    def tell_what_is_pending(self) -> int:
        """Say what ends undelivered with this pipeline; how many of it are lost, for want of a journal."""
        from llmobs_trace.deliver.notices import events

        pending, _ = self.queue.pending()
        if not pending:
            return 0
        if self.queue.storage != "memory":
            said = events(pending, "are")
            _warn("%s not delivered yet; the next run does it, or: llmobs-trace resend", said)
            return 0
        _warn("%s not delivered and lost: kept in memory", events(pending, "were"))
        return pending

    def tell_what_is_lost(self, *, and_pending: int = 0) -> None:
        """The totals of what will never arrive as it was recorded; `and_pending` was said already."""
        from llmobs_trace.deliver.notices import events
        from llmobs_trace.deliver.watch import why_dropped

        stats = self.worker.stats()
        if stats.rejected:
            where = f"kept in {self.config.journal}/rejected" if self.config.journal else "not kept"
            said = events(stats.rejected, "were")
            _warn("%s rejected by %s, and %s", said, self.destination.name, where)
        if (dropped := stats.dropped - and_pending) > 0:
            _warn("%s dropped, and lost: %s", events(dropped, "were"), why_dropped(self.queue))


def _destination(config: Config) -> Destination:
    from llmobs_trace.deliver import DatadogDestination, LocalDestination

    if config.destination == "datadog" and config.api_key is not None and config.app_key is not None:
        return DatadogDestination(config.base_url, config.api_key, config.app_key)
    return LocalDestination(config.database, config.experiment_name, config.experiment_id)


def _redactor(config: Config) -> Redactor | None:
    return None if config.redact is None else Redactor(config.redact, slot.say)


# The system's timers have a bound.
_LONGEST_SECONDS = threading.TIMEOUT_MAX / 2

# Re-entrant: a signal handler's first span may come in while `configure` runs.
_lock = threading.RLock()  # guards _pipeline, _early and the changes of slot.current
_pipeline: Pipeline | None = None
_early: Early | None = None  # while a thread sets up
_finalized_pid: int | None = None
_signals = PutOff()  # used under _lock


def configure(**options: Any) -> None:
    """Set the library up, once, at the start of a program. Raises `ConfigurationError` where an option won't
    do.

    Every option but `redact` has an environment variable beside it; the README lists them.
    Without keys everything goes to the local store. A second call delivers what was recorded and then
    replaces.

    >>> configure(experiment_name="prompt-v2", sample_rate=0.5)
    """
    given = configuration.Unseen(options)
    del options  # with the keys in it: a traceback may show a frame's locals
    config = configuration.resolve(given, os.environ)
    _start(config, config.notes)


def _configure_from_environment() -> Recorder:
    """The first span came before `configure`: set up from the environment, quietly. Never raises."""
    with _lock:
        if slot.current is None:
            if _early is not None:
                return _early.recorder  # this is a signal handler, or a finalizer, in the middle of it
            with _setting_up():
                try:
                    config, problems = configuration.from_environment(os.environ)
                    _start(config, (*config.notes, *problems))
                except Exception as error:
                    # Whatever it is, the user's program runs on untraced.
                    _warn("tracing is off, since it could not be set up: %s: %s", type(error).__name__, error)
                    slot.current = _disabled()
        current = slot.current
    return current if current is not None else _disabled()


slot.first_filler = _configure_from_environment


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
    global _pipeline
    with _lock, _setting_up() as early:
        started: Pipeline | None = None
        recorder = _disabled()
        if config.enabled:
            early.recorder.redactor = _redactor(config)
            for note in notes:
                _warn("%s", note)
            _hook_multiprocessing()
            install(threads=config.instrument_threads)
            started = Pipeline(config)
            recorder = started.recorder
        before, before_recorder = _pipeline, slot.current
        _pipeline, slot.current = started, recorder
        if before_recorder is not None:
            # Spans that are open now end in the new pipeline: nothing is lost between the two.
            before_recorder.append = _to_current
    if before is not None and not before.is_closed:
        is_delivered = before.shutdown(before.config.shutdown_timeout)
        in_memory = 0 if is_delivered else before.tell_what_is_pending()
        before.close()
        before.tell_what_is_lost(and_pending=in_memory)
        if started is not None and not is_delivered:
            started.worker.look_again()


def flush(timeout: float | None = None) -> bool:
    """Deliver what was recorded before the call, waiting at most `timeout` seconds (default:
    `shutdown_timeout`).

    True when none of it is pending any more.
    """
    pipeline = _pipeline
    if pipeline is None:
        return True
    return pipeline.worker.flush(_seconds(timeout, pipeline.config))


def shutdown(timeout: float | None = None) -> bool:
    """Deliver what was recorded and stop the sender, within `timeout` seconds (default: `shutdown_timeout`).

    What remains stays in the journal for the next run, or `llmobs-trace resend`. Spans recorded afterwards
    are kept there too. True when nothing is pending. `configure` starts anew; a second call is harmless.
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
    """The ledger of this process: `recorded` = `delivered` + `pending` + `rejected` + `dropped`, in
    events; `retried` in requests. It begins anew with each `configure`; `llmobs-trace doctor` knows them all.
    """
    pipeline = _pipeline
    if pipeline is None:
        from llmobs_trace.deliver.ledger import DeliveryStats

        return DeliveryStats()
    return pipeline.worker.stats()


@contextmanager
def recording_to(recorder: Recorder) -> Iterator[None]:
    """Put `recorder` in the slot for a while, as tests do; what was there before comes back, unless somebody
    called `configure` meanwhile: that has closed what was before.
    """
    install(threads=True)
    with _lock:
        before, slot.current = slot.current, recorder
    try:
        yield
    finally:
        with _lock:
            if slot.current is recorder:
                slot.current = before


# --- the life of the process --------------------------------------------------------------------------------


def _hook_multiprocessing() -> None:
    """Deliver at the end of a child that `multiprocessing` forked: it ends by `os._exit`, which no `atexit`
    hears of.
    """
    global _finalized_pid
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is None or util is None or process.parent_process() is None or _finalized_pid == os.getpid():
        return
    _finalized_pid = os.getpid()
    # The lowest priority comes last: what other finalizers record is delivered too.
    util.Finalize(None, _at_exit, exitpriority=-(1 << 30))


def _at_exit() -> None:
    pipeline = _pipeline
    if pipeline is None:
        return
    is_delivered = pipeline.shutdown(pipeline.config.shutdown_timeout)
    in_memory = 0 if is_delivered else pipeline.tell_what_is_pending()
    # A daemon thread may still record: then the journal stays open, and the next run looks into it.
    if threading.active_count() <= 1:
        pipeline.close()
        pipeline.recorder.append = _AfterExit(pipeline.open_queue)
    else:
        # What is not in its file yet, or whose file somebody removed, is brought there once more.
        pipeline.queue.prepare()
    pipeline.tell_what_is_lost(and_pending=in_memory)


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
                _warn("what is recorded after the exit is lost: no journal is kept")
            else:
                _warn("recorded after the exit: the next run delivers it, or: llmobs-trace resend")
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
    global _lock, _pipeline, _early
    _lock = threading.RLock()
    inherited, recorder = _pipeline, slot.current
    _pipeline = _early = None
    active.forget_everything()
    stamps.forget()
    row.forget_rows()
    slot.after_fork_in_child()
    if inherited is None or recorder is None:
        return
    recorder.append = discard  # spans the parent had open end here without a trace
    try:
        inherited.queue.after_fork_in_child()
        # The locks on what it adopted are the parent's too: a child that kept them would outlive them.
        inherited.worker.after_fork_in_child(inherited.queue)
    except Exception as fault:
        slot.fault(fault)
    # Not now: a child that only calls `exec` needs none of it. The first span here makes it.
    slot.current = None
    slot.first_filler = _Again(inherited.config)


class _Again:
    """Fills the slot of a forked child with its parent's configuration, at the child's first span."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def __call__(self) -> Recorder:
        with _lock:
            if slot.current is None:
                if _early is not None:
                    return _early.recorder
                try:
                    _start(self._config, ())
                except Exception as error:
                    _warn("tracing is off in this process: %s: %s", type(error).__name__, error)
                    slot.current = _disabled()
            current = slot.current
        return current if current is not None else _disabled()


# At import: hooks run in the opposite order, and those that the program adds may record.
atexit.register(_at_exit)

# At import, not at the first span: a fork while another thread makes that one would inherit `_lock` held.
os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
