from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from llmobs_trace import places


def test_what_outlives_a_program_is_kept_in_the_users_state_directory() -> None:
    home = {"HOME": "/home/ada"}
    assert places.state_directory(home, "linux") == Path("/home/ada/.local/state/llmobs-trace")
    assert places.state_directory(home, "darwin") == Path(
        "/home/ada/Library/Application Support/llmobs-trace"
    )
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
