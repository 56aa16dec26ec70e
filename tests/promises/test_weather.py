"""Whatever the server does, all arrives once it can, nobody waits longer than agreed, and keys stay ours."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from support.delivery import API_KEY, APP_KEY
from support.machine import Machine
from support.receiver import Receiver, Reply
from support.silent_names import SILENT_NAMES

from llmobs_trace import UsageError, configure, delivery_stats, experiment_span, flush, shutdown
from llmobs_trace.capture import recorder as slot


@pytest.fixture
def connected(receiver: Receiver) -> Callable[..., None]:
    """Configures this process to deliver to the receiver."""

    def connect(**options: Any) -> None:
        ids = {"experiment_id": "e", "project_id": "p", "dataset_id": "d"}
        configure(api_key=API_KEY, app_key=APP_KEY, base_url=receiver.url, **{**ids, **options})

    return connect


def record(*names: str, experiment_id: str | None = None) -> None:
    for name in names:
        with experiment_span(name, experiment_id=experiment_id):
            pass


def accepted(receiver: Receiver) -> Counter[str]:
    return Counter(span["name"] for request in receiver.accepted() for span in request.spans)


def assert_the_ledger_balances() -> None:
    stats = delivery_stats()
    assert stats.recorded == stats.delivered + stats.pending + stats.rejected + stats.dropped


# --- It gets through ----------------------------------------------------------------------------------------


def test_a_receiver_that_was_down_gets_everything_once_it_is_up(
    receiver: Receiver, connected: Callable[..., None]
) -> None:
    receiver.stop_listening()
    connected(flush_interval=0.1)
    record(*map(str, range(100)))
    while delivery_stats().last_error is None:
        assert not flush(0.3)
    assert delivery_stats().pending == 100
    receiver.listen_again()
    assert flush(30)
    assert accepted(receiver) == Counter(map(str, range(100)))
    assert_the_ledger_balances()


@pytest.mark.parametrize(
    "weather",
    [
        pytest.param(Reply(status=500), id="500"),
        pytest.param(Reply(status=503, body="<html>"), id="503"),
        pytest.param(Reply(status=408), id="408"),
        pytest.param(Reply(status=429, body='{"errors":["slow down"]}'), id="429 that asks for nothing"),
        pytest.param(Reply(close=True), id="the connection closed without an answer"),
        pytest.param(Reply(close_after_bytes=7), id="the connection closed within the status line"),
    ],
)
def test_after_some_bad_weather_everything_arrives_once(
    receiver: Receiver, connected: Callable[..., None], weather: Reply
) -> None:
    receiver.script(weather)
    connected()
    record("a", "b")
    assert flush(30)
    # Refused or not, each batch was sent whole: the same events once more, and no others.
    first, second = receiver.requests()
    assert first.body == second.body
    assert Counter(span["name"] for span in second.spans) == {"a": 1, "b": 1}
    assert delivery_stats().retried == 1
    assert_the_ledger_balances()


def test_what_was_accepted_in_an_answer_that_broke_off_is_sent_once_more(
    receiver: Receiver, connected: Callable[..., None]
) -> None:
    receiver.script(Reply(body="x" * 1000, close_after_bytes=200))
    connected()
    record("a")
    assert flush(10)
    first, second = receiver.requests()
    assert first.body == second.body
    assert_the_ledger_balances()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Retry-After": "1"}, id="in seconds"),
        pytest.param(
            {"Date": "Tue, 15 Nov 1994 08:12:31 GMT", "Retry-After": "Tue, 15 Nov 1994 08:12:32 GMT"},
            id="until a date by a clock of its own",
        ),
        pytest.param({"X-RateLimit-Reset": "1"}, id="until its limit is reset"),
    ],
)
def test_a_server_that_asks_for_time_gets_it(
    receiver: Receiver, connected: Callable[..., None], headers: dict[str, str]
) -> None:
    receiver.script(Reply(status=429, headers=headers, body='{"errors":["Too many"]}'))
    connected(flush_interval=0.1)
    record("a")
    receiver.wait_for(1)
    record("b")
    assert flush(20)
    first, *others = receiver.requests()
    assert others[0].at_s - first.at_s >= 0.95
    assert Counter(span["name"] for one in others for span in one.spans) == {"a": 1, "b": 1}


def test_a_server_that_asks_for_time_until_a_date_gets_it(
    receiver: Receiver, connected: Callable[..., None]
) -> None:
    date_s = int(time.time()) + 2
    receiver.script(Reply(status=503, headers={"Retry-After": formatdate(date_s, usegmt=True)}))
    connected()
    record("a")
    assert flush(20)
    _, second = receiver.requests()
    assert second.at_s + (time.time() - time.monotonic()) >= date_s - 0.01


def test_a_flush_that_can_t_be_in_time_says_so_at_once(
    receiver: Receiver, connected: Callable[..., None]
) -> None:
    receiver.script(Reply(status=429, headers={"Retry-After": "600"}))
    connected(flush_interval=0.1)
    record("a")
    receiver.wait_for(1)
    began = time.monotonic()
    assert not flush(300)
    assert time.monotonic() - began < 60
    assert delivery_stats().pending == 1
    assert len(receiver.requests()) == 1


def test_one_experiment_that_is_refused_holds_no_other_up(
    receiver: Receiver, connected: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    receiver.usual(Reply(status=404, body='{"errors":[{"detail":"no such experiment"}]}'), "unknown")
    connected(flush_interval=0.1)
    record("1", experiment_id="unknown")
    record("2", experiment_id="known")
    receiver.wait_for(2)
    record("3", experiment_id="known")
    assert not flush(0.5)
    assert accepted(receiver) == {"2": 1, "3": 1}
    # Kept, and said once, with what is at fault.
    [line] = [line for line in caplog.messages if "no such experiment" in line]
    assert "'unknown'" in line
    assert delivery_stats().pending == 1
    assert_the_ledger_balances()


# --- Nobody waits for it ------------------------------------------------------------------------------------

SILENT = [
    pytest.param(Reply(silent=True), id="a server that never answers"),
    pytest.param(Reply(drip_seconds=0.3), id="a server that drips"),
]


@pytest.mark.parametrize("server", SILENT)
def test_flush_keeps_to_its_time_with(
    receiver: Receiver, connected: Callable[..., None], server: Reply
) -> None:
    receiver.usual(server)
    connected(flush_interval=0.1)
    record("a")
    receiver.wait_for(1)
    for budget in (0.0, 0.5):
        began = time.monotonic()
        assert not flush(budget)
        assert time.monotonic() - began < budget + 5
    began = time.monotonic()
    assert not shutdown(0.5)
    assert time.monotonic() - began < 5.5
    assert delivery_stats().pending == 1
    assert_the_ledger_balances()


def test_flush_and_shutdown_keep_to_their_time_while_a_test_has_time_stand_still(
    machine: Machine, receiver: Receiver
) -> None:
    receiver.stop_listening()
    machine.sends_to(receiver.url, flush_interval=0.1, shutdown_timeout=0.2)
    # As freezegun does, which puts a stopped clock into every module that holds the real one.
    machine.run(
        """
        import sys, time
        real = time.monotonic
        stopped = lambda now=real(): now
        configure()
        for module in [*sys.modules.values()]:
            if (getattr(module, "__name__", "") or "").split(".")[0] in ("time", "llmobs_trace"):
                for name, value in [*vars(module).items()]:
                    if value is real and module is not sys.modules["__main__"]:
                        setattr(module, name, stopped)
        assert time.monotonic is stopped
        with experiment_span("row"): pass
        assert not flush(1.5)
        assert not shutdown(1.5)
        """,
        timeout=20,
    )


def test_a_time_that_is_none_is_said_and_any_number_does(
    machine: Machine, connected: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    slot.forget_what_was_said()
    connected(flush_interval=0.1, shutdown_timeout=9)
    record("a")
    assert flush(math.inf)
    record("b")
    assert flush("soon")  # type: ignore[arg-type]
    record("c")
    assert shutdown(math.inf)
    assert shutdown(math.nan)
    assert flush(-1)
    said = "flush and shutdown take a number of seconds, or None: waiting for 9 (given 'soon')"
    assert caplog.messages == [said]
    configure(strict=True)
    record("d")
    with pytest.raises(UsageError):
        flush(math.nan)


@pytest.mark.parametrize("server", SILENT)
def test_the_exit_keeps_to_its_time_with(machine: Machine, receiver: Receiver, server: Reply) -> None:
    """… in the middle of a request, and where that is yet to begin."""
    receiver.usual(server)
    machine.sends_to(receiver.url, flush_interval=0.1, shutdown_timeout=0.5, request_timeout=3600)
    program = machine.start("with experiment_span('row'): pass\ninput()")
    receiver.wait_for(1)
    assert receiver.requests()[0].spans[0]["name"] == "row"
    program.communicate("\n", timeout=20)
    assert (program.returncode, machine.pending()) == (0, 1)
    machine.run("with experiment_span('another'): pass", timeout=20)
    assert machine.pending() == 2


# 3.12 starts no thread once the main one has ended: then a name is looked for by the main thread itself.
HAS_A_SENDER = """
import threading
while not any(thread.name.startswith("llmobs") for thread in threading.enumerate()): time.sleep(0.001)
"""


@pytest.mark.parametrize("program", ["with experiment_span('own'): pass", "configure()"])
def test_the_exit_keeps_to_its_time_while_no_name_server_answers(machine: Machine, program: str) -> None:
    """… with events of its own, and with nothing but what a program before it left."""
    machine.sends_to(
        "https://nowhere.example", flush_interval=0.1, shutdown_timeout=0.5, request_timeout=3600
    )
    machine.run("with experiment_span('left behind'): pass\nimport os; os._exit(0)")
    left = machine.pending() + program.count("own")
    machine.run(SILENT_NAMES + f"from llmobs_trace import *\n{program}\n{HAS_A_SENDER}", timeout=20)
    assert machine.pending() == left
    ended = machine.run(
        SILENT_NAMES
        + """
