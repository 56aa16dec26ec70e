"""The endpoint over real sockets: what is sent, what an answer becomes, one deadline for a request."""

from __future__ import annotations

import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.delivery import API_KEY, APP_KEY, datadog, span, wait_until
from support.receiver import Receiver, Reply

from llmobs_trace.deliver import Batch, DatadogDestination, Verdict, Worker
from llmobs_trace.deliver.answers import verdict_of
from llmobs_trace.journal import Queue
from llmobs_trace.settings.checks import Secret

CERTIFICATE = Path(__file__).parent.parent / "support" / "loopback.pem"
BATCH = Batch(experiment_id="e 1/ü", spans=[b'{"span_id":"s"}'], metrics=[b'{"label":"m"}'])


@pytest.fixture
def destination(receiver: Receiver) -> Iterator[DatadogDestination]:
    made = datadog(receiver)
    made.open()
    yield made
    made.close()


def test_a_batch_is_posted_as_documented(receiver: Receiver, destination: DatadogDestination) -> None:
    assert destination.send(BATCH, 5).status == 202
    [request] = receiver.requests()
    assert request.method == "POST"
    assert request.path == "/api/v2/llm-obs/v1/experiments/e%201%2F%C3%BC/events"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["dd-api-key"] == API_KEY
    assert request.headers["dd-application-key"] == APP_KEY
    assert request.spans == [{"span_id": "s"}]
    assert request.metrics == [{"label": "m"}]


def test_one_connection_serves_many_batches(receiver: Receiver, destination: DatadogDestination) -> None:
    for reply in (
        Reply(),
        Reply(status=503, body="busy"),
        Reply(status=403),
        Reply(body="x" * 5000),
        Reply(),
    ):
        receiver.script(reply)
        destination.send(BATCH, 5)
    assert len(receiver.requests()) == 5
    assert receiver.connections() == 1


def test_nothing_of_a_request_waits_for_the_garbage_collector(
    receiver: Receiver, destination: DatadogDestination
) -> None:
    """It may come late, or never: programs switch it off."""
    receiver.script(Reply(), Reply(status=400, body="no"))
    gc.collect()
    gc.disable()
    try:
        before = {id(one) for one in gc.get_objects() if isinstance(one, httpx.Request)}
        assert [destination.send(BATCH, 5).status for _ in range(2)] == [202, 400]
        left = [one for one in gc.get_objects() if isinstance(one, httpx.Request) and id(one) not in before]
        assert left == []
    finally:
        gc.enable()


def test_the_servers_own_words_are_kept(receiver: Receiver, destination: DatadogDestination) -> None:
    receiver.script(
        Reply(
            status=400, body='{"errors":[{"title":"Bad Request","detail":"no \\"data\\"","status":"400"}]}'
        ),
        Reply(status=429, body='{"errors":["Too many"]}'),
        Reply(status=502, body="<h1>Bad\n gateway</h1>"),
        Reply(status=500, body=""),
        Reply(status=500, body='{"errors":5}'),
        Reply(status=500, body="x" * 1_000_000),
    )
    answers = [destination.send(BATCH, 5) for _ in range(6)]
    assert [answer.detail for answer in answers[:5]] == [
        'Bad Request: no "data"',
        "Too many",
        "<h1>Bad gateway</h1>",
        "Scripted",
        '{"errors":5}',
    ]
    assert len(answers[5].detail) == 300


def test_what_the_server_asks_for_is_read(receiver: Receiver, destination: DatadogDestination) -> None:
    receiver.script(
        Reply(status=429, headers={"X-RateLimit-Reset": "7"}), Reply(status=503, headers={"Retry-After": "3"})
    )
    assert destination.send(BATCH, 5).retry_after_seconds == 7
    assert destination.send(BATCH, 5).retry_after_seconds == 3
    assert destination.send(BATCH, 5).retry_after_seconds is None


def test_a_redirect_is_an_answer_and_never_followed(
    receiver: Receiver, destination: DatadogDestination
) -> None:
    receiver.script(Reply(status=307, headers={"Location": f"{receiver.url}/elsewhere"}))
    assert destination.send(BATCH, 5).status == 307
    assert len(receiver.requests()) == 1


def test_keys_that_a_server_repeats_are_not_in_the_answer(
    receiver: Receiver, destination: DatadogDestination
) -> None:
    receiver.script(Reply(status=403, body=f"bad pair {API_KEY}, {APP_KEY}"))
    assert destination.send(BATCH, 5).detail == "bad pair ***, ***"


