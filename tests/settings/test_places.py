from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from llmobs_trace.settings import places


def test_what_outlives_a_program_is_kept_in_the_users_state_directory() -> None:
    home = {"HOME": "/home/ada"}
    assert places.state_directory(home, "linux") == Path("/home/ada/.local/state/llmobs-trace")
    assert places.state_directory(home, "darwin") == Path(
        "/home/ada/Library/Application Support/llmobs-trace"
    )
    assert places.state_directory(home | {"LOCALAPPDATA": "/local"}, "win32") == Path("/local/llmobs-trace")
    assert places.state_directory(home | {"XDG_STATE_HOME": "/state"}, "linux") == Path("/state/llmobs-trace")


def test_a_relative_state_directory_is_ignored() -> None:
    environ = {"HOME": "/home/ada", "XDG_STATE_HOME": "state"}
    assert places.state_directory(environ, "linux") == Path("/home/ada/.local/state/llmobs-trace")


def test_a_user_without_a_home_has_no_state_directory() -> None:
    assert places.state_directory({"HOME": "nowhere"}, "linux") is None
    assert places.default_journal({"HOME": "nowhere"}) is None
    assert len(places.default_databases({"HOME": "nowhere"})) == 1


def test_the_database_is_in_the_working_directory_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = places.default_databases({"XDG_STATE_HOME": "/state"})
    assert first == tmp_path / ".llmobs" / "experiments.db"
    assert second == Path("/state/llmobs-trace/experiments.db")


def test_a_working_directory_that_is_gone_can_not_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert places.file_problem(places.working_database()) is not None


def test_a_directory_is_made_for_this_user_alone_and_left_empty(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    assert places.directory_problem(directory) is None
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_each_directory_that_is_made_above_it_is_for_this_user_alone_and_what_was_there_is_left(
    tmp_path: Path, umask: int
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o755)
    before = os.umask(umask)
    try:
        assert places.file_problem(tmp_path / "home" / ".local" / "state" / "x" / "experiments.db") is None
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"home": 0o755, ".local": 0o700, "state": 0o700, "x": 0o700}


@pytest.mark.parametrize(
    "given", ["/proc/none/of/this", "/dev/null/below", "/tmp/" + "x" * 300, "/tmp/a\x00b"]
)
def test_a_directory_that_can_not_be_made_is_explained(given: str) -> None:
    assert places.directory_problem(Path(given))
    assert places.file_problem(Path(given, "file.db"))


def test_a_file_is_not_made_when_it_could_be(tmp_path: Path) -> None:
    assert places.file_problem(tmp_path / "new" / "file.db") is None
    assert list((tmp_path / "new").iterdir()) == []


def test_a_directory_in_the_files_place_is_explained(tmp_path: Path) -> None:
    assert places.file_problem(tmp_path) == "Is a directory"


def test_a_device_or_a_pipe_in_the_files_place_is_explained(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert places.file_problem(tmp_path / "pipe") == "Is no regular file"


def test_an_existing_file_is_left_as_it_is_and_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "file.db"
    file.write_bytes(b"what was there")
    os.utime(file, ns=(1, 1))
    assert places.file_problem(file) is None
    assert file.stat().st_atime_ns == file.stat().st_mtime_ns == 1


def test_a_name_too_long_is_explained(tmp_path: Path) -> None:
    assert places.file_problem(tmp_path / ("x" * 300)) == "File name too long"


# --- A shared working directory -----------------------------------------------------------------------------


def as_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    user = os.geteuid() + 4_000_000
    monkeypatch.setattr(os, "geteuid", lambda: user)


def their_directory(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database.parent.mkdir()
    as_another_user(monkeypatch)


def their_files(database: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    database.parent.mkdir()
    for name in names:
        (database.parent / name).touch()
    real = os.lstat

    def lstat(path: Path, **more: int) -> os.stat_result:
        found = real(path, **more)
        is_theirs = os.path.basename(path) in names
        return os.stat_result((*found[:4], found.st_uid + 4_000_000 * is_theirs, *found[5:10]))

    monkeypatch.setattr(os, "lstat", lstat)


def a_link_for(database: Path, *, directory: bool) -> None:
    (database.parent.parent / "elsewhere").mkdir()
    if directory:
        database.parent.symlink_to("elsewhere")
    else:
        database.parent.mkdir()
        database.symlink_to("../elsewhere/experiments.db")


def open_to_all(database: Path) -> None:
    database.parent.mkdir()
    database.parent.chmod(0o777)


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (their_directory, ".llmobs belongs to "),
        (lambda at, patch: their_files(at, patch, "experiments.db"), "experiments.db belongs to user 4"),
        (
            lambda at, patch: their_files(at, patch, "experiments.db-wal"),
            "experiments.db-wal belongs to user 4",
        ),
        (lambda at, patch: a_link_for(at, directory=True), ".llmobs is a symbolic link"),
        (lambda at, patch: a_link_for(at, directory=False), "experiments.db is a symbolic link"),
        (lambda at, patch: open_to_all(at), "every user may write in "),
    ],
    ids=["directory", "file", "log", "linked directory", "linked file", "open to all"],
)
def test_a_store_in_the_working_directory_that_is_not_this_user_s_own_is_none_of_the_places(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    happens: Callable[[Path, pytest.MonkeyPatch], object],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    database = tmp_path / ".llmobs" / "experiments.db"
    happens(database, monkeypatch)
    reason = places.not_ours(database)
    assert reason is not None
    assert said in reason
    assert places.default_databases({"XDG_STATE_HOME": "/state"}) == [
        Path("/state/llmobs-trace/experiments.db")
    ]
    assert places.default_databases({"HOME": "nowhere"}) == []


def test_one_s_own_store_and_none_at_all_are_one_s_own(tmp_path: Path) -> None:
    database = tmp_path / ".llmobs" / "experiments.db"
    assert places.not_ours(database) is None
    assert places.file_problem(database) is None
    database.touch()
    assert places.not_ours(database) is None
