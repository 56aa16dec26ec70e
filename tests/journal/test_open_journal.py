"""Opening a queue: where it goes, and what becomes of it where it can't go there."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from support.journals import DESTINATION, everything, line, numbers

from llmobs_trace.journal import (
    Owner,
    files,
    filesystem,
    open_journal,
    ownership,
    storage_at,
    this_process,
    unkept,
)
from llmobs_trace.journal import leftovers as recovery

OWNER = this_process(DESTINATION)


def test_without_a_directory_records_are_kept_in_memory() -> None:
    queue = open_journal(None, owner=OWNER)
    assert (queue.storage, queue.reason) == ("memory", "")
    queue.close(keep=False)


def test_a_missing_directory_is_made(tmp_path: Path) -> None:
    queue = open_journal(tmp_path / "state" / "journals", owner=OWNER)
    queue.append(line(1))

    [home] = (tmp_path / "state" / "journals").iterdir()
    assert queue.storage == storage_at(home)
    assert ownership.read_owner(home) == OWNER
    queue.close(keep=False)


def test_only_its_user_can_read_what_is_kept(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        queue = open_journal(tmp_path / "journals", owner=OWNER, segment_bytes=1000)
        queue.append(line(1, 900))
        queue.append(line(2, 900))
        queue.append(line(3, 5000))
        queue.prepare()
    finally:
        os.umask(before)

    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "journals").rglob("*")}
    assert len(modes) >= 6
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if not path.is_dir()} == {0o600}
    queue.close(keep=False)


def test_where_no_file_can_be_made_memory_takes_over_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    queue = open_journal(tmp_path / "file" / "journals", owner=OWNER)

    assert queue.storage == "memory"
    assert str(tmp_path / "file" / "journals") in queue.reason
    assert "Not a directory" in queue.reason
    queue.append(line(1))
    assert numbers(everything(queue)) == [1]
    queue.close(keep=False)


def test_where_no_ledger_can_be_written_an_empty_file_says_so_until_it_is_known_that_nothing_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", disk_full)

    queue = open_journal(tmp_path, owner=OWNER)

    assert queue.storage == "memory"
    assert "No space left" in queue.reason
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]
    [word] = unkept(tmp_path)
    assert (word.pid, word.is_held, word.reason) == (os.getpid(), True, "No space left on device")
    queue.append(line(1))
    queue.acknowledge(everything(queue))
    queue.close(keep=True)
    assert list(tmp_path.iterdir()) == []

    queue = open_journal(tmp_path, owner=OWNER)
    queue.append(line(1))
    queue.close(keep=True)
    [word] = unkept(tmp_path)
    assert not word.is_held

    refused = open_journal(tmp_path, owner=OWNER, segment_bytes=500, max_bytes=1000)
    for number in range(3):
        refused.append(line(number, 500))
    refused.acknowledge(everything(refused))
    refused.close(keep=True)
    assert len(unkept(tmp_path)) == 2


def test_where_the_disk_refuses_the_first_segment_the_ledger_is_there_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(size_bytes: int) -> None:
        if size_bytes > 4096:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(files, "check_limit", refuse)
        queue = open_journal(tmp_path, owner=OWNER, segment_bytes=8192)
        assert queue.reason == "the journal's disk refuses: No space left on device"
        assert (queue.storage, unkept(tmp_path)) == ("mapped", [])
        queue.append(line(1))
        [report] = recovery.survey(tmp_path)
        assert (report.counts.pending, report.in_memory) == (1, 1)
        queue.prepare()
    # There is room again: what comes next is on disk, and what is left at the end.
    later = time.monotonic() + 2
    monkeypatch.setattr("time.monotonic", lambda: later)
    queue.prepare()
    for number in range(2, 12):
        queue.append(line(number, 1000))
    queue.prepare()
    assert queue.in_memory() < 11
    queue.close(keep=True)
    [report] = recovery.survey(tmp_path)
    assert (report.counts, report.in_memory) == (queue.counts(), 0)
    assert (report.counts.pending, report.counts.dropped) == (11, 0)


def test_a_filesystem_where_a_mapped_store_could_kill_is_not_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "of", lambda directory: "btrfs")
    queue = open_journal(tmp_path, owner=OWNER)
    assert queue.storage == "mirrored"
    queue.close(keep=False)


def test_a_journal_stays_where_it_is_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    queue = open_journal(Path("journals"), owner=OWNER, segment_bytes=1000)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    for number in range(30):
        queue.append(line(number, 100))
    queue.prepare()

    assert numbers(everything(queue)) == list(range(30))
    assert list((tmp_path / "elsewhere").iterdir()) == []
    queue.close(keep=False)


def test_old_ledgers_are_dropped_and_journals_with_records_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_KEPT_LEDGERS", 3)
    pending = open_journal(tmp_path, owner=OWNER)
    pending.append(line("pending"))
    pending.close(keep=True)
    for _ in range(6):
        queue = open_journal(tmp_path, owner=OWNER)
        queue.append(line(1))
        queue.acknowledge(everything(queue))
        queue.close(keep=True)

    live = open_journal(tmp_path, owner=OWNER)

    reports = recovery.survey(tmp_path)
    assert [report.counts.pending for report in reports] == [1, 0, 0, 0]
    assert reports[-1].is_held
    live.close(keep=False)


def test_a_ledger_that_lost_something_is_kept_for_a_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_KEPT_LEDGERS", 1)
    lossy = open_journal(tmp_path, owner=OWNER)
    lossy.append(line(1))
    lossy.close(keep=False)
    for _ in range(3):
        queue = open_journal(tmp_path, owner=OWNER)
        queue.append(line(1))
        queue.acknowledge(everything(queue))
        queue.close(keep=True)
    assert [report.counts.dropped for report in recovery.survey(tmp_path)] == [1, 0]
    [home, _] = ownership.homes(tmp_path)
    week_ago_s = time.time() - 8 * 86_400
    os.utime(home, (week_ago_s, week_ago_s))
    recovery.drop_old_ledgers(tmp_path)
    assert [report.counts.dropped for report in recovery.survey(tmp_path)] == [0]


def test_a_ledger_that_may_lack_something_is_kept_for_a_week_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_KEPT_LEDGERS", 1)
    with monkeypatch.context() as copying:
        copying.setattr(filesystem, "of", lambda directory: "btrfs")
        abrupt = open_journal(tmp_path, owner=OWNER)
        abrupt.append(line(1))
        abrupt.after_fork_in_child()  # unlocked, and nothing said: as a kill leaves it
        for adopted in recovery.adoptable(tmp_path):
            adopted.acknowledge(everything(adopted))
            adopted.close(keep=True)
        queue = open_journal(tmp_path, owner=OWNER)
        queue.append(line(1))
        queue.close(keep=True)
    recovery.drop_old_ledgers(tmp_path)
    assert [bool(report.problem) for report in recovery.survey(tmp_path)] == [True, False]
    home, _ = ownership.homes(tmp_path)
    week_ago_s = time.time() - 8 * 86_400
    os.utime(home, (week_ago_s, week_ago_s))
    recovery.drop_old_ledgers(tmp_path)
    assert [bool(report.problem) for report in recovery.survey(tmp_path)] == [False]


def test_hundreds_of_queues_one_after_the_other_leave_no_descriptor(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for number in range(300):
        queue = open_journal(tmp_path if number % 2 else None, owner=OWNER, segment_bytes=4096)
        queue.append(line(number))
        queue.prepare()
        queue.close(keep=False)

    assert descriptors() == before


def test_an_owner_of_a_later_version_with_more_fields_is_still_read(tmp_path: Path) -> None:
    (tmp_path / "owner").write_text('{"destination": "d", "version": 9, "news": [1]}')
    assert ownership.read_owner(tmp_path) == Owner(destination="d", version=9)
