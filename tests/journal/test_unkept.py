"""The empty file of a process that could make no journal."""

from __future__ import annotations

import errno
import os
import resource
import signal
import time
from pathlib import Path

import pytest
from support.small_disks import run_on_small_disk

from llmobs_trace.journal.unkept import UnkeptJournal, drop_old_unkept, unkept

FULL = OSError(errno.ENOSPC, "No space left on device")


def left(root: Path, error: OSError = FULL) -> UnkeptJournal:
    word = UnkeptJournal.leave(root, error)
    assert word is not None
    return word


def test_it_says_who_when_and_why_and_whether_that_process_lives(tmp_path: Path) -> None:
    before_ns = time.time_ns()
    word = left(tmp_path)
    [found] = unkept(tmp_path)
    assert (found.pid, found.reason, found.is_held) == (os.getpid(), "No space left on device", True)
    assert before_ns <= found.started_ns <= time.time_ns()
    [path] = tmp_path.iterdir()
    assert path.stat().st_size == 0
    assert path.stat().st_mode & 0o777 == 0o600
    word.close(remove=False)
    assert [found.is_held for found in unkept(tmp_path)] == [False]
    word = left(tmp_path, OSError("without a number"))
    assert unkept(tmp_path)[1].reason == "for a reason that has no name"
    word.close(remove=True)
    assert len(unkept(tmp_path)) == 1


def test_where_there_is_no_directory_nothing_is_said_and_nothing_raised(tmp_path: Path) -> None:
    assert UnkeptJournal.leave(tmp_path / "nowhere", FULL) is None
    assert unkept(tmp_path / "nowhere") == []
    drop_old_unkept(tmp_path / "nowhere")


def test_without_a_descriptor_to_spare_it_is_left_all_the_same(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        word = UnkeptJournal.leave(tmp_path, OSError(errno.EMFILE, "Too many open files"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert word is not None
    [found] = unkept(tmp_path)
    assert (found.pid, found.reason) == (os.getpid(), "Too many open files")
    word.close(remove=True)
    assert unkept(tmp_path) == []


def test_so_many_leave_one_at_most(tmp_path: Path) -> None:
    words = [UnkeptJournal.leave(tmp_path, FULL) for _ in range(300)]
    assert len(unkept(tmp_path)) == len([word for word in words if word is not None]) == 256
    for word in words:
        if word is not None:
            word.close(remove=True)
    assert list(tmp_path.iterdir()) == []


def test_a_forked_child_lets_go_of_its_parents_and_leaves_it_locked(tmp_path: Path) -> None:
    word = left(tmp_path)
    pid = os.fork()
    if not pid:
        word.forget()
        os._exit(0)
    os.waitpid(pid, 0)
    assert [found.is_held for found in unkept(tmp_path)] == [True]
    word.close(remove=True)


def test_what_somebody_else_put_there_is_left_alone(tmp_path: Path) -> None:
    left(tmp_path).close(remove=False)
    [path] = tmp_path.iterdir()
    (tmp_path / "x.unkept").touch()
    (tmp_path / f"{'9' * 20}-1-00000000-ENOSPC.unkept").symlink_to(path)
    (tmp_path / f"{'8' * 20}-1-00000000-ENOSPC.unkept").mkdir()
    os.mkfifo(tmp_path / f"{'7' * 20}-1-00000000-ENOSPC.unkept")
    assert len(unkept(tmp_path)) == 1
    week_ago = time.time() - 8 * 86_400
    for one in tmp_path.iterdir():
        os.utime(one, (week_ago, week_ago), follow_symlinks=False)
    drop_old_unkept(tmp_path)
    assert not path.exists()
    assert len(list(tmp_path.iterdir())) == 3


def test_it_goes_after_a_week_unless_its_process_lives(tmp_path: Path) -> None:
    living, ended, new = left(tmp_path), left(tmp_path), left(tmp_path)
    ended.close(remove=False)
    new.close(remove=False)
    week_ago = time.time() - 8 * 86_400
    for path in sorted(tmp_path.iterdir())[:2]:
        os.utime(path, (week_ago, week_ago))
    drop_old_unkept(tmp_path)
    assert [found.is_held for found in unkept(tmp_path)] == [True, False]
    living.close(remove=True)


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_on_a_full_disk_and_where_no_byte_may_be_written_it_finds_room(tmp_path: Path, kind: str) -> None:
    told = run_on_small_disk(
        """
root.mkdir()
fill()
for limit in (resource.RLIM_INFINITY, 0):
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        queue = opened()
        assert queue.storage == "memory"
        record(queue, *range(10))
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    told.setdefault("children", []).append(child)
told["words"] = [[word.pid, word.is_held] for word in unkept(root)]
told["sizes"] = [path.stat().st_size for path in root.iterdir()]
""",
        tmp_path,
        16 << 20,
        kind,
    )
    assert told["words"] == [[child, False] for child in told["children"]]
    assert told["sizes"] == [0, 0]


def test_the_signal_of_a_limit_on_the_size_of_files_does_not_come(tmp_path: Path) -> None:
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        os._exit(0 if UnkeptJournal.leave(tmp_path, FULL) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(unkept(tmp_path)) == 1
