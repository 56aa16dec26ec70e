"""One lane's events in, requests out, records settled: until all are, or something says wait.

Sender's thread. What to send next after a refusal is decided in `poison`; here it is done. An event is
acknowledged as rejected only once it is in the rejected file: a crash in between repeats, and loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llmobs_trace.deliver.answers import RESPONSES, Answer, Response, Verdict, verdict_of, what_was_said
from llmobs_trace.deliver.batch import Batch, Entries, Event
from llmobs_trace.deliver.degrade import without_values
from llmobs_trace.deliver.gate import Closed
from llmobs_trace.deliver.lane import Lane, Sending
from llmobs_trace.deliver.poison import Search, Suspect, somebody_else_last
from llmobs_trace.deliver.rejected import Rejection
from llmobs_trace.journal.queue import Source
from llmobs_trace.journal.record import Position, Record


class Sender:
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
        max_bytes = sending.limit.bound(sending.max_batch_bytes)
        search = lane.search
        plan = search.plan(events, max_bytes, sending.max_batch_events)
        self._offer(lane, plan, lambda: is_late() or self._must_wait(lane))
        left = [body.records[0].at for body in plan] + list(search.suspects)
        if not left and search.is_on:
            lane.search = Search()
        return min(left, default=None)

    def judge(self, lane: Lane) -> None:
        """The source is at its end: nothing more can speak for or against this lane's suspects."""
        self._offer(lane, [], lambda: self._must_wait(lane), is_last=True)

    def _refused_as_a_whole(self, lane: Lane) -> None:
        """Nothing is accepted, of however many: the fault is not the events'. Pause, and reject none."""
        *_, last = lane.search.suspects.values()
        if verdict_of(last.answer) is Verdict.TOO_LARGE:
            self._sending.limit.forget()
        lane.search = Search()
        lane.failed(last.answer, Verdict.REFUSED, self._sending)

    def _must_wait(self, lane: Lane) -> bool:
        now = self._sending.clock()
        return lane.not_before > now or (self.deadline is not None and now >= self.deadline)

    def _offer(
        self, lane: Lane, plan: list[Entries], is_late: Callable[[], bool], *, is_last: bool = False
    ) -> None:
        """Take bodies off the plan's end, and put halves there, until it is empty or something says wait."""
        search = lane.search
        for suspect in search.to_try(all_of_them=False):
            if is_late() or not self._try_without_values(lane, plan, suspect):
                return
        while not is_late():
            if plan:
                go_on = self._send_next(lane, plan)
            elif not search.suspects:
                return
            elif search.witness is not None:
                go_on = self._hear_the_witness(lane, plan)
            elif not is_last:
                return
            elif untried := search.to_try(all_of_them=True):
                go_on = self._try_without_values(lane, plan, untried[0])
            else:
                self._refused_as_a_whole(lane)
                return
            if not go_on:
                return

    def _send_next(self, lane: Lane, plan: list[Entries]) -> bool:
        """One body; whether to go on with the lane's others."""
        search = lane.search
        body = plan[-1]
        answer, verdict = self._ask(lane, Batch.of(lane.experiment_id, body))
        if RESPONSES[verdict] is Response.SETTLE:
            plan.pop()
            self._source.acknowledge(body.records)
            self._accepted(lane, plan, body)
            return True
        if RESPONSES[verdict] is not Response.HALVE:
            lane.failed(answer, verdict, self._sending)
            return False
        plan.pop()
        if len(body) > 1:
            plan += search.halve(body, by_bytes=verdict is Verdict.TOO_LARGE)
            return True
        suspect = search.suspect(body, answer)
        if suspect.is_sure:
            return self._try_without_values(lane, plan, suspect)
        return self._leave_undecided(lane, plan)

    def _try_without_values(self, lane: Lane, plan: list[Entries], suspect: Suspect) -> bool:
        """Send a refused event's degraded form; whether to go on with the lane's others."""
        [(_, event)] = suspect.alone
        note = f"[left out: the event was refused ({_reason(suspect.answer)})]"
        degraded = without_values(event.json, is_span=event.is_span, note=note)
        if degraded is not None:
            alone = suspect.alone.replaced(Event(event.is_span, degraded))
            answer, verdict = self._ask(lane, Batch.of(lane.experiment_id, alone))
            if RESPONSES[verdict] is Response.SETTLE:
                self._accepted(lane, plan, alone, settled=suspect)
                return True
            if RESPONSES[verdict] is not Response.HALVE:
                lane.failed(answer, verdict, self._sending)
                return False
        suspect.is_hopeless = True
        if suspect.answer.is_certain:
            self._reject(lane, suspect, sent=False)
            return True
        return self._leave_undecided(lane, plan)

    def _leave_undecided(self, lane: Lane, plan: list[Entries]) -> bool:
        """Others may show whose fault it is; whether to go on with them."""
        if not lane.search.is_in_doubt():
            somebody_else_last(plan, self._sending.chance())
            return True
        if lane.search.witness is not None:
            return self._hear_the_witness(lane, plan)
        untried = lane.search.to_try(all_of_them=True)
        if len(untried) == len(lane.search.suspects):
            return self._try_without_values(lane, plan, untried[-1])
        self._refused_as_a_whole(lane)
        return False

    def _hear_the_witness(self, lane: Lane, plan: list[Entries]) -> bool:
        """Is anything accepted still? Whether to go on with the lane's others."""
        witness = lane.search.witness
        assert witness is not None
        answer, verdict = self._ask(lane, Batch.of(lane.experiment_id, witness))
        if RESPONSES[verdict] is Response.SETTLE:
            self._accepted(lane, plan, witness)
            return True
        if RESPONSES[verdict] is Response.HALVE:
            self._refused_as_a_whole(lane)
        else:
            lane.failed(answer, verdict, self._sending)
        return False

    def _accepted(
        self, lane: Lane, plan: list[Entries], body: Entries, *, settled: Suspect | None = None
    ) -> None:
        """A body was accepted; it may be what is left of a suspect without its values."""
        lane.recovered(self._lanes.values(), self._sending)
        if settled is not None:
            self._reject(lane, settled, sent=True)
        guilty, again = lane.search.accepted(body)
        for suspect in guilty:
            self._reject(lane, suspect, sent=False)
        plan += again

    def _reject(self, lane: Lane, suspect: Suspect, *, sent: bool) -> None:
        sending = self._sending
        [(record, event)] = suspect.alone
        place = self.keep(lane.experiment_id, record, event, suspect.answer, sent=sent)
        del lane.search.suspects[record.at]
        sending.ledger.last_error = what = what_was_said(suspect.answer)
        values = "sent without its values, which are" if sent else "not sent, and"
        subject = f"an event of experiment {lane.experiment_id!r} was refused by {sending.destination.name}"
        sending.notices.happened(
            ("rejected", lane.experiment_id),
            f"{subject}: {what}; it is {values} kept in {place}",
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
        timeout_seconds = sending.request_timeout_seconds
        if self.deadline is not None:
            timeout_seconds = max(0.01, min(timeout_seconds, self.deadline - sending.clock()))
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
        except Closed:
            raise
        except Exception as error:
            # A destination answers and doesn't raise; one that does must not stop the others' delivery.
            sending.ledger.sender_faults += 1
            return Answer(detail=f"{type(error).__name__} inside the sender")


def _reason(answer: Answer) -> str:
    """Why, without the server's words: they may quote what it did not like."""
    return verdict_of(answer).value if answer.status is None else f"HTTP {answer.status}"