def test_a_key_that_no_header_can_hold_is_told_without_showing_it(receiver: Receiver) -> None:
    for key in ("canary\nkey", "canary\u2603key"):
        destination = DatadogDestination(receiver.url, Secret(key), Secret(APP_KEY))
        destination.open()
        answer = destination.send(BATCH, 5)
        destination.close()
        assert answer.status is None
        assert "wrong character in a key" in answer.detail
        assert "canary" not in answer.detail


# --- What is no acceptance ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            Reply(status=200, headers={"Content-Type": "text/html"}, body="<html><title>Wi-Fi login</title>"),
            "no acceptance but a page titled 'Wi-Fi login'",
        ),
        (
            Reply(status=203, headers={"Via": "1.1 squid"}),
            "not the endpoint's own answer but that of 1.1 squid",
        ),
        (
            Reply(body='{"errors":[{"title":"Bad Request","detail":"no span"}]}'),
            "errors within: Bad Request: no span",
        ),
        (Reply(body="accepted"), "no acceptance but 'accepted' (application/json, 8 bytes)"),
        (Reply(body="{" * 100_000), "no acceptance but"),
        (Reply(body="x", headers={"Content-Encoding": "br"}), "1 bytes packed as 'br', which can't be read"),
    ],
)
def test_a_2xx_that_is_no_acceptance_says_what_came(
    receiver: Receiver, destination: DatadogDestination, reply: Reply, words: str
) -> None:
    receiver.script(reply)
    answer = destination.send(BATCH, 5)
    assert (verdict_of(answer), answer.status) == (Verdict.NOT_ACCEPTED, reply.status)
    assert answer.detail.startswith(words)


def test_nothing_is_lost_to_a_portal_and_all_of_it_arrives_once_it_is_gone(
    receiver: Receiver,
    make_worker: Callable[..., Worker],
    memory_queue: Queue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = make_worker(datadog(receiver), flush_interval=0.05)
    receiver.usual(Reply(status=200, body=f"<title>Pay {API_KEY} here</title>"))
    memory_queue.append(span(0))
    assert not worker.flush(0.3)
    assert (worker.stats().delivered, worker.stats().pending) == (0, 1)
    [line] = caplog.messages
    assert "is paused, its events are kept: HTTP 200: no acceptance but a page titled 'Pay *** here'" in line
    assert line.endswith("something else answered: check base_url, and login pages and proxies on the way")
    receiver.usual(Reply(status=204, body=""))
    wait_until(lambda: worker.stats().delivered == 1)


# --- A request has one deadline -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(silent=True), id="silence"),
        pytest.param(Reply(drip_seconds=0.2), id="a byte now and then from the start"),
        pytest.param(Reply(status=503, body="x" * 1000, drip_seconds=0.2), id="a long answer byte by byte"),
    ],
)
def test_whatever_a_server_does_a_request_ends_in_time(
    receiver: Receiver, destination: DatadogDestination, reply: Reply
) -> None:
    receiver.script(reply)
    begin = time.monotonic()
    answer = destination.send(BATCH, 0.6)
    # Far from what it would take: each byte comes well within a timeout of 0.6 s, and there are over 80.
    assert 0.5 < time.monotonic() - begin < 10
    assert answer.status is None
    assert answer.detail == "no answer within 0.6 s" or answer.detail == "no answer in time"


def test_an_acceptance_may_take_all_the_time_that_a_request_has(
    receiver: Receiver, destination: DatadogDestination
) -> None:
    receiver.script(Reply(body='{"data":{}}', drip_seconds=0.15, drip_body_only=True))
    assert destination.send(BATCH, 20).status == 202


@pytest.mark.parametrize(
    "reply", [Reply(body='{"da', drip_seconds=9.0, drip_body_only=True), Reply(close_after_bytes=76)]
)
def test_an_acceptance_that_breaks_off_is_none_since_it_may_have_been_anything(
    receiver: Receiver, destination: DatadogDestination, reply: Reply
) -> None:
    receiver.script(reply)
    answer = destination.send(BATCH, 1.0)
    assert (verdict_of(answer), answer.detail) == (Verdict.BROKEN, "the answer broke off after HTTP 202")
    assert destination.send(BATCH, 5).status == 202


def test_an_acceptance_that_came_whole_is_one_whatever_was_said_of_its_length(
    receiver: Receiver, destination: DatadogDestination
) -> None:
    receiver.script(Reply(body="{}" + " " * 100, close_after_bytes=100))
    assert verdict_of(destination.send(BATCH, 5)) is Verdict.ACCEPTED


