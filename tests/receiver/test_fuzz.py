"""Whatever comes, it answers or closes; it never crashes, and it never grows."""

from __future__ import annotations

import gzip
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.serving import JSON, KEYS, METRIC, SPAN, Serving, body, events_path, read_replies

_MANY = settings(max_examples=examples(50))

_WHOLE = body(
    [{**SPAN, "meta": {"input": [1, {"a": None}], "output": "é", "error": {"type": "E"}}, "tags": ["a:b"]}],
    [{**METRIC, "score_value": 0.5, "metadata": {}}],
)
_HEAD = "\r\n".join(
    [
        f"POST {events_path('e')} HTTP/1.1",
        "Host: localhost",
        *(f"{name}: {value}" for name, value in {**JSON, **KEYS}.items()),
    ]
).encode()
_REQUEST = _HEAD + b"\r\nContent-Length: %d\r\n\r\n" % len(_WHOLE) + _WHOLE

# What parsers stumble over.
_PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [
            *(
                b"\r\n",
                b"\n",
                b"\r\n\r\n",
                b"\x00",
                b":",
                b" ",
                b"\t",
                b"%00",
                b"%",
                b"\xff",
                b"\xed\xa0\x80",
            ),
            *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Content-Encoding: gzip\r\n"),
            *(
                b"Expect: 100-continue\r\n",
                b"Connection: close\r\n",
                b"Host: b\r\n",
                b"0\r\n\r\n",
                b"ffffffff\r\n",
            ),
            *(
                b'"',
                b"\\",
                b"{",
                b"}",
                b"[",
                b"]",
                b"[" * 3000,
                b",",
                b"null",
                b"1e999",
                b"-",
                b"\\ud800",
                b"\\u0000",
            ),
            *(b"9" * 400, b'"spans":', b'"data":{},', b"x" * 40_000, b"A: b\r\n" * 150),
        ]
    ),
)


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """`whole` with up to five cuts, each with something else in its place."""
    data = whole
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 5, 50])))
        data = data[:start] + draw(_PIECES) + data[end:]
    return data


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that has done all that it does once, and is looked at when all is over."""
    database = tmp_path_factory.mktemp("fuzzed") / "experiments.db"
    with Serving(database, limits={"linger_seconds": 0.2, "max_body_bytes": 1 << 20}) as server:
        for _ in range(20):
            server.post(_WHOLE)
            server.get("/api/experiments")
        before, files = server.resident_bytes(), open_files(server)
        yield server
        server.post(_WHOLE)
        assert server.resident_bytes() - before < 20_000_000
        assert open_files(server) - files <= 6  # the readers' connections to the store
        code, said = server.end()
        assert code == 0
        assert "Traceback" not in said


def open_files(server: Serving) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def exchange(server: Serving, *parts: bytes) -> list[int]:
    """Send these parts and nothing more; the statuses of all that comes back until it closes."""
    with server.connect() as connection:
        with suppress(OSError):
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
        return [reply.status for reply in read_replies(connection, 1000)]


def is_well(server: Serving) -> bool:
    return server.process.poll() is None and server.post(body([SPAN])).status == 202


@given(st.lists(st.binary(max_size=400), max_size=3))
@_MANY
def test_any_bytes_are_answered_or_closed(fuzzed: Serving, parts: list[bytes]) -> None:
    for status in exchange(fuzzed, *parts):
        assert 400 <= status < 500 or status in (501, 505)
    assert is_well(fuzzed)


@given(mutated(_REQUEST), st.integers(0, 2))
@_MANY
def test_any_request_is_answered_or_closed(fuzzed: Serving, data: bytes, times: int) -> None:
    for status in exchange(fuzzed, _REQUEST * times, data, _REQUEST):
        assert status in (100, 200, 202, 505, 501) or 400 <= status < 500
    assert is_well(fuzzed)


@given(
    mutated(_HEAD),
    st.sampled_from([b"", b"\r\nTransfer-Encoding: chunked"]),
    mutated(b"5\r\nabcde\r\n0\r\n\r\n"),
)
@_MANY
def test_any_head_and_any_chunks_are_answered_or_closed(
    fuzzed: Serving, head: bytes, more: bytes, chunks: bytes
) -> None:
    for status in exchange(fuzzed, head + more + b"\r\n\r\n" + chunks):
        assert status in (100, 200, 202, 505, 501) or 400 <= status < 500
    assert is_well(fuzzed)


@given(st.one_of(mutated(_WHOLE), st.binary(max_size=100)))
@_MANY
def test_any_body_is_taken_or_refused(fuzzed: Serving, data: bytes) -> None:
    reply = fuzzed.post(data)
    assert reply.status in (202, 400), reply
    if reply.status == 400:
        assert reply.errors
        assert all(error["status"] == "400" for error in reply.errors)
        json.loads(reply.body)


@given(mutated(gzip.compress(_WHOLE)))
@settings(max_examples=examples(50))
def test_any_compressed_body_is_taken_or_refused(fuzzed: Serving, data: bytes) -> None:
    assert fuzzed.post(data, Content_Encoding="gzip").status in (202, 400, 413)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.dictionaries(st.text(max_size=5), st.text(max_size=9)),
)
@settings(max_examples=examples(50))
def test_any_path_of_the_viewer_is_answered(fuzzed: Serving, path: str, query: dict[str, str]) -> None:
    from urllib.parse import quote, urlencode

    for prefix in ("/", "/api/", "/assets/", "/api/experiments/", "/api/experiments/e/", "/api/compare"):
        target = prefix + quote(path, safe="/%") + "?" + urlencode(query)
        assert fuzzed.get(target).status in (200, 304, 400, 404), target


def test_what_hangs_on_is_let_go_of(fuzzed: Serving) -> None:
    files = open_files(fuzzed)
    for _ in range(300):
        with fuzzed.connect() as connection:
            connection.sendall(_REQUEST[:-10])
    assert is_well(fuzzed)
    while open_files(fuzzed) > files + 6:
        assert is_well(fuzzed)


def test_bombs_do_not_grow_it(fuzzed: Serving) -> None:
    before = fuzzed.resident_bytes()
    bombs = [
        gzip.compress(bytes(200_000_000)),
        gzip.compress(b'{"data":{"type":"events","attributes":{"spans":[' + b"{}," * 300_000 + b"{}]}}}"),
        gzip.compress(b'{"data":{"type":"events","attributes":{"spans":[' + b"0," * 500_000 + b"0]}}}"),
        gzip.compress(b"[" * 1_000_000),
        gzip.compress(b'{"a":' * 200_000),
    ]
    for bomb in bombs * 3:
        assert fuzzed.post(bomb, Content_Encoding="gzip").status in (400, 413)
    assert fuzzed.resident_bytes() - before < 20_000_000


def _many(item: bytes, total_bytes: int = 5_000_000) -> bytes:
    return b"[" + b",".join([item] * (total_bytes // (len(item) + 1))) + b"]"


def _with(event: dict[str, object], member: bytes) -> bytes:
    return json.dumps(event).encode()[:-1] + b"," + member + b"}"


PAIRS = _many(b'{"":{}}')
MEMBERS = b"{" + b",".join(b'"%x":1' % number for number in range(500_000)) + b"}"
BOMBS = {
    "pairs": _with(SPAN, b'"meta":{"output":%b}' % PAIRS),
    "members": _with(SPAN, b'"meta":{"input":%b}' % MEMBERS),
    "messages": _with(SPAN, b'"meta":{"input":{"messages":%b}}' % _many(b'{"role":""}')),
    "numbers": _with(SPAN, b'"meta":{"expected_output":{"a":%b}}' % _many(b"1")),
    "escapes": _with(SPAN, b'"meta":{"output":"%b"}' % (b'\\"' * 2_500_000)),
    "lists": _with(SPAN, b'"meta":{"input":%b}' % _many(b"[]")),
    "tags": _with(SPAN, b'"tags":%b' % _many(b'"ab"')),
    "events": _many(b"0")[1:-1],
    "empty events": _many(b"{}")[1:-1],
}
REFUSED = ("tags", "events", "empty events")


# Nothing portable says it: `ru_maxrss` of a child has in it what its parent held at the fork.
@pytest.mark.skipif(sys.platform != "linux", reason="a process's own peak is read from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_value_of_a_million_parts_is_taken_or_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    bomb = b'{"data":{"type":"events","attributes":{"spans":[%b]}}}' % BOMBS[name]
    packed = gzip.compress(bomb)
    with Serving(tmp_path / "x.db") as server:
        assert server.get("/").status == 200
        before = server.peak_bytes()
        assert server.post(packed, Content_Encoding="gzip").status == (400 if name in REFUSED else 202)
        assert server.get("/api/experiments/e/rows").status in (200, 404)
        assert server.peak_bytes() - before < 8 * len(bomb)


def test_in_ordinary_use_it_stays_small(tmp_path: Path) -> None:
    with Serving(tmp_path / "x.db") as server:
        for number in range(10):
            rows = [
                {**SPAN, "span_id": f"{number}-{row}", "meta": {"input": "x" * 1000}} for row in range(500)
            ]
            assert server.post(body(rows)).status == 202
        for path in (
            "/",
            "/assets/app.js",
            "/api/experiments",
            "/api/experiments/e",
            "/api/experiments/e/rows",
        ):
            assert server.get(path).status in (200, 404)
        assert server.resident_bytes() < 60_000_000
