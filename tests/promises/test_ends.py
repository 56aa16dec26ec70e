"""However a program ends, no span whose block had ended is lost: at once, at the next run, or by `resend`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support.machine import Machine
from support.receiver import Receiver, Reply

# Threads record without pause, and say so through the pipe once a block has ended: a pipe takes so short a
# line whole, and it outlives the program.
BUSY = """
import os, threading
def work(thread):
    for number in range(10**9):
        with experiment_span(f"{thread}-{number}", input="x" * (number * 37 % 700)) as span:
            with experiment_span(f"{thread}-{number}-inner"):
                pass
            os.write(1, f"{thread}-{number}-inner\\n".encode())
        os.write(1, f"{thread}-{number}\\n".encode())
        record_metric("score", number, span=span)
        os.write(1, f"metric of {span.span_id}\\n".encode())
threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
for thread in threads:
    thread.start()
for thread in threads:  # early releases of 3.12 start no thread once the main one has ended
    thread.join()
"""

# Ends by itself, having recorded next to nothing.
NEXT_RUN = """
with experiment_span("next run"): pass
"""


@pytest.fixture(params=["local", "receiver"])
def arrived(request: pytest.FixtureRequest, machine: Machine) -> Callable[[], Counter[str]]:
    """For either destination: the names of the spans that arrived, and `metric of …`, how often each."""
    if request.param == "local":
        return lambda: _names(machine.stored_spans(), machine.stored_metrics())
    receiver: Receiver = request.getfixturevalue("receiver")
    machine.sends_to(receiver.url)

    def at_the_receiver() -> Counter[str]:
        accepted = [one for one in receiver.accepted() if one.body]  # the doctor's question has none
        return _names(
            [span for one in accepted for span in one.spans],
            [metric for one in accepted for metric in one.metrics],
        )

    return at_the_receiver


def _names(spans: list[dict], metrics: list[dict]) -> Counter[str]:
    return Counter(
        [span["name"] for span in spans] + [f"metric of {metric['span_id']}" for metric in metrics]
    )


@pytest.mark.parametrize("how", ["next run", "resend"])
@pytest.mark.parametrize("attempt", [1, 2])
def test_a_program_killed_in_mid_run_loses_nothing_that_had_ended(
    machine: Machine, arrived: Callable[[], Counter[str]], how: str, attempt: int
) -> None:
    machine.set(flush_interval=0.1)  # killed while it delivers, too
    program = machine.start(BUSY)
    assert program.stdout is not None
    said = [program.stdout.readline().strip() for _ in range(700 * attempt)]
    program.kill()
    rest = program.stdout.read()
    said += rest[: rest.rfind("\n") + 1].splitlines()
    if how == "next run":
        machine.run(NEXT_RUN)
    else:
        counts = machine.command("resend").out.splitlines()[-1]
        assert re.fullmatch(r"[\d,]+ events? delivered, 0 rejected, 0 undelivered", counts)
    found = arrived()
    assert set(said) - set(found) == set()
    assert machine.pending() == 0
    # At most what was being acknowledged at the kill comes again.
    assert len([name for name, times in found.items() if times > 1]) <= 1000


def test_a_killed_program_loses_nothing_where_nobody_had_answered(
    machine: Machine, receiver: Receiver
) -> None:
    machine.sends_to(receiver.url, flush_interval=0.1)
    receiver.usual(Reply(silent=True))
    program = machine.start(BUSY)
    assert program.stdout is not None
    said = {program.stdout.readline().strip() for _ in range(500)}
    receiver.wait_for(1)
    program.kill()
    program.wait()
    receiver.usual(Reply())
    machine.command("resend")
    found = _names([span for one in receiver.accepted() for span in one.spans], [])
    assert {name for name in said if not name.startswith("metric")} <= set(found)


def test_resend_delivers_a_journal_to_where_the_environment_says(
    machine: Machine, receiver: Receiver
) -> None:
    machine.sends_to(receiver.url)
    machine.run('with experiment_span("row"): record_metric("m", 1)\nimport os; os._exit(0)')
    machine.set(destination="local")
    assert machine.command("resend", "--journal", str(machine.journal)).out.endswith(
        "2 events delivered, 0 rejected, 0 undelivered\n"
    )
    assert [span["name"] for span in machine.stored_spans()] == ["row"]
    assert receiver.requests() == []


def test_resend_says_no_where_nobody_answers(machine: Machine, receiver: Receiver) -> None:
    machine.sends_to(receiver.url)
    machine.run('with experiment_span("row"): pass\nimport os; os._exit(0)')
    receiver.stop_listening()
    ended = machine.command("resend", "--timeout", "0.5", code=1)
    assert ended.out.endswith("0 events delivered, 0 rejected, 1 undelivered\n")
    assert machine.pending() == 1
    receiver.listen_again()
    machine.command("resend")
    assert machine.pending() == 0


RECORD = """
with experiment_span("row", input="question") as span:
    with experiment_span("model", kind="llm"): pass