def test_a_refusal_is_a_refusal_however_slowly_the_rest_comes(
    receiver: Receiver, destination: DatadogDestination
) -> None:
    receiver.script(
        Reply(status=403, body="x" * 1000, drip_seconds=0.1, drip_body_only=True),
        Reply(status=429, headers={"Retry-After": "3"}, body="x" * 1000, close_after_bytes=200),
    )
    assert destination.send(BATCH, 5).status == 403
    assert destination.send(BATCH, 5).retry_after_seconds == 3
    assert destination.send(BATCH, 5).status == 202


def test_a_server_that_reads_nothing_ends_a_large_request_in_time() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        destination = DatadogDestination(
            f"http://127.0.0.1:{server.getsockname()[1]}", Secret(API_KEY), Secret(APP_KEY)
        )
        destination.open()
        begin = time.monotonic()
        large = Batch(experiment_id="e", spans=[b'"%b"' % (b"x" * 50_000_000)], metrics=[])
        answer = destination.send(large, 0.6)
        destination.close()
        assert 0.5 < time.monotonic() - begin < 10
        assert answer.status is None


def test_the_deadline_is_set_anew_for_each_request_on_a_connection(
    receiver: Receiver, destination: DatadogDestination
) -> None:
    receiver.usual(Reply(delay_seconds=0.3))
    for _ in range(4):
        assert destination.send(BATCH, 1.0).status == 202
    assert receiver.connections() == 1


def test_connections_refused_and_broken_are_answers(
    receiver: Receiver, destination: DatadogDestination
) -> None:
    receiver.script(Reply(close=True))
    assert destination.send(BATCH, 5).status is None
    receiver.stop_listening()
    answer = destination.send(BATCH, 5)
    assert answer.status is None
    assert "ConnectError" in answer.detail
    receiver.listen_again()
    assert destination.send(BATCH, 5).status == 202


def test_a_kept_connection_that_the_server_closed_is_replaced_without_a_failure(
    receiver: Receiver, destination: DatadogDestination
) -> None:
    assert destination.send(BATCH, 5).status == 202
    receiver.stop_listening()
    receiver.listen_again()
    assert destination.send(BATCH, 5).status == 202


def test_a_name_that_no_server_has_is_an_answer() -> None:
    destination = DatadogDestination("https://nowhere.invalid", Secret(API_KEY), Secret(APP_KEY))
    destination.open()
    answer = destination.send(BATCH, 5)
    destination.close()
    assert answer.status is None
    assert API_KEY not in answer.detail


def test_abort_from_another_thread_ends_a_request(
    receiver: Receiver, destination: DatadogDestination
) -> None:
    receiver.script(Reply(silent=True))

    def abort_it() -> None:
        receiver.wait_for(1)
        destination.abort()

    thread = threading.Thread(target=abort_it)
    thread.start()
    begin = time.monotonic()
    assert destination.send(BATCH, 60).status is None
    assert time.monotonic() - begin < 30
    thread.join()


def test_abort_without_a_request_is_harmless(receiver: Receiver, destination: DatadogDestination) -> None:
    destination.abort()
    destination.send(BATCH, 5)
    destination.abort()
    assert destination.send(BATCH, 5).status == 202


# --- TLS and proxies ----------------------------------------------------------------------------------------


@pytest.fixture
def tls_receiver() -> Iterator[Receiver]:
    with Receiver(tls=CERTIFICATE) as running:
        yield running


def send_over_tls(receiver: Receiver, timeout_seconds: float = 5.0) -> tuple[int | None, str]:
    destination = datadog(receiver)
    destination.open()
    try:
        answer = destination.send(BATCH, timeout_seconds)
        return answer.status, answer.detail
    finally:
        destination.close()


