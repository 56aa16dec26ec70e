from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from support.commands import RunCommand, finish, start
from support.events import span

from llmobs_trace.cli.commands import COMMANDS
from llmobs_trace.store.store import Store


def test_every_command_explains_itself_with_examples(run: RunCommand) -> None:
    for name in COMMANDS:
        code, out, err = run(name, "--help", on=None)
        assert (code, err) == (0, "")
        assert "examples:\n  " in out
        assert f"llmobs-trace {name}" in out.split("examples:")[1]


def test_help_lists_every_command(run: RunCommand) -> None:
    code, out, _ = run("--help", on=None)
    assert code == 0
    for name, (_, does) in COMMANDS.items():
        assert f"  {name} " in out
        assert does in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "usage: llmobs-trace COMMAND"),
        (["exprot"], 'there is no command "exprot", did you mean export?'),
        (["--databse"], "unrecognized arguments: --databse"),
        (["show"], "the following arguments are required: ID"),
        (["show", ""], "expected an id, given nothing"),
        (["export", "latest"], "the following arguments are required: --format"),
        (["export", "latest", "--format", "xml"], "invalid choice: 'xml'"),
        (["experiments", "--format", "yaml"], "invalid choice: 'yaml'"),
        (["experiments", "--database", ""], "expected the path of a file, given nothing"),
        (["experiments", "--form", "json"], "unrecognized arguments: --form json"),
        (["show", "latest", "--limit", "-1"], "expected 0 or more rows"),
        (["show", "latest", "--limit", "many"], "expected 0 or more rows, or all, given 'many'"),
    ],
)
def test_misuse_is_2_and_said_on_stderr(run: RunCommand, words: list[str], said: str) -> None:
    code, out, err = run(*words, on=None)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    "command", [["experiments"], ["show", "latest"], ["export", "latest", "--format", "jsonl"]]
)
def test_without_a_store_nothing_can_be_told(run: RunCommand, tmp_path: Path, command: list[str]) -> None:
    nowhere = tmp_path / "no" / "where.db"
    code, out, err = run(*command, on=nowhere)
    assert (code, out, err) == (3, "", f"llmobs-trace: there is no store at {nowhere}\n")
    assert not nowhere.parent.exists()


def test_where_no_store_was_named_the_next_step_is(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOBS_TRACE_DATABASE", str(tmp_path / "nowhere.db"))
    code, _, err = run("experiments", on=None)
    assert code == 3
    assert "llmobs-trace demo makes one" in err


def test_the_store_is_found_as_the_library_finds_it(
    run: RunCommand, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOBS_TRACE_DATABASE", str(database))
    assert "e-new" in run("experiments", on=None).out
    monkeypatch.delenv("LLMOBS_TRACE_DATABASE")
    monkeypatch.chdir(tmp_path)
    with Store(tmp_path / ".llmobs" / "experiments.db") as store:
        store.add("here", [span("a")], [])
    assert "here" in run("experiments", on=None).out


def test_a_newer_store_is_3_and_one_line(run: RunCommand, database: Path) -> None:
    newer = sqlite3.connect(database)
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    code, out, err = run("show", "latest")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "was written by a newer version" in err


def test_a_damaged_store_is_3_and_one_line(run: RunCommand, database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    database.write_bytes(content)
    code, _, err = run("show", "latest")
    assert (code, err.count("\n")) == (3, 1)
    assert "malformed" in err


@pytest.mark.parametrize("command", [["show"], ["export", "--format", "jsonl"]])
def test_an_unknown_id_is_1_an_ambiguous_one_2_and_a_beginning_will_do(
    run: RunCommand, command: list[str]
) -> None:
    code, out, err = run(*command, "nope")
    assert (code, out) == (1, "")
    assert 'has no experiment whose id or name begins with "nope"' in err
    code, out, err = run(*command, "e-")
    assert (code, out) == (2, "")
    assert err == 'llmobs-trace: "e-" may mean any of 2 experiments: e-new, e-old\n'
    assert run(*command, "e-n").code == 0


def test_what_is_said_of_an_argument_cannot_move_the_cursor(run: RunCommand) -> None:
    assert "\x1b" not in run("show", "\x1b[2Jnope\u202e").err
    assert "\x1b" not in run("\x1b[2Jnope").err


def test_the_module_runs_as_the_command_does(database: Path) -> None:
    code, out, err = finish(start("experiments", "--database", str(database)))
    assert (code, err) == (0, "")
    assert "e-new" in out


def test_a_reader_that_goes_away_leaves_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with Store(path) as store:
        store.add("e", [span(f"s{number}", input="x" * 1000) for number in range(500)], [])
    for words in (["export", "e", "--format", "jsonl"], ["show", "e", "--format", "json"], ["show", "e"]):
        process = start(*words, "--database", str(path))
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_full_disk_is_1_and_said(database: Path) -> None:
    if not Path("/dev/full").exists():
        return
    code, _, err = finish(
        start("export", "latest", "--format", "csv", "--output", "/dev/full", "--database", str(database))
    )
    assert (code, err) == (1, "llmobs-trace: [Errno 28] No space left on device\n")
