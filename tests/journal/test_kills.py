"""Programs killed in mid-run: every record whose append had returned is there, and the ledger balances."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from support.journals import everything, numbers

from llmobs_trace.journal import adoptable, survey

StartPython = Callable[..., "subprocess.Popen[bytes]"]

# Threads record, and say so through the pipe once an append has returned; the sender says what it is about to
# acknowledge. A pipe takes so small a write whole.
PROGRAM = """
import os, sys, threading
from pathlib import Path
from llmobs_trace.journal import open_journal, this_process
import json

root, threads, sends = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "sends"
sys.setswitchinterval(1e-5)
queue = open_journal(root, owner=this_process("d"), segment_bytes=int(sys.argv[4]), max_bytes=1 << 30)
assert queue.storage in ("mapped", "mirrored")

def record(thread):
    number = 0
    while True:
        fill = b"x" * (number * 37 % 700)
        queue.append(b'{"experiment":"e","span":{"n":[%d,%d],"fill":"%s"}}\\n' % (thread, number, fill))
        os.write(1, b"r %d %d\\n" % (thread, number))
        number += 1

for thread in range(threads):
    threading.Thread(target=record, args=(thread,), daemon=True).start()

at = queue.start()
while True:
    if not sends:
        threading.Event().wait()
    queue.prepare()
    records, at = queue.read(at, 5000)
    for one in records:
        thread, number = json.loads(one.line)["span"]["n"]
        os.write(1, b"d %d %d\\n" % (thread, number))
    queue.acknowledge(records)
"""


@pytest.mark.parametrize("attempt", range(3))
@pytest.mark.parametrize("sends", ["sends", "idle"])
@pytest.mark.parametrize("segment_bytes", [4096, 100_000])
def test_a_killed_program_loses_no_record_whose_append_had_returned(
    tmp_path: Path, start_python: StartPython, sends: str, segment_bytes: int, attempt: int
) -> None:
    program = start_python(PROGRAM, tmp_path, 4, sends, segment_bytes)
    assert program.stdout is not None
    said = [program.stdout.readline() for _ in range(400 + 350 * attempt)]
    program.kill()
    rest = program.stdout.read()
    said += rest[: rest.rfind(b"\n") + 1].splitlines()

    returned: dict[int, int] = defaultdict(lambda: -1)
    sent: set[tuple[int, int]] = set()
    for what, thread, number in (message.split() for message in said):
        if what == b"r":
            returned[int(thread)] = int(number)
        else:
            sent.add((int(thread), int(number)))
    recorded = {(thread, number) for thread, last in returned.items() for number in range(last + 1)}
    assert len(recorded) >= 100

    [before] = survey(tmp_path)
    pending: list[tuple[int, int]] = []
    for adopted in adoptable(tmp_path, "d"):
        assert adopted.counts() == before.counts
        pending += [(thread, number) for thread, number in numbers(everything(adopted))]
        adopted.close(keep=True)

    assert recorded <= sent | set(pending)
    assert len(set(pending)) == len(pending) == before.counts.pending
    assert not before.is_held
    # A batch that was said but not acknowledged yet is pending too; each thread may have stored one unsaid.
    delivered = before.counts.delivered
    assert delivered == len(sent - set(pending))
    assert len(recorded) <= before.counts.recorded <= len(recorded | sent) + 4
