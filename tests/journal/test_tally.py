"""The counts of a journal that outlive its segments."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.journal.record import Settlement
from llmobs_trace.journal.tally import TALLY_FILE, Tally, Written, read_tally


@pytest.mark.parametrize("mapped", [True, False])
def test_what_was_settled_and_dropped_is_read_back(tmp_path: Path, mapped: bool) -> None:
    tally = Tally.create(tmp_path, mapped=mapped)
    tally.add(Settlement(5, 1, 0), "1.segment")
    tally.write()
    tally.removed("1.segment")
    tally.add(Settlement(0, 0, 7, 700), "2.segment")
    tally.write()
    tally.save_dropped(3)

    dropped, totals, _ = read_tally(tmp_path)

    assert dropped == 3
    assert totals.settled == Settlement(5, 1, 7)
    assert totals.names == {"2.segment"}
    tally.close()


def test_a_drop_is_seen_by_others_at_once_where_the_header_is_mapped(tmp_path: Path) -> None:
    tally = Tally.create(tmp_path, mapped=True)

    tally.dropped(41)

    assert read_tally(tmp_path)[0] == 41
    tally.close()


def test_what_is_in_memory_is_counted_as_it_is_now_and_lost_with_the_process(tmp_path: Path) -> None:
    tally = Tally.create(tmp_path, mapped=False)
    tally.add(Settlement(1))
    tally.write(Settlement(delivered=4), pending=9)
    tally.write(Settlement(delivered=6), pending=7)
    tally.close()
    assert read_tally(tmp_path)[1][1:3] == (Settlement(7), 7)

    Tally.reopen(tmp_path).close()
    assert read_tally(tmp_path)[1][1:3] == (Settlement(7), 7)

    second = Tally.reopen(tmp_path)
    second.add(Settlement(delivered=1))
    second.write()
    second.close()
    assert read_tally(tmp_path)[1][1:3] == (Settlement(8, 0, 7), 0)


def test_what_came_into_memory_since_the_last_writing_is_counted_and_lost_once(tmp_path: Path) -> None:
    tally = Tally.create(tmp_path, mapped=True)
    tally.spilled(5)
    assert read_tally(tmp_path)[1].in_memory == 5

    tally.write(Settlement(delivered=2), pending=3, spilled=5)
    assert read_tally(tmp_path)[1].in_memory == 3
    tally.spilled(9)
    tally.close()
    assert read_tally(tmp_path)[1][1:3] == (Settlement(2), 7)

    for _ in range(2):
        adopted = Tally.reopen(tmp_path)
        adopted.add(Settlement(delivered=1))
        adopted.write()
        adopted.close()
    assert read_tally(tmp_path)[1][1:3] == (Settlement(4, 0, 7), 0)


def test_a_mapped_tally_is_written_where_no_file_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = Tally.create(tmp_path, mapped=True)
    monkeypatch.setattr("os.pwrite", _refuse)

    for number in range(3):
        tally.add(Settlement(1), f"{number}.segment")
        assert tally.write(pending=number)

    assert read_tally(tmp_path)[1][1:4] == (Settlement(3), 2, {"0.segment", "1.segment", "2.segment"})
    tally.close()


def test_nothing_new_costs_no_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally.create(tmp_path, mapped=False)
    tally.add(Settlement(1))
    tally.write()

    monkeypatch.setattr("os.pwrite", _refuse)

    assert tally.write()
    tally.close()


@given(cut=st.integers(0, 1791), garbage=st.binary(max_size=64))
def test_a_writing_cut_short_leaves_the_one_before(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes
) -> None:
    home = tmp_path_factory.mktemp("home")
    tally = Tally.create(home, mapped=False)
    contents = []
    for number in range(1, 6):
        before = (home / TALLY_FILE).read_bytes()
        tally.add(Settlement(number), f"{number:08d}.segment")
        tally.write()
        contents.append((before, (home / TALLY_FILE).read_bytes()))
    tally.close()

    for number, (before, after) in enumerate(contents):
        for place in (512, 2304):
            if before[place : place + 1792] != after[place : place + 1792]:
                torn = before[:place] + after[place : place + cut] + garbage
                (home / TALLY_FILE).write_bytes(torn + before[len(torn) :])
                found = read_tally(home)[1]
                assert len(found.names) in (number, number + 1)
                assert found.settled.delivered == sum(range(len(found.names) + 1))


@pytest.mark.parametrize(
    "content", [b"", b"drop", b"dropped x\n", b"dropped -5\n", b"\xff" * 200, b"7 " * 4096]
)
def test_a_damaged_tally_counts_nothing_and_can_be_added_to(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TALLY_FILE).write_bytes(content)
    assert read_tally(tmp_path) == Written()

    tally = Tally.reopen(tmp_path)
    tally.add(Settlement(2))
    tally.write()
    tally.close()

    assert read_tally(tmp_path)[1].settled == Settlement(2)


@given(content=st.binary(max_size=4200))
def test_bytes_of_any_kind_are_read_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / TALLY_FILE).write_bytes(content)
    read_tally(home)


def test_a_missing_tally_is_made_anew(tmp_path: Path) -> None:
    assert read_tally(tmp_path) == Written()

    Tally.reopen(tmp_path).close()

    assert (tmp_path / TALLY_FILE).stat().st_mode & 0o777 == 0o600


def test_it_never_grows(tmp_path: Path) -> None:
    tally = Tally.create(tmp_path, mapped=False)
    size_bytes = (tmp_path / TALLY_FILE).stat().st_size
    for number in range(1000):
        tally.add(Settlement(10**12, 10**12, 10**12), f"{number:08d}.segment")
        tally.write()
        if number % 100:
            tally.removed(f"{number:08d}.segment")
    tally.close()

    assert (tmp_path / TALLY_FILE).stat().st_size == size_bytes
    assert read_tally(tmp_path)[1].settled.delivered == 1000 * 10**12


@pytest.mark.parametrize("mapped", [True, False])
def test_every_version_finds_its_words_where_this_one_writes_them(tmp_path: Path, mapped: bool) -> None:
    """An ended process's tally may be read by another version."""

    def written(text: bytes) -> bytes:
        return b"%b %08x\n" % (text, zlib.crc32(text))

    tally = Tally.create(tmp_path, mapped=mapped)
    copied = b"" if mapped else b"copied  %023d\n" % 0
    head = b"dropped %023d\nspilled %023d\n%b" % (0, 0, copied)
    assert (tmp_path / TALLY_FILE).read_bytes() == head.ljust(4096, b"\0")

    tally.add(Settlement(5, 4, 3, 99), "b.segment")
    tally.add(Settlement(1, 1, 1), "a.segment")
    tally.write(Settlement(10, 20, 30), pending=7, spilled=8)
    tally.add(Settlement(1))
    tally.removed("b.segment")
    tally.write(pending=2, spilled=9)
    if mapped:
        tally.dropped(11)
        tally.spilled(12)
        head = b"dropped %023d\nspilled %023d\n" % (11, 12)
    else:
        tally.save_dropped(11)
        tally.ended()
        head = b"dropped %023d\nspilled %023d\ncopied  %023d\n" % (11, 0, 1)
    tally.close()

    first = written(b"1 16 25 34 7 8 a.segment b.segment")
    second = written(b"2 7 5 4 2 9 a.segment")
    data = head.ljust(512, b"\0") + second.ljust(1792, b"\0") + first.ljust(1792, b"\0")
    assert (tmp_path / TALLY_FILE).read_bytes() == data
    spilled = 12 if mapped else 9
    assert read_tally(tmp_path) == (
        11,
        (2, Settlement(7, 5, 4), 2 + spilled - 9, {"a.segment"}, spilled),
        False,
    )


