from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.receiver.http import (
    CHUNKED,
    MAX_HEADERS,
    Head,
    Malformed,
    Reply,
    answer_head,
    parse_chunk_size,
    parse_head,
)


def head(*lines: str, first: str = "POST /a HTTP/1.1") -> Head:
    return parse_head("\r\n".join([first, "Host: localhost", *lines]).encode("latin-1"))


def test_a_head_is_read() -> None:
    found = head("Content-Length: 12", "X-A: 1", "x-a:2 ", first="POST /a%2Fb?c=d&e#f HTTP/1.1")
    assert (found.method, found.path, found.query) == ("POST", "/a%2Fb", "c=d&e")
    assert found.headers["x-a"] == "1, 2"
    assert found.length_bytes == 12


def test_the_target_may_be_a_whole_address_whose_host_counts() -> None:
    found = head(first="GET http://evil.example:80/a?b HTTP/1.1")
    assert (found.headers["host"], found.path, found.query) == ("evil.example:80", "/a", "b")
    assert head(first="GET http://localhost HTTP/1.1").path == "/"


@pytest.mark.parametrize(
    ("first", "lines", "keeps_alive"),
    [
        ("GET / HTTP/1.1", [], True),
        ("GET / HTTP/1.1", ["Connection: close"], False),
        ("GET / HTTP/1.1", ["Connection: Upgrade, Close"], False),
        ("GET / HTTP/1.0", [], False),
        ("GET / HTTP/1.0", ["Connection: Keep-Alive"], True),
    ],
)
def test_a_connection_is_kept_as_the_versions_say(first: str, lines: list[str], keeps_alive: bool) -> None:
    assert head(*lines, first=first).keeps_alive is keeps_alive


def test_a_body_has_a_length_or_is_chunked_or_is_not_there() -> None:
    assert head().length_bytes is None
    assert head("Content-Length: 0").length_bytes == 0
    assert head("Content-Length: 5", "content-length: 5").length_bytes == 5
    assert head("Transfer-Encoding: Chunked").length_bytes == CHUNKED


@pytest.mark.parametrize(
    ("lines", "status", "header"),
    [
        (["Content-Length: 5", "Transfer-Encoding: chunked"], 400, "Transfer-Encoding"),
        (["Content-Length: 5", "Content-Length: 6"], 400, "content-length"),
        (["Content-Length: -5"], 400, "Content-Length"),
        (["Content-Length: 5 5"], 400, "Content-Length"),
        (["Content-Length: \uff15"], 400, "Content-Length"),
        (["Content-Length: 99999999999999999999"], 400, "Content-Length"),
        (["Transfer-Encoding: gzip, chunked"], 501, "Transfer-Encoding"),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 400, "transfer-encoding"),
        (["Host: other"], 400, "host"),
        (["DD-API-KEY: a", "dd-api-key: b"], 400, "dd-api-key"),
        (["Expect: something"], 417, "Expect"),
        (["A : b"], 400, None),
        ([" folded"], 400, None),
        (["no colon"], 400, None),
        (["A: b\x00c"], 400, "A"),
        (["A: b\nC: d"], 400, "A"),
        (["A: b"] * MAX_HEADERS, 431, None),
    ],
)
def test_a_head_with_two_meanings_or_none_is_refused(
    lines: list[str], status: int, header: str | None
) -> None:
    with pytest.raises(Malformed) as refused:
        parse_head("\r\n".join(["POST / HTTP/1.1", "Host: a", *lines]).encode("utf-8"))
    assert (refused.value.status, refused.value.header) == (status, header)


@pytest.mark.parametrize(
    ("first", "status"),
    [
        ("", 400),
        ("GET", 400),
        ("GET /", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET / HTTP/2.0", 505),
        ("GET / http/1.1", 400),
        ("GET example.com HTTP/1.1", 400),
        ("G(T / HTTP/1.1", 400),
        ("GET /é HTTP/1.1", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01", 400),
    ],
)
def test_a_first_line_that_is_none_is_refused(first: str, status: int) -> None:
    with pytest.raises(Malformed) as refused:
        head(first=first)
    assert refused.value.status == status


def test_only_the_older_version_does_without_a_host() -> None:
    with pytest.raises(Malformed):
        parse_head(b"GET / HTTP/1.1")
    assert parse_head(b"GET / HTTP/1.0").headers == {}


@pytest.mark.parametrize(("line", "size"), [(b"0\r\n", 0), (b"fF\r\n", 255), (b"10 ;a=b\r\n", 16)])
def test_a_chunk_says_its_size(line: bytes, size: int) -> None:
    assert parse_chunk_size(line) == size


@pytest.mark.parametrize(
    "line", [b"\r\n", b"g\r\n", b"-1\r\n", b"0x1\r\n", b"1" * 16 + b"\r\n", b"1\n", b" 1\r\n"]
)
def test_a_chunk_that_doesn_t_is_refused(line: bytes) -> None:
    with pytest.raises(Malformed):
        parse_chunk_size(line)


def test_an_answer_says_its_length_and_whether_the_connection_stays() -> None:
    text = answer_head(Reply(202), keep_alive=True).decode()
    assert text.startswith("HTTP/1.1 202 Accepted\r\nDate: ")
    assert "\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n" in text
    assert "Content-Length" not in answer_head(Reply(304), keep_alive=True).decode()
    assert answer_head(Reply(200, b"abc", "text/plain"), keep_alive=False).endswith(
        b"Content-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
    )


_LINES = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [
                b"Host: a",
                b"Content-Length: 3",
                b"Transfer-Encoding: chunked",
                b"Expect: 100-continue",
                b"Connection: close, x",
            ]
        ),
    ),
    max_size=6,
).map(b"\r\n".join)


@given(st.sampled_from([b"GET / HTTP/1.1", b"POST /a?b HTTP/1.0", b""]), _LINES)
def test_any_bytes_are_a_head_or_are_refused(first: bytes, lines: bytes) -> None:
    try:
        found = parse_head(first + b"\r\n" + lines)
    except Malformed:
        return
    assert found.path.startswith("/")
    assert found.length_bytes is None or found.length_bytes >= CHUNKED
    assert not any("\r" in value or "\n" in value for value in found.headers.values())
