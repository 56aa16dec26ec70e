from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.commands import Run, RunCommand
from support.journals import everything, line
from support.receiver import Receiver, Reply
from support.users import TwoUsers

from llmobs_trace import experiment_span, shutdown
from llmobs_trace.deliver.rejected import Rejected
from llmobs_trace.journal import open_journal, this_process
from llmobs_trace.store.schema import MIGRATIONS
from llmobs_trace.store.store import Store

OPENS = f"opens, version {len(MIGRATIONS)} of {len(MIGRATIONS)}"

KEYS = {"DD_API_KEY": "canary-api", "DD_APP_KEY": "canary-app"}
IDS = {f"LLMOBS_TRACE_{name}_ID": name.lower() for name in ("EXPERIMENT", "PROJECT", "DATASET")}


def leave(directory: Path, destination: str, events: int, delivered: int = 0) -> None:
    queue = open_journal(directory, owner=this_process(destination, "e", "a run"))
    for number in range(events):
        queue.append(line(number))
    queue.acknowledge(everything(queue)[:delivered])
    queue.close(keep=True)


def examined(run: RunCommand, *words: str) -> tuple[int, Any]:
    code, out, err = run("doctor", *words, "--format", "json", on=None)
    assert err == ""
    return code, json.loads(out)


def last_line(told: Run) -> str:
    return told.out.splitlines()[-1]


def test_of_a_user_who_has_done_nothing_yet_nothing_is_claimed_and_no_file_is_left_behind(
    run: RunCommand, a_user_of_its_own: Path
) -> None:
    told = run("doctor", on=None)
    assert (told.code, told.err) == (0, "")
    missing = "nothing recorded that could be found: there was no journal directory "
    assert last_line(told).startswith(missing + str(a_user_of_its_own))
    told = run("doctor", on=None)
    assert (told.code, told.err) == (0, "")
    assert last_line(told).startswith(f"nothing recorded: there is no journal in {a_user_of_its_own}")
    assert [path for path in a_user_of_its_own.rglob("*") if path.is_file()] == []
    assert not (a_user_of_its_own / ".llmobs").exists()


def test_after_a_run_everything_is_accounted_for(run: RunCommand, a_user_of_its_own: Path) -> None:
    for _ in range(3):
        with experiment_span("x"):
            pass
    assert shutdown(10)
    told = run("doctor", on=None)
    assert (told.code, last_line(told)) == (0, "nothing lost: 3 recorded = 3 delivered, by 1 process")
    assert f"ok  store: {OPENS}, 1 experiment" in told.out
    assert '"name":"sample"' in told.out