@pytest.mark.parametrize("mapped", [True, False])
def test_a_file_that_is_not_mapped_is_asked_to_be_changed_in_its_place(
    tmp_path: Path, mapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("llmobs_trace.journal.files.write_in_place", asked.append)
    Tally.create(tmp_path, mapped=mapped).close()
    assert len(asked) == (not mapped)


def test_more_is_told_to_have_been_recorded_than_was_in_a_file_until_the_end(tmp_path: Path) -> None:
    tally = Tally.create(tmp_path, mapped=False)
    assert read_tally(tmp_path).is_behind
    tally.ended()
    assert not read_tally(tmp_path).is_behind
    tally.close()
    (tmp_path / TALLY_FILE).unlink()
    Tally.create(tmp_path, mapped=True).close()
    assert not read_tally(tmp_path).is_behind


@pytest.mark.parametrize("mapped", [True, False])
def test_sixty_four_files_fit_beside_the_largest_counts(tmp_path: Path, mapped: bool) -> None:
    tally = Tally.create(tmp_path, mapped=mapped)
    taken = [tally.add(Settlement(10**15, 10**15, 10**15), f"{number:08d}.segment") for number in range(66)]
    assert taken == [True] * 64 + [False] * 2
    assert tally.add(Settlement(1)), "what has no file needs no name"
    tally.removed("00000000.segment")
    assert tally.add(Settlement(1), "another")
    assert not tally.add(Settlement(1), "one more")
    tally.write(Settlement(10**15), pending=10**15, spilled=10**15)
    assert len(read_tally(tmp_path).totals.names) == 64
    tally.close()


def test_files_that_cannot_be_removed_are_named_up_to_a_number_and_then_stay(tmp_path: Path) -> None:
    tally = Tally.create(tmp_path, mapped=False)
    taken = [tally.add(Settlement(1), f"{number:08d}.segment") for number in range(100)]
    assert tally.write()

    found = read_tally(tmp_path)[1]
    assert len(found.names) == found.settled.delivered == taken.count(True) < 100
    assert tally.still_there() == sorted(found.names)
    tally.close()


def test_what_the_disk_refused_is_written_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = Tally.create(tmp_path, mapped=False)
    tally.add(Settlement(1), "1.segment")
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", _refuse)
        assert not tally.write()
    tally.add(Settlement(2), "2.segment")
    tally.write()

    assert read_tally(tmp_path)[1][1:] == (Settlement(3), 0, {"1.segment", "2.segment"}, 0)
    tally.close()


@pytest.mark.parametrize("what", ["pipe", "directory", "link"])
def test_what_is_in_its_place_and_no_file_is_left_alone(tmp_path: Path, what: str) -> None:
    if what == "pipe":
        os.mkfifo(tmp_path / TALLY_FILE)
    elif what == "directory":
        (tmp_path / TALLY_FILE).mkdir()
    else:
        (tmp_path / "victim").write_bytes(b"dropped 5\n")
        (tmp_path / TALLY_FILE).symlink_to(tmp_path / "victim")

    assert read_tally(tmp_path) == Written()
    with pytest.raises(OSError, match=r"."):
        Tally.reopen(tmp_path)


def test_another_file_in_its_place_is_not_written_to(tmp_path: Path) -> None:
    tally = Tally.create(tmp_path, mapped=False)
    (tmp_path / TALLY_FILE).rename(tmp_path / "ours")
    (tmp_path / TALLY_FILE).write_bytes(b"the program's own data")
    tally.add(Settlement(1), "1.segment")

    assert not tally.write()
    tally.save_dropped(5)
    tally.ended()
    tally.close()
    assert (tmp_path / TALLY_FILE).read_bytes() == b"the program's own data"


def _refuse(*arguments: object) -> int:
    raise OSError(28, "No space left on device")
