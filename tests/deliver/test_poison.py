"""One bad event costs no other: on values first, then lanes on a bench, then real sockets and processes."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.delivery import API_KEY, APP_KEY, LONG, QUICK, USUAL, datadog, delivered_ids, span, wait_until
from support.lane_bench import Bench
from support.receiver import Receiver, Reply

from llmobs_trace.deliver import Answer, Batch, LocalDestination, Pace, Worker, drain
from llmobs_trace.deliver.batch import ENVELOPE_BYTES, Entries
from llmobs_trace.deliver.poison import Search, Send, SizeLimit
from llmobs_trace.journal import Queue, Records, adoptable, open_journal, this_process

MakeWorker = Callable[..., Worker]


def bound(events: int, bad: int) -> int:
    """How many requests `events` in one body may take, `bad` of them refused for their values.

    Two for each halving, one for the event without its values; and one more for each of the first two, where
    they were refused before anything was accepted.
    """
    halvings = math.ceil(math.log2(events)) if events else 0
    return 1 + bad * (2 * halvings + 1) + min(bad, 2)


# --- On values ----------------------------------------------------------------------------------------------


def entries(*sizes: int) -> Entries:
    lines = [b'{"experiment":"e","span":%b}' % (b"x" * size) for size in sizes]
    count = len(lines)
    return Entries(b'{"experiment":"e",', Records([0] * count, list(range(count)), lines))


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=60), st.booleans())
def test_both_halves_have_something_and_together_all(sizes: list[int], by_bytes: bool) -> None:
    body = entries(*sizes)
    second, first = Search().halve(body, by_bytes=by_bytes)
    assert first
    assert second
    assert [*first, *second] == list(body)


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=60), st.booleans(), st.data())
def test_a_search_that_was_interrupted_goes_on_where_it_was(
    sizes: list[int], by_bytes: bool, data: st.DataObject
) -> None:
    events = entries(*sizes)
    search = Search()
    plan = search.plan(events, 1 << 30, 1000)
    for _ in range(data.draw(st.integers(1, 10))):
        plan += search.halve(plan.pop(), by_bytes=by_bytes)
        if len(plan[-1]) < 2:
            break
    again = search.plan(events, 1 << 30, 1000)
    assert [list(body) for body in again] == [list(body) for body in plan]
    more = search.plan(entries(*sizes, 3), 1 << 30, 1000)[1:]
    assert [list(body) for body in more] == [list(body) for body in plan], "what is new joins no body of it"


def test_a_huge_event_among_small_ones_stands_alone_after_few_cuts() -> None:
    body = entries(*[100] * 250, 50_000_000, *[100] * 250)
    search = Search()
    refused = 0
    while len(body) > 1:
        refused += 1
        [body] = [half for half in search.halve(body, by_bytes=True) if sum(half.sizes()) > 1e6]
    assert refused <= 3


def test_where_a_body_was_cut_is_known_once_however_often_it_is_refused() -> None:
    body, search = entries(*[100] * 8), Search()
    for _ in range(2):
        for half in search.halve(body, by_bytes=False):
            search.halve(half, by_bytes=False)
    assert search.cuts == sorted({*search.cuts})


def test_that_everything_was_refused_for_a_while_is_not_held_against_what_is_refused_later() -> None:
    accepted, refused = Answer(status=202), Answer(status=400)
    search, events = Search(), entries(10, 20, 30, 40)
    plan = [events[at : at + 1] for at in (0, 1)]

    def hear(answer: Answer) -> Send:
        step = search.next(plan, is_last=not plan)
        assert isinstance(step, Send)
        search.heard(step, plan, answer, lambda: 0.0)
        return step

    hear(refused)
    hear(accepted)
    hear(refused)
    assert hear(refused).is_witness
    # It was interrupted here, and of what came meanwhile one is accepted and one is not.
    plan += [events[at : at + 1] for at in (3, 2)]
    hear(accepted)
    hear(refused)
    assert hear(accepted).is_witness


@given(st.lists(st.integers(1, 60), min_size=2, max_size=12))
@example([1, 1])
@example([5, 1, 1])
@example([2, 2, 4])
@example([1, 2, 1])
def test_the_halves_of_a_large_body_are_most_nearly_of_one_size(sizes: list[int]) -> None:
    _, first = Search().halve(entries(*sizes), by_bytes=True)

    def apart(at: int) -> int:
        held = entries(*sizes).sizes()
        return abs(sum(held[:at]) - sum(held[at:]))

    assert len(first) == min(range(1, len(sizes)), key=apart), "the first, where two are alike"


@pytest.mark.parametrize("count", range(2, 9))
def test_the_halves_of_a_body_are_most_nearly_of_one_number(count: int) -> None:
    second, first = Search().halve(entries(*[1] * (count - 1), 99), by_bytes=False)
    assert (len(first), len(second)) == (count // 2, count - count // 2)


def test_whose_body_comes_after_a_suspect_is_a_matter_of_chance_by_events() -> None:
    events = entries(*range(1, 7))
    for of_six, first in enumerate([0, 0, 0, 3, 4, 4]):
        for more in (0.0, 0.999):
            plan = [events[:3], events[3:4], events[4:], events[:1]]
            search = Search()
            step = search.next(plan, is_last=False)
            assert isinstance(step, Send)
            search.heard(step, plan, Answer(status=400), lambda at=of_six, by=more: (at + by) / 6)  # type: ignore[misc]
            assert plan[-1].records[0].at.offset == first
            assert sorted(len(body) for body in plan) == [1, 2, 3], "the others stay"


def test_a_body_is_made_half_as_large_as_the_smallest_that_was_refused_until_one_as_large_is_taken() -> None:
    limit = SizeLimit()
    limit.accepted(100)
    assert limit.bound(1_000) == 1_000
    limit.refused(101)
    assert (limit.bound(1_000), limit.bound(50), limit.bound(49)) == (50, 50, 49)
    limit.refused(200)
    assert limit.bound(1_000) == 50, "a larger one says nothing new"
    limit.refused(100)
    limit.accepted(99)
    assert limit.bound(1_000) == 50
    for accepted in (100, 101):
        limit.refused(100)
        limit.accepted(accepted)
        assert limit.bound(1_000) == 1_000
    limit.refused(1)
    assert limit.bound(1_000) == 1
    limit.refused(7)
    limit.forget()
    assert limit.bound(1_000) == 1_000


class Played:
    """What one search does, in words, where a server takes what it is told to take.

    `0`, `0-3`: an event, or several in one body; `0*`: without its values; `w0`: as a witness. `!`: refused.
    """

    def __init__(
        self,
        count: int,
        takes: Callable[[str], bool],
        *,
        is_last: bool = True,
        is_certain: bool = False,
    ) -> None:
        lines = [event(number, is_bad=True).rstrip(b"\n") for number in range(count)]
        whole = Entries(b'{"experiment":"e",', Records([0] * count, [*range(count)], lines))
        self.search, self.said = Search(), list[str]()
        self.guilty: list[tuple[int, bool]] = []
        self.is_certain = is_certain
        self.plan = [whole]
        self.takes = takes
        self.go_on(is_last=is_last)

    def go_on(self, *, is_last: bool = True) -> None:
        while isinstance(step := self.search.next(self.plan, is_last=is_last), Send):
            places = [record.at.offset for record in step.body.records]
            text = f"{places[0]}" if len(places) == 1 else f"{places[0]}-{places[-1]}"
            text = f"w{text}" if step.is_witness else f"{text}*" if step.suspect else text
            is_taken = self.takes(text)
            answer = Answer(status=202 if is_taken else 400, is_certain=self.is_certain)
            rejected = self.search.heard(step, self.plan, answer, lambda: 0.0)
            self.said.append(text if is_taken else f"{text}!")
            self.guilty += [(each.suspect.alone.records[0].at.offset, each.sent) for each in rejected]
            assert len(self.said) < 200
        if step is not None:
            self.said.append("pause")


def test_one_event_at_fault_is_found_by_halves_and_once_more_without_its_values() -> None:
    played = Played(4, lambda text: text in ("0-1", "2", "3*"))
    assert played.said == ["0-3!", "0-1", "2-3!", "2", "3!", "3*"]
    assert played.guilty == [(3, True)]
    assert played.plan == []


def test_a_suspect_is_sent_again_once_something_was_accepted() -> None:
    played = Played(4, lambda text: text in ("2-3", "1", "0*"))
    assert played.said == ["0-3!", "0-1!", "0!", "2-3", "0!", "0*", "1"]
    assert played.guilty == [(0, True)]


def test_an_event_that_is_refused_without_its_values_too_is_at_fault_once_another_is_accepted() -> None:
    played = Played(4, lambda text: text in ("0", "2", "3", "w0"))
    assert played.said == ["0-3!", "0-1!", "0", "1!", "1*!", "2-3!", "2", "3"]
    assert played.guilty == [(1, False)]


def test_where_nothing_is_accepted_three_events_are_tried_and_one_without_its_values() -> None:
    played = Played(8, lambda text: False)
    assert played.said == ["0-7!", "0-3!", "0-1!", "0!", "4-7!", "4-5!", "4!", "2-3!", "2!", "2*!", "pause"]
    assert played.guilty == []
    played.go_on()
    assert played.said[-1] == "pause", "and nothing else"
    assert len(played.said) == 12


def test_where_nothing_is_accepted_any_more_the_witness_says_so() -> None:
    accepted = iter([True])
    played = Played(8, lambda text: text == "0-3" and next(accepted, False))
    assert " ".join(played.said) == "0-7! 0-3 4-7! 4-5! 4! 4*! 6-7! 6! 6*! 5! 5*! w0! pause"
    assert played.guilty == []
    played.go_on()
    assert played.said[-2:] == ["pause", "pause"]


def test_suspects_wait_for_what_others_are_told() -> None:
    played = Played(2, lambda text: False, is_last=False)
    assert played.said == ["0-1!", "0!", "1!"]
    played.go_on(is_last=True)
    assert played.said[3:] == ["0*!", "1*!", "pause"]


def test_a_refusal_that_is_certain_needs_nobody_else() -> None:
    played = Played(2, lambda text: False, is_certain=True)
    assert played.said == ["0-1!", "0!", "0*!", "1!", "1*!"]
    assert played.guilty == [(0, False), (1, False)]


def test_the_witness_is_the_smallest_event_of_the_first_body_that_was_accepted() -> None:
    events, search = entries(9, 9, 5, 1, 5, 1), Search()
    plan = [events[2:], events[:1]]
    for status in (400, 202):
        step = search.next(plan, is_last=False)
        assert isinstance(step, Send)
        search.heard(step, plan, Answer(status=status), lambda: 0.0)
    assert search.witness is not None
    assert [record.at.offset for record in search.witness.records] == [3]


def test_a_suspect_is_left_out_of_what_is_planned() -> None:
    events, search = entries(1, 2, 3), Search()
    plan = [events[1:2]]
    step = search.next(plan, is_last=False)
    assert isinstance(step, Send)
    search.heard(step, plan, Answer(status=400), lambda: 0.0)
    assert plan == []
    [body] = search.plan(events, 1_000, 10)
    assert [record.at.offset for record in body.records] == [0, 2]
    assert search.is_on
    assert not Search().is_on


@given(st.lists(st.integers(1, 1 << 24), min_size=1))
def test_no_later_body_is_as_large_as_one_that_was_refused(sizes: list[int]) -> None:
    limit = SizeLimit()
    for size_bytes in sizes:
        limit.refused(size_bytes)
    assert 1 <= limit.bound(1 << 22) <= max(1, min(sizes) // 2)
    limit.accepted(min(sizes))
    assert limit.bound(1 << 22) == 1 << 22, "a limit that is none is forgotten"


# --- On a bench: lanes without a socket ---------------------------------------------------------------------


class Server:
    """Refuses bodies that hold a bad event; remembers what it accepted, and what it was asked."""

    def __init__(self, bench: Bench, status: int = 400) -> None:
        self.bench = bench
        self.status = status
        self.refuses_all = False
        self.outages: Iterator[int] = iter(())
        self.accepted: dict[str, bytes] = {}
        self.refused: Counter[bytes] = Counter()
        bench.destination.answer = self.answer

    @property
    def requests(self) -> int:
        return len(self.bench.destination.sent)

    def answer(self, batch: Batch) -> Answer:
        counts = self.bench.queue.counts()
        assert counts.recorded == counts.delivered + counts.pending + counts.rejected + counts.dropped
        if next(self.outages, 0):
            return Answer(status=503)
        if self.refuses_all or b"POISON" in batch.body() or b"ROTTEN" in batch.body():
            self.refused[batch.body()] += 1
            return Answer(status=self.status, detail="found something bad in it")
        self.accepted.update((json.loads(one)["span_id"], one) for one in batch.spans)
        return Answer(status=202)


def event(number: int, is_bad: bool = False, is_rotten: bool = False) -> bytes:
    """`is_bad`: by its values, `is_rotten`: by what stays without them."""
    name = "ROTTEN" if is_rotten else "fine"
    return span(number, name=name, meta={"input": "POISON" if is_bad else "a question", "output": number})


def make_bench() -> Bench:
    return Bench(open_journal(None, owner=this_process("x")), chance=random.Random(1).random)


def words_of(bench: Bench) -> dict[str, tuple[str, str]]:
    """The rejected events' ids, with what was said of each and whether it was sent without its values."""
    lines = [json.loads(line) for line in bench.sending.rejected.remembered()]
    return {line["span"]["span_id"]: (line["words"], line["sent"]) for line in lines}


