"""Whose a journal is: claimed, locked, taken over once its process has ended."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmobs_trace.journal import ownership
from llmobs_trace.journal.ownership import claim, homes, read_owner, this_process, try_lock

OWNER = this_process("https://api.example.test", "e1", "an experiment")


def test_a_claimed_directory_says_whose_it_is(tmp_path: Path) -> None:
    home, lock = claim(tmp_path, OWNER)

    assert homes(tmp_path) == [home]
    assert read_owner(home) == OWNER
    assert OWNER.pid == os.getpid()
    assert OWNER.host
    lock.give_up()


def test_a_missing_root_is_made_and_only_its_user_can_look_in(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        home, lock = claim(tmp_path / "a" / "b", OWNER)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "owner").stat().st_mode) == 0o600
    lock.give_up()


def test_a_held_directory_cannot_be_taken_and_an_ended_ones_can(tmp_path: Path) -> None:
    home, lock = claim(tmp_path, OWNER)
    assert try_lock(home) is None

    lock.forget()  # as the end of a process does

    taken = try_lock(home)
    assert taken is not None
    assert try_lock(home) is None
    taken.give_up()


def test_those_who_look_share_the_lock_and_whoever_comes_to_take_it_waits_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, lock = claim(tmp_path, OWNER)
    lock.forget()
    looks = [look for _ in range(2) if (look := try_lock(home, to_look=True)) is not None]
    assert len(looks) == 2
    monkeypatch.setattr("time.sleep", lambda seconds: looks.pop().forget())

    taken = try_lock(home)

    assert taken is not None
    assert looks == []
    assert try_lock(home, to_look=True) is None
    taken.give_up()


def test_a_look_that_lasts_is_given_up_on_and_a_living_process_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, lock = claim(tmp_path, OWNER)
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    assert try_lock(home) is None
    assert waited == []

    lock.forget()
    look = try_lock(home, to_look=True)
    assert look is not None
    assert try_lock(home) is None
    assert 0.1 < sum(waited) < 0.5
    look.forget()


def test_a_lock_on_a_file_that_was_replaced_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, lock = claim(tmp_path, OWNER)
    lock.forget()
    really = fcntl.flock

    def replaced_just_before(file: int, operation: int) -> None:
        (home / "owner").unlink()
        (home / "owner").write_bytes(b"{}")
        really(file, operation)

    monkeypatch.setattr("fcntl.flock", replaced_just_before)

    assert try_lock(home) is None


def test_a_lock_on_a_directory_that_was_removed_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, lock = claim(tmp_path, OWNER)
    lock.forget()
    really = fcntl.flock

    def removed_just_before(file: int, operation: int) -> None:
        ownership.remove(home)
        really(file, operation)

    monkeypatch.setattr("fcntl.flock", removed_just_before)

    assert try_lock(home) is None


def test_a_link_to_a_directory_is_never_taken(tmp_path: Path) -> None:
    home, lock = claim(tmp_path / "elsewhere", OWNER)
    lock.forget()
    planted = tmp_path / "planted.journal"
    planted.symlink_to(home)

    assert try_lock(planted) is None


def test_an_owner_file_that_is_a_link_is_never_taken_or_read(tmp_path: Path) -> None:
    home, lock = claim(tmp_path, OWNER)
    lock.forget()
    for name in ("owner", "owner.copy"):
        (home / name).rename(tmp_path / f"moved-{name}")
        (home / name).symlink_to(tmp_path / f"moved-{name}")

    assert try_lock(home) is None
    assert read_owner(home) is None


def test_another_users_directory_is_never_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, lock = claim(tmp_path, OWNER)
    lock.forget()
    monkeypatch.setattr("os.geteuid", lambda: home.stat().st_uid + 1)

    assert try_lock(home) is None


def test_a_claim_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks_here(file: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks_here)

    with pytest.raises(OSError, match="No locks available"):
        claim(tmp_path, OWNER)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"destination": 3}', b"\xff"])
def test_an_owner_file_of_nonsense_names_nobody_and_its_copy_whose_it_is(
    tmp_path: Path, content: bytes
) -> None:
    home, lock = claim(tmp_path, OWNER)
    (home / "owner").write_bytes(content)
    assert read_owner(home) == OWNER

    (home / "owner.copy").write_bytes(content)
    assert read_owner(home) is None
    lock.give_up()


@pytest.mark.parametrize(
    "destination", ["/home/m\udcfcller/.llmobs/experiments.db", "/tmp/\udcff\udcfe/x.db", "/tmp/日本/x.db"]
)
def test_a_destination_whose_path_is_no_text_is_read_back_as_it_is(tmp_path: Path, destination: str) -> None:
    owner = this_process(destination)
    home, lock = claim(tmp_path, owner)

    assert read_owner(home) == owner
    lock.give_up()


def test_what_a_kill_left_half_made_is_swept_once_it_is_old(tmp_path: Path) -> None:
    young, old = tmp_path / ".new-young", tmp_path / ".new-old"
    for directory in (young, old):
        directory.mkdir()
        (directory / "owner").touch()
    os.utime(old, (0, 0))

    ownership.sweep(tmp_path)

    assert young.exists()
    assert not old.exists()


def test_what_a_living_process_is_making_stays_however_old_a_clock_that_was_set_makes_it(
    tmp_path: Path,
) -> None:
    new = tmp_path / ".new-1"
    new.mkdir()
    with open(new / "owner", "wb") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        os.utime(new, (0, 0))
        ownership.sweep(tmp_path)
        assert (new / "owner").exists()
    ownership.sweep(tmp_path)
    assert not new.exists()


@pytest.mark.parametrize("after", ["os.mkdir", "lock.exclusive", "os.rename"])
def test_a_directory_that_is_removed_while_it_is_made_is_made_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    removed: list[Path] = []

    def then_removed(step: Callable[..., None]) -> Callable[..., None]:
        def stepped(*words: Any) -> None:
            step(*words)
            if not removed:
                removed.extend(path for path in tmp_path.iterdir())
                ownership.files.remove_directory(removed[0])

        return stepped

    module, name = after.split(".")
    place = getattr(ownership, module)
    monkeypatch.setattr(place, name, then_removed(getattr(place, name)))

    home, lock = claim(tmp_path, OWNER)

    assert len(removed) == 1
    assert homes(tmp_path) == [home]
    assert read_owner(home) == OWNER
    assert [path for path in tmp_path.iterdir() if path != home] == []
    lock.give_up()
