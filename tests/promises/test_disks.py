"""A disk that fills up, and files that somebody removes, while a program records: it lives, and can say what
became of every event.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.delivery import API_KEY, APP_KEY
from support.receiver import Receiver
from support.small_disks import run_on_small_disk

# Mapped, twice; and where a copy-on-write filesystem is, copied to.
KINDS = ("tmpfs", "ext4", "btrfs")

# Nothing is sent before a flush; a segment holds some 200 of these spans.
PROGRAM = """
import logging, threading, time
logging.basicConfig(filename=disk.parent / "log", format="%(message)s")
from llmobs_trace import configure, delivery_stats, experiment_span, flush, shutdown
configure(**json.loads(sys.argv[4]) if sys.argv[4:] else OPTIONS, journal=str(root), flush_interval=3600,
          max_batch_bytes=64 << 20, experiment_id="e", project_id="p", dataset_id="d")
def spans(*numbers):
    for number in numbers:
        with experiment_span(str(number), input="x" * 10_000):
            pass
def ledger():
    stats = delivery_stats()
    assert stats.recorded == stats.delivered + stats.pending + stats.rejected + stats.dropped
    return [stats.recorded, stats.delivered, stats.pending, stats.rejected, stats.dropped]
def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, ledger()
        time.sleep(0.01)
def segments():
    return sorted(root.rglob("*.segment"))
def in_memory():
    return sum(report.in_memory for report in survey(root))
def doctor():
    environ = {**os.environ, "HOME": str(disk.parent), "LLMOBS_TRACE_JOURNAL": str(root)}
    command = [sys.executable, "-m", "llmobs_trace", "doctor"]
    return subprocess.run(command, env=environ, capture_output=True, text=True).stdout.splitlines()[-1]
spans(0)
wait_until(lambda: len(segments()) == 2)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    mounted = tmp_path / "disk"
    mounted.mkdir()
    return mounted


def run(program: str, receiver: Receiver, disk: Path, kind: str = "tmpfs") -> dict:
    # Of so small a bound no sealed segment stays mapped.
    options = {
        "api_key": API_KEY,
        "app_key": APP_KEY,
        "base_url": receiver.url,
        "max_journal_bytes": 15 << 20,
    }
    return run_on_small_disk(f"OPTIONS = {options!r}\n{PROGRAM}\n{program}", disk, 16 << 20, kind)


def names(receiver: Receiver) -> Counter[str]:
    return Counter(span["name"] for request in receiver.accepted() for span in request.spans)


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fills_up_while_a_program_records(receiver: Receiver, disk: Path, kind: str) -> None:
    told = run(
        """
fill()
spans(*range(1, 1000))
wait_until(lambda: sum(report.counts.pending for report in survey(root)) == 1000)
told["full"], told["in memory"], told["doctor"] = ledger(), in_memory(), doctor()
told["flushed"] = flush(30)
told["then"], told["doctor then"] = ledger(), doctor()
""",
        receiver,
        disk,
        kind,
    )
    assert told["full"] == [1000, 0, 1000, 0, 0]
    assert 0 < told["in memory"] < 1000
    assert told["flushed"]
    assert told["then"] == [1000, 1000, 0, 0, 0]
    before, then = told["doctor"], told["doctor then"]
    account, delivered = "1,000 recorded = 0 delivered + 1,000 pending", "1,000 recorded = 1,000 delivered"
    assert f"; {told['in memory']:,} of the pending events are in memory alone; " in before
    if kind == "btrfs":
        # There an empty file finds no room either: nobody who begins now could leave a word.
        unsure = f"cannot tell what was lost: {disk}/journals can't be written: programs that begin now leave"
        assert before.startswith(f"{unsure} no word; {account}; ")
        assert then.startswith(f"{unsure} no word; {delivered}; ")
    else:
        assert before.startswith(f"nothing lost: {account}, by 1 process; ")
        assert then == f"nothing lost: {delivered}, by 1 process"
    assert names(receiver) == Counter(map(str, range(1000)))
    first, last = (disk.parent / "log").read_text().splitlines()
    assert first.startswith("the journal's disk refuses: No space left on device; ")
    assert first.endswith(" in memory alone, lost at a kill")
    assert last == "no event is in memory alone any more"


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_killed_on_a_full_disk_loses_what_was_in_memory_and_says_so(
    receiver: Receiver, disk: Path, kind: str
) -> None:
    told = run(
        """
pid = os.fork()
if pid == 0:
    configure(**OPTIONS, journal=str(root), flush_interval=3600, max_batch_bytes=64 << 20,
              experiment_id="e", project_id="p", dataset_id="d")
    spans(1)
    wait_until(lambda: len(segments()) == 4)
    fill()
    spans(*range(2, 801))
    wait_until(lambda: sum(report.counts.pending for report in survey(root)) == 1 + 800)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(pid, 0)
told["dropped"], told["pending"] = (
    sum(getattr(report.counts, count) for report in survey(root)) for count in ("dropped", "pending"))
told["doctor"] = doctor()
""",
        receiver,
        disk,
        kind,
    )
    assert told["dropped"] + told["pending"] == 1 + 800
    assert told["dropped"] > 0
    assert told["pending"] > 0
    account = f"801 recorded = 0 delivered + {told['pending']} pending + {told['dropped']} dropped"
    assert told["doctor"].startswith(f"{told['dropped']} events lost: {account}")


