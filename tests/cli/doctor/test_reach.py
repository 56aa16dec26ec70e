from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.events import span
from support.receiver import Receiver, Reply

from llmobs_trace.cli.doctor import reach
from llmobs_trace.cli.doctor.reach import Check
from llmobs_trace.settings.config import Config, resolve
from llmobs_trace.store.schema import MIGRATIONS
from llmobs_trace.store.store import Store

OPENS = f"opens, version {len(MIGRATIONS)} of {len(MIGRATIONS)}"

CERTIFICATE = Path(__file__).parents[2] / "support" / "loopback.pem"
VALID = Reply(status=200, body='{"status": "ok"}')
IDS = {"experiment_id": "e 1", "project_id": "p", "dataset_id": "d"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def sending_to(url: str) -> Config:
    return resolve(
        {"api_key": "canary-api", "app_key": "canary-app", "base_url": url, "journal": None, **IDS}, {}
    )


def said(found: reach.CheckedDestination) -> dict[str, tuple[bool | None, str]]:
    return {check.what: (check.ok, check.detail) for check in found.checks}


def test_valid_keys_and_a_known_experiment_are_ok(receiver: Receiver) -> None:
    receiver.script(VALID, Reply(status=200, body='{"data": [{"id": "e 1", "type": "experiments"}]}'))
    found = reach.look(sending_to(receiver.url))
    assert (found.kind, found.name, found.trouble) == ("datadog", receiver.url, None)
    assert said(found) == {
        "name": (True, "127.0.0.1 is 127.0.0.1"),
        "connection": (True, f"to 127.0.0.1 port {receiver.port}"),
        "keys": (True, "both are valid here"),
        "experiment": (True, "e 1 is known"),
    }


def test_what_is_sent_are_two_gets_without_a_body(receiver: Receiver) -> None:
    receiver.usual(VALID)
    reach.look(sending_to(receiver.url))
    keys, experiment = receiver.requests()
    assert [(each.method, each.body) for each in (keys, experiment)] == [("GET", b""), ("GET", b"")]
    assert keys.path == "/api/v2/validate_keys"
    assert experiment.path == "/api/v2/llm-obs/v1/experiments?filter[id]=e%201&page[limit]=1"
    assert (keys.headers["dd-api-key"], keys.headers["dd-application-key"]) == ("canary-api", "canary-app")


@pytest.mark.parametrize("status", [401, 403])
def test_refused_keys_are_trouble_and_what_the_server_says_is_not_repeated(
    receiver: Receiver, status: int
) -> None:
    receiver.usual(Reply(status=status, body='{"errors": ["canary-api is wrong"]}'))
    found = reach.look(sending_to(receiver.url))
    assert found.trouble is not None
    assert found.trouble.what == "keys"
    assert "check DD_API_KEY" in found.trouble.detail
    assert "canary" not in str(found)
    assert len(receiver.requests()) == 1


@pytest.mark.parametrize(
    "reply", [Reply(), Reply(status=404), Reply(status=503), Reply(status=200, body="x")]
)
def test_a_server_that_says_nothing_of_keys_is_reached_all_the_same(receiver: Receiver, reply: Reply) -> None:
    receiver.usual(reply)
    found = reach.look(sending_to(receiver.url))
    assert found.trouble is None
    assert said(found)["keys"][0] is None


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(status=200, body="<html><title>Wi-Fi login</title>"), "a page"),
        (Reply(status=203, body='{"status": "ok"}'), "the version of a proxy"),
    ],
)
def test_a_portal_or_a_proxy_in_the_endpoints_place_is_trouble(
    receiver: Receiver, reply: Reply, words: str
) -> None:
    receiver.usual(reply)
    found = reach.look(sending_to(receiver.url))
    assert found.trouble is not None
    assert found.trouble.what == "keys"
    assert found.trouble.detail.startswith(words)
    assert "check base_url" in found.trouble.detail


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.usual(Reply(status=302, headers={"Location": f"{receiver.url}/elsewhere"}))
    found = reach.look(sending_to(receiver.url))
    assert found.trouble is not None
    assert "never followed" in found.trouble.detail
    assert len(receiver.requests()) == 1


def test_an_experiment_that_is_not_listed_is_said_and_no_trouble(receiver: Receiver) -> None:
    receiver.script(VALID, Reply(status=200, body='{"data": []}'))
    found = reach.look(sending_to(receiver.url))
    assert found.trouble is None
    assert said(found)["experiment"] == (None, "e 1 is not among those that these keys may see")


NAMES = {"project_name": "bot", "dataset_name": "tickets", "experiment_name": "v2"}


def by_name(url: str, **options: str) -> Config:
    given = {**NAMES, **options, "api_key": "canary-api", "app_key": "canary-app", "base_url": url}
    return resolve({**given, "journal": None}, {})


