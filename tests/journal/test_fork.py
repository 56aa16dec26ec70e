"""A forked child starts anew, and takes nothing of its parent's: not its lock, not its records."""

from __future__ import annotations

import os
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from support.journals import everything, line, numbers

from llmobs_trace.journal import Queue, adoptable, open_journal, survey, this_process

OpenQueue = Callable[..., Queue]
StartPython = Callable[..., "subprocess.Popen[bytes]"]

# Forks while four threads record; each child lets go of what it inherited and keeps a journal of its own.
PROGRAM = """
import os, sys, threading, warnings
from pathlib import Path
from llmobs_trace.journal import open_journal, this_process

warnings.simplefilter("ignore")
sys.setswitchinterval(1e-5)
root = Path(sys.argv[1])

def opened():
    return open_journal(root, owner=this_process("d"), segment_bytes=4096)

def line(who, number):
    return b'{"experiment":"e","span":{"n":["%s",%d]}}\\n' % (who.encode(), number)

queue = opened()
over = threading.Event()

def record(thread):
    number = 0
    while not over.is_set() or number < 500:
        queue.append(line("parent%d" % thread, number))
        number += 1
    os.write(1, b"parent%d %d\\n" % (thread, number))

threads = [threading.Thread(target=record, args=(thread,)) for thread in range(4)]
for thread in threads:
    thread.start()
for child in range(15):
    pid = os.fork()
    if pid == 0:
        queue.after_fork_in_child()
        queue.append(line("lost", child))
        own = opened()
        for number in range(100):
            own.append(line("child%d" % child, number))
        os.write(1, b"child%d 100\\n" % child)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
over.set()
for thread in threads:
    thread.join()
os._exit(0)
"""


def test_a_child_lets_go_and_the_parent_keeps_its_lock_and_its_records(
    tmp_path: Path, open_queue: OpenQueue, storage: str
) -> None:
    queue = open_queue(storage)
    for number in range(20):
        queue.append(line(number, 100))
    queue.prepare()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the test's own process may have other threads
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            queue.after_fork_in_child()
            queue.append(line("too late"))
            if queue.pending() == (0, 0) and list(adoptable(tmp_path / "journals")) == []:
                own = open_journal(tmp_path / "child", owner=this_process("d"))
                own.append(line("child"))
                own.prepare()
                code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0

    for number in range(20, 40):
        queue.append(line(number, 100))
    assert numbers(everything(queue)) == list(range(40))
    assert queue.recorded() == 40
    assert list(adoptable(tmp_path / "journals")) == []
    [adopted] = adoptable(tmp_path / "child")
    assert numbers(everything(adopted)) == ["child"]
    adopted.close(keep=True)


def test_a_child_that_outlives_its_parent_does_not_hold_its_journal(
    tmp_path: Path, start_python: StartPython
) -> None:
    parent = start_python(
        """
import os, sys
from pathlib import Path
from llmobs_trace.journal import open_journal, this_process

queue = open_journal(Path(sys.argv[1]), owner=this_process("d"))
queue.append(b'{"experiment":"e","span":{"n":1}}\\n')
if os.fork() == 0:
    queue.after_fork_in_child()
    os.write(1, b"%d\\n" % os.getpid())
    os.read(0, 1)
    os._exit(0)
os._exit(0)
""",
        tmp_path,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.wait()
    os.kill(child, 0)

    [adopted] = adoptable(tmp_path)
    assert numbers(everything(adopted)) == [1]
    adopted.close(keep=True)


@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_without_the_interpreter_s_lock_a_child_waits_for_no_thread_that_it_does_not_have(
    tmp_path: Path, start_python: StartPython, kind: str
) -> None:
    program = start_python(
        """
import os, signal, sys, threading
sys._is_gil_enabled = lambda: False
from pathlib import Path
from llmobs_trace.journal import filesystem, open_journal, this_process

filesystem.of = lambda directory: sys.argv[2]
queue = open_journal(Path(sys.argv[1]), owner=this_process("d"), segment_bytes=4096)
queue.append(b'{"experiment":"e","span":{"n":1}}\\n')
queue.prepare()
held, over = threading.Event(), threading.Event()

def hold():
    with queue._segments[-1]._guard, queue._spare[0]._guard:
        held.set()
        over.wait()

threading.Thread(target=hold).start()
held.wait()
if os.fork() == 0:
    signal.alarm(10)
    queue.after_fork_in_child()
    own = open_journal(Path(sys.argv[1]), owner=this_process("d"))
    own.append(b'{"experiment":"e","span":{"n":"child"}}\\n')
    own.close(keep=True)
    os._exit(0)
assert os.wait()[1] == 0
over.set()
queue.close(keep=True)
""",
        tmp_path,
        kind,
    )

    assert program.wait(timeout=60) == 0
    found = []
    for adopted in adoptable(tmp_path):
        found += numbers(everything(adopted))
        adopted.close(keep=True)
    assert sorted(found, key=str) == [1, "child"]


@pytest.mark.parametrize("attempt", range(2))
def test_forks_in_the_middle_of_recording_lose_nothing_of_anybodys(
    tmp_path: Path, start_python: StartPython, attempt: int
) -> None:
    program = start_python(PROGRAM, tmp_path)
    output, _ = program.communicate(timeout=60)
    assert program.returncode == 0
    expected = {who: int(count) for who, count in (said.split() for said in output.decode().splitlines())}
    assert len(expected) == 19

    found: dict[str, set[int]] = {who: set() for who in expected}
    total = 0
    for adopted in adoptable(tmp_path):
        for who, number in numbers(everything(adopted)):
            found[who].add(number)
            total += 1
        adopted.close(keep=True)

    assert {who: set(range(count)) for who, count in expected.items()} == found
    assert total == sum(expected.values()) == sum(report.counts.recorded for report in survey(tmp_path))