def test_what_waits_on_disk_is_said_beside_its_bound_and_where_it_is_full_that_new_events_are_refused(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOBS_TRACE_JOURNAL", str(tmp_path / "j"))
    leave(tmp_path / "j", str(tmp_path / "x.db"), 3, delivered=3)
    assert "waiting for" not in run("doctor", on=None).out
    for _ in range(2):
        leave(tmp_path / "j", str(tmp_path / "x.db"), 3)
    leave(tmp_path / "j", "https://api.example.test", 3)

    homes = {path.parent for path in (tmp_path / "j").rglob("*.segment")}
    files = {home: sum(path.lstat().st_blocks * 512 for path in (home, *home.iterdir())) for home in homes}
    _, found = examined(run)
    assert [(one["destination"], one["is_full"]) for one in found["journals"]["waiting"]] == [
        (str(tmp_path / "x.db"), False),
        ("https://api.example.test", False),
    ]
    assert sum(one["disk_bytes"] for one in found["journals"]["waiting"]) == sum(files.values())
    said = f"waiting for {tmp_path / 'x.db'}: {{}} KiB of the 256 MiB of max_journal_bytes\n"
    assert said.format(found["journals"]["waiting"][0]["disk_bytes"] >> 10) in run("doctor", on=None).out

    monkeypatch.setenv("LLMOBS_TRACE_MAX_JOURNAL_BYTES", str(1 << 20))
    for _ in range(24):
        leave(tmp_path / "j", str(tmp_path / "x.db"), 300)
    told = run("doctor", on=None)
    assert ": it is full, and new events are refused and counted as dropped\n" in told.out


def test_of_two_users_on_one_journal_directory_the_second_is_told_of_its_own(
    run: RunCommand, two_users: TwoUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOBS_TRACE_JOURNAL", str(two_users.shared))
    monkeypatch.setenv("LLMOBS_TRACE_DATABASE", str(two_users.shared / "x.db"))
    leave(two_users.shared, "https://api.example.test", 3)
    Rejected(two_users.shared).directory.mkdir(mode=0o700)
    with two_users.the_second():
        leave(two_users.shared, "https://api.example.test", 2, delivered=2)
        told = run("doctor", on=None)
        code, found = examined(run)

    assert (told.code, last_line(told)) == (0, "nothing lost: 2 recorded = 2 delivered, by 1 process")
    assert "  1 journal of other users, which only they can look into" in told.out
    assert (code, found["journals"]["of_other_users"]) == (0, 1)


def test_where_nothing_can_be_looked_into_the_doctor_says_so(
    run: RunCommand, two_users: TwoUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    (two_users.shared / "theirs").mkdir(mode=0o700)
    monkeypatch.setenv("LLMOBS_TRACE_JOURNAL", str(two_users.shared / "theirs" / "journal"))
    monkeypatch.setenv("LLMOBS_TRACE_DATABASE", str(two_users.shared / "theirs" / "x.db"))
    with two_users.the_second():
        told = run("doctor", on=None)

    assert (told.code, told.err) == (1, "")
    assert "can't take events now (writable: Permission denied)" in last_line(told)
    unread = f"{two_users.shared / 'theirs' / 'journal'} can't be read: Permission denied"
    assert last_line(told).startswith(f"cannot tell what was lost: {unread}; ")


def test_under_a_directory_whose_name_is_no_text_everything_is_there(
    run: RunCommand, a_user_of_its_own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = a_user_of_its_own / os.fsdecode(b"m\xfcller")
    odd.mkdir()
    monkeypatch.chdir(odd)
    with experiment_span("x"):
        pass
    _, found = examined(run)
    assert [ledger["destination"] for ledger in found["journals"]["ledgers"]] == [
        str(odd / ".llmobs" / "experiments.db")
    ]
    assert found["journals"]["storage"] != "memory"
    assert shutdown(10)
    told = run("doctor", on=None)
    assert (told.code, last_line(told)) == (0, "nothing lost: 1 recorded = 1 delivered, by 1 process")
    assert run("show", "latest", on=None).code == 0


def test_what_ended_processes_left_is_1_and_the_next_command_delivers_it(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOBS_TRACE_JOURNAL", str(tmp_path / "j"))
    left = open_journal(tmp_path / "j", owner=this_process(str(tmp_path / "x.db"), "e"))
    left.append(b'{"experiment":"e","span":' + _span() + b"}\n")
    left.close(keep=True)
    told = run("doctor", on=None)
    assert told.code == 1
    said, command = last_line(told).split("; next: llmobs-trace ")
    assert said.endswith("1 recorded = 0 delivered + 1 pending, by 1 process")
    assert run(*command.split(), on=None).code == 0
    told = run("doctor", on=None)
    assert (told.code, last_line(told)) == (0, "nothing lost: 1 recorded = 1 delivered, by 1 process")


def _span() -> bytes:
    from support.events import span

    return span("a")


def test_json_holds_all_that_the_table_says(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as receiver:
        receiver.usual(Reply(status=200, body='{"status": "ok"}'))
        for name, value in {**KEYS, **IDS, "LLMOBS_TRACE_BASE_URL": receiver.url}.items():
            monkeypatch.setenv(name, value)
        code, found = examined(run)
        assert {request.method for request in receiver.requests()} == {"GET"}
    assert code == 0
    assert set(found) == {"configuration", "destinations", "sample", "journals", "runs", "verdict"}
    assert {"name": "api_key", "value": "set, not shown", "source": "DD_API_KEY"} in found["configuration"][
        "options"
    ]
    assert [check["what"] for check in found["destinations"][0]["checks"]] == [
        "name", "connection", "keys", "experiment",
    ]  # fmt: skip
    assert found["sample"]["url"] == f"{receiver.url}/api/v2/llm-obs/v1/experiments/experiment/events"
    assert found["verdict"]["nothing_lost"] is None
    assert "canary" not in json.dumps(found)


def test_a_destination_that_cannot_be_reached_is_1(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**KEYS, **IDS, "LLMOBS_TRACE_BASE_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    told = run("doctor", on=None)
    assert told.code == 1
    assert "http://127.0.0.1:9 can't take events now (connection: " in last_line(told)


def test_a_variable_that_will_not_do_is_1_and_named(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DD_SITE", "datadog.com")
    told = run("doctor", on=None)
    assert told.code == 1
    assert "site (DD_SITE): given 'datadog.com', which is not known" in told.out
    assert "1 problem in the configuration" in last_line(told)


def test_without_a_journal_nothing_can_be_told(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMOBS_TRACE_JOURNAL", "off")
    told = run("doctor", on=None)
    assert told.code == 3
    assert "memory: no file: a kill loses everything" in told.out
    assert last_line(told).startswith("cannot tell what was lost: events are kept in memory alone")


def test_a_directory_that_cannot_be_written_any_more_is_read_all_the_same(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path / "j", "d", 5, delivered=5)
    monkeypatch.setenv("LLMOBS_TRACE_JOURNAL", str(tmp_path / "j"))
    monkeypatch.setattr(
        "llmobs_trace.settings.config.directory_problem", lambda directory: "Read-only file system"
    )
    code, found = examined(run)
    assert code == 1
    assert found["journals"]["directory"] == str(tmp_path / "j")
    assert found["verdict"]["nothing_lost"] is None
    unsure = (
        f"cannot tell what was lost: {tmp_path / 'j'} can't be written: programs that begin now can keep no"
    )
    assert found["verdict"]["line"].startswith(f"{unsure} ledger there; 5 recorded = 5 delivered; ")


def test_ended_processes_that_delivered_all_are_one_line_unless_all_are_asked_for(
    run: RunCommand, tmp_path: Path
) -> None:
    leave(tmp_path, "d", 1700, delivered=1700)
    alone = run("doctor", "--journal", str(tmp_path), on=None).out
    assert len([one for one in alone.splitlines() if " ended " in one and " a run " in one]) == 1
    leave(tmp_path, "d", 1700, delivered=1700)
    leave(tmp_path, "d", 7, delivered=5)
    told = run("doctor", "--journal", str(tmp_path), on=None).out
    assert "  2 ended processes: recorded 3,400, delivered 3,400, nothing else (--all lists them)\n" in told
    (row,) = [one for one in told.splitlines() if " ended " in one and " a run " in one]
    assert row.split()[-6:] == ["7", "5", "2", "0", "0", "yes"]
    told = run("doctor", "--journal", str(tmp_path), "--all", on=None).out
    assert len([one for one in told.splitlines() if " ended " in one and " a run " in one]) == 3
    assert "--all lists them" not in told


def test_a_process_that_could_make_no_journal_is_named_with_its_reason(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, "d", 2, delivered=2)

    def disk_full(*arguments: object) -> int:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with monkeypatch.context() as full:
        full.setattr("os.pwrite", disk_full)
        queue = open_journal(tmp_path, owner=this_process("d"))
    words = f"{os.getpid()} %s, started "
    for state in ("living", "unknown"):
        told = run("doctor", "--journal", str(tmp_path), on=None)
        assert told.code == 3
        assert words % state in told.out
        assert last_line(told) == (
            f"cannot tell what was lost: process {os.getpid()} could make no journal (Disk quota exceeded),"
            " so its events are counted nowhere; 2 recorded = 2 delivered"
        )
        queue.append(line(1))
        queue.close(keep=True)


def test_a_variable_that_is_not_followed_is_not_named_as_where_the_value_is_from(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOBS_TRACE_DESTINATION", "datadog")
    told = run("doctor", on=None)
    assert told.code == 1
    (row,) = [one for one in told.out.splitlines() if one.startswith("  destination  ")]
    assert row.split(None, 2)[1:] == ["local", "not as LLMOBS_TRACE_DESTINATION asks: see below"]
    _, _, after = told.out.partition(
        "  configure() raises this; a program that does not call it logs this, and goes on:\n"
    )
    assert after.startswith("  destination: given 'datadog' without api_key (DD_API_KEY), ")


def test_a_copied_directory_is_all_that_is_needed(
    run: RunCommand, tmp_path: Path, a_user_of_its_own: Path
) -> None:
    leave(tmp_path / "there", "https://api.datadoghq.eu", 5, delivered=2)
    copied = tmp_path / "copied here"
    shutil.copytree(tmp_path / "there", copied)
    shutil.rmtree(tmp_path / "there")
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    code, found = examined(run, "--journal", str(copied))
    assert code == 1
    assert {"name": "journal", "value": str(copied), "source": "--journal"} in found["configuration"][
        "options"
    ]
    (ledger,) = found["journals"]["ledgers"]
    assert [ledger[count] for count in ("recorded", "delivered", "pending", "rejected", "dropped")] == [
        5,
        2,
        3,
        0,
        0,
    ]
    assert found["verdict"]["next"] == (
        "DD_API_KEY=… DD_APP_KEY=… LLMOBS_TRACE_BASE_URL=https://api.datadoghq.eu"
        f" llmobs-trace resend --journal '{copied}'"
    )
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before
    assert list(a_user_of_its_own.iterdir()) == []


def test_a_store_can_be_named(run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path / "mine.db").close()
    code, found = examined(run, "--database", str(tmp_path / "mine.db"))
    assert code == 0
    assert found["destinations"][0]["checks"][0]["detail"] == f"{OPENS}, 0 experiments"
    # Also where events go elsewhere.
    for name, value in {**KEYS, **IDS, "LLMOBS_TRACE_BASE_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    _, found = examined(run, "--database", str(tmp_path / "mine.db"))
    assert [each["kind"] for each in found["destinations"]] == ["datadog", "local"]


def test_a_directory_that_is_none_is_misuse(run: RunCommand, tmp_path: Path) -> None:
    code, out, err = run("doctor", "--journal", str(tmp_path / "nowhere"), on=None)
    assert (code, out) == (2, "")
    assert "--journal: expected a directory of journals" in err


def test_what_a_journal_says_of_itself_cannot_move_the_cursor(run: RunCommand, tmp_path: Path) -> None:
    queue = open_journal(tmp_path, owner=this_process("\x1b[2Jx", "e", "\x1b]0;t\x07"))
    queue.append(line(1))
    queue.close(keep=True)
    assert "\x1b" not in run("doctor", "--journal", str(tmp_path), on=None).out
