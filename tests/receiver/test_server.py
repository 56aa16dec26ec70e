from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
from support.serving import JSON, KEYS, LONG, METRIC, SPAN, Serving, body, events_path, read_replies

from llmobs_trace.receiver import pages
from llmobs_trace.store.store import Store

Serve = Callable[..., Serving]


def spans(*ids: str) -> bytes:
    return body([{**SPAN, "span_id": each} for each in ids])


def raw_post(data: bytes, *headers: str, length: int | None = None, path: str = events_path("e")) -> bytes:
    named = [f"{name}: {value}" for name, value in {**JSON, **KEYS}.items()]
    known = [] if length == -1 else [f"Content-Length: {len(data) if length is None else length}"]
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *named, *known, *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def ids(server: Serving) -> set[str]:
    return {span["span_id"] for span in server.stored()[0]}


# --- Beginning and end --------------------------------------------------------------------------------------


def test_the_first_line_is_the_base_url_alone_and_both_signals_end_it_with_0(serve: Serve) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        server = serve()
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert server.post(body([SPAN], [METRIC])).status == 202
        code, said = server.end(number)
        assert code == 0
        assert "took 1 span and 1 metric in 1 request" in said
        assert server.process.stdout is not None
    assert len(ids(server)) == 1


def test_what_was_answered_with_202_is_there_after_a_kill(serve: Serve) -> None:
    server = serve()
    for number in range(20):
        assert server.post(spans(f"s{number}")).status == 202
    server.process.kill()
    server.process.wait()
    assert len(ids(server)) == 20


def test_the_end_waits_for_a_request_that_is_being_answered(serve: Serve) -> None:
    server = serve("--rehearse-latency", "500")
    with server.connect() as idle, server.connect() as busy:
        busy.sendall(raw_post(spans("a"), "Expect: 100-continue"))
        assert busy.recv(100).startswith(b"HTTP/1.1 100")
        server.process.send_signal(signal.SIGTERM)
        [reply] = read_replies(busy, 1)
        assert (reply.status, reply.headers["connection"]) == (202, "close")
        assert idle.recv(1) == b""
    assert server.process.wait(LONG) == 0
    assert ids(server) == {"a"}


@pytest.mark.parametrize(
    ("host", "url"),
    [("localhost", "http://127.0.0.1:"), ("127.0.0.2", "http://127.0.0.2:"), ("::1", "http://[::1]:")],
)
def test_it_listens_on_any_loopback_address(tmp_path: Path, host: str, url: str) -> None:
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        pytest.skip(f"this machine has no {host}: {error}")
    with Serving(tmp_path / "x.db", "--host", host) as server:
        assert server.url == f"{url}{server.port}"
        with urlopen(f"{server.url}/", timeout=LONG) as page:
            assert page.status == 200


def test_a_port_that_is_taken_is_said_to_be(serve: Serve, tmp_path: Path) -> None:
    taken = serve()
    with pytest.raises(AssertionError, match="in use"):
        Serving(tmp_path / "other.db", "--port", str(taken.port))


# --- Bodies on the wire -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
def test_compressed_bodies_are_taken(
    server: Serving, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    assert server.post(compress(spans(coding)), Content_Encoding=coding).status == 202
    assert coding in ids(server)


def test_an_unknown_coding_is_415_and_names_its_header(server: Serving) -> None:
    reply = server.post(spans("x"), Content_Encoding="br")
    assert (reply.status, reply.errors[0]["source"]) == (415, {"header": "Content-Encoding"})


def test_chunked_bodies_are_taken_with_extensions_and_trailers(server: Serving) -> None:
    data = spans("chunked")
    parts = [data[:1], data[1:100], data[100:]]
    chunked = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nA: b\r\n\r\n"
    request = raw_post(chunked, "Transfer-Encoding: chunked", length=-1)
    assert [reply.status for reply in server.raw(request * 2, replies=2)] == [202, 202]
    assert "chunked" in ids(server)


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n",
        b"5\r\nabcdefg\r\n",
        b"-5\r\n",
        b"5" * 20 + b"\r\n",
        b"a" * 40_000,
        b"0\r\n" + b"A: b\r\n" * 99,
    ],
)
def test_chunks_that_are_none_are_answered_and_closed(server: Serving, chunks: bytes) -> None:
    replies = server.raw(raw_post(chunks, "Transfer-Encoding: chunked", length=-1), replies=2)
    assert len(replies) == 1
    assert replies[0].status in (400, 413, 431)
    assert replies[0].headers["connection"] == "close"