def listed(*names: str) -> Reply:
    data = ", ".join(f'{{"id": "id of {name}", "attributes": {{"name": "{name}"}}}}' for name in names)
    return Reply(status=200, body=f'{{"data": [{data}]}}')


def test_of_names_it_is_said_whether_they_are_there_or_would_be_made_and_nothing_is_posted(
    receiver: Receiver,
) -> None:
    receiver.script(VALID, listed("bot 2", "bot"), listed("tickets 1"))
    found = reach.look(by_name(receiver.url))
    assert {what: said(found)[what] for what in ("project", "dataset", "experiment")} == {
        "project": (True, "'bot' is there"),
        "dataset": (True, "'tickets' is not there: the first events make it, if the keys may"),
        "experiment": (True, "'v2': one is made for each run"),
    }
    assert {(each.method, each.body) for each in receiver.requests()} == {("GET", b"")}
    assert [each.path.partition("/v1/")[2] for each in receiver.requests()[1:]] == [
        "projects?filter%5Bname%5D=bot",
        "id%20of%20bot/datasets?filter%5Bname%5D=tickets",
    ]


def test_keys_that_may_not_look_for_a_name_are_trouble(receiver: Receiver) -> None:
    receiver.script(VALID, Reply(status=403, body='{"errors": ["canary-app may not"]}'))
    found = reach.look(by_name(receiver.url))
    assert found.trouble is not None
    assert found.trouble.what == "project"
    assert "the application key needs the right to read experiments" in found.trouble.detail
    assert "canary" not in str(found)


def test_a_project_that_is_not_there_has_no_dataset_to_be_looked_for(receiver: Receiver) -> None:
    receiver.script(VALID, listed())
    assert said(reach.look(by_name(receiver.url)))["dataset"] == (
        True,
        "'tickets' would be made with its project",
    )
    # What is given by its id is not looked for, but for the experiment.
    receiver.script(VALID, listed("tickets"), listed())
    found = said(reach.look(by_name(receiver.url, project_id="p-1", experiment_id="e-1")))
    assert ("project" in found, found["dataset"]) == (False, (True, "'tickets' is there"))
    assert found["experiment"] == (None, "e-1 is not among those that these keys may see")


def test_a_port_that_nobody_listens_on_is_trouble() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = reach.look(sending_to(f"http://127.0.0.1:{port}"))
    assert found.trouble is not None
    assert found.trouble.what == "connection"
    assert "refused" in found.trouble.detail


def test_a_name_that_is_nowhere_is_trouble() -> None:
    found = reach.look(sending_to("https://nowhere.invalid"))
    (check,) = found.checks
    assert (check.what, check.ok) == ("name", False)
    assert "nowhere.invalid can't be resolved" in check.detail


def test_silence_is_waited_for_no_longer_than_was_said(receiver: Receiver) -> None:
    receiver.usual(Reply(silent=True))
    found = reach.look(sending_to(receiver.url), seconds=0.3)
    assert found.trouble is not None
    assert found.trouble.what == "answer"


def test_a_certificate_that_is_trusted_is_shown_and_another_gets_no_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Receiver(tls=CERTIFICATE) as receiver:
        receiver.usual(VALID)
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        found = reach.look(sending_to(receiver.url))
        assert found.trouble is not None
        assert found.trouble.what == "TLS"
        assert receiver.requests() == []
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        ok, detail = said(reach.look(sending_to(receiver.url)))["TLS"]
        assert ok
        assert detail.startswith("TLSv1.")
        assert "valid until" in detail


def test_the_proxy_is_what_is_looked_at_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    (check,) = reach.look(sending_to("https://api.datadoghq.com")).checks
    assert check.ok is False
    assert "proxy.invalid" in check.detail


def test_switched_off_nothing_is_looked_at() -> None:
    found = reach.look(resolve({"enabled": False}, {}))
    assert (found.kind, found.trouble) == ("none", None)


def test_a_store_that_is_not_there_yet_can_be_made(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    found = reach.look(resolve({"database": path, "journal": None}, {}))
    assert (found.kind, found.name, found.trouble) == ("local", str(path), None)
    assert [check.what for check in found.checks] == ["store", "writable", "free space"]
    assert not path.exists()


def test_a_store_says_its_version_and_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with Store(path) as store:
        store.add("e", [span("a")], [])
    assert reach.look_at_store(path).checks[0] == Check("store", True, f"{OPENS}, 1 experiment")


def test_a_newer_store_and_a_full_disk_are_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.db"
    Store(path).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    trouble = reach.look_at_store(path).trouble
    assert trouble is not None
    assert "newer version" in trouble.detail
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1 << 20}))
    assert Check("free space", False, "1 MiB") in reach.look_at_store(path).checks
