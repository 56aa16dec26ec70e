"""Somebody planted things in the journal's directory: nothing is followed, nothing waits, others go on."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.journals import DESTINATION, everything, line, numbers

from llmobs_trace.journal import Counts, Queue, adoptable, filesystem, open_journal, survey, this_process
from llmobs_trace.journal import leftovers as recovery
from llmobs_trace.journal.ownership import COPY_FILE, OWNER_FILE, sweep
from llmobs_trace.journal.tally import TALLY_FILE

OpenQueue = Callable[..., Queue]
Plant = Callable[[Path], object]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.mkdir()
    (path / "file").touch()


def link_to_a_file(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_bytes(line("victim"))
    path.symlink_to(victim)


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def dangling_link(path: Path) -> None:
    path.symlink_to("/nowhere/at/all")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def socket_file(path: Path) -> None:
    before = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)  # the name of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as planted:
            planted.bind(path.name)
    finally:
        os.fchdir(before)
        os.close(before)


THINGS = [pipe, directory, link_to_a_file, link_to_itself, dangling_link, device, socket_file]
things = pytest.mark.parametrize("plant", THINGS, ids=lambda plant: plant.__name__)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where `open_queue` keeps its journals."""
    return tmp_path / "journals"


def leave(root: Path, *which: int) -> Path:
    """A journal of an ended process, with these records pending."""
    queue = open_journal(root, owner=this_process(DESTINATION), segment_bytes=1024, max_bytes=1 << 20)
    before = set(root.glob("*.journal"))
    for number in which:
        queue.append(line(number, 100))
    queue.close(keep=True)
    return max(before)


def recovered(root: Path) -> list[int]:
    """What is recovered, all of it then delivered."""
    found = []
    for adopted in adoptable(root, DESTINATION):
        records = everything(adopted)
        found += numbers(records)
        adopted.acknowledge(records)
        assert adopted.pending() == (0, 0)
        adopted.close(keep=True)
    return sorted(found)


@things
def test_planted_in_place_of_a_segment(root: Path, plant: Plant) -> None:
    home = leave(root, *range(25))
    segments = sorted(home.glob("*.segment"))
    segments[1].unlink()
    plant(segments[1])
    plant(home / "00000099.segment")
    leave(root, 50)

    [report, _] = survey(root)
    assert report.counts == Counts(pending=15, pending_bytes=1500)
    assert report.problem.startswith(f"{segments[1].name} can't be read: ")
    assert recovered(root) == [*range(10), *range(20, 25), 50]
    assert [report.counts.delivered for report in survey(root)] == [15, 1]


@things
@pytest.mark.parametrize("name", [OWNER_FILE, TALLY_FILE])
def test_planted_in_place_of_the_owner_or_the_tally(root: Path, plant: Plant, name: str) -> None:
    home = leave(root, *range(5))
    (home / name).unlink()
    plant(home / name)
    leave(root, 50)

    [report, other] = survey(root)
    assert not other.problem
    assert not report.is_held
    if name == OWNER_FILE:
        assert report.problem == f"its file {OWNER_FILE!r} is no file of yours"
    else:
        assert report.problem == f"its file {TALLY_FILE!r} is no file of yours"
        assert report.counts.pending == 5
    assert recovered(root) == [50]  # a tally that can't be written keeps the journal from being taken


@things
def test_planted_in_the_root(root: Path, plant: Plant) -> None:
    root.mkdir()
    for name in ("0.journal", ".new-0", ".gone-0", "x", "9" * 20 + ".journal"):
        plant(root / name)
        for victim in root.glob("victim"):
            victim.rename(root.parent / f"victim-{name}")
    for name in os.listdir(root):
        os.utime(root / name, (0, 0), follow_symlinks=False)
    leave(root, 50)
    sweep(root)
    recovery.drop_old_ledgers(root)

    problems = [report.problem for report in survey(root)]
    assert [bool(problem) for problem in problems] == [True, False, True]
    assert recovered(root) == [50]
    assert all(victim.read_bytes() == line("victim") for victim in root.parent.glob("victim-*"))


def test_links_to_directories_named_like_leavings_are_not_swept_through(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis").touch()
    for name in (".new-1", ".gone-1", "1.journal", "2.journal"):
        (root / name).symlink_to(precious)
        os.utime(root / name, (0, 0), follow_symlinks=False)
    home = leave(root, 50)

    recovery.drop_old_ledgers(root)
    open_journal(root, owner=this_process(DESTINATION)).close(keep=False)

    assert (precious / "thesis").exists()
    assert recovered(root) == [50]
    assert home.exists()


@pytest.mark.parametrize("target", ["journal", "in another root"])
def test_a_link_to_a_journal_is_no_journal(root: Path, tmp_path: Path, target: str) -> None:
    home = leave(root if target == "journal" else tmp_path / "other", *range(5))
    root.mkdir(exist_ok=True)
    (root / "planted.journal").symlink_to(home)

    reports = {report.home.name: report for report in survey(root)}
    assert reports["planted.journal"].problem == "it is no directory, or a link to one"
    assert reports["planted.journal"].counts == Counts()
    assert recovered(root) == ([*range(5)] if target == "journal" else [])


def test_another_users_journal_is_reported_and_left_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(root, 1)
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)

    [report] = survey(root)
    assert report.problem == f"it belongs to another user ({os.getuid()})"
    assert recovered(root) == []


