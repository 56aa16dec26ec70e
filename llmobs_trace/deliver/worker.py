"""Runs the one background thread: wake, take, send, settle. Records come from queues, batches go to a
destination.

    user's threads   start, flush, shutdown, stats, wake, and around a fork pause_for_fork, resume_after_fork
    sender's thread  everything else here

Nothing on the user's side waits for a network, a name server or a disk, except `flush` and `shutdown`,
which wait on an event for as long as they were told. The sender is a daemon thread: however long it hangs
in a name server's silence, the program ends without it.
"""

from __future__ import annotations

import _thread
import contextlib
import logging
import queue as queues
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from llmobs_trace.deliver.destination import Destination
from llmobs_trace.deliver.fork_gate import Gate, GateClosed
from llmobs_trace.deliver.header_experiments import SHARE as HEARSAY_SHARE
from llmobs_trace.deliver.lane import MAX_BATCH_EVENTS, Sending
from llmobs_trace.deliver.lanes import Lanes
from llmobs_trace.deliver.ledger import Ledger
from llmobs_trace.deliver.named_experiments import NamedExperiments
from llmobs_trace.deliver.notices import Notices
from llmobs_trace.deliver.predecessors import Adopted, Predecessors
from llmobs_trace.deliver.queue_warnings import Watch
from llmobs_trace.deliver.rejected import Rejected
from llmobs_trace.deliver.run_files import Ending
from llmobs_trace.deliver.spare_time import Slice, SpareTime
from llmobs_trace.deliver.waiting import Flush, Leftovers
from llmobs_trace.http_client.backoff import Pace, retry_delay
from llmobs_trace.http_client.clock import Clock
from llmobs_trace.journal.queue import Queue
from llmobs_trace.stats import DeliveryStats

THREAD_NAME: Final = "llmobs-trace-sender"

# While events wait for their interval, how often to look whether they are many. Idle, nothing looks.
_LOOK_SECONDS: Final = 0.25
# A queue in memory that the sender copies to a file: a kill loses what came since.
_MIRROR_SECONDS: Final = 0.05
# How long a flush waits before it looks whether the sender is still there.
_STILL_THERE_SECONDS: Final = 0.1
# Beyond a budget used up: for the sender to take its hands off the queue.
_LAST_SECONDS: Final = 0.05
# The system's timers have a bound.
_LONGEST_SECONDS: Final = 3600.0
# After the system refused a thread.
_START_AGAIN_SECONDS: Final = 1.0


