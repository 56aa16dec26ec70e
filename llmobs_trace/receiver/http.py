"""Checks the head of a request, and writes an answer as bytes. Pure.

HTTP/1.1 as RFC 9112 has it, and strict where leniency has been the way in: one length, no folded lines, no
blank before a colon, no second `Host`, nothing but `chunked` as a transfer coding.
"""

from __future__ import annotations

import re
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, NoReturn

from msgspec import Struct

MAX_HEAD_BYTES: Final = 32 << 10
MAX_HEADERS: Final = 100

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION: Final = re.compile(r"HTTP/1\.([01])")
_TARGET: Final = re.compile(r"[\x21-\x7e]+")
_UNFIT_IN_A_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)

CHUNKED: Final = -1


class Reply(Struct, frozen=True):
    """What a request gets. `close`: nothing more is read from this connection."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False


class Head(Struct, frozen=True):
    """What comes before a body. Header names are in lower case; `minor` is 0 for HTTP/1.0.

    `length_bytes` is the body's length, `CHUNKED`, or None where there is no body.
    """

    method: str
    path: str
    query: str
    minor: int
    headers: dict[str, str]
    length_bytes: int | None

    @property
    def keeps_alive(self) -> bool:
        wishes = {wish.strip().lower() for wish in self.headers.get("connection", "").split(",")}
        return "close" not in wishes and (self.minor == 1 or "keep-alive" in wishes)

    @property
    def expects_continue(self) -> bool:
        return self.minor == 1 and "expect" in self.headers


class Malformed(Exception):
    """What came is no request that can be answered: with which status, and which header is at fault."""

    def __init__(self, status: int, detail: str, header: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.header = header


def parse_head(data: bytes) -> Head:
    """A head, up to and without its empty line; raises `Malformed`."""
    lines = data.decode("latin-1").split("\r\n")
    method, target, minor = _request_line(lines[0])
    if len(lines) - 1 > MAX_HEADERS:
        raise Malformed(431, f"more than {MAX_HEADERS} header fields")
    headers = _fields(lines[1:])
    absolute = _ABSOLUTE.match(target)
    if absolute:
        # As a proxy is asked: the address counts, whatever the Host says.
        headers["host"] = absolute[1]
        target = target[absolute.end() :] or "/"
    if minor == 1 and "host" not in headers:
        raise Malformed(400, "HTTP/1.1 needs a Host header", "Host")
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise Malformed(417, "only 100-continue can be expected", "Expect")
    path, _, query = target.partition("#")[0].partition("?")
    return Head(method, path, query, minor, headers, _length(headers, minor))


def parse_chunk_size(line: bytes) -> int:
    """The size in a chunk's first line; raises `Malformed`."""
    found = _CHUNK.fullmatch(line)
    if found is None:
        raise Malformed(
            400, "a chunk does not begin with its size in hexadecimal digits", "Transfer-Encoding"
        )
    return int(found[1], 16)


def answer_head(answer: Reply, *, keep_alive: bool) -> bytes:
    """The head of an answer, its empty line included."""
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Date: {formatdate(usegmt=True)}",
        "Server: llmobs-trace",
        "X-Content-Type-Options: nosniff",
    ]
    if answer.content_type:
        lines.append(f"Content-Type: {answer.content_type}")
    if answer.status not in (204, 304):
        lines.append(f"Content-Length: {len(answer.body)}")
    lines += [f"{name}: {value}" for name, value in answer.headers]
    lines.append(f"Connection: {'keep-alive' if keep_alive else 'close'}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _request_line(line: str) -> tuple[str, str, int]:
    parts = line.split(" ")
    if len(parts) != 3:
        _malformed("the first line is no request line: METHOD target HTTP/1.1")
    method, target, version = parts
    if not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target):
        _malformed("the first line is no request line: METHOD target HTTP/1.1")
    found = _VERSION.fullmatch(version)
    if found is None:
        if re.fullmatch(r"HTTP/[0-9]\.[0-9]", version):
            raise Malformed(505, "this server speaks HTTP/1.1")
        _malformed("the first line is no request line: METHOD target HTTP/1.1")
    if not target.startswith("/") and not _ABSOLUTE.match(target):
        _malformed("the request's target is neither a path nor an http URL")
    return method, target, int(found[1])


def _fields(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            _malformed("a header field is not of the form `Name: value`")
        value = value.strip(" \t")
        if _UNFIT_IN_A_VALUE.search(value):
            raise Malformed(400, "a header field holds a control character", name)
        name = name.lower()
        if name not in headers:
            headers[name] = value
        elif name == "content-length" and headers[name] == value:
            pass
        elif name in ("host", "content-length", "transfer-encoding", "dd-api-key", "dd-application-key"):
            raise Malformed(400, "a header field that may come once comes twice", name)
        else:
            headers[name] = f"{headers[name]}, {value}"
    return headers


def _length(headers: dict[str, str], minor: int) -> int | None:
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if length is not None or minor == 0:
            raise Malformed(400, "a body has a length or is chunked, not both", "Transfer-Encoding")
        if coding.lower() != "chunked":
            raise Malformed(501, "chunked is the one transfer coding that is known", "Transfer-Encoding")
        return CHUNKED
    if length is None:
        return None
    if not _LENGTH.fullmatch(length):
        raise Malformed(400, "the length of the body is no number", "Content-Length")
    return int(length)


def _malformed(detail: str) -> NoReturn:
    raise Malformed(400, detail)
