"""What all processes leave for one destination is bounded together, and the newest is refused and counted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.journals import DESTINATION, everything, line, numbers

from llmobs_trace.journal import Queue, adoptable, disk_use, filesystem, open_journal, survey, this_process

MAX_BYTES = 512 << 10
OTHERS = "what all processes left for this destination is at its bound (max_journal_bytes)"


@pytest.fixture(params=["ext4", "btrfs"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A filesystem that is mapped, and one that isn't."""
    monkeypatch.setattr(filesystem, "of", lambda directory: request.param)
    return str(request.param)


def opened(root: Path, destination: str = DESTINATION) -> Queue:
    owner = this_process(destination)
    return open_journal(root, owner=owner, segment_bytes=64 << 10, max_bytes=MAX_BYTES)


def short_run(root: Path, run: int, destination: str = DESTINATION) -> int:
    """Records 40 events, delivers none of them, and ends; how many were refused."""
    queue = opened(root, destination)
    for number in range(40):
        queue.append(line([run, number], 200))
    queue.prepare()
    dropped = queue.dropped()
    assert queue.reason == (OTHERS if dropped else "")
    queue.close(keep=True)
    return dropped


def waiting_on_disk(root: Path) -> int:
    """What the journals take in which anything waits, as `du` counts it."""
    homes = {segment.parent for segment in root.rglob("*.segment")}
    return sum(path.lstat().st_blocks * 512 for home in homes for path in (home, *home.iterdir()))


def test_short_runs_in_an_outage_keep_to_the_bound_together_and_the_newest_are_refused_and_counted(
    tmp_path: Path,
) -> None:
    refused = [short_run(tmp_path, run) for run in range(40)]

    kept = refused.index(40)
    assert refused == [0] * kept + [40] * (40 - kept)
    assert kept >= 10
    assert waiting_on_disk(tmp_path) <= MAX_BYTES
    reports = survey(tmp_path)
    assert sum(report.counts.pending for report in reports) == 40 * kept
    assert sum(report.counts.dropped for report in reports) == 40 * (40 - kept)
    found = []
    for adopted in adoptable(tmp_path, DESTINATION):
        found += numbers(everything(adopted))
        adopted.close(keep=True)
    assert found == [[run, number] for run in range(kept) for number in range(40)]


def test_what_waits_for_another_destination_takes_nothing_of_the_bound(tmp_path: Path) -> None:
    while not short_run(tmp_path, 0):
        pass

    assert short_run(tmp_path, 1, "/another/store.db") == 0
    assert short_run(tmp_path, 2) == 40


def test_once_what_others_left_is_delivered_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    while not short_run(tmp_path, 0):
        pass
    queue = opened(tmp_path)
    queue.append(line("refused", 200))
    assert queue.dropped() == 1

    for adopted in adoptable(tmp_path, DESTINATION):
        adopted.acknowledge(everything(adopted))
        adopted.close(keep=True)
    later = time.monotonic() + 60
    monkeypatch.setattr("time.monotonic", lambda: later)
    queue.prepare()
    queue.append(line("kept", 200))

    assert (queue.dropped(), numbers(everything(queue))) == (1, ["kept"])
    queue.close(keep=False)


def test_living_processes_share_the_bound_and_what_they_only_made_ready_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = [opened(tmp_path) for _ in range(12)]
    for queue in queues:
        queue.append(line("first", 200))
        queue.prepare()  # a newest segment and a spare for each: three times the bound in all
    assert [queue.dropped() for queue in queues] == [0] * 12

    now = time.monotonic()
    for number in range(4000):
        queues[number % 2].append(line(number, 200))
        if not number % 50:
            now += 60
            monkeypatch.setattr("time.monotonic", lambda now=now: now)
            for queue in queues[:2]:
                queue.prepare()
    held = sum(queue.pending()[1] for queue in queues)
    assert MAX_BYTES // 2 < held <= MAX_BYTES + 2 * (128 << 10)
    assert queues[0].dropped() > 0
    assert queues[1].dropped() > 0
    for queue in queues:
        queue.close(keep=False)


def test_what_a_killed_process_made_room_for_counts_until_it_is_cut(tmp_path: Path, kind: str) -> None:
    queue = opened(tmp_path)
    queue.append(line("left", 200))
    queue.prepare()
    [home] = tmp_path.iterdir()
    while_it_lives = disk_use.taken_bytes(home)
    queue.after_fork_in_child()  # lets go of everything, as a kill does
    if kind == "ext4":
        assert while_it_lives < 64 << 10 < disk_use.taken_bytes(home)

    [adopted] = adoptable(tmp_path)
    assert disk_use.taken_bytes(home) < 64 << 10
    adopted.acknowledge(everything(adopted))
    adopted.close(keep=True)
    assert disk_use.taken_bytes(home) == 0


def test_what_is_no_journal_or_cannot_be_read_is_not_counted(tmp_path: Path) -> None:
    short_run(tmp_path, 1)
    [home] = tmp_path.iterdir()
    (tmp_path / "0.journal").symlink_to(home)
    (tmp_path / "1.journal").touch()
    (tmp_path / "2.journal").mkdir()
    os.mkfifo(tmp_path / "2.journal" / "1.segment")

    alone = disk_use.taken_bytes(home)
    assert disk_use.of_others(tmp_path, DESTINATION, tmp_path, 1 << 40) == alone > 0
    assert disk_use.of_others(tmp_path, DESTINATION, home, 1 << 40) == 0
