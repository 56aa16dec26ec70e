"""What ended processes left: found by one recoverer, for its own destination, with a ledger that balances."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from support.journals import DESTINATION, everything, line, numbers

from llmobs_trace.journal import (
    Counts,
    Owner,
    Queue,
    adoptable,
    filesystem,
    open_journal,
    passed_over,
    survey,
    this_process,
)
from llmobs_trace.journal import files as journal_files
from llmobs_trace.journal.ownership import COPY_FILE, OWNER_FILE

OpenQueue = Callable[..., Queue]
StartPython = Callable[..., "subprocess.Popen[bytes]"]

RECOVER = """
import sys
from pathlib import Path
from llmobs_trace.journal import adoptable

sys.stdin.buffer.read(1)
for adopted in adoptable(Path(sys.argv[1])):
    at = adopted.start()
    while True:
        records, at = adopted.read(at, 500)
        if not records:
            break
        for record in records:
            print(record.line.decode(), flush=True)
        adopted.acknowledge(records)
    adopted.close(keep=True)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where `open_queue` keeps its journals."""
    return tmp_path / "journals"


def leave(open_queue: OpenQueue, count: int, first: int = 0) -> None:
    """A journal of an ended process, with so many records pending."""
    queue = open_queue()
    for number in range(first, first + count):
        queue.append(line(number, 100))
    queue.close(keep=True)


def adopted_pending(root: Path, destination: str | None = None, *, other_hosts: bool = False) -> list[int]:
    """How many records each journal that can be adopted has; all are given up again."""
    found = []
    for adopted in adoptable(root, destination, other_hosts=other_hosts):
        found.append(len(everything(adopted)))
        adopted.close(keep=True)
    return found


def test_an_ended_processes_records_are_found(open_queue: OpenQueue, root: Path) -> None:
    leave(open_queue, 30)

    [adopted] = adoptable(root, DESTINATION)

    assert adopted.owner.experiment_id == "e1"
    assert adopted.owner.experiment_name == "an experiment"
    assert numbers(everything(adopted, max_bytes=250)) == list(range(30))
    assert adopted.counts() == Counts(pending=30, pending_bytes=3000)
    adopted.close(keep=True)


def test_what_was_delivered_before_the_end_is_not_delivered_again(open_queue: OpenQueue, root: Path) -> None:
    queue = open_queue()
    for number in range(30):
        queue.append(line(number, 100))
    records = everything(queue)
    queue.acknowledge(records[:15])
    queue.acknowledge(records[20:22], "rejected")
    queue.close(keep=True)

    [adopted] = adoptable(root)
    assert numbers(everything(adopted)) == [15, 16, 17, 18, 19, 22, 23, 24, 25, 26, 27, 28, 29]
    adopted.acknowledge(everything(adopted)[:3])
    adopted.close(keep=True)

    [report] = survey(root)
    assert report.counts == Counts(delivered=18, pending=10, rejected=2, pending_bytes=1000)
    assert report.owner == adopted.owner
    assert not report.is_held


def test_once_delivered_only_the_ledger_is_left(open_queue: OpenQueue, root: Path) -> None:
    leave(open_queue, 30)
    [adopted] = adoptable(root)
    adopted.acknowledge(everything(adopted))
    adopted.close(keep=True)

    assert list(adoptable(root)) == []
    assert list(root.rglob("*.segment")) == []
    [report] = survey(root)
    assert report.counts == Counts(delivered=30)


def test_giving_a_journal_up_twice_is_harmless(open_queue: OpenQueue, root: Path) -> None:
    leave(open_queue, 3)
    [adopted] = adoptable(root)
    adopted.after_fork_in_child()
    adopted.close(keep=True)
    adopted.close(keep=True)

    assert adopted_pending(root) == [3]


def test_giving_up_for_good_drops_what_is_pending(open_queue: OpenQueue, root: Path) -> None:
    leave(open_queue, 30)
    [adopted] = adoptable(root)
    adopted.close(keep=False)

    [report] = survey(root)
    assert report.counts == Counts(dropped=30)


def test_a_live_journal_is_left_alone(open_queue: OpenQueue, root: Path) -> None:
    queue = open_queue()
    queue.append(line(1))

    assert list(adoptable(root)) == []
    [report] = survey(root)
    assert report.is_held
    assert report.counts.pending == 1


def test_a_journal_meant_for_another_destination_is_left_alone(open_queue: OpenQueue, root: Path) -> None:
    leave(open_queue, 3)

    assert adopted_pending(root, "https://other.example.test") == []
    assert adopted_pending(root, DESTINATION) == [3]
    assert adopted_pending(root) == [3]


def test_a_root_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert list(adoptable(tmp_path / "none")) == []
    assert survey(tmp_path / "none") == []


def test_what_was_dropped_is_in_the_ledger(root: Path) -> None:
    queue = open_journal(root, owner=this_process(DESTINATION), segment_bytes=1000, max_bytes=2000)
    for number in range(50):
        queue.append(line(number, 100))
    queue.close(keep=True)

    [report] = survey(root)
    assert report.counts.recorded == 50
    assert report.counts.dropped == 50 - report.counts.pending > 0


def test_a_kill_between_a_segments_line_and_its_removal_counts_it_once(
    open_queue: OpenQueue, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(open_queue, 30)
    [adopted] = adoptable(root)
    with monkeypatch.context() as patch:
        patch.setattr(journal_files, "remove", lambda path: False)
        adopted.acknowledge(everything(adopted))
        adopted.after_fork_in_child()
    assert len(list(root.rglob("*.segment"))) > 1

    [report] = survey(root)
    assert report.counts == Counts(delivered=30)
    assert list(adoptable(root)) == []
    assert list(root.rglob("*.segment")) == []


@pytest.mark.parametrize("length", [0, 1, 99, 100, 101, 150, 999])
def test_a_segment_cut_short_gives_the_records_before_the_cut(
    open_queue: OpenQueue, root: Path, length: int
) -> None:
    leave(open_queue, 10)
    [segment] = root.rglob("*.segment")
    os.truncate(segment, length)

    assert adopted_pending(root) == ([length // 100] if length >= 100 else [])


def test_a_damaged_owner_file_or_segment_stops_nobody_else(open_queue: OpenQueue, root: Path) -> None:
    leave(open_queue, 3)
    [damaged] = root.iterdir()
    (damaged / OWNER_FILE).write_bytes(b"\0" * 40)
    (damaged / COPY_FILE).write_bytes(b"{")
    (root / "empty.journal").mkdir()
    (root / "file.journal").touch()
    leave(open_queue, 3, first=10)
    (max(root.glob("0*.journal")) / "00000099.segment").mkdir()

    [adopted] = adoptable(root, DESTINATION)
    assert numbers(everything(adopted)) == [10, 11, 12]
    adopted.close(keep=True)
    assert len(survey(root)) == 4


def test_a_journal_whose_owner_file_was_overwritten_is_adopted_all_the_same(
    open_queue: OpenQueue, root: Path
) -> None:
    leave(open_queue, 3)
    [home] = root.iterdir()
    with (home / OWNER_FILE).open("r+b") as file:
        file.write(b"libthing: warning: something happened, and here it is said\n")

    [report] = survey(root)
    assert (report.problem, report.counts.pending) == ("", 3)
    [adopted] = adoptable(root, DESTINATION)
    assert numbers(everything(adopted)) == [0, 1, 2]
    adopted.close(keep=True)


def test_a_link_planted_as_a_journal_or_a_segment_is_not_followed(
    open_queue: OpenQueue, root: Path, tmp_path: Path
) -> None:
    leave(open_queue, 3)
    [home] = root.iterdir()
    victim = tmp_path / "victim"
    victim.write_bytes(line("victim"))
    (home / "00000099.segment").symlink_to(victim)
    home.rename(tmp_path / "moved")
    (root / home.name).symlink_to(tmp_path / "moved")
    assert list(adoptable(root)) == []

    (root / home.name).unlink()
    (tmp_path / "moved").rename(home)
    [adopted] = adoptable(root)
    assert numbers(everything(adopted)) == [0, 1, 2]
    adopted.acknowledge(everything(adopted))
    adopted.close(keep=True)
    assert victim.read_bytes() == line("victim")


@pytest.mark.parametrize(
    ("kind", "host", "boot", "is_adopted"),
    [
        ("ext4", "another", "another", True),  # only one kernel at a time can have it mounted
        ("nfs4", "another", "another", False),
        ("nfs4", "another", "ours", True),  # another container on this kernel
        ("nfs4", "ours", "another", True),  # this host, before it was restarted
        ("nfs4", "", "", False),
    ],
)
def test_another_hosts_journal_on_a_shared_filesystem_waits_to_be_asked_for(
    open_queue: OpenQueue,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    host: str,
    boot: str,
    is_adopted: bool,
) -> None:
    leave(open_queue, 3)
    [home] = root.iterdir()
    ours = this_process(DESTINATION)
    owner = Owner(
        destination=DESTINATION,
        host=ours.host if host == "ours" else host,
        boot=ours.boot if boot == "ours" else boot,
    )
    (home / OWNER_FILE).write_bytes(msgspec.json.encode(owner))
    monkeypatch.setattr(filesystem, "of", lambda directory: kind)

    assert adopted_pending(root, DESTINATION) == ([3] if is_adopted else [])
    assert adopted_pending(root, DESTINATION, other_hosts=True) == [3]


def start_together(start_python: StartPython, root: Path, count: int) -> list[subprocess.Popen[bytes]]:
    """So many recoverers, set off at the same moment."""
    recoverers = [start_python(RECOVER, root) for _ in range(count)]
    for recoverer in recoverers:
        assert recoverer.stdin is not None
        recoverer.stdin.write(b".")
        recoverer.stdin.flush()
    return recoverers


def said_by(recoverer: subprocess.Popen[bytes]) -> list[int]:
    """The records whose delivery a recoverer told of."""
    assert recoverer.stdout is not None
    output = recoverer.stdout.read()
    recoverer.wait(timeout=60)
    return [msgspec.json.decode(said)["span"]["n"] for said in output[: output.rfind(b"\n") + 1].splitlines()]


def test_of_eight_recoverers_exactly_one_delivers_each_record(
    open_queue: OpenQueue, root: Path, start_python: StartPython
) -> None:
    for journal in range(40):
        leave(open_queue, 20, first=100 * journal)

    recoverers = start_together(start_python, root, 8)
    delivered = [number for recoverer in recoverers for number in said_by(recoverer)]

    assert [recoverer.returncode for recoverer in recoverers] == [0] * 8
    assert sorted(delivered) == [100 * journal + number for journal in range(40) for number in range(20)]
    assert all(report.counts == Counts(delivered=20) for report in survey(root))


def test_of_eight_recoverers_five_are_killed_and_nothing_is_lost_or_delivered_more_than_a_batch_too_often(
    open_queue: OpenQueue, root: Path, start_python: StartPython
) -> None:
    for journal in range(40):
        leave(open_queue, 20, first=100 * journal)

    recoverers = start_together(start_python, root, 8)
    delivered = []
    for recoverer in recoverers[:5]:
        assert recoverer.stdout is not None
        for said in [recoverer.stdout.readline() for _ in range(7)]:
            delivered += [msgspec.json.decode(said)["span"]["n"]] if said else []
        recoverer.kill()
    for recoverer in recoverers:
        delivered += said_by(recoverer)
    [last] = start_together(start_python, root, 1)
    delivered += said_by(last)

    everyone = {100 * journal + number for journal in range(40) for number in range(20)}
    assert set(delivered) == everyone
    assert len(delivered) <= len(everyone) + 5 * 5  # a batch is of five records
    assert all(report.counts == Counts(delivered=20) for report in survey(root))


def test_a_recoverer_that_dies_leaves_the_rest_to_the_next(
    open_queue: OpenQueue, root: Path, start_python: StartPython
) -> None:
    leave(open_queue, 2000)
    recoverer = start_python(RECOVER, root)
    assert recoverer.stdin is not None
    assert recoverer.stdout is not None
    recoverer.stdin.write(b".")
    recoverer.stdin.flush()
    said = [recoverer.stdout.readline() for _ in range(20)]
    recoverer.kill()
    rest = recoverer.stdout.read()
    said += rest[: rest.rfind(b"\n") + 1].splitlines()
    delivered = {msgspec.json.decode(found)["span"]["n"] for found in said}

    left: set[int] = set()
    for adopted in adoptable(root):
        left.update(numbers(everything(adopted)))
        adopted.close(keep=True)

    assert delivered | left == set(range(2000))
    [report] = survey(root)
    assert report.counts.recorded == 2000
    assert report.counts.pending == len(left)


def test_a_journal_that_can_not_be_read_for_now_is_named_and_kept_until_it_can(
    open_queue: OpenQueue, root: Path
) -> None:
    leave(open_queue, 3)
    [home] = root.glob("*.journal")
    [segment] = home.glob("*.segment")
    segment.rename(root / "elsewhere")
    segment.symlink_to(root / "elsewhere")
    assert list(adoptable(root)) == []
    [(found, why)] = passed_over(root)
    assert found == home
    assert why.startswith(f"its file {segment.name!r} can't be read: ")
    segment.unlink()
    (root / "elsewhere").rename(segment)
    assert list(passed_over(root)) == []
    [adopted] = adoptable(root)
    assert adopted.pending()[0] == 3
    adopted.close(keep=True)


def test_a_living_journal_is_not_passed_over(open_queue: OpenQueue, root: Path) -> None:
    queue = open_queue()
    queue.append(line(0, 100))
    assert list(passed_over(root)) == []
    queue.close(keep=False)


def test_a_record_that_is_given_up_is_counted_as_dropped_whoever_looks(
    open_queue: OpenQueue, root: Path
) -> None:
    queue = open_queue()
    for number in range(3):
        queue.append(line(number, 100))
    records, _ = queue.read(queue.start(), 1 << 20)
    queue.acknowledge(records[:1], "lost")
    queue.acknowledge(records[:2])
    assert queue.counts()[:4] == (1, 1, 0, 1)
    [report] = survey(root)
    assert report.counts[:4] == (1, 1, 0, 1)
    queue.close(keep=True)
    [adopted] = adoptable(root)
    assert adopted.counts()[:4] == (1, 1, 0, 1)
    adopted.close(keep=True)