def test_the_certificates_of_ssl_cert_file_are_trusted(
    tls_receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    assert send_over_tls(tls_receiver) == (202, "")


def test_an_unknown_certificate_gets_no_keys(tls_receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    status, detail = send_over_tls(tls_receiver)
    assert status is None
    assert "CERTIFICATE_VERIFY_FAILED" in detail
    assert tls_receiver.requests() == []


@pytest.mark.parametrize("reply", [Reply(silent=True), Reply(drip_seconds=0.2)])
def test_a_deadline_holds_over_tls(
    tls_receiver: Receiver, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    tls_receiver.script(reply)
    begin = time.monotonic()
    assert send_over_tls(tls_receiver, 0.6)[0] is None
    assert time.monotonic() - begin < 10


def test_a_proxy_never_sees_what_goes_to_this_machine(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        destination = datadog(receiver)
        destination.open()
        assert destination.send(BATCH, 5).status == 202
        destination.close()
        assert proxy.requests() == []


def test_a_proxy_of_the_environment_is_used_for_the_rest_and_sees_no_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Receiver() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        for name in ("NO_PROXY", "no_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        proxy.usual(Reply(status=502))
        destination = DatadogDestination("https://api.datadoghq.com", Secret(API_KEY), Secret(APP_KEY))
        destination.open()
        assert destination.send(BATCH, 5).status is None
        destination.close()
        [request] = proxy.requests()
        assert (request.method, request.path) == ("CONNECT", "api.datadoghq.com:443")
        assert API_KEY not in str(request)


# --- What it says, and to whom ------------------------------------------------------------------------------


def test_no_key_is_in_any_log_line_at_any_level(
    receiver: Receiver, destination: DatadogDestination, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.script(Reply(), Reply(status=403, body=API_KEY), Reply(close=True))
    for _ in range(3):
        destination.send(BATCH, 5)
    ours = [record.getMessage() for record in caplog.records if record.name == "llmobs_trace"]
    requests = [record.getMessage() for record in caplog.records if "send_request" in record.getMessage()]
    assert API_KEY not in "".join(ours + requests)


def test_the_log_has_no_line_for_each_of_our_requests_and_all_of_others(
    receiver: Receiver, destination: DatadogDestination, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    destination.send(BATCH, 5)
    receiver.script(Reply(close=True))
    destination.send(BATCH, 5)
    assert caplog.messages == []
    thread = threading.Thread(target=lambda: httpx.post(receiver.url + "/a/b", trust_env=False))
    thread.start()
    thread.join()
    assert {"httpx", "httpcore.connection", "httpcore.http11"} <= {record.name for record in caplog.records}


@pytest.mark.parametrize("end", ["close", "forget", "fork"])
def test_the_log_is_as_it_was_once_a_connection_is_gone(receiver: Receiver, end: str) -> None:
    destination = datadog(receiver)
    names = ("httpx", "httpcore.http11")
    before = [list(logging.getLogger(name).filters) for name in names]
    destination.open()
    assert all(logging.getLogger(name).filters[-1] is destination._connection._quiet for name in names)
    if end == "close":
        destination.close()
    elif end == "fork":
        destination.after_fork_in_child()
    else:
        del destination
    assert [logging.getLogger(name).filters for name in names] == before


def test_it_can_be_opened_again_after_close(receiver: Receiver, destination: DatadogDestination) -> None:
    destination.send(BATCH, 5)
    destination.close()
    destination.close()
    destination.open()
    assert destination.send(BATCH, 5).status == 202


@pytest.mark.parametrize("then", ["send", "close", "abort", "fork"])
def test_where_the_program_closed_our_connection_what_has_its_number_next_is_left_alone(
    receiver: Receiver, destination: DatadogDestination, then: str
) -> None:
    assert destination.send(BATCH, 5).status == 202
    connected = destination._connection._deadline._socket
    assert connected is not None
    number = connected.fileno()
    ours, theirs = socket.socketpair()
    os.dup2(ours.fileno(), number)  # as after a `closerange`, when the program opens one of its own
    if then == "send":
        assert destination.send(BATCH, 5).status == 202
        assert receiver.connections() == 2
    elif then == "close":
        destination.close()
    elif then == "abort":
        destination.abort()
    else:
        destination.after_fork_in_child()
    gc.collect()
    os.write(number, b"the program's")
    assert theirs.recv(100) == b"the program's"
    for each in (ours, theirs):
        each.close()
    os.close(number)


def test_a_connection_that_the_program_closes_within_a_request_is_read_and_written_no_further(
    receiver: Receiver, destination: DatadogDestination
) -> None:
    ours, theirs = socket.socketpair()
    numbers = []

    def swap(event: str, info: object) -> None:
        connected = destination._connection._deadline._socket
        if event == "http11.send_request_body.started" and connected is not None:
            numbers.append(connected.fileno())
            os.dup2(ours.fileno(), numbers[0])
        trace(event, info)

    trace: Callable[..., None] = destination._connection._deadline.trace
    destination._connection._deadline.trace = swap  # type: ignore[method-assign]
    answer = destination.send(BATCH, 5)
    assert "this program closed the connection" in answer.detail
    assert verdict_of(answer) is Verdict.BROKEN
    os.write(numbers[0], b"the program's")
    assert theirs.recv(10_000) == b"the program's"
    for each in (ours, theirs):
        each.close()
    os.close(numbers[0])
