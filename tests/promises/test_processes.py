"""Servers that fork their workers, workers that are recycled or told to end, programs in tight corners: each
process delivers its own, and nothing that had ended is lost.
"""

from __future__ import annotations

import json
from collections import Counter
from threading import Timer

import pytest
from support.machine import Machine
from support.receiver import Receiver


@pytest.fixture(autouse=True)
def to_the_receiver(machine: Machine, receiver: Receiver) -> None:
    machine.sends_to(receiver.url, flush_interval=0.1)


def names(receiver: Receiver) -> Counter[str]:
    ids = {span["span_id"]: span["name"] for one in receiver.accepted() if one.body for span in one.spans}
    return Counter(ids.values())


def assert_nothing_is_lost(machine: Machine, count: int) -> None:
    """What one line of the doctor's says, after whatever is left was sent."""
    machine.command("resend")
    verdict = machine.command("doctor").out.splitlines()[-1]
    assert verdict.startswith(f"nothing lost: {count:,} recorded = {count:,} delivered, by "), verdict


# --- Servers that fork --------------------------------------------------------------------------------------

# As gunicorn does: the application is loaded before the fork, the arbiter waits and restarts, a worker is
# told to end by SIGTERM, and leaves by sys.exit out of its handler's flag.
ARBITER = """
import os, signal, socket, sys
configure()
with experiment_span("loaded"): pass
listener = socket.create_server(("127.0.0.1", 0))
ready, says_ready = os.pipe()
def worker():
    alive = True
    def stop(*_):
        nonlocal alive
        alive = False
    signal.signal(signal.SIGTERM, stop)
    os.write(says_ready, b".")
    listener.settimeout(0.05)
    while alive:
        try: connection, _ = listener.accept()
        except OSError: continue
        with connection, experiment_span("request"):
            connection.recv(100)
            with experiment_span("model"): pass
        connection.close()
    sys.exit(0)
workers = []
for _ in range(3):
    pid = os.fork()
    if pid == 0: worker()
    workers.append(pid)
for _ in workers: assert os.read(ready, 1)
for _ in range(30):
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"x")
        client.recv(1)
for pid in workers: os.kill(pid, signal.SIGTERM)
assert [os.waitpid(pid, 0)[1] for pid in workers] == [0, 0, 0]
"""


def test_a_server_that_forks_its_workers_after_it_loaded_the_application(
    machine: Machine, receiver: Receiver
) -> None:
    machine.run(ARBITER)
    assert names(receiver) == {"loaded": 1, "request": 30, "model": 30}
    assert machine.pending() == 0
    assert_nothing_is_lost(machine, 61)


# As celery's prefork pool does: a child takes so many tasks, then leaves by os._exit, and another takes its
# place. No atexit handler of anybody's runs in it.
POOL = """
import os, sys
configure()
with experiment_span("before"): pass
for child in range(4):
    pid = os.fork()
    if pid == 0:
        for number in range(25):
            with experiment_span("task") as span: span.record_metric("m", number)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
with experiment_span("after"): pass
"""


def test_workers_that_are_recycled_by_os_exit(machine: Machine, receiver: Receiver) -> None:
    machine.run(POOL)
    assert_nothing_is_lost(machine, 4 * 50 + 2)
    assert names(receiver) == {"before": 1, "after": 1, "task": 100}


def test_pools_that_recycle_their_workers(machine: Machine, receiver: Receiver) -> None:
    machine.run("""
        import multiprocessing
        @experiment_span
        def work(number): return number
        if __name__ == "__main__":
            with experiment_span("main"):
                with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=3) as pool:
                    assert pool.map(work, range(30), chunksize=1) == list(range(30))
                    pool.close(); pool.join()
    """)
    assert names(receiver) == {"main": 1, "work": 30}
    assert_nothing_is_lost(machine, 31)


def test_children_that_are_programs_of_their_own(machine: Machine, receiver: Receiver) -> None:
    machine.run("""
        import subprocess, sys
        from llmobs_trace import experiment_span
        child = "from llmobs_trace import *\\nwith experiment_span('child'): pass"
        with experiment_span("parent"):
            for _ in range(3): subprocess.run([sys.executable, "-c", child], check=True)
    """)
    assert names(receiver) == {"parent": 1, "child": 3}
    assert_nothing_is_lost(machine, 4)


@pytest.mark.parametrize(
    "handler",
    [
        "signal.signal(signal.SIGTERM, signal.SIG_DFL)",
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))",
        "signal.signal(signal.SIGTERM, lambda *_: os._exit(7))",
        "def end(*_):\n    with experiment_span('handler'): pass\n    shutdown(5); os._exit(7)\n"
        "signal.signal(signal.SIGTERM, end)",
        "def end(*_):\n    with experiment_span('handler'): pass\n    sys.exit(7)\n"
        "signal.signal(signal.SIGTERM, end)",
    ],
    ids=["none", "sys.exit", "os._exit", "records and shuts down", "records and leaves"],
)
def test_sigterm_with_a_handler_of_one_s_own(machine: Machine, receiver: Receiver, handler: str) -> None:
    program = machine.start(
        f"import os, signal, sys\n{handler}\n"
        + """
print("ready", flush=True)
number = 0
while True:
    with experiment_span("row"): pass
    number += 1
    os.write(1, b"%d\\n" % number)
"""
    )
    assert program.stdout is not None
    said = "".join(program.stdout.readline() for _ in range(200))
    program.terminate()
    giving_up = Timer(30, program.kill)
    giving_up.start()
    said += program.stdout.read()
    giving_up.cancel()
    assert program.wait(20) == (-15 if "SIG_DFL" in handler else 7)
    ended = int(said[: said.rfind("\n")].splitlines()[-1])
    machine.command("resend")
    found = names(receiver)
    # The one whose end was not written any more may have come too.
    assert found["row"] - ended in (0, 1)
    assert found["handler"] == handler.count("'handler'")
    assert_nothing_is_lost(machine, found.total())


