from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import RunCommand
from support.events import metric, span
from support.receiver import Receiver, Reply

from llmobs_trace.journal import open_journal, this_process
from llmobs_trace.local import queries
from llmobs_trace.local.store import Store

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
        leave(journal, receiver.url, [span("s1")], [])
        receiver.script(Reply(status=403))
        code, out, _ = run("resend", "--timeout", "1", on=None)
        assert (code, out.splitlines()[-1]) == (1, "0 events delivered, 0 rejected, 1 undelivered")
        # A hiccup is not waited out for ever, and it is tried again.
        receiver.script(Reply(status=503))
        code, out, _ = run("resend", "--timeout", "20", on=None)
        assert (code, out.splitlines()[-1]) == (0, "1 event delivered, 0 rejected, 0 undelivered")


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
    assert "a journal names a destination that won't do" in err


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
