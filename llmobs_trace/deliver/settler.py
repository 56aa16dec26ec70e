"""Sends one lane's events and settles their records, until all are or something says wait.

Sender's thread. What to send next, and what a refusal means, is decided in `poison`; here it is done; how
it goes over the wire is the destination's. An event is acknowledged as rejected only once it is in the file
of rejected ones (what others call a dead letter queue): a crash in between repeats, and loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llmobs_trace.deliver.answers import ACTIONS, Action, Answer, Verdict, verdict_of, what_was_said
from llmobs_trace.deliver.batch import Batch, Entries, Event
from llmobs_trace.deliver.fork_gate import GateClosed
from llmobs_trace.deliver.lane import Lane, Sending
from llmobs_trace.deliver.poison import Pause, Search, Suspect
from llmobs_trace.deliver.real_ids import made_up_spots, replaced
from llmobs_trace.deliver.rejected import Rejection
from llmobs_trace.journal.queue import Source
from llmobs_trace.journal.record import Position, Record
from llmobs_trace.wire import mark_of


class Settler:
    """Sends for all lanes of one source; `lanes` are those."""

    def __init__(self, source: Source, sending: Sending, lanes: Mapping[bytes, Lane]) -> None:
        self.requests = 0  # so far
        # Before this moment of the clock every request must be over; a flush in its caller's thread sets it.
        self.deadline: float | None = None
        self._source = source
        self._sending = sending
        self._lanes = lanes

    def offer(self, lane: Lane, events: Entries, is_late: Callable[[], bool]) -> Position | None:
        """Send these, one body after the other; the first position that isn't settled, None if all are."""
        sending = self._sending
        search = lane.search  # a pause begins another, and this one's suspects are as unsettled as ever
        ready = self._with_real_ids(lane, events, lambda: is_late() or self._must_wait(lane))
        if ready is None:
            return min([events.records[0].at, *search.suspects])
        max_bytes = sending.limit.bound(sending.max_batch_bytes)
        plan = search.plan(ready, max_bytes, sending.max_batch_events)
        self._carry_out(lane, plan, lambda: is_late() or self._must_wait(lane))
        left = [body.records[0].at for body in plan] + list(search.suspects)
        if not left and search.is_on:
            lane.search = Search()
        return min(left, default=None)

    def judge(self, lane: Lane) -> None:
        """The source is at its end: nothing more can speak for or against this lane's suspects."""
        self._carry_out(lane, [], lambda: self._must_wait(lane), is_last=True)

    def _with_real_ids(self, lane: Lane, events: Entries, is_late: Callable[[], bool]) -> Entries | None:
        """The events with real ids in the place of made-up ones; None where those are not to be had now."""
        named, spots = self._sending.named, made_up_spots(events)
        ids = (some_id for spot in spots for some_id in (spot.project_id, spot.dataset_id))
        needed = {mark: False for some_id in ids if (mark := mark_of(some_id)) is not None}
        if (mark := mark_of(lane.experiment_id)) is not None:
            needed[mark] = True
            lane.called = named.called(mark)
        for mark, is_experiment in needed.items():
            while not named.has(mark, experiment=is_experiment):
                if is_late():
                    return None
                answer = self._ask_for_what_is_named(mark, is_experiment=is_experiment)
                if answer is not None:
                    lane.failed(answer, verdict_of(answer), self._sending)
                    return None
                lane.step = 0  # what failed before, did something else by now
        lane.real_id = named.real_id(lane.experiment_id)
        return replaced(events, spots, named.real_id) if spots else events

    def _ask_for_what_is_named(self, mark: str, *, is_experiment: bool) -> Answer | None:
        """One request, or a few, for what a run's events need; what hinders, if anything does."""
        sending = self._sending
        self.requests += 1
        try:
            with sending.gate.importing():
                sending.destination.open()
                sending.named.open()
            with sending.gate.open_for_forks():
                return sending.named.ask(mark, self._timeout_seconds(), experiment=is_experiment)
        except GateClosed:
            raise
        except Exception as error:
            return self._fault(error)

    def _must_wait(self, lane: Lane) -> bool:
        now = self._sending.clock()
        return lane.not_before > now or (self.deadline is not None and now >= self.deadline)

    def _carry_out(
        self, lane: Lane, plan: list[Entries], is_late: Callable[[], bool], *, is_last: bool = False
    ) -> None:
        """Take bodies off the plan's end, and put halves there, until it is empty or something says wait."""
        sending = self._sending
        while not is_late():
            step = lane.search.next(plan, is_last=is_last)
            if step is None:
                return
            if isinstance(step, Pause):
                if verdict_of(step.answer) is Verdict.TOO_LARGE:
                    sending.limit.forget()
                lane.search = Search()
                lane.failed(step.answer, Verdict.REFUSED, sending)
                return
            answer, verdict = self._ask(lane, Batch.of(lane.id_there, step.body))
            action = ACTIONS[verdict]
            if action is Action.SETTLE:
                if step.is_of_plan:
                    self._source.acknowledge(step.body.records)
                lane.recovered(self._lanes.values(), sending)
            elif action is not Action.HALVE:
                lane.failed(answer, verdict, sending)
                return
            for suspect, sent in lane.search.heard(step, plan, answer, sending.chance):
                self._reject(lane, suspect, sent=sent)

    def _reject(self, lane: Lane, suspect: Suspect, *, sent: bool) -> None:
        sending = self._sending
        [(record, event)] = suspect.alone
        place = self.keep(lane.id_there, record, event, suspect.answer, sent=sent)
        sending.ledger.last_error = what = what_was_said(suspect.answer)
        values = "sent without its values, which are" if sent else "not sent, and"
        subject = f"an event of experiment {lane.id_there!r} was refused by {sending.destination.name}"
        sending.notices.happened(
            ("rejected", lane.experiment_id),
            f"{subject}: {what}; it is {values} kept in {place}",
            kind="rejected",
            cause=(suspect.answer.status, sent),
        )

    def keep(self, experiment_id: str, record: Record, event: Event, answer: Answer, *, sent: bool) -> str:
        """Write an event and what was said of it down; then it is done with. Where it is kept, in words."""
        rejection = Rejection(
            destination=self._sending.destination.name,
            experiment_id=experiment_id,
            is_span=event.is_span,
            event=event.json,
            answer=answer,
            sent=sent,
        )
        place = self._sending.rejected.keep(rejection)
        self._source.acknowledge([record], "rejected")
        return place

    def give_up(self, experiment_id: str, events: Entries) -> None:
        """Drop events for which there is no room any more, and count them."""
        sending = self._sending
        self._source.acknowledge(events.records, "lost")
        sending.ledger.given_up += len(events)
        sending.notices.happened(
            "hearsay",
            f"events of experiment {experiment_id!r} are dropped: it is refused, and only trace headers name"
            " it; such experiments may hold a quarter of the journal (max_journal_bytes)",
            times=len(events),
        )

    def _ask(self, lane: Lane, batch: Batch) -> tuple[Answer, Verdict]:
        """One request."""
        sending = self._sending
        self.requests += 1
        sending.ledger.retried += bool(lane.failures) or lane.search.is_on
        answer = self._answer(batch)
        verdict = verdict_of(answer)
        if verdict is Verdict.ACCEPTED:
            sending.limit.accepted(batch.size_bytes)
        elif verdict is Verdict.TOO_LARGE:
            sending.limit.refused(batch.size_bytes)
        return answer, verdict

    def _answer(self, batch: Batch) -> Answer:
        sending = self._sending
        timeout_seconds = self._timeout_seconds()
        destination = sending.destination
        try:
            with sending.gate.importing():
                destination.open()
            if destination.fork_while_sending:
                with sending.gate.open_for_forks():
                    return destination.send(batch, timeout_seconds)
            answer = destination.send(batch, timeout_seconds)
            sending.gate.check()
            return answer
        except GateClosed:
            raise
        except Exception as error:
            return self._fault(error)

    def _timeout_seconds(self) -> float:
        """How long a request that begins now may take."""
        seconds = self._sending.request_timeout_seconds
        if self.deadline is None:
            return seconds
        return max(0.01, min(seconds, self.deadline - self._sending.clock()))

    def _fault(self, error: Exception) -> Answer:
        """A destination answers and doesn't raise; one that does must not stop the others' delivery."""
        self._sending.ledger.sender_faults += 1
        return Answer(detail=f"{type(error).__name__} inside the sender")