from llmobs_trace import *
with experiment_span("own"): pass
began = time.monotonic()
told = [flush(0.0), flush(0.5), shutdown(0.5), shutdown(0.5), flush(0.5)]
assert told == [False] * 5, told
print(time.monotonic() - began)
""",
        timeout=20,
    )
    assert ended.told[0] < 10
    assert machine.pending() == left + 1


def test_a_flush_is_of_one_s_own_events_whatever_others_left(machine: Machine, receiver: Receiver) -> None:
    receiver.usual(Reply(silent=True))
    machine.sends_to(receiver.url, flush_interval=0.1, shutdown_timeout=0.2, request_timeout=3600)
    machine.run("with experiment_span('left behind'): pass\nimport os; os._exit(0)")
    program = machine.start("configure()\ninput()\nprint(int(flush(30) and shutdown(1)))")
    receiver.wait_for(1)  # the sender is busy with what was left
    out, _ = program.communicate("\n", timeout=20)
    assert out == "1\n"


def test_a_traced_call_never_waits_for_the_network(
    receiver: Receiver, connected: Callable[..., None]
) -> None:
    receiver.usual(Reply(silent=True))
    connected(flush_interval=0.1, request_timeout=3600)
    record("first")
    receiver.wait_for(1)
    # The sender is in the middle of a request that nobody will answer: these go on.
    record(*["more"] * 5000)
    assert delivery_stats().recorded == 5001


def test_a_request_has_one_deadline_and_is_sent_anew(
    receiver: Receiver, connected: Callable[..., None]
) -> None:
    receiver.script(Reply(drip_seconds=0.2))
    connected(flush_interval=0.1, request_timeout=0.5)
    record("a")
    assert flush(20)
    assert len(receiver.requests()) == 2
    assert "no answer" in str(delivery_stats().last_error)


# --- The keys are ours --------------------------------------------------------------------------------------


def test_redirects_are_never_followed(
    receiver: Receiver, connected: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            receiver.script(
                Reply(status=status, headers={"Location": elsewhere.url}), experiment_id=str(status)
            )
        connected(flush_interval=0.1)
        for status in (301, 302, 303, 307, 308):
            record("a", experiment_id=str(status))
        receiver.wait_for(5)
        assert not flush(0.5)
        assert len(receiver.requests()) == 5
        assert elsewhere.connections() == 0
    assert any("redirects are never followed" in line for line in caplog.messages)
    assert delivery_stats().pending == 5


@pytest.mark.parametrize("status", [200, 401, 403, 500])
def test_keys_are_in_two_headers_and_nowhere_else(machine: Machine, receiver: Receiver, status: int) -> None:
    # A server that repeats what it was given, and a program that logs all there is to log.
    receiver.usual(Reply(status=status, body=f'{{"errors":["{API_KEY} and {APP_KEY}"]}}'))
    machine.sends_to(receiver.url, flush_interval=0.1, shutdown_timeout=0.5)
    ended = machine.run("""
        import logging, os, sys
        logging.basicConfig(level=logging.DEBUG)
        from llmobs_trace.process import life
        from llmobs_trace.settings.config import resolve
        configure()
        with experiment_span("row", input="x"): pass
        flush(0.3)
        config = life.at_work().config
        print(repr(config), str(config), delivery_stats(), vars(life.at_work()))
        try: configure(api_key=os.environ["DD_API_KEY"] + " \\n", app_key=os.environ["DD_APP_KEY"])
        except ConfigurationError as error: print(error)
        try: configure(api_key=os.environ["DD_API_KEY"], app_key=os.environ["DD_APP_KEY"], site="nowhere")
        except ConfigurationError as error: print(error)
    """)
    said = ended.out + ended.err
    files = b"".join(path.read_bytes() for path in machine.home.rglob("*") if path.is_file())
    for request in receiver.requests():
        assert API_KEY.encode() not in request.body
        said += request.path
    for key in (API_KEY, APP_KEY):
        assert key not in said
        assert key.encode() not in files


def test_an_outage_is_told_in_few_lines(
    receiver: Receiver, connected: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.script(*[Reply(status=503)] * 2)
    connected(flush_interval=0.1)
    threads = [threading.Thread(target=record, args=["x"] * 50) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert flush(30)
    ours = [entry.getMessage() for entry in caplog.records if entry.name.startswith("llmobs_trace")]
    assert len([line for line in ours if "HTTP 503" in line]) == 1  # which a port may have in it, too
    assert len([line for line in ours if "works again" in line]) == 1
