from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from support.commands import RunCommand, finish, start


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 lets other machines in: name both keys, in LLMOBS_TRACE_SER"),
        (["--host", "example.com", "--api-key", "k"], "or by --api-key and --app-key"),
        (["--rehearse-429", "60", "--rehearse-drop", "50"], "come to more than 100 percent"),
        (["--rehearse-429", "101"], "expected a percentage from 0 to 100, given '101'"),
        (["--rehearse-5xx", "nan"], "expected a percentage from 0 to 100, given 'nan'"),
        (["--rehearse-latency", "9-5"], "expected milliseconds, as 200 or 50-400, given '9-5'"),
        (["--rate-limit", "100"], "expected requests/seconds, as 100/60, given '100'"),
        (["--host", "a..b"], "expected an address or a host's name, given 'a..b'"),
        (["--port", "65536"], "expected a port from 0 to 65535, given '65536'"),
        (["--max-body-bytes", "1"], "expected a number of bytes from 1024"),
        (["--api-key", " "], "expected a key, given nothing"),
        (["--app-key", "\udcff"], "expected a key, given what is no text"),
        (["--experiment", ""], "the experiment's id is empty"),
        (["--retry-after", "soon"], "expected seconds from 0 to 86400, given 'soon'"),
    ],
)
def test_misuse_is_2_and_says_what_would_do(run: RunCommand, words: list[str], said: str) -> None:
    code, out, err = run("serve", *words)
    assert (code, out) == (2, "")
    assert said in err


def test_a_store_that_is_none_is_3_and_nothing_is_served(run: RunCommand, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, and longer than a few bytes" * 10)
    code, out, err = run("serve", on=path)
    assert (code, out) == (3, "")
    assert "can't open the store" in err


def test_a_port_in_use_is_1_and_says_what_would_do(run: RunCommand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("serve", "--port", str(port))
    assert (code, out) == (1, "")
    assert err == (
        f"llmobs-trace: --port {port} of 127.0.0.1 is in use; name another, or none for any free one\n"
    )


def test_an_address_that_can_t_be_had_is_1(run: RunCommand) -> None:
    # An address for documentation, which no machine has.
    code, out, err = run("serve", "--host", "203.0.113.7", "--api-key", "k", "--app-key", "k")
    assert (code, out) == (1, "")
    assert err.startswith("llmobs-trace: ")


def test_a_key_in_the_environment_that_is_no_text_is_2_and_names_the_variable(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOBS_TRACE_SERVE_APP_KEY", "\udcff")
    code, _, err = run("serve")
    assert code == 2
    assert "LLMOBS_TRACE_SERVE_APP_KEY: expected a key, given what is no text" in err


def test_the_viewer_is_opened_in_the_reader_s_browser(tmp_path: Path) -> None:
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    os.mkfifo(opened)
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    process = start("serve", "--open", "--database", str(tmp_path / "x.db"), BROWSER=f"{browser} %s")
    assert process.stdout is not None
    address = process.stdout.readline().decode().strip()
    assert opened.read_text() == f"{address}/\n"
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 0
