from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.commands import RunCommand
from support.events import metric, span
from support.receiver import Receiver, Reply

from llmobs_trace.cli.resend.routes import AsNamed
from llmobs_trace.journal import Owner, open_journal, this_process
from llmobs_trace.settings.config import resolve
from llmobs_trace.settings.sites import SITES
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

_KILLED = """
import os, signal, sys
from pathlib import Path
from llmobs_trace.journal import open_journal, this_process

journal, destination, experiment_id = sys.argv[1:4]
queue = open_journal(Path(journal), owner=this_process(destination, experiment_id, "a killed run"))
for record in sys.stdin.buffer:
    queue.append(record)
os.kill(os.getpid(), signal.SIGKILL)
"""


def leave(
    journal: Path, destination: str, spans: list[bytes], metrics: list[bytes], experiment_id: str = "e"
) -> None:
    """A process records these and is killed before it delivers anything."""
    head = b'{"experiment":' + json.dumps(experiment_id).encode() + b","
    records = [head + b'"span":' + event + b"}\n" for event in spans]
    records += [head + b'"metric":' + event + b"}\n" for event in metrics]
    subprocess.run(
        [sys.executable, "-c", _KILLED, str(journal), destination, experiment_id],
        input=b"".join(records),
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "journal"
    monkeypatch.setenv("LLMOBS_TRACE_JOURNAL", str(directory))
    for name in ("DD_API_KEY", "DD_APP_KEY"):
        monkeypatch.delenv(name, raising=False)
    return directory


def test_what_a_killed_program_left_goes_to_the_store_it_named(
    run: RunCommand, journal: Path, tmp_path: Path
) -> None:
    stores = [tmp_path / "a.db", tmp_path / "b.db"]
    for number, store in enumerate(stores):
        Store(store).close()
        leave(journal, str(store), [span("s1"), span("s2")], [metric("s1", "f1", number)])
    code, out, err = run("resend", on=None)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "6 events delivered, 0 rejected, 0 undelivered"
    for number, path in enumerate(stores):
        with Store(path) as store:
            assert queries.find_experiment(store, "latest").name == "a killed run"
            assert [found.score_value for found in queries.metrics(store, "e")] == [number]
    assert run("resend", on=None) == (0, "0 events delivered, 0 rejected, 0 undelivered\n", "")


def test_what_was_meant_for_datadog_waits_for_keys_and_then_goes_where_it_was_meant_to(
    run: RunCommand, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as receiver:
        monkeypatch.setenv("LLMOBS_TRACE_BASE_URL", receiver.url)
        leave(journal, receiver.url, [span("s1")], [metric("s1", "f1", 1)])
        code, out, err = run("resend", on=None)
        assert (code, out.splitlines()[-1]) == (1, "0 events delivered, 0 rejected, 2 undelivered")
        assert err == f"{receiver.url} needs both keys: set DD_API_KEY and DD_APP_KEY\n"
        monkeypatch.setenv("DD_API_KEY", "k1")
        monkeypatch.setenv("DD_APP_KEY", "k2")
        code, out, _ = run("resend", on=None)
        assert (code, out.splitlines()[-1]) == (0, "2 events delivered, 0 rejected, 0 undelivered")
        (request,) = receiver.wait_for(1)
        assert (request.experiment_id, len(request.spans), len(request.metrics)) == ("e", 1, 1)


def test_what_cannot_be_delivered_now_is_1_and_stays(
    run: RunCommand, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DD_API_KEY", "k1")
    monkeypatch.setenv("DD_APP_KEY", "k2")
    with Receiver() as receiver:
        monkeypatch.setenv("LLMOBS_TRACE_BASE_URL", receiver.url)
        leave(journal, receiver.url, [span("s1")], [])
        receiver.script(Reply(status=403))
        code, out, _ = run("resend", "--timeout", "1", on=None)
        assert (code, out.splitlines()[-1]) == (1, "0 events delivered, 0 rejected, 1 undelivered")
        # A hiccup is not waited out for ever, and it is tried again.
        receiver.script(Reply(status=503))
        code, out, _ = run("resend", "--timeout", "20", on=None)
        assert (code, out.splitlines()[-1]) == (0, "1 event delivered, 0 rejected, 0 undelivered")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(status=200, body="<html><title>Wi-Fi login</title>"), "a page titled 'Wi-Fi login'"),
        (Reply(status=203, headers={"Via": "1.1 squid"}), "that of 1.1 squid"),
        (Reply(status=202, body='{"errors":[{"detail":"no such span"}]}'), "errors within: no such span"),
        (Reply(status=207, body="{}"), "HTTP 207: not the endpoint's own answer"),
    ],
)
def test_what_is_no_acceptance_delivers_nothing_and_says_what_came(
    run: RunCommand,
    journal: Path,
    keys: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
    words: str,
) -> None:
    with Receiver() as receiver:
        monkeypatch.setenv("LLMOBS_TRACE_BASE_URL", receiver.url)
        leave(journal, receiver.url, [span("s1")], [metric("s1", "f1", 1)])
        receiver.usual(reply)
        code, out, _ = run("resend", "--timeout", "1", on=None)
        assert (code, out.splitlines()[-1]) == (1, "0 events delivered, 0 rejected, 2 undelivered")
        [line] = caplog.messages
        assert words in line
        receiver.usual(Reply(status=202))
        code, out, _ = run("resend", on=None)
        assert (code, out.splitlines()[-1]) == (0, "2 events delivered, 0 rejected, 0 undelivered")