@pytest.mark.parametrize("room", ["not a byte", "a ledger"])
def test_a_child_forked_on_a_full_disk_and_killed_is_not_passed_over(
    receiver: Receiver, disk: Path, room: str
) -> None:
    """It finds no room for a segment of its own, or not even for a ledger: then an empty file speaks."""
    told = run(
        f"""
assert flush(30)
fill()
if {room!r} == "a ledger":
    os.truncate(disk / "filler", (disk / "filler").stat().st_size - (16 << 10))
"""
        + """
pid = os.fork()
if pid == 0:
    spans(1, 2, 3)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(pid, 0)
told["pid"], told["doctor"] = pid, doctor()
""",
        receiver,
        disk,
    )
    if room == "a ledger":
        assert told["doctor"] == "3 events lost: 4 recorded = 1 delivered + 3 dropped"
    else:
        who = f"process {told['pid']} could make no journal (No space left on device)"
        assert told["doctor"] == (
            f"cannot tell what was lost: {who}, so its events are counted nowhere; 1 recorded = 1 delivered"
        )


@pytest.mark.parametrize("what", ["the newest segment", "every segment", "the whole directory"])
def test_files_that_somebody_removes_while_a_program_records(
    receiver: Receiver, disk: Path, what: str
) -> None:
    """What is mapped is still there to be read; what was not mapped any more is counted as dropped."""
    told = run(
        f"""
spans(*range(1, 500))
# Of four files the two that are full are not mapped any more.
mapped = lambda: [path for path in segments() if str(path) in Path("/proc/self/maps").read_text()]
wait_until(lambda: len(segments()) == 4 and mapped() == segments()[2:])
if {what!r} == "the whole directory":
    shutil.rmtree(root)
else:
    for path in segments()[{-1 if what == "the newest segment" else 0}:]:
        path.unlink()
spans(*range(500, 600))
wait_until(lambda: {what!r} == "the newest segment" or "lost" in (disk.parent / "log").read_text())
spans(*range(600, 700))
# The sender brings what is mapped without a file to one, in a moment.
wait_until(lambda: {what!r} != "every segment" or sum(each.counts.recorded for each in survey(root)) == 700)
told["before"] = ledger()
told["doctor before"] = doctor()
told["flushed"] = flush(30)
told["then"], told["doctor"] = ledger(), doctor()
""",
        receiver,
        disk,
    )
    recorded, delivered, pending, rejected, dropped = told["then"]
    assert (recorded, pending, rejected) == (700, 0, 0)
    assert told["flushed"]
    # What was lost was known before anybody tried to read it.
    assert told["before"] == [700, 0, delivered, 0, dropped]
    arrived = names(receiver)
    assert len(arrived) == delivered
    assert {str(number) for number in range(500, 700)} <= arrived.keys()
    if what == "the newest segment":
        assert dropped == 0
        assert told["doctor"] == "nothing lost: 700 recorded = 700 delivered, by 1 process"
        return
    assert dropped > 300
    log = (disk.parent / "log").read_text()
    assert "events are dropped, and lost: the journal's " in log
    if what == "every segment":
        account = (
            f"{dropped} events lost: 700 recorded = 0 delivered + {delivered} pending + {dropped} dropped"
        )
        assert told["doctor before"].startswith(account)
        account = f"{dropped} events lost: 700 recorded = {delivered} delivered + {dropped} dropped"
        assert told["doctor"] == account


def test_a_segment_that_is_cut_short_once_it_is_not_written_to_any_more(
    receiver: Receiver, disk: Path
) -> None:
    """One that is written to is another matter: the system kills the program, as the manual says."""
    told = run(
        """
spans(*range(1, 500))
wait_until(lambda: len(segments()) == 4)
wait_until(lambda: segments()[0].name not in Path("/proc/self/maps").read_text())
os.truncate(segments()[0], 1 << 20)
told["flushed"], told["then"], told["doctor"] = flush(30), ledger(), doctor()
""",
        receiver,
        disk,
    )
    recorded, delivered, pending, rejected, dropped = told["then"]
    assert (recorded, pending, rejected) == (500, 0, 0)
    assert 0 < dropped < 250
    assert len(names(receiver)) == delivered
    account = f"500 recorded = {delivered} delivered + {dropped} dropped"
    assert told["doctor"] == f"{dropped} events lost: {account}"
    assert (
        "events are dropped, and lost: the journal's files were removed, or cut short"
        in (disk.parent / "log").read_text()
    )
