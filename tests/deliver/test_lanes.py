"""One source, many experiments: none holds others up, and each record is settled once. A simulated clock."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.delivery import metric, span
from support.lane_bench import Bench

from llmobs_trace.deliver import Answer, Batch, Verdict
from llmobs_trace.deliver.lane import MAX_BATCH_EVENTS, Lane
from llmobs_trace.journal import Queue, open_journal, this_process


@pytest.fixture
def bench(memory_queue: Queue) -> Bench:
    return Bench(memory_queue)


def test_spans_and_metrics_of_each_experiment_are_one_batch(bench: Bench) -> None:
    for number in range(3):
        bench.queue.append(span(number, "a"))
        bench.queue.append(metric(number, "b"))
        bench.queue.append(metric(number, "a"))
    bench.pass_once()
    assert [(b.experiment_id, len(b.spans), len(b.metrics)) for b in bench.destination.sent] == [
        ("a", 3, 3),
        ("b", 0, 3),
    ]
    assert bench.queue.counts().delivered == 9


def test_batches_keep_their_bounds(memory_queue: Queue) -> None:
    bench = Bench(memory_queue, max_batch_bytes=5000, max_batch_events=7)
    for number in range(100):
        bench.queue.append(span(number, filling="x" * (number * 10)))
    bench.pass_once()
    assert bench.destination.span_ids() == [str(number) for number in range(100)]
    assert all(len(b.spans) + len(b.metrics) <= 7 and len(b.body()) <= 5000 for b in bench.destination.sent)


def test_a_batch_holds_a_thousand_events(memory_queue: Queue) -> None:
    bench = Bench(memory_queue, max_batch_events=MAX_BATCH_EVENTS)
    for number in range(2_001):
        bench.queue.append(span(number))
    bench.pass_once()
    assert [len(batch.spans) for batch in bench.destination.sent] == [1_000, 1_000, 1]


def test_a_new_experiment_is_due_at_once_whatever_the_clock_says(bench: Bench) -> None:
    bench.clock.now = 0.0
    bench.queue.append(span(0))
    bench.pass_once()
    assert bench.destination.span_ids() == ["0"]
    lane = Lane("e", bench.queue.start())
    assert (lane.not_before, lane.failures, lane.step, lane.tried_at) == (0.0, 0, 0, 0.0)


def test_a_paused_experiment_holds_no_other_up(bench: Bench) -> None:
    bench.destination.answer = lambda b: Answer(status=403 if b.experiment_id == "paused" else 202)
    for number in range(5):
        bench.queue.append(span(number, "paused"))
        bench.queue.append(span(number, "well"))
        bench.pass_once()
    assert bench.destination.span_ids("well") == ["0", "1", "2", "3", "4"]
    assert bench.destination.span_ids("paused") == ["0"], "tried once, then left alone"
    assert bench.queue.pending()[0] == 5


def test_a_paused_experiment_is_tried_again_slowly_and_then_delivered_whole(bench: Bench) -> None:
    bench.destination.answer = lambda b: Answer(status=403)
    for number in range(5):
        bench.queue.append(span(number))
    bench.pass_once()
    bench.clock.now += 29
    bench.pass_once()
    assert len(bench.destination.sent) == 1
    bench.destination.answer = lambda b: Answer(status=202)
    bench.clock.now += 60
    bench.pass_once()
    assert bench.destination.span_ids() == ["0", "1", "2", "3", "4"] * 2
    assert bench.queue.counts().delivered == 5
    assert bench.ledger.retried == 1


def test_delays_after_503_grow_with_every_failure(bench: Bench) -> None:
    bench.destination.answer = lambda b: Answer(status=503)
    bench.queue.append(span(0))
    waits = []
    for _ in range(8):
        bench.pass_once()
        due = bench.lanes.next_due()
        assert due is not None
        waits.append(due - bench.clock.now)
        bench.clock.now = due
    assert waits == [0.5, 1, 2, 4, 8, 15, 15, 15]


def test_what_the_server_asks_for_is_obeyed_by_a_flush_too(bench: Bench) -> None:
    bench.destination.answer = lambda b: Answer(status=429, retry_after_seconds=20.0)
    bench.queue.append(span(0))
    bench.pass_once()
    bench.lanes.hasten()
    assert bench.lanes.next_due() == pytest.approx(bench.clock.now + 20.5)


@pytest.mark.parametrize("asked_seconds", [None, 20.0])
def test_after_an_outage_of_a_thousand_intervals_all_arrives_at_the_times_that_were_asked_for(
    bench: Bench, asked_seconds: float | None
) -> None:
    begin_s = bench.clock.now
    tried_s: list[float] = []

    def answer(batch: Batch) -> Answer:
        tried_s.append(bench.clock.now - begin_s)
        return Answer(status=202 if tried_s[-1] >= 1000 else 503, retry_after_seconds=asked_seconds)

    bench.destination.answer = answer
    for number in range(1000):
        bench.queue.append(span(number))
        bench.clock.now = max(bench.clock.now, begin_s + number)
        if bench.lanes.is_due(bench.clock.now) or not number:
            bench.pass_once()
    while bench.queue.pending()[0]:
        bench.clock.now = bench.lanes.next_due() or bench.clock.now
        bench.pass_once()
    assert bench.destination.span_ids()[-1000:] == [str(number) for number in range(1000)]
    waits = [after - before for before, after in itertools.pairwise(tried_s)]
    print(f"{len(tried_s)} requests in {tried_s[-1]:.0f} s, after waits of {waits[:8]}… s")
    if asked_seconds is None:
        assert len(tried_s) <= 80
        assert max(waits) <= 31
    else:
        assert min(waits) >= asked_seconds
        assert max(waits) <= asked_seconds + 2
    assert bench.ledger.retried == len(tried_s) - 1


def test_a_flush_tries_again_what_merely_failed(bench: Bench) -> None:
    bench.destination.answer = lambda b: Answer(status=503)
    bench.queue.append(span(0))
    for _ in range(6):
        bench.pass_once()
        bench.clock.now = bench.lanes.next_due() or 0.0
    bench.pass_once()
    bench.clock.now += 5
    assert not bench.lanes.is_due(bench.clock.now)
    bench.lanes.hasten()
    assert bench.lanes.is_due(bench.clock.now)


def test_a_flush_in_a_loop_does_not_hammer_the_server(bench: Bench) -> None:
    bench.destination.answer = lambda b: Answer(status=503)
    bench.queue.append(span(0))
    for _ in range(100):
        bench.lanes.hasten()
        bench.pass_once()
        bench.clock.now += 0.01
    assert len(bench.destination.sent) <= 2


def test_a_flush_leaves_a_paused_experiment_paused(bench: Bench) -> None:
    bench.destination.answer = lambda b: Answer(status=401)
    bench.queue.append(span(0))
    bench.pass_once()
    bench.clock.now += 10
    bench.lanes.hasten()
    assert not bench.lanes.is_due(bench.clock.now)


def test_one_answer_ends_the_wait_of_all_that_had_none(bench: Bench) -> None:
    bench.destination.answer = lambda b: Answer(detail="refused")
    for name in "abc":
        bench.queue.append(span(0, name))
    for _ in range(6):
        bench.pass_once()
        bench.clock.now += 20
    bench.destination.answer = lambda b: Answer(status=202)
    bench.clock.now = bench.lanes.next_due() or 0.0
    bench.pass_once()
    bench.pass_once()
    assert bench.queue.pending()[0] == 0


def test_an_outage_of_many_experiments_is_one_trouble_in_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.destination.answer = lambda b: Answer(detail="connection refused")
    for number in range(50):
        bench.queue.append(span(0, f"e{number}"))
    for _ in range(50):
        bench.pass_once()
        bench.clock.now += 1
    assert len(caplog.messages) == 1
    assert "delivery to own destination fails, events are kept: connection refused" in caplog.messages[0]
    bench.destination.answer = lambda b: Answer(status=202)
    bench.clock.now += 40
    bench.pass_once()
    assert bench.queue.pending()[0] == 0
    assert len(caplog.messages) == 2
    assert "works again" in caplog.messages[1]


def test_that_it_works_again_is_said_when_nobody_has_that_trouble_any_more(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    mended: set[str] = set()
    bench.destination.answer = lambda b: Answer(status=202 if b.experiment_id in mended else 503)
    for experiment_id in ("a", "b"):
        bench.queue.append(span(0, experiment_id))
    for mended_next in ("", "", "a", "b"):
        mended.add(mended_next)
        bench.pass_once()
        bench.clock.now += 100
        assert any("works again" in line for line in caplog.messages) is (mended_next == "b")
    assert bench.queue.pending()[0] == 0


def test_one_broken_connection_is_no_news(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.destination.answer = lambda b: Answer(detail="reset by peer")
    bench.queue.append(span(0))
    bench.pass_once()
    bench.destination.answer = lambda b: Answer(status=202)
    bench.clock.now += 1
    bench.pass_once()
    assert caplog.messages == []


def test_a_pause_is_logged_once_with_the_experiment_and_what_to_do(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.destination.answer = lambda b: Answer(status=404, detail="no such experiment")
    bench.queue.append(span(0, "mistyped"))
    for _ in range(100):
        bench.pass_once()
        bench.clock.now += 60
    [line] = caplog.messages
    assert "'mistyped'" in line
    assert "HTTP 404: no such experiment" in line
    assert "experiment_id" in line


def test_a_wrong_environment_is_one_line_for_all_experiments_and_is_looked_at_slowly(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.destination.answer = lambda b: Answer(verdict=Verdict.HINDERED, detail="ALL_PROXY is 'socks://x'")
    for number in range(100):
        bench.queue.append(span(number, f"e{number}"))
    for _ in range(4):
        bench.pass_once()
        bench.lanes.hasten()
        bench.clock.now += 5
    assert len(bench.destination.sent) == 100, "somebody has to mend it first"
    [line] = caplog.messages
    assert line.startswith("delivery to ")
    assert line.endswith(" is paused, its events are kept: ALL_PROXY is 'socks://x'")
    # What is wrong next is named too, and then that all is well.
    bench.destination.answer = lambda b: Answer(verdict=Verdict.HINDERED, detail="SSL_CERT_FILE is 'x'")
    bench.clock.now += 601
    bench.pass_once()
    bench.destination.answer = lambda b: Answer(status=202)
    bench.clock.now += 601
    bench.pass_once()
    assert bench.queue.counts().delivered == 100
    _, next_line, end = caplog.messages
    assert next_line.endswith(": SSL_CERT_FILE is 'x'")
    assert "works again" in end


def test_thousands_of_unknown_experiments_are_two_lines(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.destination.answer = lambda b: Answer(status=404, detail="no such experiment")
    for number in range(3000):
        bench.queue.append(span(0, f"e{number}"))
    bench.pass_once()
    assert bench.queue.pending()[0] == 3000
    bench.clock.now += 61
    bench.sending.notices.look()
    first, second = caplog.messages
    assert "delivery of experiment 'e0' to own destination is paused" in first
    assert "'e2999'" in second
    assert second.endswith("(and at least 1,023 more like it)")


def test_rejected_events_of_many_experiments_are_two_lines_too(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(batch: Batch) -> Answer:
        return Answer(status=400 if b'"bad"' in batch.body() else 202, detail="bad")

    bench.destination.answer = answer
    for number in range(60):
        for name in ("first", "bad", "last"):
            bench.queue.append(span(0, f"e{number}", name=name))
    bench.pass_once()
    assert bench.queue.counts().rejected == 60
    bench.sending.notices.end()
    first, second = caplog.messages
    assert "an event of experiment 'e0' was refused" in first
    assert second.endswith("(and 58 more like it)")


def test_a_record_that_can_not_be_read_is_rejected_and_holds_nothing_up(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.queue.append(b'{"something":"else"}\n')
    bench.queue.append(b'{"experiment":"","span":{}}\n')
    bench.queue.append(span(1))
    bench.pass_once()
    counts = bench.queue.counts()
    assert (counts.delivered, counts.rejected, counts.pending) == (1, 2, 0)
    assert "can't be read" in caplog.messages[0]


def test_a_destination_that_raises_is_a_failure_of_that_batch_alone(bench: Bench) -> None:
    def answer(batch: Batch) -> Answer:
        if batch.experiment_id == "cursed":
            raise ValueError("canary")
        return Answer(status=202)

    bench.destination.answer = answer
    bench.queue.append(span(0, "cursed"))
    bench.queue.append(span(1, "well"))
    bench.pass_once()
    assert bench.destination.span_ids("well") == ["1"]
    assert bench.ledger.sender_faults == 1
    assert bench.ledger.last_error == "ValueError inside the sender"


def test_an_interrupted_pass_goes_on_where_it_stopped(memory_queue: Queue) -> None:
    bench = Bench(memory_queue, max_batch_events=10)
    for number in range(100):
        bench.queue.append(span(number, "ab"[number % 2]))
    while bench.lanes.has_new():
        sent = len(bench.destination.sent)
        bench.sending.gate.enter()
        bench.lanes.deliver(lambda: len(bench.destination.sent) > sent + 1)  # noqa: B023
        bench.sending.gate.leave()
    assert sorted(map(int, bench.destination.span_ids("a") + bench.destination.span_ids("b"))) == list(
        range(100)
    )


def test_lanes_of_experiments_that_are_done_are_forgotten(bench: Bench) -> None:
    for number in range(500):
        bench.queue.append(span(number, f"e{number}"))
    bench.pass_once()
    assert bench.lanes.next_due() is None


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from("abc"), st.integers(0, 3000)),
        st.tuples(st.just("pass"), st.sampled_from([202, 403, 429, 503, None]), st.sampled_from("abc*")),
        st.tuples(st.just("wait"), st.sampled_from(["x"]), st.integers(0, 700)),
        st.tuples(st.just("start over"), st.just("x"), st.just(0)),
    ),
    max_size=30,
)


@given(steps, st.integers(min_value=200, max_value=20_000))
def test_whatever_is_refused_in_between_every_record_is_settled_exactly_once(
    program: list[tuple[str, object, object]], max_batch_bytes: int
) -> None:
    bench = Bench(
        open_journal(None, owner=this_process("x"), segment_bytes=8192),
        max_batch_bytes=max_batch_bytes,
        max_batch_events=5,
    )
    accepted: list[str] = []
    status: object = 202
    concerned: object = "*"

    def answer(batch: Batch) -> Answer:
        if concerned in ("*", batch.experiment_id) and status != 202:
            return Answer(status=status)  # type: ignore[arg-type]
        accepted.extend(json.loads(one)["span_id"] for one in batch.spans)
        return Answer(status=202)

    bench.destination.answer = answer
    appended = 0
    for step, first, second in program:
        if step == "append":
            bench.queue.append(span(appended, str(first), filling="x" * int(str(second))))
            appended += 1
        elif step == "pass":
            status, concerned = first, second
            bench.pass_once()
            counts = bench.queue.counts()
            assert counts.delivered == len(accepted)
            assert counts.recorded == appended
            if counts.pending == 0:
                assert bench.lanes.settled_to() >= bench.queue.end()
                assert bench.lanes.next_due() is None
            else:
                assert bench.lanes.settled_to() < bench.queue.end()
                assert bench.lanes.next_due() is not None
        elif step == "wait":
            bench.clock.now += int(str(second))
        else:
            bench.lanes.start_over()
        bench.queue.prepare()
    status = 202
    bench.clock.now += 10_000
    bench.pass_once()
    bench.pass_once()
    assert sorted(accepted, key=int) == [str(number) for number in range(appended)]
    assert bench.queue.pending()[0] == 0