def test_many_journals_that_one_place_refuses_are_one_line_in_the_log(
    run: RunCommand, journal: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DD_API_KEY", "k1")
    monkeypatch.setenv("DD_APP_KEY", "k2")
    with Receiver() as receiver:
        monkeypatch.setenv("LLMOBS_TRACE_BASE_URL", receiver.url)
        receiver.usual(Reply(status=401))
        for _ in range(4):
            leave(journal, receiver.url, [span("s")], [])
        assert run("resend", on=None).code == 1
        assert len(receiver.requests()) == 4
    assert len(caplog.messages) == 1


def test_a_named_directory_goes_to_where_the_environment_says(
    run: RunCommand, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "volume"
    leave(elsewhere, "https://api.datadoghq.example", [span("s1")], [])
    leave(journal, str(tmp_path / "other.db"), [span("s2")], [])
    monkeypatch.setenv("LLMOBS_TRACE_DATABASE", str(tmp_path / "mine.db"))
    code, out, _ = run("resend", "--journal", str(elsewhere), on=None)
    assert (code, out.splitlines()[-1]) == (0, "1 event delivered, 0 rejected, 0 undelivered")
    with Store(tmp_path / "mine.db") as store:
        assert [found.span_id for found in queries.spans(store, "e")] == ["s1"]
    assert not (tmp_path / "other.db").exists()


def test_a_named_directory_goes_to_datadog_where_there_are_keys_since_events_have_their_own_ids(
    run: RunCommand, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(journal, "/nowhere/x.db", [span("s1")], [], experiment_id="its own")
    with Receiver() as receiver:
        monkeypatch.setenv("DD_API_KEY", "k1")
        monkeypatch.setenv("DD_APP_KEY", "k2")
        monkeypatch.setenv("LLMOBS_TRACE_BASE_URL", receiver.url)
        assert run("resend", "--journal", str(journal), on=None).code == 0
        (request,) = receiver.wait_for(1)
        assert request.experiment_id == "its own"


def test_requests_are_as_the_environment_says(
    run: RunCommand, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the program's were: behind a slow proxy they may take longer, for a small one bodies are smaller."""
    monkeypatch.setenv("DD_API_KEY", "k1")
    monkeypatch.setenv("DD_APP_KEY", "k2")
    monkeypatch.setenv("LLMOBS_TRACE_MAX_BATCH_BYTES", "20000")
    monkeypatch.setenv("LLMOBS_TRACE_REQUEST_TIMEOUT", "0.3")
    with Receiver() as receiver:
        monkeypatch.setenv("LLMOBS_TRACE_BASE_URL", receiver.url)
        leave(journal, receiver.url, [span(f"s{number}", name="x" * 1000) for number in range(40)], [])
        receiver.script(Reply(silent=True))
        # The silent one is given up after its time, or nothing would be delivered within this.
        code, out, _ = run("resend", "--timeout", "8", on=None)
        assert (code, out.splitlines()[-1]) == (0, "40 events delivered, 0 rejected, 0 undelivered")
        assert all(len(request.body) <= 20_000 for request in receiver.requests())


def test_a_key_that_lacks_is_said_where_a_named_directory_then_goes_to_the_local_store(
    run: RunCommand, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(journal, "https://api.datadoghq.com", [span("s1")], [])
    monkeypatch.setenv("DD_API_KEY", "a")
    monkeypatch.setenv("LLMOBS_TRACE_DATABASE", str(tmp_path / "here.db"))
    code, _, err = run("resend", "--journal", str(journal), on=None)
    assert code == 0
    assert "recording to the local store; sending to Datadog still needs app_key (DD_APP_KEY)" in err


def test_keys_do_not_go_where_configure_would_not_send_them(
    run: RunCommand, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DD_API_KEY", "k1")
    monkeypatch.setenv("DD_APP_KEY", "k2")
    leave(journal, "http://example.com", [span("s1")], [])
    code, out, err = run("resend", on=None)
    assert (code, out.splitlines()[-1]) == (1, "0 events delivered, 0 rejected, 1 undelivered")
    assert "a journal names a destination that can't be used" in err


# --- A file's word is not followed blindly ------------------------------------------------------------------


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DD_API_KEY", "k1")
    monkeypatch.setenv("DD_APP_KEY", "k2")


def test_keys_go_to_a_url_that_a_file_names_only_where_that_is_allowed(
    run: RunCommand, journal: Path, keys: None
) -> None:
    with Receiver() as receiver:
        for number in range(2):
            leave(journal, receiver.url, [span(f"s{number}")], [])
        code, out, err = run("resend", on=None)
        assert (code, out.splitlines()[-1]) == (1, "0 events delivered, 0 rejected, 2 undelivered")
        assert receiver.connections() == 0
        allow = f"llmobs-trace resend --allow {receiver.url}"
        assert err == (
            f"{receiver.url} is neither the configured base URL nor a Datadog site, so no keys go there;"
            f" to send them there: {allow}\n"
        )
        told = json.loads(run("doctor", "--format", "json", on=None).out)
        assert told["verdict"]["next"] == "llmobs-trace resend", "which says why, before keys go anywhere"
        code, out, _ = run("resend", "--allow", f"{receiver.url}/", on=None)
        assert (code, out.splitlines()[-1]) == (0, "2 events delivered, 0 rejected, 0 undelivered")


def test_keys_go_to_a_site_of_datadogs_whichever_is_configured(
    journal: Path, keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve({"api_key": "k1", "app_key": "k2", "journal": None}, {})
    said: list[str] = []
    routed = AsNamed(config, [], said.append)
    for site in SITES:
        assert routed(Owner(destination=f"https://api.{site}")).destination is not None
    assert said == []
    for lookalike in (
        "https://api.datadoghq.com.example",
        "https://datadoghq.com",
        "https://api.datadoghq.com/x",
    ):
        assert routed(Owner(destination=lookalike)).destination is None
    assert len(said) == 3


@pytest.mark.parametrize("name", ["new.db", ".bashrc", "../outside.db", "deep/er/new.db"])
def test_a_store_is_made_where_a_file_says_only_where_that_is_allowed(
    run: RunCommand, journal: Path, tmp_path: Path, name: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    path = home / name
    leave(journal, str(path), [span("s1")], [])
    code, out, err = run("resend", on=None)
    assert (code, out.splitlines()[-1]) == (1, "0 events delivered, 0 rejected, 1 undelivered")
    allow = f"llmobs-trace resend --allow {path.resolve()}"
    assert err.endswith(f"so it is not made; to make it: {allow}\n")
    assert list(home.iterdir()) == []
    assert not path.exists()
    assert run(*allow.split()[1:], on=None).code == 0
    with Store(path) as store:
        assert [found.span_id for found in queries.spans(store, "e")] == ["s1"]


def make_empty(path: Path) -> None:
    path.touch()


def make_text(path: Path) -> None:
    path.write_text("export PATH\n" * 1000)


def make_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE theirs (x)")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_anothers(path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can make another user's")
    Store(path).close()
    os.chown(path, 12345, -1)


@pytest.mark.parametrize("make", [make_empty, make_text, make_database, make_anothers, make_pipe, Path.mkdir])
def test_what_is_there_and_no_store_of_ours_is_left_as_it_is(
    run: RunCommand, journal: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "there"
    make(path)
    before = path.stat()
    leave(journal, str(path), [span("s1")], [])
    code, _, err = run("resend", on=None)
    assert code == 1
    assert "is neither the configured store nor an existing one of yours" in err
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_the_configured_store_is_made_where_it_is_not_there(
    run: RunCommand, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "configured.db"
    monkeypatch.setenv("LLMOBS_TRACE_DATABASE", str(path))
    leave(journal, str(path), [span("s1")], [])
    assert run("resend", on=None).code == 0


def spoil_the_owner(home: Path) -> None:
    for file in home.glob("owner*"):
        file.write_text("{")


def open_it_to_others(home: Path) -> None:
    home.chmod(0o777)


def make_a_segment_unreadable(home: Path) -> None:
    [segment] = home.glob("*.segment")
    segment.rename(home / "elsewhere")
    segment.symlink_to(home / "elsewhere")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (spoil_the_owner, "its file 'owner' says nothing"),
        (open_it_to_others, "others can write to it; if what is in it is yours: chmod o-w "),
        (make_a_segment_unreadable, "can't be read: "),
    ],
)
def test_a_journal_that_is_passed_over_is_named_and_is_a_no(
    run: RunCommand, journal: Path, tmp_path: Path, spoil: Callable[[Path], None], why: str
) -> None:
    store = tmp_path / "x.db"
    Store(store).close()
    leave(journal, str(store), [span("s1")], [])
    [home] = journal.glob("*.journal")
    spoil(home)
    leave(journal, str(store), [span("s2")], [])
    code, out, err = run("resend", on=None)
    assert code == 1
    assert out.splitlines()[-1] == "1 event delivered, 0 rejected, 0 undelivered, 1 journal passed over"
    assert err.startswith(f"passed over: {home}: ")
    assert why in err
    assert run("resend", on=None).code == 1


def test_a_journal_of_which_nothing_says_whose_it_is_goes_to_where_the_environment_says(
    run: RunCommand, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(journal, "https://api.example.test", [span("s1")], [])
    [home] = journal.glob("*.journal")
    spoil_the_owner(home)
    said = run("resend", on=None).err
    assert said.endswith(f"to where the environment says: llmobs-trace resend --journal {journal}\n")

    monkeypatch.setenv("LLMOBS_TRACE_DESTINATION", "local")
    monkeypatch.setenv("LLMOBS_TRACE_DATABASE", str(tmp_path / "x.db"))
    code, out, err = run("resend", "--journal", str(journal), on=None)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "1 event delivered, 0 rejected, 0 undelivered"
    with Store(tmp_path / "x.db") as store:
        assert [each.id for each in queries.experiments(store)] == ["e"]


def test_a_live_programs_journal_is_left_alone(run: RunCommand, journal: Path, tmp_path: Path) -> None:
    from llmobs_trace.journal import open_journal, this_process

    queue = open_journal(journal, owner=this_process(str(tmp_path / "x.db"), "e"))
    queue.append(b'{"experiment":"e","span":' + span("s1") + b"}\n")
    assert run("resend", on=None)[:2] == (0, "0 events delivered, 0 rejected, 0 undelivered\n")
    assert queue.pending()[0] == 1
    queue.close(keep=False)


def test_no_journal_and_a_directory_that_is_none_are_said(
    run: RunCommand, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run("resend", "--journal", str(tmp_path / "nowhere"), on=None)
    assert code == 2
    assert "--journal: expected a directory of journals" in err
    monkeypatch.setenv("LLMOBS_TRACE_JOURNAL", "off")
    code, out, err = run("resend", on=None)
    assert (code, out) == (0, "0 events delivered, 0 rejected, 0 undelivered\n")
    assert "no journal is kept on disk" in err


# --- Giving up ----------------------------------------------------------------------------------------------


def counts(run: RunCommand) -> dict[str, int]:
    """What the ledgers of all ended processes add up to."""
    ledgers = json.loads(run("doctor", "--format", "json", on=None).out)["journals"]["ledgers"]
    assert all(ledger["balances"] for ledger in ledgers)
    names = ("recorded", "delivered", "pending", "rejected", "dropped")
    return {name: sum(ledger[name] for ledger in ledgers) for name in names}


@pytest.mark.parametrize("timeout", ["x", "0", "nan", "1e9", ""])
def test_a_time_that_is_none_is_refused(run: RunCommand, timeout: str) -> None:
    code, _, err = run("resend", "--timeout", timeout, on=None)
    assert code == 2
    assert f"expected 0.1 to 3600 seconds, given {timeout}" in err


def test_what_nobody_will_take_can_be_given_up_and_is_kept_with_the_reason(
    run: RunCommand, journal: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database at all" * 100)
    for number in range(2):
        leave(journal, str(broken), [span(f"s{number}", name="lost")], [metric("s1", "f1", 1)], "broken-1")
    Store(tmp_path / "fine.db").close()
    leave(journal, str(tmp_path / "fine.db"), [span("fine")], [], "fine-1")
    assert run("resend", "--timeout", "0.1", on=None).code == 1
    assert counts(run) == {"recorded": 5, "delivered": 1, "pending": 4, "rejected": 0, "dropped": 0}

    code, out, err = run("resend", "--give-up", "broken", on=None)

    file = journal / "rejected" / "rejected.jsonl"
    assert (code, out, err) == (0, f"4 events of broken-1 given up, and kept in {file}\n", "")
    assert counts(run) == {"recorded": 5, "delivered": 1, "pending": 0, "rejected": 4, "dropped": 0}
    lines = [json.loads(one) for one in file.read_bytes().splitlines()]
    assert [sorted({"span", "metric"} & set(one)) for one in lines] == [["span"], ["metric"]] * 2
    assert {one["span"]["name"] for one in lines if "span" in one} == {"lost"}
    assert {(one["destination"], one["experiment"], one["sent"], one["words"]) for one in lines} == {
        (str(broken), "broken-1", "no", "given up by hand: resend --give-up")
    }
    told = run("doctor", on=None).out.splitlines()[-1]
    assert told.startswith(
        "nothing lost: 5 recorded = 1 delivered + 4 rejected, by 3 processes;"
        " 4 events rejected, each with the reason in "
    )
    assert run("resend", on=None) == (0, "0 events delivered, 0 rejected, 0 undelivered\n", "")


def test_only_an_experiment_that_is_meant_without_doubt_is_given_up(
    run: RunCommand, journal: Path, tmp_path: Path
) -> None:
    for name in ("ab-1", "ab-2", "ab"):
        leave(journal, str(tmp_path / "x.db"), [span(name)], [], name)
    left = "left are: ab (1 event), ab-1 (1 event), ab-2 (1 event)"
    for asked, words in (
        ("ab-", "several begin so"),
        ("c", f"no ended process left events of it in {journal}"),
    ):
        code, out, err = run("resend", "--give-up", asked, on=None)
        assert (code, out) == (1, "")
        assert f"--give-up {asked}: {words}; {left}" in err
    assert counts(run)["pending"] == 3
    assert run("resend", "--give-up", "ab", on=None).out.startswith("1 event of ab given up")
    assert counts(run) == {"recorded": 3, "delivered": 0, "pending": 2, "rejected": 1, "dropped": 0}


def test_what_cannot_be_written_down_is_not_given_up(run: RunCommand, journal: Path, tmp_path: Path) -> None:
    leave(journal, str(tmp_path / "x.db"), [span("s")], [], "e")
    (journal / "rejected").write_text("a file where a directory should be")
    code, out, err = run("resend", "--give-up", "e", on=None)
    assert (code, out) == (1, "")
    assert f"{journal}/rejected can't be written: " in err
    assert counts(run)["pending"] == 1


def test_what_a_living_process_has_is_its_own(run: RunCommand, journal: Path) -> None:
    living = open_journal(journal, owner=this_process("d", "e"))
    living.append(b'{"experiment":"e","span":' + span("s") + b"}\n")
    code, _, err = run("resend", "--give-up", "e", on=None)
    assert code == 1
    assert "left are: none" in err
    living.close(keep=False)