class Worker:
    """Delivers `queue`, and what `adopt` finds of ended processes, to `destination`.

    `adopt` is called on the sender's thread, at its start and now and then while it is awake; `on_thread`
    once, as the thread's first act. What is refused for good is kept under the directory `rejected`.
    `is_hearsay` says whether an experiment is known from trace headers alone; `named` finds or makes what
    events name; `spare_time_slice` is done while no events come. `fork` hooks and exit are the caller's to
    wire up. All times are seconds.
    """

    def __init__(
        self,
        queue: Queue,
        destination: Destination,
        *,
        flush_interval: float = 1.0,
        request_timeout: float = 10.0,
        max_batch_bytes: int = 4 << 20,
        max_batch_events: int = MAX_BATCH_EVENTS,
        adopt: Callable[[], Iterable[Adopted]] | None = None,
        on_thread: Callable[[], None] | None = None,
        rejected: Path | None = None,
        is_hearsay: Callable[[str], bool] = lambda experiment_id: False,
        named: NamedExperiments | None = None,
        spare_time_slice: Slice | None = None,
        pace: Pace | None = None,
        log: logging.Logger | None = None,
    ) -> None:
        self._destination = destination
        self._flush_interval = flush_interval
        self._request_timeout = request_timeout
        self._max_batch_bytes = max_batch_bytes
        self._max_batch_events = max_batch_events
        self._adopt = adopt
        self._on_thread = on_thread
        self._rejected = rejected
        self._is_hearsay = is_hearsay
        self._named = named or NamedExperiments()
        self._spare_time = SpareTime(spare_time_slice)
        self._pace = pace or Pace()
        self._log = log or logging.getLogger("llmobs_trace")
        self._set_up(queue)

    def _set_up(self, queue: Queue) -> None:
        """Begin anew with this queue: what a forked child does as well. No locks of before are used again."""
        self._queue = queue
        self._ledger = Ledger()
        self._gate = Gate()
        self._sending = Sending(
            destination=self._destination,
            gate=self._gate,
            ledger=self._ledger,
            notices=Notices(self._log, Clock.now),
            request_timeout_seconds=self._request_timeout,
            max_batch_bytes=self._max_batch_bytes,
            max_batch_events=self._max_batch_events,
            pace=self._pace,
            rejected=Rejected(self._rejected),
            named=self._named,
            is_hearsay=self._is_hearsay,
            max_hearsay_bytes=queue.max_bytes // HEARSAY_SHARE,
        )
        self._watch = Watch(queue, self._sending.notices, self._ledger)
        self._own = Lanes(queue, self._sending)
        self._predecessors = Predecessors(self._adopt, self._sending, self._fault)
        # Of the module, not imported by name: gevent may have replaced it since.
        # Its put is safe in signal handlers and finalizers.
        self._inbox: queues.SimpleQueue[Flush | Leftovers | None] = queues.SimpleQueue()
        self._woken = False  # a message is on its way
        self._flushes: list[Flush] = []  # the sender's alone
        self._leftovers: list[Leftovers] = []  # the sender's alone
        self._finish_by: float | None = None  # when requests must be over, where a caller does its work
        self._fresh_since: float | None = None
        self._swept_bytes = 0
        self._faults_in_a_row = 0
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._launching = threading.Lock()  # held from the decision to start a thread until it runs
        self._turning = threading.Lock()  # held by the one thread that does the sender's work
        self._start_after = float("-inf")
        queue.wake = self.wake
        queue.armed = True  # the first record starts the thread

    # -- any thread ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the sender if it isn't running; returns at once. Any thread, signal handlers and finalizers.

        The thread is started by another, raw one: `Thread.start` waits, and takes a lock that the code
        which a signal handler interrupts may hold.
        """
        if self._stopping or self._has_sender() or Clock.now() < self._start_after:
            return
        if not self._launching.acquire(blocking=False):
            return
        try:
            _thread.start_new_thread(self._launch, ())
        except RuntimeError:  # too many threads, or the interpreter ends
            self._start_after = Clock.now() + _START_AGAIN_SECONDS
            self._launching.release()

    def wake(self) -> None:
        """Something was appended, or needs housekeeping. Any thread, signal handlers and finalizers."""
        # At the queue's bound every append comes here: one message is enough.
        if not self._woken:
            self._woken = True
            self._inbox.put(None)
        if self._thread is None or not self._thread.is_alive():
            self.start()

    def flush(self, timeout: float) -> bool:
        """Deliver what was recorded before the call; True where all of it is, within the time. Any thread.

        Answers early where nothing can change within the time, as when the server asked for more than that.
        """
        deadline = Clock.now() + max(0.0, timeout)
        # The sender may be busy with what others left, for as long as a request takes.
        if self._stopping or self.is_sender() or self._queue.pending()[0] == 0:
            return self._queue.pending()[0] == 0
        flush = Flush(self._queue.end(), deadline)
        self._inbox.put(flush)
        self._wait_for(flush)
        return flush.reached

    def shutdown(self, timeout: float, ending: Ending | None = None) -> bool:
        """Flush, then end the sender, all within `timeout` seconds; whether everything recorded is delivered.

        With time left, what ended processes left is delivered as well: a program that is over before the
        sender looked for it is still the next run. Then it is said how a run ended. Afterwards the queue is
        the caller's: even a sender that hangs in a request doesn't touch it any more.
        """
        deadline = Clock.now() + max(0.0, timeout)
        reached = self.flush(timeout)
        if reached:
            self.deliver_leftovers(deadline - Clock.now(), ending)
        self._stopping = True
        self._inbox.put(None)
        thread = self._thread
        if thread is not None and thread.is_alive() and not self.is_sender():
            self._destination.abort()  # what it may still wait for is too late, or another process's
            self._gate.close(max(deadline - Clock.now(), _LAST_SECONDS))
            thread.join(max(deadline - Clock.now(), 0.0))
        else:
            self._gate.close(0)
            if self._turning.acquire(blocking=False):
                self._end()
                self._turning.release()
        return reached

    def deliver_leftovers(self, timeout: float, ending: Ending | None = None) -> None:
        """Deliver what ended processes left, as far as can be within the time. Any thread."""
        if self._stopping or self.is_sender() or (self._adopt is None and ending is None):
            return
        # The sender sees to them: no deadline frees this thread, if it must, from a name server.
        leftovers = Leftovers(Clock.now() + max(0.0, timeout), ending)
        self._inbox.put(leftovers)
        self._wait_for(leftovers)

    def look_again(self) -> None:
        """Have the sender look at once for what was left: by this process, as it was configured before."""
        self._inbox.put(Leftovers(Clock.now()))
        self.start()

    def _wait_for(self, waiting: Flush | Leftovers) -> None:
        while not waiting.done.is_set() and (left := waiting.deadline - Clock.now()) > 0:
            self.start()
            if self._has_sender():
                waiting.done.wait(min(left, _STILL_THERE_SECONDS))
            elif not self._deliver_here(waiting):
                time.sleep(min(left, 0.01))  # another thread does

    def stats(self) -> DeliveryStats:
        """The counts of this process now. Any thread."""
        return self._ledger.stats(self._queue.counts())

    def where_rejected(self) -> str:
        """Where the events are that were refused for good, in words for a log line. Any thread."""
        return self._sending.rejected.where()

    def given_up(self) -> int:
        """How many of the dropped events were given up for want of room for their experiment. Any thread."""
        return self._ledger.given_up

    def is_sender(self) -> bool:
        """Whether this is the sender's own thread, whose doings are nobody's spans."""
        return self._thread is not None and self._thread.ident == threading.get_ident()

    # -- around a fork, in the forking thread ----------------------------------------------------------------

    def pause_for_fork(self) -> None:
        """Before a fork: have the sender where a child can bear it; waits a moment, never for a network."""
        if not self.is_sender() and self._gate.hold() and not self._destination.fork_while_sending:
            with contextlib.suppress(Exception):
                self._destination.close()

    def resume_after_fork(self) -> None:
        """After a fork, in the parent."""
        if not self.is_sender():
            self._gate.let_go()

    def after_fork_in_child(self, queue: Queue) -> None:
        """In a forked child: begin anew, with counts of its own and with this queue."""
        stopped = self._stopping
        self._destination.after_fork_in_child()
        self._predecessors.after_fork_in_child()
        self._named.after_fork_in_child()
        self._set_up(queue)
        self._stopping = stopped

    # -- the thread ------------------------------------------------------------------------------------------

    def _has_sender(self) -> bool:
        thread = self._thread
        return self._launching.locked() or (thread is not None and thread.is_alive())

    def _launch(self) -> None:
        try:
            thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
            self._thread = thread
            self._inbox.put(None)  # its first turn makes the queue ready, and looks for ended processes
            thread.start()
        except Exception:
            self._start_after = Clock.now() + _START_AGAIN_SECONDS
        finally:
            self._launching.release()

    def _run(self) -> None:
        if self._on_thread is not None:
            self._on_thread()
        with self._turning:
            try:
                while not self._stopping:
                    try:
                        self._turn(None)
                    except SystemExit as error:  # as of a log handler of the user's
                        self._begin_anew(error)
            except GateClosed:
                return
            finally:
                self._queue.armed = True  # whatever ended it, the next record starts it again
                if self._stopping:
                    self._end()

    def _deliver_here(self, waiting: Flush | Leftovers) -> bool:
        """No thread can be had, as at the interpreter's end: do its work until this is done."""
        if not self._turning.acquire(blocking=False):
            return False
        try:
            self._finish_by = waiting.deadline
            while not waiting.done.is_set() and Clock.now() < waiting.deadline:
                self._turn(waiting.deadline)
        except GateClosed:
            waiting.done.set()
        finally:
            self._finish_by = None
            self._turning.release()
        return True

    def _turn(self, until: float | None) -> None:
        """Sleep until there is something to do, and do it. An exception is counted and said, no more."""
        try:
            self._sleep(until)
            self._gate.enter()
            self._work(until)
            self._faults_in_a_row = 0
        except GateClosed:
            raise
        except Exception as error:
            self._begin_anew(error)
        finally:
            self._gate.leave()

    def _work(self, until: float | None) -> None:
        self._queue.prepare()
        self._watch.look()
        self._sending.notices.look()
        now = Clock.now()
        if self._is_due(now):
            self._own.finish_by(self._finish_by)
            is_whole = self._own.deliver(self._is_wanted)
            self._fresh_since = None if is_whole else float("-inf")
            self._swept_bytes = self._queue.pending()[1]
            self._spare_time.was_busy(Clock.now())
        self._answer_flushes()
        if self._is_predecessors_turn(until):
            if self._leftovers:
                self._predecessors.look_again()
            self._predecessors.deliver(now, self._finish_by, self._has_better_to_do)
            self._answer_leftovers()
        if until is None and self._fresh_since is None and not self._has_better_to_do():
            self._spare_time.use(now)

    def _is_predecessors_turn(self, until: float | None) -> bool:
        """Whether what ended processes left may be delivered now: whoever waits for our own comes first."""
        return not self._flushes and (until is None or bool(self._leftovers))

    def _is_wanted(self) -> bool:
        """Whether a pass must be interrupted: messages wait, or somebody waits no longer than until now."""
        if self._stopping or not self._inbox.empty():
            return True
        return bool(self._flushes) and self._own.settled_to() >= min(flush.target for flush in self._flushes)

    def _begin_anew(self, error: BaseException) -> None:
        """An exception came out of a turn: what the sender remembers may be half done."""
        self._faults_in_a_row += 1
        self._fault(error)
        for lanes in self._all():
            with contextlib.suppress(Exception):
                lanes.start_over()

    def _fault(self, error: BaseException) -> None:
        self._ledger.sender_faults += 1
        what = f"{type(error).__name__} inside the sender"
        self._ledger.last_error = what
        self._sending.notices.happened("fault", f"{what}; it goes on", cause=type(error).__name__)
        self._sending.notices.detail(what, error)

    def _end(self) -> None:
        """The last thing the sender does."""
        try:
            self._sending.notices.end()
            self._predecessors.close()
            self._spare_time.end()
            self._destination.close()
        except Exception as error:
            self._sending.notices.detail(f"{type(error).__name__} while the sender ended", error)

    def _all(self) -> list[Lanes[Any]]:
        return [self._own, *self._predecessors.lanes]

    # -- when ------------------------------------------------------------------------------------------------

    def _sleep(self, until: float | None) -> None:
        """Wait for a message or the moment when something is due; take all messages."""
        timeout = self._seconds_to_sleep(until)
        try:
            message = self._inbox.get() if timeout is None else self._inbox.get(timeout=max(timeout, 0.0))
            while True:
                if isinstance(message, Flush):
                    self._flushes.append(message)
                elif message is not None:
                    self._leftovers.append(message)
                message = self._inbox.get_nowait()
        except queues.Empty:
            self._woken = False

    def _seconds_to_sleep(self, until: float | None) -> float | None:
        now = Clock.now()
        if self._faults_in_a_row:
            return retry_delay(self._faults_in_a_row, self._sending.chance(), self._pace)
        moments = [flush.deadline for flush in self._flushes]
        # What is not to be done in the next turn is no reason to be awake for it.
        is_predecessors_turn = self._is_predecessors_turn(until)
        if is_predecessors_turn and (self._leftovers or self._predecessors.has_new()):
            moments.append(now)
        for lanes in self._all() if is_predecessors_turn else [self._own]:
            next_due = lanes.next_due()
            if next_due is not None:
                moments.append(next_due)
        if until is not None:
            moments.append(until)
        if (to_be_said := self._sending.notices.next_due()) is not None:
            moments.append(to_be_said)
        if self._fresh_since is None:
            # The order matters: what is appended after arming wakes, what was before is seen.
            self._queue.armed = True
            if self._own.has_new():
                self._fresh_since = now
        if self._fresh_since is None:
            if until is None and self._spare_time.next_due is not None:
                moments.append(self._spare_time.next_due)
        else:
            moments += [self._fresh_since + self._flush_interval, now + self._look_seconds()]
        return min(min(moments) - now, _LONGEST_SECONDS) if moments else None

    def _look_seconds(self) -> float:
        if self._queue.storage == "mirrored":
            return _MIRROR_SECONDS
        return min(_LOOK_SECONDS, self._flush_interval / 4)

    def _is_due(self, now: float) -> bool:
        for flush in self._flushes:
            if not flush.seen:
                flush.seen = True
                self._own.hasten()
        if self._fresh_since is None and self._own.has_new():
            self._fresh_since = now
        if self._own.is_due(now):
            return True
        if self._fresh_since is None:
            return False
        return (
            bool(self._flushes)
            or now - self._fresh_since >= self._flush_interval
            or self._queue.pending()[1] - self._swept_bytes >= self._max_batch_bytes
        )

    # -- who waits -------------------------------------------------------------------------------------------

    def _answer_flushes(self) -> None:
        now = Clock.now()
        waiting = []
        for flush in self._flushes:
            if self._own.settled_to() >= flush.target:
                flush.reached = True
            elif now < flush.deadline and self._can_still_reach(flush):
                waiting.append(flush)
                continue
            flush.done.set()
        self._flushes = waiting

    def _can_still_reach(self, flush: Flush) -> bool:
        next_due = self._own.next_due(before=flush.target)
        return next_due is None or next_due < flush.deadline

    def _answer_leftovers(self) -> None:
        """Done is whatever can be done now: nobody waits for a second try at what is not this process's."""
        if not self._predecessors.is_waiting(Clock.now()):
            for leftovers in self._leftovers:
                if leftovers.ending is not None:
                    seconds = min(self._request_timeout, leftovers.deadline - Clock.now())
                    self._sending.say_how_it_ended(leftovers.ending, seconds)
                leftovers.done.set()
            self._leftovers = []

    def _has_better_to_do(self) -> bool:
        return self._stopping or not self._inbox.empty() or self._is_due(Clock.now())