record_metric("score", 1, span=span)
"""

ENDS = {
    "the end of the program": ("", 0),
    "sys.exit": ("import sys; sys.exit(3)", 3),
    "an exception nobody catches": ("raise RuntimeError('mine')", 1),
    "an exception out of a block": ("with experiment_span('last'): raise RuntimeError('mine')", 1),
    "os._exit": ("import os; os._exit(4)", 4),
    "SIGTERM without a handler": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15),
    "SIGINT": ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", None),
    "an abort": ("import os; os.abort()", -6),
    "a daemon thread that still records": (
        "import threading\n"
        "def work():\n"
        "    for _ in range(20_000):\n"
        "        with experiment_span('daemon'): pass\n"
        "    threading.Event().wait()\n"
        "threading.Thread(target=work, daemon=True).start()",
        0,
    ),
    "another atexit handler that records": (
        "import atexit\n@atexit.register\ndef late():\n    with experiment_span('late'): pass",
        0,
    ),
    "exec": (
        "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'pass'])",
        0,
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_that_ends_by(machine: Machine, arrived: Callable[[], Counter[str]], end: str) -> None:
    """… loses nothing."""
    how, code = ENDS[end]
    ended = machine.run(RECORD + how, code=code)
    if end in ("os._exit", "SIGTERM without a handler", "an abort", "exec"):
        assert machine.pending() == 3
    machine.command("resend")
    found = arrived()
    assert {"row": 1, "model": 1}.items() <= found.items()
    assert len([name for name in found if name.startswith("metric of")]) == 1
    assert machine.pending() == 0
    # An interrupt may land in a finalizer, which is then named; an abort names every thread in its dump.
    if end != "SIGINT":
        said, _, _ = ended.err.partition("Fatal Python error")
        assert "llmobs_trace" not in said.replace("llmobs_trace/capture/block.py", "")
    for also in ("last", "late"):
        assert (also in how) == (also in found)


def test_what_was_recorded_a_moment_before_the_end_arrives_with_no_help(
    machine: Machine, arrived: Callable[[], Counter[str]]
) -> None:
    machine.set(flush_interval=3600)
    machine.run("for number in range(500):\n    with experiment_span(str(number)): pass")
    assert arrived() == Counter(map(str, range(500)))
    assert machine.pending() == 0


def test_where_nothing_is_written_to_disk_an_end_without_delivery_says_what_is_lost(
    machine: Machine, receiver: Receiver
) -> None:
    machine.sends_to(receiver.url, journal="off", shutdown_timeout=0.2)
    receiver.usual(Reply(status=503))
    ended = machine.run(RECORD)
    assert "3 events were not delivered, and lost: there was no journal on disk" in ended.err
    assert not machine.journal.exists()


def test_what_stays_in_the_journal_at_the_end_is_said_with_what_to_do(
    machine: Machine, receiver: Receiver
) -> None:
    machine.sends_to(receiver.url, shutdown_timeout=0.2)
    receiver.usual(Reply(status=503))
    ended = machine.run(RECORD)
    assert "3 events are not delivered yet" in ended.err
    assert "llmobs-trace resend" in ended.err
    receiver.usual(Reply())
    assert machine.command("resend").out.endswith("3 events delivered, 0 rejected, 0 undelivered\n")


def test_files_are_for_their_owner_alone(machine: Machine) -> None:
    machine.run(RECORD + "import os; os._exit(0)")
    machine.run(RECORD)
    for path in (machine.journal, *machine.journal.rglob("*"), machine.database):
        assert _mode(path) == (0o700 if path.is_dir() else 0o600), path
    assert _mode(machine.database.parent) == 0o700


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# --- What comes at the very end -----------------------------------------------------------------------------


def test_what_the_program_s_own_exit_hooks_record_arrives(
    machine: Machine, arrived: Callable[[], Counter[str]]
) -> None:
    ended = machine.run("""
        import atexit
        from llmobs_trace import *
        @atexit.register
        def cleanup():
            with experiment_span("clean-up"): pass
        with experiment_span("row"): pass
    """)
    assert ended.err == ""
    assert arrived() == {"row": 1, "clean-up": 1}


BEFORE_US = """
import atexit
@atexit.register
def cleanup():
    for number in range(3):
        with experiment_span("late"): pass
from llmobs_trace import *
with experiment_span("row"): pass
"""
# Its span began under another configuration.
RECONFIGURED = """
from llmobs_trace import *
configure(shutdown_timeout=4)
@experiment_span("late")
def answer():
    yield 1
stream = answer()
next(stream)
configure(shutdown_timeout=3)
with experiment_span("row"): pass
"""
# The frame that failed is kept for a debugger, and with it a stream that nobody reads to its end.
UNFINISHED = """
from llmobs_trace import *
@experiment_span("row")
def answer():
    for part in range(3):
        with experiment_span("part"): pass
        yield part
