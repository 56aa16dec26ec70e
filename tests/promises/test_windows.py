"""On a system without what only Unix has, the queue in memory, the local store and the commands work."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import httpx
import pytest
from support.machine import ROOT, Ended, Machine
from support.receiver import Receiver

WITHOUT_UNIX = ("-m", "support.without_unix")

RECORD = """
import asyncio, threading
from concurrent.futures import ThreadPoolExecutor
from llmobs_trace import *

@experiment_span(kind="llm")
def ask(number):
    return {"answer": number}

@experiment_span
async def later(number):
    with experiment_span("inside"):
        return await asyncio.to_thread(ask, number)

async def all_of_them():
    await asyncio.gather(*(later(number) for number in range(4)))

asyncio.run(all_of_them())
with experiment_span("root") as span, ThreadPoolExecutor(2) as pool:
    list(pool.map(ask, range(4)))
    span.record_metric("score", 0.5)
"""


@pytest.fixture
def there(machine: Machine) -> Machine:
    """A machine whose programs find nothing that only Unix has."""
    machine.environ["PYTHONPATH"] = f"{ROOT}:{ROOT / 'tests'}"
    return machine


@pytest.fixture
def run(there: Machine) -> Callable[..., Ended]:
    """Run a program, or with `-m` one of the commands, to its end."""

    def run(*words: str, code: int = 0) -> Ended:
        process = there.start_python(*WITHOUT_UNIX, *words)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        return Ended(process.returncode, out, err)

    return run


def test_a_program_records_into_the_local_store_and_nothing_is_logged(
    there: Machine, run: Callable[..., Ended]
) -> None:
    (there.home / "program.py").write_text(RECORD)

    ended = run("program.py")

    assert (ended.out, ended.err) == ("", "")
    spans = there.stored_spans()
    assert sorted(span["name"] for span in spans) == sorted(["ask"] * 8 + ["later", "inside"] * 4 + ["root"])
    assert len(there.stored_metrics()) == 1
    assert not there.journal.exists()


def test_events_are_delivered_to_a_server(
    there: Machine, run: Callable[..., Ended], receiver: Receiver
) -> None:
    there.sends_to(receiver.url)
    (there.home / "program.py").write_text(RECORD + "\nprint(shutdown(10), delivery_stats().delivered)")

    ended = run("program.py")

    assert (ended.out, ended.err) == ("True 18\n", "")
    assert sum(len(request.spans) for request in receiver.accepted()) == 17


def test_what_is_refused_is_kept_in_its_file_where_a_directory_is_named(
    there: Machine, run: Callable[..., Ended]
) -> None:
    program = """
from pathlib import Path
from llmobs_trace.deliver import Answer
from llmobs_trace.deliver.rejected import Rejected, Rejection
rejected = Rejected(Path("journal"), max_file_bytes=2000)
for number in range(20):
    event = b'{"n":%d}' % number
    answer = Answer(status=400)
    rejected.keep(
        Rejection(destination="d", experiment_id="e", is_span=True, event=event, answer=answer, sent=False)
    )
print(rejected.where())
"""
    (there.home / "program.py").write_text(program)

    directory = there.home / "journal" / "rejected"
    assert run("program.py").out == f"kept in {directory}\n"
    assert sorted(path.name for path in directory.iterdir()) == ["rejected.before.jsonl", "rejected.jsonl"]
    newest = (directory / "rejected.jsonl").read_text().splitlines()[-1]
    assert json.loads(newest)["span"] == {"n": 19}


def test_a_journal_that_is_asked_for_is_memory_and_it_says_why(
    there: Machine, run: Callable[..., Ended]
) -> None:
    there.set(journal=there.home / "journal")
    (there.home / "program.py").write_text(RECORD)

    ended = run("program.py")

    [line] = ended.err.splitlines()
    assert line.startswith(f"no journal can be kept in {there.home / 'journal'}: journals need flock, ")
    assert len(there.stored_spans()) == 17


def test_demo_show_compare_export_and_doctor_work(run: Callable[..., Ended]) -> None:
    run("-m", "llmobs_trace", "demo", "--rows", "4")
    assert "exact_match" in run("-m", "llmobs_trace", "show", "latest").out
    run("-m", "llmobs_trace", "compare", "latest", "latest")
    exported = run("-m", "llmobs_trace", "export", "latest", "--format", "jsonl")
    assert len(exported.out.splitlines()) == 32
    assert run("-m", "llmobs_trace", "resend").out == "0 events delivered, 0 rejected, 0 undelivered\n"
    examined = json.loads(run("-m", "llmobs_trace", "doctor", "--format", "json", code=3).out)
    assert (examined["journals"]["directory"], examined["journals"]["storage"]) == (None, "memory")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_takes_events_shows_its_pages_and_ends_when_it_is_told_to(
    there: Machine, run: Callable[..., Ended], number: signal.Signals
) -> None:
    process = there.start_python(*WITHOUT_UNIX, "-m", "llmobs_trace", "serve")
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    there.sends_to(url)
    (there.home / "program.py").write_text(RECORD)
    assert run("program.py").err == ""
    with httpx.Client(trust_env=False) as client:
        assert "<title>" in client.get(url + "/").text

    process.send_signal(number)

    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err.splitlines()[-1] == "took 17 spans and 1 metric in 1 request"