def test_a_journal_that_others_can_write_to_is_reported_and_left_alone(root: Path) -> None:
    home = leave(root, 1)
    home.chmod(0o777)

    [report] = survey(root)
    assert "others can write to it" in report.problem
    assert recovered(root) == []

    home.chmod(0o750)
    assert recovered(root) == [1]


def test_a_journal_that_can_only_be_read_is_reported_as_it_is(root: Path) -> None:
    home = leave(root, 1)
    home.chmod(0o500)
    (home / OWNER_FILE).chmod(0o400)
    [report] = survey(root)
    assert (report.counts.pending, report.is_held, report.problem) == (1, False, "")
    home.chmod(0o700)


def test_a_huge_sparse_file_takes_neither_time_nor_memory(root: Path) -> None:
    home = leave(root, *range(3))
    [segment] = home.glob("*.segment")
    for path in (segment, home / "00000098.segment", home / TALLY_FILE):
        with path.open("ab") as file:
            file.truncate(1 << 40)
    for path in (home / OWNER_FILE, home / COPY_FILE):
        with path.open("ab") as file:
            file.truncate(1 << 40)
    leave(root, 50)

    assert survey(root)[0].problem.startswith(f"its file {OWNER_FILE!r} says nothing; to deliver it ")
    assert survey(root)[0].counts == Counts(pending=3, pending_bytes=300)
    assert recovered(root) == [50]

    os.truncate(home / COPY_FILE, 0)
    (home / COPY_FILE).write_bytes((max(root.glob("*.journal")) / OWNER_FILE).read_bytes())
    assert recovered(root) == [0, 1, 2]
    assert list(root.rglob("*.segment")) == []


def test_a_line_longer_than_any_record_is_not_read_into_memory(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_LONGEST_LINE_BYTES", 2 << 20)
    home = leave(root, 1)
    (home / "00000099.segment").write_bytes(b"{" + b"x" * (8 << 20) + b"\n")

    assert "longer than any record" in survey(root)[0].problem
    assert recovered(root) == [1]


@pytest.mark.parametrize("name", [OWNER_FILE, TALLY_FILE])
@given(content=st.binary(max_size=300))
def test_garbage_in_the_owner_or_the_tally_stops_nobody_else(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes
) -> None:
    root = tmp_path_factory.mktemp("root")
    home = leave(root, 1)
    (home / name).write_bytes(content)
    leave(root, 50)

    assert len(survey(root)) == 2
    found = recovered(root)
    assert found == [1, 50]


@given(
    content=st.lists(st.sampled_from([line(7), b"{", b"\n", b"\0", b"=1 2 3\n", b"+x\n", b"!\n", b"\xff"]))
)
def test_garbage_in_a_segment_never_ends_up_pending_for_ever(
    tmp_path_factory: pytest.TempPathFactory, content: list[bytes]
) -> None:
    root = tmp_path_factory.mktemp("root")
    home = leave(root, 1)
    (home / "00000099.segment").write_bytes(b"".join(content))

    [before] = survey(root)
    for adopted in adoptable(root):
        assert adopted.counts() == before.counts
        records = everything(adopted)
        assert len(records) == before.counts.pending
        adopted.acknowledge(records)
        adopted.close(keep=True)

    [after] = survey(root)
    assert after.counts.pending == 0
    assert after.counts.recorded == before.counts.recorded
    assert list(home.glob("*.segment")) == []


@things
@pytest.mark.parametrize("kind", ["ext4", "zfs"])
def test_planted_in_a_live_journal_in_place_of_its_files(
    open_queue: OpenQueue, root: Path, plant: Plant, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "of", lambda directory: kind)
    queue = open_queue(segment_bytes=1024)
    [home] = root.iterdir()
    for number in range(35):
        queue.append(line(number, 100))
    queue.prepare()
    records = everything(queue)
    segments = sorted(home.glob("*.segment"))
    for path in (segments[0], segments[-1], segments[-2]):  # unmapped; the spare; the newest
        path.unlink()
        plant(path)
        (home / "victim").unlink(missing_ok=True)

    for number in range(35, 70):
        queue.append(line(number, 100))
    queue.prepare()
    queue.acknowledge(records[5:8])
    queue.prepare()

    assert set(range(10, 70)) <= set(numbers(everything(queue)))
    assert queue.recorded() == 70
    queue.acknowledge(everything(queue))
    assert queue.pending() == (0, 0)
    queue.close(keep=True)