def main():
    stream = answer()
    next(stream)
    raise RuntimeError("the program fails")
main()
"""


@pytest.mark.parametrize(
    ("program", "code", "late"),
    [(BEFORE_US, 0, {"late": 3}), (RECONFIGURED, 0, {"late": 1}), (UNFINISHED, 1, {"row": 1})],
)
@pytest.mark.parametrize("storage", ["mapped", "mirrored"])
def test_what_ends_after_the_exit_is_kept_for_the_next_run(
    machine: Machine,
    arrived: Callable[[], Counter[str]],
    program: str,
    code: int,
    late: dict[str, int],
    storage: str,
) -> None:
    if storage == "mirrored":
        there = "from llmobs_trace import *"
        # No function of the program's: it would keep the program's variables beyond their end.
        elsewhere = 'shelf._storage_on = "mirrored".format'
        program = program.replace(there, f"{there}\nfrom llmobs_trace.journal import shelf\n{elsewhere}")
    ended = machine.run(program, code=code)
    assert "recorded after the exit: the next run will deliver it, or: llmobs-trace resend" in ended.err
    at_once = arrived()
    assert late.keys().isdisjoint(at_once)
    count = sum(late.values())
    told = machine.command("doctor", code=None).out.splitlines()[-1]
    # Where nothing is mapped nobody is left to say that all of it was copied.
    known = "nothing lost: " if storage == "mapped" else "cannot tell what was lost: "
    assert told.startswith(known)
    assert f"{1 + count} recorded = 1 delivered + {count} pending" in told
    machine.command("resend")
    assert arrived() == at_once + Counter(late)


@pytest.mark.parametrize("holds", ["the program", "sys", "os", "json", "builtins"])
@pytest.mark.parametrize("what", ["block", "generator"])
def test_a_block_that_is_open_at_the_exit_ends_there_whoever_holds_it(
    machine: Machine, arrived: Callable[[], Counter[str]], holds: str, what: str
) -> None:
    """Modules are taken apart one after the other, ours before what it imports."""
    ended = machine.run(f"""
import builtins, json, os, sys, threading
from llmobs_trace import *
def stream():
    with experiment_span("open"):
        yield
def begin():
    if {what!r} == "generator":
        held = stream()
        next(held)
    else:
        held = experiment_span("open")
        held.__enter__()
    return held
held = begin()
if {holds!r} != "the program":
    sys.modules[{holds!r}].held = held
    del held
with experiment_span("row"): pass
""")
    assert ended.err == ""
    assert arrived() == {"open": 1, "row": 1}


def test_a_block_of_a_thread_that_goes_on_at_the_exit_is_left_to_it(
    machine: Machine, arrived: Callable[[], Counter[str]]
) -> None:
    machine.run("""
import threading
from llmobs_trace import *
entered = threading.Event()
def work():
    with experiment_span("in thread"):
        entered.set()
        threading.Event().wait()
def stream():
    with experiment_span("in thread"):
        entered.set()
        threading.Event().wait()
        yield
for run in (work, lambda: next(stream())):
    threading.Thread(target=run, daemon=True).start()
    entered.wait()
    entered.clear()
with experiment_span("row"): pass
""")
    assert arrived() == {"row": 1}


def test_without_a_journal_what_ends_after_the_exit_is_said_to_be_lost(machine: Machine) -> None:
    machine.set(journal="off")
    ended = machine.run(BEFORE_US)
    assert ended.err.count("what is recorded after the exit is lost") == 1


def test_what_a_finalizer_records_in_the_sender_s_thread_is_the_program_s(
    machine: Machine, receiver: Receiver
) -> None:
    # The collector runs in whichever thread it is due; here a handler of the log has it run in the sender's.
    machine.sends_to(receiver.url, flush_interval=0.1, shutdown_timeout=0.1)
    receiver.stop_listening()
    [told] = machine.run("""
        import gc, json, logging, threading
        from llmobs_trace import *
        gc.disable()
        class Client:
            def __init__(self): self.me = self
            @experiment_span("close")
            def close(self): where.append(threading.current_thread().name)
            def __del__(self): self.close()
        where = []
        of_the_sender = experiment_span(gc.collect)
        class Collects(logging.Handler):
            def emit(self, record):
                if "sender" in threading.current_thread().name: of_the_sender()
        logging.getLogger("llmobs_trace").addHandler(Collects())
        Client()
        with experiment_span("row"): pass
        while not where: threading.Event().wait(0.01)
        shutdown()
        print(json.dumps([where, len(gc.callbacks)]))
    """).told
    # Nor is there a hook of ours, in which what a signal handler raises would be forgotten.
    assert told == [["llmobs-trace-sender"], 0]
    receiver.listen_again()
    machine.command("resend")
    spans = [span for request in receiver.accepted() for span in request.spans]
    assert Counter(span["name"] for span in spans) == {"row": 1, "close": 1}