bad_sets = st.integers(1, 150).flatmap(
    lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=min(n, 12)))
)


@given(bad_sets, st.sampled_from([400, 413, 422]))
def test_exactly_the_bad_are_rejected_whoever_they_are(case: tuple[int, set[int]], status: int) -> None:
    events, bad = case
    bench = make_bench()
    server = Server(bench, status)
    for number in range(events):
        bench.queue.append(event(number, number in bad))
    bench.pass_once()
    counts = bench.queue.counts()
    assert (counts.delivered, counts.rejected, counts.pending) == (events - len(bad), len(bad), 0)
    assert set(words_of(bench)) == {str(number) for number in bad}
    assert set(words_of(bench).values()) <= {("found something bad in it", "without its values")}
    assert set(server.accepted) == {str(number) for number in range(events)}, "each trace is whole"
    for number in set(range(events)) - bad:
        assert event(number).endswith(b'"span":' + server.accepted[str(number)] + b"}\n"), "unchanged"
    if status != 413:
        assert server.requests <= bound(events, len(bad))
    assert max(server.refused.values(), default=1) <= (1 if status == 413 else 2)


@pytest.mark.parametrize("events", [2, 3, 10, 100, 1000])
def test_one_bad_event_costs_two_requests_for_each_halving_wherever_it_is(events: int) -> None:
    for at in {0, 1, events // 3, events // 2, events - 1}:
        bench = make_bench()
        server = Server(bench)
        for number in range(events):
            bench.queue.append(event(number, number == at))
        bench.pass_once()
        assert bench.queue.counts().rejected == 1
        assert server.requests <= bound(events, 1)


@given(bad_sets, st.lists(st.integers(0, 1), max_size=60), st.integers(0, 5), st.sampled_from([400, 413]))
def test_outages_and_interruptions_in_a_search_cost_nothing(
    case: tuple[int, set[int]], outages: list[int], patience: int, status: int
) -> None:
    events, bad = case
    bench = make_bench()
    server = Server(bench, status)
    server.outages = iter(outages)
    for number in range(events):
        bench.queue.append(event(number, number in bad))
    for _ in range(2000):
        until = server.requests + patience
        bench.pass_once(lambda: server.requests > until)  # noqa: B023
        bench.clock.now += 31
        if not bench.queue.pending()[0]:
            break
    counts = bench.queue.counts()
    assert (counts.delivered, counts.rejected) == (events - len(bad), len(bad))
    assert set(words_of(bench)) == {str(number) for number in bad}
    assert set(server.accepted) == {str(number) for number in range(events)}
    assert max(server.refused.values(), default=1) <= (1 if status == 413 else 2)
    assert server.requests <= bound(events, len(bad)) + sum(outages) + events * (status == 413)


@given(bad_sets, st.lists(st.integers(1, 20), max_size=8))
def test_a_crash_in_a_search_repeats_and_loses_nothing(
    case: tuple[int, set[int]], crashes: list[int]
) -> None:
    events, bad = case
    bench = make_bench()
    server = Server(bench)
    for number in range(events):
        bench.queue.append(event(number, number in bad))
    for requests in crashes:
        until = server.requests + requests
        bench.pass_once(lambda: server.requests >= until)  # noqa: B023
        bench.crash()
    bench.pass_once()
    counts = bench.queue.counts()
    assert (counts.delivered, counts.rejected, counts.pending) == (events - len(bad), len(bad), 0)
    assert set(words_of(bench)) == {str(number) for number in bad}
    assert set(server.accepted) == {str(number) for number in range(events)}


@given(
    st.integers(2, 60).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=(n + 1) // 2))
    )
)
def test_what_is_refused_without_its_values_too_is_rejected_once_others_are_accepted(
    case: tuple[int, set[int]],
) -> None:
    events, rotten = case
    bench = make_bench()
    server = Server(bench)
    for number in range(events):
        bench.queue.append(event(number, is_rotten=number in rotten))
    for _ in range(100):
        if not bench.queue.pending()[0]:
            break
        bench.pass_once()
        bench.clock.now += 601
    assert set(words_of(bench)) == {str(number) for number in rotten}
    assert set(words_of(bench).values()) <= {("found something bad in it", "no")}
    assert set(server.accepted) == {str(number) for number in set(range(events)) - rotten}
    assert bench.queue.counts().rejected == len(rotten)


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("events", [1, 2, 5, 1000])
def test_where_everything_is_refused_nothing_is_rejected(
    events: int, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench()
    server = Server(bench, status)
    server.refuses_all = True
    for number in range(events):
        bench.queue.append(event(number))
    bench.pass_once()
    assert server.requests <= 3 * (math.ceil(math.log2(events)) + 1) + 3, "it is soon clear"
    for _ in range(20):
        requests = server.requests
        bench.pass_once()
        assert server.requests == requests, "it is paused"
        bench.clock.now += 601
        bench.pass_once()
    assert bench.queue.counts().pending == events
    [line] = caplog.messages
    assert "experiment 'e'" in line
    assert f"paused, its events are kept: HTTP {status}: found something bad in it; no event is acc" in line
    server.refuses_all = False
    bench.clock.now += 601
    requests = server.requests
    bench.pass_once()
    assert server.requests == requests + 1, "in one body, whatever sizes were refused"
    assert bench.queue.counts().delivered == events
    assert bench.sending.rejected.remembered() == []
    assert "works again" in caplog.messages[-1]


@given(st.integers(1, 300), st.integers(1, 60))
def test_a_server_that_is_mended_in_mid_search_is_not_held_against_the_events(
    events: int, mended: int
) -> None:
    bench = make_bench()
    server = Server(bench)
    for number in range(events):
        bench.queue.append(event(number))
    answer = server.answer

    def mended_later(batch: Batch) -> Answer:
        server.refuses_all = server.requests < mended
        return answer(batch)

    bench.destination.answer = mended_later
    for _ in range(2000):
        bench.pass_once()
        bench.clock.now += 601
        if not bench.queue.pending()[0]:
            break
    # None, or the one of which a form without values happened to be the first thing to be accepted.
    is_degraded = [b"left out" in body for body in server.accepted.values()]
    assert sum(is_degraded) == bench.queue.counts().rejected <= 1
    if sum(is_degraded):
        assert b"left out" in bench.destination.sent[mended - 1].body()


def test_a_server_that_begins_to_refuse_everything_takes_no_more_events_with_it() -> None:
    bench = make_bench()
    server = Server(bench)
    for number in range(1000):
        bench.queue.append(event(number, number == 999))
    bench.pass_once(lambda: server.requests > 3)
    assert 0 < bench.queue.counts().delivered < 999
    server.refuses_all = True
    bench.pass_once()
    assert bench.queue.counts().rejected == 0
    assert not bench.lanes.is_due(bench.clock.now)
    server.refuses_all = False
    bench.clock.now += 601
    bench.pass_once()
    bench.pass_once()
    assert (bench.queue.counts().delivered, bench.queue.counts().rejected) == (999, 1)


def test_a_search_in_one_experiment_holds_no_other_up() -> None:
    bench = make_bench()
    server = Server(bench)
    for number in range(50):
        bench.queue.append(event(number, is_rotten=True))
        bench.queue.append(span(1000 + number, "another"))
    bench.pass_once()
    assert len(server.accepted) == 50
    assert bench.queue.counts().pending == 50


def test_what_the_limit_was_is_known_for_later_batches() -> None:
    bench = make_bench()
    limit_bytes = 20_000
    sizes = []

    def answer(batch: Batch) -> Answer:
        sizes.append(len(batch.body()))
        return Answer(status=413 if len(batch.body()) > limit_bytes else 202)

    bench.destination.answer = answer
    for number in range(2000):
        bench.queue.append(event(number))
        if number % 500 == 499:
            bench.pass_once()
    assert bench.queue.counts().delivered == 2000
    refused = [size for size in sizes if size > limit_bytes]
    assert len(refused) <= 4
    assert max(sizes[sizes.index(refused[-1]) + 1 :]) <= limit_bytes


def test_a_record_that_can_not_be_read_is_kept_as_it_is() -> None:
    bench = make_bench()
    bench.queue.append(b'{"experiment":"","span":\xff{}}\n')
    bench.pass_once()
    [line] = bench.sending.rejected.remembered()
    assert json.loads(line)["span"] == '{"experiment":"","span":\ufffd{}}'


# --- Over real sockets --------------------------------------------------------------------------------------

WORDS = '{"errors":[{"title":"Bad Request","detail":"spans[0].meta.input: we do not like it"}]}'


def in_the_rejected_file(root: Path) -> list[dict[str, Any]]:
    lines = (root / "rejected" / "rejected.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_three_poisoned_among_a_thousand(
    receiver: Receiver, make_worker: MakeWorker, memory_queue: Queue, tmp_path: Path
) -> None:
    receiver.refuse(Reply(status=400, body=WORDS), containing="POISON")
    worker = make_worker(datadog(receiver), rejected=tmp_path)
    bad = {123, 124, 987}
    for number in range(1000):
        memory_queue.append(event(number, number in bad))
    assert worker.flush(LONG)
    stats = worker.stats()
    assert (stats.recorded, stats.delivered, stats.rejected, stats.pending) == (1000, 997, 3, 0)
    requests = receiver.requests()
    print(f"{len(requests)} requests, at most {bound(1000, 3)}")
    assert len(requests) <= bound(1000, 3)
    assert stats.retried == len(requests) - 1
    assert "HTTP 400: Bad Request: spans[0].meta.input: we do not like it" in str(stats.last_error)
    arrived = {one["span_id"]: one for request in receiver.accepted() for one in request.spans}
    assert len(delivered_ids(receiver)) == len(arrived) == 1000
    for number in range(1000):
        sent = json.loads(event(number, number in bad))["span"]
        if number in bad:
            note = "[left out: the event was refused (HTTP 400)]"
            sent["meta"] = {"input": note, "output": note}
        assert arrived[str(number)] == sent
    kept = in_the_rejected_file(tmp_path)
    assert [one["span"] for one in kept] == [json.loads(event(n, True))["span"] for n in sorted(bad)]
    for one in kept:
        assert (one["experiment"], one["status"]) == ("e", 400)
        assert one["words"] == "Bad Request: spans[0].meta.input: we do not like it"
        assert one["sent"] == "without its values"


def test_all_refused_is_paused_and_arrives_when_the_server_is_mended(
    receiver: Receiver,
    make_worker: MakeWorker,
    memory_queue: Queue,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    receiver.refuse(Reply(status=422, body=WORDS))
    pace = Pace(pause_seconds=2.0, pause_cap_seconds=2.0)
    worker = make_worker(datadog(receiver), rejected=tmp_path, pace=pace)
    for number in range(100):
        memory_queue.append(event(number))
    assert not worker.flush(0.5)
    wait_until(lambda: "is paused, its events are kept" in caplog.text)
    assert (worker.stats().pending, worker.stats().rejected) == (100, 0)
    receiver.refuse_nothing()
    wait_until(lambda: worker.stats().delivered == 100)
    assert sorted(map(int, delivered_ids(receiver))) == list(range(100))
    assert not (tmp_path / "rejected").exists()


def test_an_experiment_goes_on_while_its_poison_is_looked_for(
    receiver: Receiver, make_worker: MakeWorker, memory_queue: Queue
) -> None:
    receiver.refuse(Reply(status=400), containing="POISON")
    worker = make_worker(datadog(receiver), flush_interval=0.02)
    for number in range(2000):
        memory_queue.append(event(number, number % 100 == 0))
        if number % 250 == 0:
            worker.flush(0.01)
    assert worker.flush(LONG)
    stats = worker.stats()
    assert (stats.delivered, stats.rejected, stats.pending) == (1980, 20, 0)
    assert sorted(set(map(int, delivered_ids(receiver)))) == list(range(2000))


def test_resend_looks_for_poison_too(receiver: Receiver, tmp_path: Path) -> None:
    receiver.refuse(Reply(status=400, body=WORDS), containing="POISON")
    queue = open_journal(tmp_path, owner=this_process("there"))
    for number in range(100):
        queue.append(event(number, number == 50))
    queue.close(keep=True)
    destination = datadog(receiver)
    left_behind = next(adoptable(tmp_path, "there"))
    done = drain(left_behind, destination, timeout=LONG, pace=QUICK, rejected=tmp_path, **USUAL)
    left_behind.close(keep=True)
    destination.close()
    assert (done.delivered, done.rejected, done.pending) == (99, 1, 0)
    assert [one["span"]["span_id"] for one in in_the_rejected_file(tmp_path)] == ["50"]


def test_the_store_rejects_an_event_that_is_none_and_keeps_the_others(
    make_worker: MakeWorker, memory_queue: Queue, tmp_path: Path
) -> None:
    worker = make_worker(LocalDestination(tmp_path / "x.db"), rejected=tmp_path)
    whole = {"trace_id": "b" * 32, "start_ns": 1, "duration": 1, "name": "n", "status": "ok"}
    whole |= {"project_id": "p", "dataset_id": "d"}
    for number in range(20):
        memory_queue.append(span(number, **({} if number == 7 else whole)))
    assert worker.flush(LONG)
    stats = worker.stats()
    assert (stats.delivered, stats.rejected, stats.pending) == (19, 1, 0)
    [kept] = in_the_rejected_file(tmp_path)
    assert kept["span"] == {"span_id": "7"}
    assert (kept["status"], kept["sent"]) == (None, "no")
    assert "spans[0]: " in kept["words"]
    memory_queue.append(span(8))
    assert worker.flush(LONG), "the store's word is enough, without another event accepted"
    assert worker.stats().rejected == 2


# --- In a process of its own --------------------------------------------------------------------------------

PROGRAM = """
import json, os, sys
from llmobs_trace import configure, delivery_stats, experiment_span, flush

options = json.loads(sys.argv[1])
configure(experiment_id="e", project_id="p", dataset_id="d", **options)
exec(sys.argv[2])
"""


def start(receiver: Receiver, home: Path, script: str) -> subprocess.Popen[str]:
    options = {"api_key": API_KEY, "app_key": APP_KEY, "base_url": receiver.url, "journal": str(home)}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(options), script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_one_input_of_50_mb_among_500_calls(receiver: Receiver, tmp_path: Path) -> None:
    receiver.refuse(Reply(status=413, body="request entity too large"), larger_than_bytes=100_000)
    script = """
for number in range(500):
    with experiment_span(str(number), input="x" * 50_000_000 if number == 250 else f"question {number}"):
        pass
flushed = flush(60)
stats = delivery_stats()
print(json.dumps([flushed, stats.recorded, stats.delivered, stats.rejected, stats.pending, stats.dropped]))
"""
    program = start(receiver, tmp_path, script)
    out, _ = program.communicate(timeout=120)
    assert json.loads(out) == [True, 500, 499, 1, 0, 0]
    requests = receiver.requests()
    bodies = Counter(request.body for request in requests)
    assert max(bodies.values()) == 1, "no body was sent twice"
    refused = [request for request in requests if request.status == 413]
    print(f"{len(requests)} requests, {len(refused)} of them refused")
    assert len(requests) <= bound(500, 1)
    arrived = {one["name"]: one for request in receiver.accepted() for one in request.spans}
    assert len(arrived) == 500
    inputs = {name: one["meta"]["input"] for name, one in arrived.items()}
    assert inputs.pop("250") == "[left out: the event was refused (HTTP 413)]"
    assert inputs == {str(n): f"question {n}" for n in range(500) if n != 250}
    [kept] = in_the_rejected_file(tmp_path)
    assert kept["words"] == "request entity too large"
    assert kept["span"]["meta"]["input"].startswith("xxx")
    assert ENVELOPE_BYTES + 100_000 < len(json.dumps(kept["span"])) <= 1 << 20, "as it was recorded: cut"


def test_a_kill_in_mid_search_loses_nothing(receiver: Receiver, tmp_path: Path) -> None:
    receiver.refuse(Reply(status=400, body=WORDS, delay_seconds=0.02), containing="POISON")
    script = """
for number in range(200):
    with experiment_span(str(number), input="POISON" if number % 50 == 0 else "a question"):
        pass
flush(60)
"""
    program = start(receiver, tmp_path, script)
    receiver.wait_for(12)
    os.kill(program.pid, signal.SIGKILL)
    program.communicate(timeout=60)
    destination = datadog(receiver)
    left_behind = next(adoptable(tmp_path, receiver.url))
    done = drain(left_behind, destination, timeout=LONG, pace=QUICK, rejected=tmp_path, **USUAL)
    counts = left_behind.counts()
    left_behind.close(keep=True)
    destination.close()
    assert done.pending == 0
    assert (counts.recorded, counts.delivered, counts.rejected) == (200, 196, 4)
    names = {one["name"] for request in receiver.accepted() for one in request.spans}
    assert names == {str(number) for number in range(200)}
    assert {one["span"]["name"] for one in in_the_rejected_file(tmp_path)} == {"0", "50", "100", "150"}