# --- Tight corners ------------------------------------------------------------------------------------------


def test_a_signal_handler_that_records_while_the_program_records(
    machine: Machine, receiver: Receiver
) -> None:
    ended = machine.run("""
        import json, signal, threading
        handled, is_on = 0, True
        def handle(*_):
            global handled
            with experiment_span("handler") as span: span.record_metric("m", handled)
            handled += 1
            if is_on:  # set anew each time: on a busy machine a handler takes longer than its interval
                signal.setitimer(signal.ITIMER_REAL, 0.0005)
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        for number in range(20_000):
            with experiment_span("row"): pass
        is_on = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert flush(60) and shutdown(60)
        stats = delivery_stats()
        assert stats.recorded == stats.delivered == 20_000 + 2 * handled, (stats, handled)
        print(json.dumps(handled))
    """)
    [handled] = ended.told
    assert handled > 50
    assert names(receiver) == {"row": 20_000, "handler": handled}
    assert_nothing_is_lost(machine, 20_000 + 2 * handled)


def test_recursion_inside_a_log_handler_and_inside_the_redactor(machine: Machine, receiver: Receiver) -> None:
    """A handler that records and flushes for each of our lines; a redactor that records, and is traced."""
    machine.run("""
        import logging
        class Recording(logging.Handler):
            def emit(self, record):
                with experiment_span("log line"): pass
                flush(0.01)
                logging.getLogger("llmobs_trace").warning("once more") if record.msg != "once more" else None
        logging.getLogger("llmobs_trace").addHandler(Recording())
        @experiment_span
        def hide(field, value):
            with experiment_span("inside"): return value
        configure(redact=hide, flush_interval=0.1)
        for number in range(20):
            with experiment_span("row") as span: pass
            span.set_output("too late")
        assert flush(30)
    """)
    found = names(receiver)
    assert found["row"] == 20
    assert found["log line"] >= 1
    machine.command("resend")
    assert machine.command("doctor").out.splitlines()[-1].startswith("nothing lost: ")


def test_an_interpreter_without_threads_to_spare(machine: Machine, receiver: Receiver) -> None:
    """The system refuses every further thread: the program runs, and its end delivers."""
    ended = machine.run("""
        import json, threading
        threading.stack_size(1 << 46)  # no address space has room for such a stack
        try:
            threading.Thread(target=print).start()
            refused = False
        except RuntimeError:
            refused = True
        for number in range(100):
            with experiment_span("row"): pass
        print(json.dumps([refused, threading.active_count()]))
    """)
    [[refused, threads]] = ended.told
    assert refused
    assert threads == 1
    assert names(receiver) == {"row": 100}
    assert ended.err == ""


def test_a_daemon_thread_that_records_at_the_exit(machine: Machine, receiver: Receiver) -> None:
    program = machine.start("""
        import os, threading
        def work():
            number = 0
            while True:
                with experiment_span("daemon"): pass
                number += 1
                os.write(1, b"%d\\n" % number)
        for _ in range(2): threading.Thread(target=work, daemon=True).start()
        while delivery_stats().recorded < 2000: flush(0.05)
    """)
    out, err = program.communicate(timeout=60)
    assert program.returncode == 0, err
    said = Counter(out[: out.rfind("\n")].splitlines())
    machine.command("resend")
    found = names(receiver)
    # Each thread's last may have come without a word of it.
    assert said.total() <= found["daemon"] <= said.total() + 2
    lines = machine.command("doctor", "--format", "json", code=None).out
    ledger = json.loads(lines)["journals"]["ledgers"][0]
    assert ledger["recorded"] == ledger["delivered"] + ledger["dropped"]
    # At most the record of each thread that was being written as the interpreter ended.
    assert ledger["dropped"] <= 2


def test_what_a_signal_s_handler_raises_in_or_about_a_block_is_never_forgotten(machine: Machine) -> None:
    """CPython forgets it where it lands in a `__del__`, Ctrl-C too: a block that was left has none."""
    told = machine.run("""
        import signal
        configure(journal=None)
        class Stop(BaseException): pass
        handled = caught = 0
        def handler(*_):
            global handled
            handled += 1
            raise Stop
        signal.signal(signal.SIGALRM, handler)
        # A function of its own: CPython 3.13 leaves a loop's last jump out of the `try` about it.
        def record_until_handled(before):
            signal.setitimer(signal.ITIMER_REAL, 0.0004 + before % 7 / 10_000)
            while handled == before:
                with experiment_span("row"): record_metric("m", 1.0)
        while handled < 400:
            try: record_until_handled(handled)
            except Stop:
                caught += 1
        print(handled - caught)
    """)
    # One in forty, with a `__del__`; another object's may be hit.
    assert int(told.out) <= 1