def test_a_client_that_asks_first_is_told_to_go_on_or_why_not(server: Serving) -> None:
    data = spans("asked")
    with server.connect() as connection:
        connection.sendall(raw_post(b"", "Expect: 100-continue", length=len(data)))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(data)
        assert [reply.status for reply in read_replies(connection, 1)] == [202]
    refused = raw_post(b"", "Expect: 100-continue", length=len(data)).replace(b"DD-API-KEY", b"X")
    [reply] = server.raw(refused, replies=2)
    assert (reply.status, reply.headers["connection"]) == (401, "close")
    assert server.raw(raw_post(b"", "Expect: something"))[0].status == 417


def test_a_body_without_a_length_is_411(server: Serving) -> None:
    [reply] = server.raw(raw_post(b"", length=-1))
    assert (reply.status, reply.errors[0]["source"]) == (411, {"header": "Content-Length"})


def test_a_body_that_is_too_large_is_413_however_it_comes(serve: Serve) -> None:
    server = serve("--max-body-bytes", "2000")
    large = body([{**SPAN, "meta": {"input": "x" * 2000}}])
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(large), large)
    assert server.post(large).status == 413
    assert server.post(gzip.compress(large), Content_Encoding="gzip").status == 413
    assert server.raw(raw_post(chunked, "Transfer-Encoding: chunked", length=-1))[0].status == 413
    assert server.raw(raw_post(b"", "Expect: 100-continue", length=10**15))[0].status == 413
    # By a client that writes all of it before it reads.
    assert server.post(b" " * 50_000_000).status == 413
    assert server.post(spans("a")).status == 202


# --- Connections --------------------------------------------------------------------------------------------


def test_one_connection_serves_many_requests_whatever_they_are(server: Serving) -> None:
    with server.connect() as connection:
        for data, status in ((spans("k1"), 202), (b"{", 400), (spans("k2"), 202)):
            connection.sendall(raw_post(data))
            assert read_replies(connection, 1)[0].status == status
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_replies(connection, 1)[0].status == 200
        connection.sendall(raw_post(spans("k3")).replace(b"DD-API-KEY", b"X"))
        assert read_replies(connection, 1)[0].status == 401
        connection.sendall(raw_post(spans("k3"), "Connection: close"))
        assert read_replies(connection, 1)[0].headers["connection"] == "close"
        assert connection.recv(1) == b""


def test_requests_in_one_go_are_answered_in_their_order(server: Serving) -> None:
    many = b"".join(
        raw_post(spans(f"p{number}")) + b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for number in range(100)
    )
    assert [reply.status for reply in server.raw(many, replies=200)] == [202, 404] * 100
    assert {f"p{number}" for number in range(100)} <= ids(server)


def test_the_older_version_of_http_is_answered_and_closed(server: Serving) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        [reply] = read_replies(connection, 2)
        assert (reply.status, reply.headers["connection"]) == (200, "close")


def test_a_head_request_gets_no_body(server: Serving) -> None:
    head, page = (
        server.raw(b"HEAD /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", replies=1),
        server.get("/nowhere"),
    )
    assert head[0].headers["content-length"] == str(len(page.body))
    assert head[0].body == b""


def test_many_clients_at_once_lose_nothing(serve: Serve) -> None:
    server = serve()
    clients, posts = 16, 25

    def client(number: int) -> list[int]:
        with server.connect() as connection:
            statuses = []
            for post in range(posts):
                connection.sendall(raw_post(spans(f"{number}-{post}", f"{number}-{post - 1}")))
                statuses += [reply.status for reply in read_replies(connection, 1)]
            return statuses

    with ThreadPoolExecutor(clients) as pool:
        statuses = [status for each in pool.map(client, range(clients)) for status in each]
    assert statuses == [202] * (clients * posts)
    assert len(ids(server)) == clients * (posts + 1)


def test_slow_clients_hold_up_nobody_and_are_told_so(serve: Serve) -> None:
    server = serve(head_seconds=1.0, body_seconds=1.0, idle_seconds=1.0)
    begun = [server.connect() for _ in range(100)]
    try:
        for number, connection in enumerate(begun):
            connection.sendall((b"GET / HTTP/1.1\r\nX", raw_post(b"{", length=100), b"")[number % 3])
        assert server.post(spans("between")).status == 202
        answers = [[reply.status for reply in read_replies(connection, 2)] for connection in begun]
    finally:
        for connection in begun:
            connection.close()
    assert answers == [([408], [408], [])[number % 3] for number in range(100)]


