"""What the environment makes of the way to the endpoint, and the words where it leads nowhere."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
from support.delivery import API_KEY, APP_KEY
from support.receiver import Receiver, Reply

from llmobs_trace.cli.doctor import reach
from llmobs_trace.deliver import Batch, DatadogDestination, Verdict
from llmobs_trace.http_client.environment import WrongEnvironment, _without_password, new_client, proxy_to
from llmobs_trace.settings.checks import Secret
from llmobs_trace.settings.config import resolve

CERTIFICATE = Path(__file__).parent.parent / "support" / "loopback.pem"
BATCH = Batch(experiment_id="e", spans=[b"{}"], metrics=[])
URL = "https://api.datadoghq.com"
WITHOUT = "or NO_PROXY=api.datadoghq.com to go without a proxy"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)


def told(url: str = URL) -> tuple[str, str]:
    """What the sender and the doctor say."""
    destination = DatadogDestination(url, Secret(API_KEY), Secret(APP_KEY))
    destination.open()
    answer = destination.send(BATCH, 5)
    destination.close()
    assert answer.verdict is Verdict.HINDERED
    ids = {"experiment_id": "e", "project_id": "p", "dataset_id": "d"}
    keys = {"api_key": API_KEY, "app_key": APP_KEY}
    [check] = reach.look(resolve({**keys, **ids, "base_url": url, "journal": None}, {})).checks
    assert (check.what, check.ok) == ("environment", False)
    return answer.detail, check.detail


@pytest.mark.parametrize(
    ("variable", "held", "words"),
    [
        (
            "ALL_PROXY",
            "socks://127.0.0.1:1080/",
            "ALL_PROXY is 'socks://127.0.0.1:1080/', a kind of proxy that is not supported (did you mean"
            " socks5://?); set HTTPS_PROXY=http://HOST:PORT (it comes first), ",
        ),
        (
            "all_proxy",
            "socks5://me:canary@proxy:1080",
            "all_proxy is 'socks5://***@proxy:1080', which needs a package: pip install 'httpx[socks]'; "
            "set HTTPS_PROXY=http://HOST:PORT (it comes first), ",
        ),
        (
            "HTTPS_PROXY",
            "http://me:can@ry@proxy:99999",
            "HTTPS_PROXY is 'http://***@proxy:99999', whose port is not a number from 1 to 65535; "
            "set HTTPS_PROXY=http://HOST:PORT, ",
        ),
        (
            "https_proxy",
            "http://me:canary",
            "https_proxy is 'http://me:***', whose port is not a number from 1 to 65535; set HTTPS_PROXY=http://HOST",
        ),
        ("HTTPS_PROXY", "http://", "HTTPS_PROXY is 'http://', which names no host; "),
        ("HTTPS_PROXY", "http://[::1", "HTTPS_PROXY is 'http://[::1', which is no URL; "),
        (
            "HTTPS_PROXY",
            "proxy:0",
            "HTTPS_PROXY is 'http://proxy:0', whose port is not a number from 1 to 65535; ",
        ),
        (
            "HTTPS_PROXY",
            "http://proxy..corp:1",
            "HTTPS_PROXY is 'http://proxy..corp:1', whose host is not a valid name; ",
        ),
        (
            "HTTPS_PROXY",
            "http://proxy/\x01",
            "HTTPS_PROXY is 'http://proxy/\\x01', which is no URL (InvalidURL); ",
        ),
        (
            "ALL_PROXY",
            "ftp://proxy",
            "ALL_PROXY is 'ftp://proxy', a kind of proxy that is not supported; set HTTPS_",
        ),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_by_its_variable_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, variable: str, held: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(variable, held)
    in_log, by_doctor = told()
    assert in_log == by_doctor
    assert in_log.startswith(words)
    assert in_log.endswith(WITHOUT)
    assert "canary" not in in_log


def test_both_ways_out_of_a_proxy_that_cannot_be_used_are_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1080/")
    with pytest.raises(WrongEnvironment):
        new_client(URL)
    with monkeypatch.context() as one:
        one.setenv("NO_PROXY", "api.datadoghq.com")
        new_client(URL).close()
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    new_client(URL).close()


def make_directory(path: Path) -> None:
    path.mkdir()


def make_text(path: Path) -> None:
    path.write_text("no certificate at all")


def make_nothing(path: Path) -> None:
    """It is missing."""


@pytest.mark.parametrize(
    ("variable", "make", "words"),
    [
        (
            "SSL_CERT_FILE",
            make_nothing,
            "can't be read (No such file or directory); name a file of certificates",
        ),
        ("SSL_CERT_FILE", make_directory, "can't be read (Is a directory); name a file of certificates"),
        ("SSL_CERT_FILE", make_text, "holds no certificate in PEM form; name a file of certificates"),
        ("SSL_CERT_DIR", make_nothing, "can't be read (No such file or directory); name a directory of"),
        ("SSL_CERT_DIR", make_text, "can't be read (Not a directory); name a directory of certificates"),
        ("SSLKEYLOGFILE", make_directory, "can't be written (Is a directory); name a file that can be"),
    ],
)
def test_certificates_that_cannot_be_read_are_told_by_their_variable_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, make: object, words: str
) -> None:
    path = tmp_path / "x"
    assert callable(make)
    make(path)
    monkeypatch.setenv(variable, str(path))
    in_log, by_doctor = told()
    assert in_log == by_doctor
    assert in_log.startswith(f"{variable} is {str(path)!r}, which {words}")
    assert in_log.endswith(", or unset it")


@pytest.mark.parametrize("file", ["", certifi.where()])
def test_keys_are_logged_where_the_environment_says_whatever_the_certificates(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", file)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    new_client(URL).close()
    assert (tmp_path / "keys").read_text().startswith("# TLS secrets log file")


def test_any_of_several_directories_of_certificates_will_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", f"/nowhere:{tmp_path}")
    new_client(URL).close()


def test_a_proxy_that_does_not_answer_is_named_where_a_connection_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://me:canary@127.0.0.1:{port}")
    destination = DatadogDestination(URL, Secret(API_KEY), Secret(APP_KEY))
    destination.open()
    answer = destination.send(BATCH, 5)
    destination.close()
    assert answer.detail.startswith("ConnectError: ")
    assert answer.detail.endswith(f" (by way of https_proxy, 'http://***@127.0.0.1:{port}')")


def test_a_proxy_that_wants_a_password_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as proxy:
        proxy.usual(Reply(status=407))
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        destination = DatadogDestination(URL, Secret(API_KEY), Secret(APP_KEY))
        destination.open()
        assert destination.send(BATCH, 5).detail == (
            f"ProxyError: 407 Scripted (by way of HTTPS_PROXY, {proxy.url!r})"
        )
        destination.close()


@pytest.mark.parametrize("file", ["", certifi.where()])
def test_what_a_certificate_was_held_against_is_told(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    with Receiver(tls=CERTIFICATE) as receiver:
        monkeypatch.setenv("SSL_CERT_FILE", file)
        destination = DatadogDestination(receiver.url, Secret(API_KEY), Secret(APP_KEY))
        destination.open()
        detail = destination.send(BATCH, 5).detail
        destination.close()
        assert "CERTIFICATE_VERIFY_FAILED" in detail
        assert detail.endswith(
            f"(held against SSL_CERT_FILE, {file!r})" if file else "set SSL_CERT_FILE to its certificates"
        )


def test_what_is_mended_while_the_program_runs_is_used_at_the_next_try(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Receiver(tls=CERTIFICATE) as receiver:
        file = tmp_path / "mounted-late.pem"
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        destination = DatadogDestination(receiver.url, Secret(API_KEY), Secret(APP_KEY))
        destination.open()
        assert destination.send(BATCH, 5).verdict is Verdict.HINDERED
        file.write_bytes(CERTIFICATE.read_bytes())
        destination.open()
        assert destination.send(BATCH, 5).status == 202
        destination.close()


def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "datadoghq.com")
    assert proxy_to(URL) is None
    proxy = proxy_to("https://api.datadoghq.eu")
    assert proxy is not None
    assert (proxy.variable, proxy.url) == ("HTTPS_PROXY", "http://proxy.invalid:3128")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://proxy:3128/", "http://proxy:3128/"),
        ("proxy", "proxy"),
        ("me:canary@proxy:3128", "***@proxy:3128"),
        ("http://me:c/n?ry#@proxy:3128/x", "http://***@proxy:3128/x"),
        ("http://proxy:3128?token=canary", "http://proxy:3128?***"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        ("http://[::1]", "http://[::1]"),
        ("http://http://proxy:1", "http://http://proxy:1"),
        ("canary:canary", "canary:***"),
    ],
)
def test_a_proxy_is_shown_without_its_password(url: str, shown: str) -> None:
    assert _without_password(url) == shown


# --- Cookies ------------------------------------------------------------------------------------------------


@pytest.fixture
def sets_cookies() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def test_a_server_that_sets_cookies_does_not_make_requests_grow(sets_cookies: Receiver) -> None:
    destination = DatadogDestination(sets_cookies.url, Secret(API_KEY), Secret(APP_KEY))
    destination.open()
    for number in range(5):
        status = 202 if number % 2 else 403
        cookie = {"Set-Cookie": f"session{number}={'x' * 3000}; Path=/; Max-Age=86400"}
        sets_cookies.script(Reply(status=status, headers=cookie))
        destination.send(BATCH, 5)
    destination.close()
    heads = [request.headers for request in sets_cookies.requests()]
    assert len(heads) == 5
    assert all(head == heads[0] for head in heads)
    assert "cookie" not in heads[0]
