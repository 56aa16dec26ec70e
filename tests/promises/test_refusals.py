"""What a server refuses for good costs the others nothing, and is kept with the server's own words."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from support.machine import Machine
from support.receiver import Receiver, Reply

WORDS = '{"errors":[{"title":"Bad Request","detail":"spans[0].meta.input: we do not like it"}]}'


def most_requests(events: int, bad: int) -> int:
    """One for the whole; for each bad event two a halving, and two for itself."""
    return 1 + bad * (2 * math.ceil(math.log2(events)) + 2)


def arrived(receiver: Receiver) -> dict[str, dict[str, Any]]:
    """The spans that were accepted, by name; each came once."""
    spans = [span for request in receiver.accepted() if request.body for span in request.spans]
    by_name = {span["name"]: span for span in spans}
    assert len(by_name) == len(spans)
    return by_name


def in_the_rejected_file(machine: Machine) -> list[dict[str, Any]]:
    lines = (machine.journal / "rejected" / "rejected.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def doctor(machine: Machine, code: int) -> str:
    return machine.command("doctor", code=code).out.splitlines()[-1]


def test_three_poisoned_events_among_a_thousand(machine: Machine, receiver: Receiver) -> None:
    machine.sends_to(receiver.url, flush_interval=3600)
    receiver.refuse(Reply(status=400, body=WORDS), containing="POISON")
    ended = machine.run("""
        for number in range(1000):
            given = "POISON" if number in (7, 500, 501) else "x" * 90
            with experiment_span(str(number), input=given) as span:
                span.set_output({"answer": number})
        assert flush(60)
        stats = delivery_stats()
        assert (stats.recorded, stats.delivered, stats.rejected) == (1000, 997, 3), stats
    """)
    spans = arrived(receiver)
    assert spans.keys() == set(map(str, range(1000)))
    note = "[left out: the event was refused (HTTP 400)]"
    for name, span in spans.items():
        is_bad = name in ("7", "500", "501")
        assert span["meta"]["input"] == (note if is_bad else "x" * 90)
        assert span["meta"]["output"] == (note if is_bad else {"answer": int(name)})
    kept = in_the_rejected_file(machine)
    assert [one["span"]["name"] for one in kept] == ["7", "500", "501"]
    for one in kept:
        assert one["span"]["meta"] == {"input": "POISON", "output": {"answer": int(one["span"]["name"])}}
        assert one["words"] == "Bad Request: spans[0].meta.input: we do not like it"
        assert (one["status"], one["sent"]) == (400, "without its values")
    requests = len(receiver.requests())
    print(f"{requests} requests, at most {most_requests(1000, 3)}")
    assert requests <= most_requests(1000, 3)
    # One line for the three, one for the total.
    first, last = ended.err.splitlines()
    assert "was refused by" in first
    assert f"3 events were rejected by {receiver.url}, and kept in {machine.journal}/rejected" in last
    file = machine.journal / "rejected" / "rejected.jsonl"
    assert doctor(machine, 1) == (
        "nothing lost: 1,000 recorded = 997 delivered + 3 rejected, by 1 process;"
        f" 3 events rejected, each with the reason in {file}"
    )


def test_one_input_of_50_mb_among_500_calls(machine: Machine, receiver: Receiver) -> None:
    """It is cut when it is recorded; a server that takes even less has the last word, and is asked once."""
    machine.sends_to(receiver.url, flush_interval=3600)
    receiver.refuse(Reply(status=413, body="request entity too large"), larger_than_bytes=100_000)
    machine.run("""
        for number in range(500):
            given = "x" * 50_000_000 if number == 250 else f"question {number}"
            with experiment_span(str(number), input=given): pass
        assert flush(60)
    """)
    spans = arrived(receiver)
    inputs = {name: span["meta"]["input"] for name, span in spans.items()}
    assert inputs.pop("250") == "[left out: the event was refused (HTTP 413)]"
    assert inputs == {str(number): f"question {number}" for number in range(500) if number != 250}
    bodies = Counter(request.body for request in receiver.requests())
    assert set(bodies.values()) == {1}
    requests = len(receiver.requests())
    print(f"{requests} requests, at most {most_requests(500, 1)}")
    assert requests <= most_requests(500, 1)
    [kept] = in_the_rejected_file(machine)
    assert kept["span"]["meta"]["input"].startswith("xxx")
    assert len(json.dumps(kept["span"])) <= 1 << 20
    assert doctor(machine, 1).startswith(
        "nothing lost: 500 recorded = 499 delivered + 1 rejected, by 1 process; 1 event rejected"
    )


def test_one_input_of_50_mb_where_the_server_takes_a_megabyte(machine: Machine, receiver: Receiver) -> None:
    machine.sends_to(receiver.url, flush_interval=3600)
    receiver.refuse(Reply(status=413), larger_than_bytes=(1 << 20) + 200)
    machine.run("""
        for number in range(500):
            with experiment_span(str(number), input="x" * 50_000_000 if number == 250 else "y" * 5000):
                pass
        assert flush(60)
    """)
    spans = arrived(receiver)
    assert len(spans) == 500
    assert "cut" in spans["250"]["meta"]["input"]
    assert 900_000 < len(spans.pop("250")["meta"]["input"]) < 1 << 20
    assert {span["meta"]["input"] for span in spans.values()} == {"y" * 5000}
    assert set(Counter(request.body for request in receiver.requests()).values()) == {1}
    assert doctor(machine, 0) == "nothing lost: 500 recorded = 500 delivered, by 1 process"


def test_a_server_that_refuses_everything_rejects_nothing(machine: Machine, receiver: Receiver) -> None:
    machine.sends_to(receiver.url, flush_interval=0.1, shutdown_timeout=0.2)
    for status in (400, 401, 403, 404, 409, 413, 422, 451, 302):
        receiver.usual(Reply(status=status, body=WORDS), experiment_id=f"e{status}")
    ended = machine.run("""
        for status in (400, 401, 403, 404, 409, 413, 422, 451, 302):
            for number in range(20):
                with experiment_span(f"{status} {number}", experiment_id=f"e{status}"): pass
        flush(3)
        stats = delivery_stats()
        assert (stats.pending, stats.rejected, stats.dropped) == (180, 0, 0), stats
    """)
    said = [line for line in ended.err.splitlines() if "is paused, its events are kept" in line]
    assert len(said) == len(set(said)) == 9
    assert doctor(machine, 1).startswith(
        "nothing lost: 180 recorded = 0 delivered + 180 pending, by 1 process; next: "
    )
    for status in (400, 401, 403, 404, 409, 413, 422, 451, 302):
        receiver.usual(Reply(), experiment_id=f"e{status}")
    machine.command("resend")
    assert len(arrived(receiver)) == 180
    assert doctor(machine, 0) == "nothing lost: 180 recorded = 180 delivered, by 1 process"
