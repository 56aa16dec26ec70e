from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest
from support.journals import everything, line
from support.users import TwoUsers

from llmobs_trace.cli.doctor import ledgers
from llmobs_trace.cli.doctor.verdict import Resending, judge
from llmobs_trace.deliver import Answer
from llmobs_trace.deliver.rejected import Rejected, Rejection
from llmobs_trace.journal import Queue, open_journal, this_process

A_REJECTION = Rejection(
    destination="there", experiment_id="e", is_span=True, event=b"{}", answer=Answer(status=400), sent=False
)


def journal(directory: Path, events: int, *, delivered: int = 0, rejected: int = 0) -> Queue:
    """A journal of this process with so many events, some of them done with."""
    queue = open_journal(directory, owner=this_process("https://api.example.test", "e", "a run"))
    for number in range(events):
        queue.append(line(number))
    records = everything(queue)
    queue.acknowledge(records[:delivered])
    queue.acknowledge(records[delivered : delivered + rejected], "rejected")
    return queue


def test_each_process_has_its_ledger_living_or_ended(tmp_path: Path) -> None:
    journal(tmp_path, 5, delivered=2, rejected=1).close(keep=True)
    living = journal(tmp_path, 3, delivered=3)
    ended, now = ledgers.read(tmp_path).ledgers
    assert (ended.state, ended.recorded, ended.delivered, ended.pending, ended.rejected, ended.dropped) == (
        "ended", 5, 2, 2, 1, 0,
    )  # fmt: skip
    assert (now.state, now.recorded, now.delivered, now.pending) == ("living", 3, 3, 0)
    assert (now.pid, now.destination, now.experiment_name) == (
        os.getpid(),
        "https://api.example.test",
        "a run",
    )
    assert ended.balances
    assert now.balances
    living.close(keep=False)


def test_looking_changes_nothing(tmp_path: Path) -> None:
    journal(tmp_path, 5, delivered=2).close(keep=True)
    before = {path: path.stat() for path in tmp_path.rglob("*")}
    bytes_before = {path: path.read_bytes() for path in before if path.is_file()}
    assert ledgers.read(tmp_path) == ledgers.read(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == bytes_before
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == {
        path: stat.st_mtime_ns for path, stat in before.items()
    }


def test_a_copy_from_another_host_says_so(tmp_path: Path) -> None:
    journal(tmp_path / "there", 4, delivered=1).close(keep=True)
    here = tmp_path / "here"
    shutil.copytree(tmp_path / "there", here)
    (owner,) = here.glob("*/owner")
    owner.write_bytes(msgspec.json.encode({**msgspec.json.decode(owner.read_bytes()), "host": "elsewhere"}))
    (copied,) = ledgers.read(here).ledgers
    assert (copied.state, copied.pending, copied.delivered) == ("another host", 3, 1)


def test_a_journal_that_says_nothing_of_its_owner_does_not_balance(tmp_path: Path) -> None:
    journal(tmp_path, 2).close(keep=True)
    for owner in tmp_path.glob("*/owner*"):
        owner.write_bytes(b"nothing")
    (found,) = ledgers.read(tmp_path).ledgers
    assert (found.state, found.destination, found.pending, found.balances) == ("unknown", None, 2, False)
    assert found.problem


def test_another_user_s_journals_in_the_same_directory_are_counted_and_stop_nobody(
    two_users: TwoUsers,
) -> None:
    journal(two_users.shared, 3).close(keep=True)
    Rejected(two_users.shared).keep(A_REJECTION)
    with two_users.the_second():
        found = ledgers.read(two_users.shared)
        assert (found.ledgers, found.of_other_users, found.rejected_file) == ([], 1, None)
        judged = judge(found, [], [], Resending(None, False, ""))
        assert judged.line.startswith("cannot tell what was lost: ")
        assert judged.line.endswith("has 1 journal of other users, and none of yours")
        assert judged.exit_code == 3

        journal(two_users.shared, 2, delivered=2).close(keep=True)
        kept = Rejected(two_users.shared).keep(A_REJECTION)
        found = ledgers.read(two_users.shared)
        assert [ledger.delivered for ledger in found.ledgers] == [2]
        assert (found.of_other_users, found.rejected_file) == (1, kept)
        judged = judge(found, [], [], Resending(None, False, ""))
        assert (judged.line, judged.exit_code) == ("nothing lost: 2 recorded = 2 delivered, by 1 process", 0)


def test_memory_and_what_is_not_there_are_told_apart(tmp_path: Path) -> None:
    memory = ledgers.read(None)
    assert (memory.directory, memory.storage, memory.ledgers) == (None, "memory", [])
    assert "memory alone" in memory.problem
    nowhere = ledgers.read(tmp_path / "no" / "where")
    assert (nowhere.ledgers, nowhere.problem) == ([], "")
    assert not (tmp_path / "no").exists()


def test_a_directory_that_cannot_be_read_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refused)
    assert ledgers.read(tmp_path).problem == f"{tmp_path} can't be read: Permission denied"


def test_what_a_kill_takes_is_said_of_each_way_to_keep_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = set()
    for kind, storage in (("ext4", "mapped"), ("btrfs", "mirrored")):
        monkeypatch.setattr("llmobs_trace.journal.filesystem.of", lambda directory, kind=kind: kind)
        found = ledgers.read(tmp_path)
        assert found.storage == storage
        said.add(found.lost_to_a_kill)
    assert len(said) == 2


def test_the_file_of_what_was_rejected_is_named_where_it_is(tmp_path: Path) -> None:
    assert ledgers.read(tmp_path).rejected_file is None
    file = tmp_path / "rejected" / "rejected.jsonl"
    file.parent.mkdir()
    file.touch()
    assert ledgers.read(tmp_path).rejected_file == str(file)
