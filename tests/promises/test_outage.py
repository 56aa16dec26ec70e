"""However long nobody answers, memory, disk, threads and the log keep their bounds; what was kept arrives."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from support.machine import Machine
from support.receiver import Receiver, Reply

# Records far beyond the journal's bound, and tells what that took. Before it looks for the first time the
# journal is full, and the sender has tried all of it: what one try holds is no growth.
OUTAGE = """
import json, os, sys, threading
def own_kb():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["RssAnon"].split()[0])
def record(numbers):
    for number in numbers:
        with experiment_span(str(number), input="x" * 400):
            pass
record(range(8_000))
tried = delivery_stats().retried
while delivery_stats().retried < tried + 2:
    flush(0.3)
    threading.Event().wait(0.01)
before_kb, before_files = own_kb(), len(os.listdir("/proc/self/fd"))
record(range(8_000, 20_000))
flush(1.0)
stats = delivery_stats()
senders = [thread.name for thread in threading.enumerate() if "llmobs" in thread.name]
print(json.dumps({
    "grown_kb": own_kb() - before_kb, "more_files": len(os.listdir("/proc/self/fd")) - before_files,
    "senders": len(senders), "recorded": stats.recorded, "delivered": stats.delivered,
    "pending": stats.pending, "dropped": stats.dropped,
}))
"""
BOUND_BYTES = 4 << 20


@pytest.mark.parametrize("how", ["nobody listens", "silence"])
def test_an_outage_beyond_the_journal_s_bound(machine: Machine, receiver: Receiver, how: str) -> None:
    machine.sends_to(
        receiver.url,
        max_journal_bytes=BOUND_BYTES,
        flush_interval=0.1,
        request_timeout=0.2,
        shutdown_timeout=0.2,
    )
    if how == "silence":
        receiver.usual(Reply(silent=True))
    else:
        receiver.stop_listening()
    ended = machine.run(OUTAGE)
    [told] = ended.told
    kept, dropped = told["pending"], told["dropped"]
    assert (told["recorded"], told["delivered"], kept + dropped) == (20_000, 0, 20_000)
    assert kept > 5_000
    assert told["grown_kb"] < 16 << 10
    assert told["more_files"] <= 2
    assert told["senders"] == 1
    size_bytes = sum(path.stat().st_size for path in machine.journal.rglob("*") if path.is_file())
    assert size_bytes <= BOUND_BYTES + (64 << 10)
    # One line for what is refused, one total of it; and what to type.
    at_its_bound = "the journal is at its bound (max_journal_bytes)"
    assert ended.err.count(f"events are dropped, and lost: {at_its_bound}") == 1
    assert f"{dropped} events were dropped, and lost: {at_its_bound}" in ended.err
    assert f"{kept} events are not delivered yet" in ended.err
    assert len(ended.err.splitlines()) <= 5
    verdict = machine.command("doctor", code=1).out.splitlines()[-1]
    account = f"20,000 recorded = 0 delivered + {kept:,} pending + {dropped:,} dropped"
    assert verdict.startswith(f"{dropped:,} events lost: {account}")

    receiver.usual(Reply())
    if how != "silence":
        receiver.listen_again()
    assert machine.command("resend").out.endswith(f"{kept:,} events delivered, 0 rejected, 0 undelivered\n")
    names = Counter(span["name"] for request in receiver.accepted() for span in request.spans)
    # The newest were refused: what arrives are the first, each once.
    assert names == Counter(map(str, range(kept)))
    verdict = machine.command("doctor", code=1).out.splitlines()[-1]
    assert verdict == f"{dropped:,} events lost: 20,000 recorded = {kept:,} delivered + {dropped:,} dropped"


def test_after_an_outage_within_the_bound_all_arrives_and_the_doctor_says_so(
    machine: Machine, receiver: Receiver
) -> None:
    machine.sends_to(receiver.url, flush_interval=0.1, shutdown_timeout=0.2)
    statuses = (503, 429, 500, 408, 502, 504)
    # Each asks for a second, which is less than the sender would come to wait by itself.
    receiver.script(*[Reply(status=status, headers={"Retry-After": "1"}) for status in statuses])
    told = machine.run("""
        for number in range(300):
            with experiment_span(str(number)): pass
        assert flush(60)
        print([delivery_stats().delivered, delivery_stats().retried])
    """).told
    assert told == [[300, len(statuses)]]
    assert [request.status for request in receiver.requests()[: len(statuses)]] == list(statuses)
    names = Counter(span["name"] for request in receiver.accepted() for span in request.spans)
    assert names == Counter(map(str, range(300)))
    verdict = machine.command("doctor", code=None).out.splitlines()[-1]
    assert verdict.startswith("nothing lost: 300 recorded = 300 delivered, by 1 process")


def test_a_queue_in_memory_has_a_bound_too(machine: Machine, receiver: Receiver) -> None:
    machine.sends_to(
        receiver.url, journal="off", max_journal_bytes=BOUND_BYTES, flush_interval=0.1, shutdown_timeout=0.2
    )
    receiver.usual(Reply(status=503))
    ended = machine.run(OUTAGE)
    [told] = ended.told
    assert told["pending"] + told["dropped"] == 20_000
    assert 5_000 < told["pending"] < 10_000
    assert told["grown_kb"] < 16 << 10
    assert ended.err.count("events are dropped, and lost: the queue in memory is at its bound") == 1
    assert f"{told['pending']} events were not delivered, and lost" in ended.err
    assert f"{told['dropped']} events were dropped, and lost" in ended.err


def test_after_an_outage_a_running_program_goes_on_with_what_it_kept(
    machine: Machine, receiver: Receiver
) -> None:
    machine.sends_to(receiver.url, max_journal_bytes=BOUND_BYTES, flush_interval=0.1)
    receiver.stop_listening()
    program = machine.start(
        OUTAGE
        + """
print("ready", flush=True)
input()
assert flush(60)
record(range(20_000, 20_100))  # there is room again
assert shutdown(60)
stats = delivery_stats()
print(json.dumps([stats.delivered, stats.pending, stats.dropped]))
"""
    )
    assert program.stdout is not None
    lines = [program.stdout.readline() for _ in range(2)]
    assert lines[1] == "ready\n"
    receiver.listen_again()
    out, err = program.communicate("\n", timeout=90)
    delivered, pending, dropped = map(int, re.findall(r"\d+", out))
    assert (delivered + dropped, pending) == (20_100, 0)
    names = Counter(span["name"] for request in receiver.accepted() for span in request.spans)
    assert len(names) == delivered
    assert {str(number) for number in range(20_000, 20_100)} <= names.keys()
    assert len([line for line in err.splitlines() if "works again" in line]) == 1
