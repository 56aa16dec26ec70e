"""What a queue may take of the disk, of memory and of files, while nobody empties it, or hardly."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.journals import everything, line, numbers

from llmobs_trace.journal import Queue, adoptable, filesystem, memory_left, survey

OpenQueue = Callable[..., Queue]
StartPython = Callable[..., "subprocess.Popen[bytes]"]

# Nobody acknowledges anything; the sender only keeps house. It says how its memory grew and what it holds.
DEAD_CONSUMER = """
import json, os, sys
from pathlib import Path
from llmobs_trace.journal import open_journal, this_process

def memory_bytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = dict(line.split(":", 1) for line in lines)
    return (int(sizes["RssAnon"].split()[0]) + int(sizes["RssFile"].split()[0])) << 10

root, kind, record = Path(sys.argv[1]), sys.argv[2], b'{"experiment":"e","span":{"x":"%s"}}\\n' % (b"x" * 400)
queue = open_journal(
    None if kind == "memory" else root, owner=this_process("d"), segment_bytes=65536, max_bytes=2 << 20
)
for number in range(10_000):
    queue.append(record)
    if not number % 100:
        queue.prepare()
before = memory_bytes()
for number in range(190_000):
    queue.append(record)
    if not number % 100:
        queue.prepare()
found = {
    "grown": memory_bytes() - before,
    "counts": queue.counts(),
    "files": len(os.listdir("/proc/self/fd")),
    "disk": sum(path.stat().st_blocks * 512 for path in root.rglob("*")),
}
queue.close(keep=False)
print(json.dumps(found))
"""


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_200_000_records_that_nobody_takes_leave_memory_and_disk_at_their_bounds(
    tmp_path: Path, start_python: StartPython, kind: str
) -> None:
    output, _ = start_python(DEAD_CONSUMER, tmp_path, kind).communicate(timeout=60)
    found: dict[str, Any] = json.loads(output)

    _, pending, _, dropped, pending_bytes = found["counts"]
    assert pending + dropped == 200_000
    assert 1 << 20 < pending_bytes <= 2 << 20
    assert found["grown"] < 2 << 20
    assert found["disk"] <= (2 << 20) + (64 << 10)  # with the tally, the owner and the directories
    assert found["files"] < 40


def test_a_roll_over_while_the_spare_is_made_leaves_no_file_beyond_the_bound(
    open_queue: OpenQueue, tmp_path: Path
) -> None:
    queue: Any = open_queue(segment_bytes=4096, max_bytes=8192)
    really = queue._shelf.make

    def make(size_bytes: int) -> Any:
        queue._shelf.make = really
        spare = really(size_bytes)
        for number in range(60):  # on another thread, while the pages of the spare are touched
            queue.append(line(number, 100))
        return spare

    queue._shelf.make = make
    queue.prepare()

    assert sum(path.stat().st_size for path in tmp_path.rglob("*.segment")) <= 8192
    assert len(everything(queue)) == queue.counts().pending > 30


def test_no_more_files_than_a_number_are_made_however_small(open_queue: OpenQueue, tmp_path: Path) -> None:
    queue = open_queue(segment_bytes=4096, max_bytes=1 << 20)
    turns: Any = queue
    turns._turns.append(object())  # as if a thread slept in mid roll-over
    for number in range(3000):
        queue.append(line(number, 100))

    files = len(list(tmp_path.rglob("*.segment")))
    assert files <= (1 << 20) // 4096
    counts = queue.counts()
    assert (counts.pending + counts.dropped, counts.dropped > 1000) == (3000, True)
    assert len(everything(queue)) == counts.pending

    turns._turns.clear()
    queue.acknowledge(everything(queue))
    queue.append(line("after", 100))
    assert numbers(everything(queue)) == ["after"]


def test_records_that_stay_here_and_there_keep_nothing_else_out(
    open_queue: OpenQueue, tmp_path: Path, storage: str
) -> None:
    queue = open_queue(storage, segment_bytes=16 << 10, max_bytes=512 << 10)
    kept = []
    for number in range(16_000):
        queue.append(line(number, 100))
        if number % 80 == 79:
            # One record in 160 is of an experiment that is paused: each keeps a segment.
            records = everything(queue)
            queue.acknowledge([record for record in records if numbers([record])[0] % 160])
            queue.prepare()
        if not number % 160:
            kept.append(number)

    assert queue.dropped() == 0
    assert numbers(everything(queue)) == kept
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.segment")) <= 512 << 10
    records = everything(queue, max_bytes=1)
    assert numbers(records) == kept
    queue.acknowledge(records[:50], "rejected")
    queue.acknowledge(records[:60])
    assert numbers(everything(queue)) == kept[60:]
    assert queue.counts()[:4] == (15_910, 40, 50, 0)
    queue.close(keep=True)
    if storage == "memory":
        assert queue.counts()[:4] == (15_910, 0, 50, 40)
        return

    [report] = survey(tmp_path / "journals")
    assert report.counts == queue.counts()
    [adopted] = adoptable(tmp_path / "journals")
    assert adopted.counts() == queue.counts()
    assert sorted(numbers(everything(adopted))) == kept[60:]
    adopted.acknowledge(everything(adopted))
    assert adopted.counts()[:4] == (15_950, 0, 50, 0)
    adopted.close(keep=True)


def test_a_rewritten_file_that_is_removed_is_counted_as_dropped(
    open_queue: OpenQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "of", lambda directory: "ext4")
    queue = open_queue(segment_bytes=1000, max_bytes=4000)
    for number in range(30):
        queue.append(line(number, 100))
    queue.prepare()
    records = everything(queue)
    queue.acknowledge([record for record in records if numbers([record])[0] % 10 != 5])
    queue.prepare()
    assert min(tmp_path.rglob("*.segment")).read_bytes().startswith(b"=9 0 0\n{")
    min(tmp_path.rglob("*.segment")).unlink()

    queue.acknowledge([records[15]])

    assert numbers(everything(queue)) == [25]
    assert queue.counts()[:4] == (28, 1, 0, 1)


def on_disk(root: Path) -> int:
    """What the files of segments take there, room made for what never came included."""
    return sum(path.stat().st_blocks * 512 for path in root.rglob("*.segment"))


@pytest.mark.parametrize("kind", ["ext4", "overlay", "btrfs"])
def test_a_short_run_that_ends_in_order_leaves_files_no_larger_than_its_records(
    tmp_path: Path, open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(filesystem, "of", lambda directory: kind)
    queue = open_queue(segment_bytes=2 << 20, max_bytes=256 << 20)
    for number in range(40):
        queue.append(line(number, 200))
    queue.prepare()
    queue.acknowledge(everything(queue)[:3])
    queue.close(keep=True)

    assert [path.stat().st_size for path in tmp_path.rglob("*.segment")] == [8000]
    [adopted] = adoptable(tmp_path / "journals")
    assert numbers(everything(adopted)) == list(range(3, 40))
    assert adopted.counts() == queue.counts()
    adopted.close(keep=True)


@pytest.mark.parametrize("kind", ["ext4", "overlay", "btrfs"])
def test_what_a_killed_run_made_room_for_is_given_back_when_its_journal_is_taken_over(
    tmp_path: Path, open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(filesystem, "of", lambda directory: kind)
    queue = open_queue(segment_bytes=2 << 20, max_bytes=256 << 20)
    for number in range(40):
        queue.append(line(number, 200))
    queue.prepare()
    queue.acknowledge(everything(queue)[:3])
    queue.acknowledge(everything(queue)[:2], "rejected")
    queue.after_fork_in_child()  # lets go of everything, as a kill does
    first = min(tmp_path.rglob("*.segment"))
    with first.open("r+b") as file:
        file.seek(8000)
        file.write(b'{"experiment":"e","span":{"torn')
    root = tmp_path / "journals"
    [before] = survey(root)
    assert (before.counts.recorded, before.counts.dropped) == (41, 1)

    for _ in range(2):
        [adopted] = adoptable(root)
        assert on_disk(root) <= 8192
        assert numbers(everything(adopted)) == list(range(5, 40))
        assert adopted.counts()[:4] == before.counts[:4]
        adopted.close(keep=True)
        assert survey(root)[0].counts[:4] == before.counts[:4]


def test_where_the_disk_is_memory_a_journal_takes_only_a_share_of_what_is_left(
    open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_bytes = 1 << 20
    monkeypatch.setattr(filesystem, "of", lambda directory: "tmpfs")
    monkeypatch.setattr(memory_left, "free_bytes", lambda: free_bytes)
    queue = open_queue(segment_bytes=16 << 10, max_bytes=1 << 30)

    for number in range(4000):
        queue.append(line(number, 100))

    assert 200 << 10 < queue.pending()[1] <= 256 << 10
    assert queue.in_memory() == 0

    free_bytes = 100 << 10
    queue.acknowledge(everything(queue))
    for number in range(1000):
        queue.append(line(number, 100))
    assert queue.reason == "the journal's disk refuses: it is memory, of which too little is left"
    assert queue.in_memory() > 500
