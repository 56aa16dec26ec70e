"""Refused experiments that trace headers alone name hold a share of the queue, and no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.delivery import span
from support.lane_bench import Bench

from llmobs_trace.deliver import Answer, Batch, Verdict
from llmobs_trace.deliver.batch import Entries
from llmobs_trace.deliver.header_experiments import Hearsay
from llmobs_trace.deliver.lane import Lane
from llmobs_trace.journal import Position, Records, open_journal, this_process

SHARE_BYTES = 20_000


def bench_of(status: int) -> Bench:
    """A bench where each experiment whose id begins with `h` is hearsay, and is answered so."""
    queue = open_journal(None, owner=this_process("x"), segment_bytes=1 << 14)
    bench = Bench(
        queue,
        max_batch_bytes=8192,
        is_hearsay=lambda experiment_id: experiment_id.startswith("h"),
        max_hearsay_bytes=SHARE_BYTES,
    )

    def answer(batch: Batch) -> Answer:
        return Answer(status=status if batch.experiment_id.startswith("h") else 202)

    bench.destination.answer = answer
    return bench


def append(bench: Bench, experiment_id: str, count: int = 1) -> None:
    for number in range(count):
        bench.queue.append(span(number, experiment_id, filling="x" * 500))


@pytest.mark.parametrize("status", [401, 404])
def test_what_headers_name_and_nobody_takes_holds_no_more_than_its_share(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench = bench_of(status)
    for number in range(100):
        append(bench, f"h{number}", 10)
        append(bench, "own", 10)
        bench.pass_once()
        bench.clock.now += 20
    counts = bench.queue.counts()
    assert (counts.delivered, counts.rejected) == (1000, 0)
    assert SHARE_BYTES / 2 < counts.pending_bytes <= SHARE_BYTES * 1.1, "a record has a few bytes of its own"
    assert counts.recorded == 2000
    assert bench.ledger.given_up == counts.dropped > 900
    [line] = [line for line in caplog.messages if "are dropped" in line][:1]
    assert "it is refused, and only trace headers name it" in line
    # What was kept arrives when somebody takes it.
    bench.destination.answer = lambda batch: Answer(status=202)
    for _ in range(3):
        bench.clock.now += 601
        bench.pass_once()
    assert bench.queue.counts().pending == 0
    assert bench.queue.counts().dropped == counts.dropped


@pytest.mark.parametrize("answer", [Answer(status=503), Answer(detail="refused"), Answer(status=429)])
def test_an_outage_drops_nothing_of_theirs(answer: Answer) -> None:
    bench = bench_of(202)
    bench.destination.answer = lambda batch: answer
    for number in range(50):
        append(bench, f"h{number}", 10)
        bench.pass_once()
        bench.clock.now += 20
    assert bench.queue.counts().pending == 500


def test_an_experiment_that_the_program_names_may_hold_what_it_likes() -> None:
    bench = bench_of(202)
    bench.destination.answer = lambda batch: Answer(status=404)
    append(bench, "own", 500)
    bench.pass_once()
    assert bench.queue.counts().pending == 500


def test_what_was_delivered_is_no_part_of_what_is_held() -> None:
    bench = bench_of(202)
    taken = iter([202, 202])
    bench.destination.answer = lambda batch: Answer(status=next(taken, 404))
    append(bench, "h", 45)
    bench.pass_once()
    counts = bench.queue.counts()
    assert counts.delivered > 20
    assert (counts.delivered + counts.pending, bench.ledger.given_up) == (45, 0)


def test_an_experiment_that_the_program_comes_to_name_leaves_its_share_to_others() -> None:
    heard = {"h1", "h2"}
    queue = open_journal(None, owner=this_process("x"), segment_bytes=1 << 14)
    bench = Bench(queue, max_batch_bytes=8192, is_hearsay=heard.__contains__, max_hearsay_bytes=SHARE_BYTES)
    bench.destination.answer = lambda batch: Answer(status=404)
    append(bench, "h1", 30)
    bench.pass_once()
    heard.remove("h1")
    for _ in range(2):
        bench.clock.now += 601
        append(bench, "h1")
        bench.pass_once()
    append(bench, "h2", 30)
    bench.pass_once()
    assert (bench.queue.counts().pending, bench.ledger.given_up) == (62, 0)


def test_what_is_given_up_is_the_newest_beyond_the_share() -> None:
    def offer(first: int, *sizes: int, settled: int = 0) -> int:
        """How many of so many new events are given up."""
        lines = [b'{"experiment":"h","span":%b}' % (b"x" * (size - 1)) for size in sizes]
        places = [*range(first, first + len(sizes))]
        entries = Entries(b'{"experiment":"h",', Records([0] * len(sizes), places, lines))
        left = Position(0, first + settled) if settled < len(sizes) else None
        given_up = hearsay.beyond(lane, entries, Position(0, first), left)
        if given_up is None:
            return 0
        assert [record.at.offset for record in given_up.records] == places[-len(given_up) :]
        return len(given_up)

    hearsay = Hearsay(lambda experiment_id: experiment_id == "h", 100)
    lane = Lane("h", Position(0, 0), verdict=Verdict.REFUSED)
    assert offer(0, 30, 30, 30, 30) == 1
    assert offer(4, 6) == 0
    assert offer(5, 6) == 1, "96 are held"
    assert offer(6, 4) == 0
    assert offer(7, 1) == 1
    assert offer(8, 20, 1, settled=1) == 1
    lane.verdict = Verdict.BUSY
    assert offer(10, 500) == 0, "nobody refused it"
    hearsay.forget(lane)
    lane.verdict = Verdict.UNAUTHORISED
    assert offer(11, 50, 50) == 0
    other = Lane("own", Position(0, 0), verdict=Verdict.REFUSED)
    lane, held = other, lane
    assert offer(13, 900) == 0, "it is not known from headers alone"
    lane = held
    assert offer(14, 1) == 1
    hearsay.forget_all()
    assert offer(15, 100) == 0


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "pass", "interrupted", "mend", "break", "start over"]),
        st.sampled_from(["h1", "h2", "h3", "own"]),
    ),
    max_size=60,
)


@given(_STEPS)
def test_whatever_comes_in_between_the_share_holds_and_all_is_counted(
    steps: list[tuple[str, str]],
) -> None:
    bench = bench_of(404)
    appended = 0
    for step, experiment_id in steps:
        match step:
            case "append":
                append(bench, experiment_id, 8)
                appended += 8
            case "pass":
                bench.pass_once()
            case "interrupted":
                bench.pass_once(lambda: True)
            case "mend":
                bench.destination.answer = lambda batch: Answer(status=202)
            case "break":
                bench.destination.answer = bench_of(404).destination.answer
            case _:
                bench.lanes.start_over()
        bench.clock.now += 45
    bench.destination.answer = bench_of(404).destination.answer
    for _ in range(2):
        bench.clock.now += 601
        bench.pass_once()
    counts = bench.queue.counts()
    assert counts.recorded == appended
    assert counts.pending_bytes <= SHARE_BYTES * 1.1
    assert counts.dropped == bench.ledger.given_up