def test_a_body_that_comes_at_the_pace_has_its_time(serve: Serve) -> None:
    server = serve(body_seconds=0.5, body_pace_bytes=1000)
    data = spans(*map(str, range(20)))
    with server.connect() as connection:
        connection.sendall(raw_post(b"", length=len(data)))
        # Four seconds of pace in a second and a half, which alone would be too long.
        for start in range(0, len(data), len(data) // 4):
            connection.sendall(data[start : start + len(data) // 4])
            time.sleep(0.3)
        assert [reply.status for reply in read_replies(connection, 1)] == [202]


def test_a_client_that_takes_no_answers_is_closed(serve: Serve) -> None:
    server = serve(write_seconds=0.5)
    largest = max(
        Path(pages.__file__).parents[1].glob("viewer/pages/*"), key=lambda file: file.stat().st_size
    )
    request = f"GET /assets/{largest.name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def ask_for_ever() -> None:
        with server.connect() as connection:
            while True:
                connection.sendall(request * 100)

    with pytest.raises(ConnectionError):
        ask_for_ever()
    assert server.get("/").status == 200


def test_beyond_the_cap_of_connections_a_client_is_sent_away(serve: Serve) -> None:
    server = serve(max_connections=5)
    open_ones = [server.connect() for _ in range(5)]
    for connection in open_ones:
        connection.sendall(raw_post(spans("a")))
        assert read_replies(connection, 1)[0].status == 202
    reply = server.post(spans("b"))
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    open_ones.pop().close()
    while (reply := server.post(spans("c"))).status == 503:
        pass  # until it has seen that one is gone
    assert reply.status == 202
    for connection in open_ones:
        connection.close()


def test_all_bodies_together_are_bounded_and_each_has_its_turn(serve: Serve) -> None:
    # Each is larger than all may be together: then it is alone.
    server = serve(max_body_bytes=2_000_000, max_held_bytes=1_000_000)
    large = [
        body([{**SPAN, "span_id": f"l{number}", "meta": {"input": "x" * 1_500_000}}]) for number in range(8)
    ]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(server.post, large))
    assert [reply.status for reply in replies] == [202] * 8
    # One that gives up in the midst gives its share back.
    with server.connect() as connection:
        connection.sendall(raw_post(large[0][:1000], length=1_900_000))
        waiting = threading.Thread(target=server.post, args=(large[1],))
        waiting.start()
    waiting.join(LONG)
    assert not waiting.is_alive()


CHUNKED = "Transfer-Encoding: chunked"
STALLED = {
    "nothing": raw_post(b"", length=16 << 20),
    "a byte": raw_post(b"{", length=16 << 20),
    "a byte of chunks": raw_post(b"1\r\n{\r\n", CHUNKED, length=-1),
    "a byte of what is compressed": raw_post(b"\x1f", "Content-Encoding: gzip", length=1000),
    "nearly all there is room for": raw_post(b"[" * (6_000_000), length=16 << 20),
    "more than there is room for": raw_post(b"[" * (7_000_000), length=16 << 20),
}


@pytest.mark.parametrize("what", STALLED)
def test_who_announces_much_and_stops_has_nobody_wait(serve: Serve, what: str) -> None:
    server = serve(body_seconds=100 * LONG)
    silent = [server.connect() for _ in range(3)]
    try:
        for connection in silent:
            connection.settimeout(0.5)
            with suppress(TimeoutError, ConnectionError):  # it is not read from once there is no room
                connection.sendall(STALLED[what])
        assert server.get("/api/experiments").status == 200
        assert server.post(spans("between")).status == 202
        assert server.post(body([{**SPAN, "meta": {"input": "x" * 3_000_000}}])).status == 202
    finally:
        for connection in silent:
            connection.close()


def test_who_announces_much_and_takes_its_time_keeps_it_while_there_is_room(serve: Serve) -> None:
    server = serve(body_seconds=100 * LONG)
    large = body([{**SPAN, "meta": {"input": "x" * 5_000_000}}])
    with server.connect() as slow:
        slow.sendall(raw_post(large[:1], length=len(large)))
        # There would be no room for this beside all of the other.
        assert server.post(body([{**SPAN, "meta": {"input": "y" * 3_000_000}}])).status == 202
        slow.sendall(large[1:])
        assert [reply.status for reply in read_replies(slow, 1)] == [202]


@pytest.mark.parametrize("drop", [b"[", b"1\r\n[\r\n"], ids=["bytes", "chunks"])
def test_who_fills_the_room_and_drips_has_nobody_wait(serve: Serve, drop: bytes) -> None:
    # A byte now and then keeps a body alive, and is no progress that others are kept waiting for.
    server = serve(body_seconds=100 * LONG)
    dripping = [server.connect() for _ in range(3)]
    enough = threading.Event()

    def drip() -> None:
        while not enough.wait(0.1):
            for connection in dripping:
                with suppress(TimeoutError, ConnectionError):
                    connection.sendall(drop)

    thread = threading.Thread(target=drip)
    try:
        for connection in dripping:
            connection.settimeout(0.5)
            filling = b"[" * 2_090_000
            with suppress(TimeoutError, ConnectionError):
                if drop == b"[":
                    connection.sendall(raw_post(filling, length=16 << 20))
                else:
                    connection.sendall(raw_post(b"1fe410\r\n%b\r\n" % filling, CHUNKED, length=-1))
        thread.start()
        assert server.get("/api/experiments").status == 200
        assert server.post(body([{**SPAN, "meta": {"input": "x" * 3_000_000}}])).status == 202
    finally:
        enough.set()
        thread.join()
        for connection in dripping:
            connection.close()


def test_requests_without_a_body_never_wait(serve: Serve) -> None:
    server = serve("--rehearse-latency", "600000")
    with server.connect() as slow, server.connect() as waiting:
        # It is whole and being answered, and there is no room beside it.
        large = body([{**SPAN, "meta": {"input": "x" * 7_000_000}}])
        slow.sendall(raw_post(large, "Expect: 100-continue"))
        assert slow.recv(100).startswith(b"HTTP/1.1 100")
        waiting.sendall(raw_post(large[:1000], length=len(large)))
        for _ in range(200):  # in the first of these it may still be reading
            assert server.get("/api/experiments").status == 200
        assert server.ask("DELETE", "/api/experiments").status == 405


# Nothing portable says it: `ru_maxrss` of a child has in it what its parent held at the fork.
@pytest.mark.skipif(sys.platform != "linux", reason="a process's own peak is read from /proc")
def test_bodies_of_many_events_at_once_are_taken_in_little_memory(serve: Serve) -> None:
    server = serve()
    # As this library sends them: up to 4 MiB, of events of some 600 bytes, that are of one experiment each.
    text = "an answer in so many words, that are never the same again "

    def large(post: int) -> bytes:
        of = [f"{post}-{number}" for number in range(5_500)]
        return body(
            [{**SPAN, "span_id": each, "meta": {"input": text * 6, "output": each + text}} for each in of],
            [{**METRIC, "span_id": each, "score_value": 0.5} for each in of[:1_500]],
        )

    bodies = [large(post) for post in range(8)]
    assert min(map(len, bodies)) > 3_600_000
    server.get("/api/experiments")
    with ThreadPoolExecutor(8) as pool:
        assert [reply.status for reply in pool.map(server.post, bodies)] == [202] * 8
    # Measured on 3.10 to 3.13: 51 to 57 MB; with all of them read at once, and taken whole, 113.
    assert server.peak_bytes() < 64_000_000
    assert len(ids(server)) == 8 * 5_500


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 10_000_000, 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /" + b"x" * 40_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_answered_and_closed(server: Serving, data: bytes, status: int) -> None:
    with server.connect() as connection:
        with suppress(OSError):
            connection.sendall(data)
        replies = read_replies(connection, 2)
    assert [reply.status for reply in replies] == [status]
    assert replies[0].headers["connection"] == "close"


# --- The store ----------------------------------------------------------------------------------------------


def test_posting_again_changes_nothing(server: Serving) -> None:
    data = body([{**SPAN, "span_id": "again"}], [{**METRIC, "span_id": "again"}])
    pretty = json.dumps(json.loads(data), indent=2).encode()
    for each in (data, data, pretty):
        assert server.post(each, "again").status == 202
    found = json.loads(server.get("/api/experiments").body)["experiments"]
    assert [(each["spans"], each["metrics"]) for each in found if each["id"] == "again"] == [(1, 1)]


def test_of_a_body_with_a_fault_nothing_is_kept(server: Serving) -> None:
    assert server.post(body([{**SPAN, "span_id": "good"}, {}])).status == 400
    assert "good" not in ids(server)


def test_while_another_program_keeps_the_store_busy_it_is_503(serve: Serve) -> None:
    server = serve(store_seconds=0.2)
    other = sqlite3.connect(server.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    reply = server.post(spans("a"))
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert "another process keeps it busy" in reply.errors[0]["detail"]
    assert server.get("/api/experiments").status == 200
    other.execute("ROLLBACK")
    other.close()
    assert server.post(spans("a")).status == 202
    assert ids(server) == {"a"}


def test_each_post_is_told_in_a_line_to_who_wants_it(serve: Serve) -> None:
    server = serve("--verbose", "--rehearse-drop", "0")
    server.post(body([SPAN], [METRIC]), "e\x1b[2J")
    server.post(body([{}]))
    server.ask("POST", events_path("e"), spans("a"), **JSON)
    _, said = server.end()
    lines = said.splitlines()[1:-1]
    assert "\x1b" not in said
    assert lines[0].endswith(
        "404 experiment_id: there is no such experiment: its id holds a control character"
    )
    assert lines[1].startswith("POST e: 400 /data/attributes/spans/0/dataset_id: Missing required attribute")
    assert lines[1].endswith("(and 7 more)")
    assert lines[2] == "POST e: 401 DD-API-KEY: the header DD-API-KEY is missing or empty"


def test_other_programs_may_write_to_the_same_store(serve: Serve) -> None:
    server = serve()
    program = """
import json, sys
from pathlib import Path
from llmobs_trace.store.store import Store
with Store(Path(sys.argv[1])) as store:
    for number in range(50):
        span = {**json.loads(sys.argv[3]), "span_id": f"{sys.argv[2]}-{number}"}
        store.add("e", [json.dumps(span).encode()], [])
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", program, str(server.database)]
    programs = [subprocess.Popen([*words, name, json.dumps(SPAN)], env=environ) for name in ("a", "b")]

    def client(number: int) -> set[int]:
        return {server.post(spans(f"{number}-{post}")).status for post in range(25)}

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(client, range(4))) == [{202}] * 4
    assert [program.wait(60) for program in programs] == [0, 0]
    assert len(ids(server)) == 2 * 50 + 4 * 25


@pytest.mark.parametrize("beside", [False, True], ids=["all of it", "what is beside it"])
def test_a_store_that_is_removed_is_made_anew_for_posts_and_pages_and_it_says_so(
    serve: Serve, beside: bool
) -> None:
    server = serve()
    assert server.post(spans("before"), "e").status == 202
    assert server.get("/api/experiments/e").status == 200
    revision = server.get("/api/revision").body
    remove(server.database, beside=beside)
    assert server.get("/api/experiments/e").status == (200 if beside else 404)  # it made one by itself
    assert beside or server.get("/api/revision").body != revision
    remove(server.database, beside=beside)
    assert server.post(spans("after"), "e").status == 202
    assert ids(server) == ({"before", "after"} if beside else {"after"})
    assert json.loads(server.get("/api/experiments/e").body)["experiment"]["spans"] == (2 if beside else 1)
    code, said = server.end()
    assert code == 0
    [line] = [line for line in said.splitlines() if line.startswith("the store")]
    assert line.startswith(f"the store at {server.database} {'lost the files' if beside else 'was removed'}")


def remove(database: Path, *, beside: bool) -> None:
    for file in database.parent.glob(f"{database.name}-*" if beside else f"{database.name}*"):
        file.unlink()


def test_pages_of_a_store_that_another_takes_the_place_of_are_the_other_s(serve: Serve) -> None:
    server = serve()
    server.post(spans("before"), "e")
    assert server.get("/api/experiments/e").status == 200
    revision = server.get("/api/revision").body
    with Store(server.database.with_name("another.db")) as another:
        another.add("other", [json.dumps(SPAN).encode()], [])
    server.database.with_name("another.db").replace(server.database)
    assert server.get("/api/experiments/e").status == 404
    assert server.get("/api/experiments/other").status == 200
    assert server.get("/api/revision").body != revision
