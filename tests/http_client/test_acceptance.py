"""Which 2xx answers are an acceptance, and what the others are called."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from llmobs_trace.http_client.acceptance import MAX_BODY_BYTES, page_of, what_came, words_of


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n",
        b"{}",
        b"null",
        b'"ok"',
        b'\xef\xbb\xbf{"data":[]}',
        b'{"errors":[]}',
        b'{"errors":null,"error":""}',
        b'{"data":{"attributes":{"spans":[{"meta":{"input":{"errors":["of the user"]}}}]}}}',
    ],
)
def test_nothing_and_json_without_errors_are_an_acceptance(status: int, body: bytes) -> None:
    assert what_came(status, {}, body) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"errors":["a","b"]}', "errors within: a; b"),
        (b'{"errors":{"spans[0]":"no name"}}', 'errors within: {"spans[0]":"no name"}'),
        (b'{"data":{"attributes":{"errors":[{"title":"Invalid"}]}}}', "errors within: Invalid"),
        (b'[{"id":1},{"errors":["late"]}]', "errors within: late"),
        (b'{"error":"no such key"}', "errors within: no such key"),
    ],
)
def test_errors_are_found_wherever_an_answer_has_room_for_them(body: bytes, words: str) -> None:
    assert what_came(202, {}, body) == words


@pytest.mark.parametrize("status", [203, 205, 206, 207, 226, 299])
def test_another_2xx_is_none_whatever_is_in_it(status: int) -> None:
    assert what_came(status, {"server": "proxy"}, b"{}") == "not the endpoint's own answer but that of proxy"


@pytest.mark.parametrize("packing", ["gzip", "x-gzip", "deflate", "GZIP"])
def test_an_acceptance_may_come_packed_though_nobody_asked_for_that(packing: str) -> None:
    pack = zlib.compress if packing == "deflate" else gzip.compress
    assert what_came(202, {"content-encoding": packing}, pack(b"{}")) is None
    assert what_came(202, {"content-encoding": packing}, pack(b'{"errors":["x"]}')) == "errors within: x"


def test_what_it_unpacks_to_is_bounded() -> None:
    bomb = gzip.compress(b"x" * 50_000_000)
    assert what_came(202, {"content-encoding": "gzip"}, bomb) == (
        f"no acceptance but {'x' * 80!r} (no content type, 65,536 bytes)"
    )


def test_a_page_is_called_one_by_its_looks_or_by_its_type() -> None:
    assert what_came(200, {}, b"<!DOCTYPE html>\n") == "no acceptance but a page (no content type, 15 bytes)"
    html = {"content-type": "text/html; charset=utf-8"}
    assert what_came(200, html, b"Sign in") == "no acceptance but a page (text/html, 7 bytes)"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"<title>Sign in</title>", "a page titled 'Sign in'"),
        (b"<TITLE lang='en'>\n  Sign\n in </TITLE>", "a page titled 'Sign in'"),
        (b" \n<p>x</p><title>a</title><title>b</title>", "a page titled 'a'"),
        (b"<title> </title>", "a page"),
        (b"<p>", "a page"),
        (b"title", None),
        (b"", None),
    ],
)
def test_a_page_is_called_by_its_title(page: bytes, words: str | None) -> None:
    assert page_of(page) == words
    assert page_of(page, "Text/HTML") == (words or "a page")
    assert page_of(page, "application/json") == words


def test_another_2xx_says_whose_it_is() -> None:
    assert what_came(203, {}, b"") == "not the endpoint's own answer"
    assert what_came(203, {"via": "1.1 proxy", "server": "x"}, b"") == (
        "not the endpoint's own answer but that of 1.1 proxy"
    )


@pytest.mark.parametrize("packing", ["br", "zstd", "gzip, br"])
def test_what_is_packed_in_a_way_that_is_not_known_is_no_acceptance(packing: str) -> None:
    said = f"2 bytes packed as {packing!r}, which can't be read"
    assert what_came(200, {"content-encoding": packing}, b"{}") == said


def test_what_is_not_packed_as_it_says_is_no_acceptance() -> None:
    assert what_came(200, {"content-encoding": " GZIP "}, b"x" * 1_234) == (
        "1,234 bytes packed as 'gzip', which can't be read"
    )
    for packing in ("", "identity", " Identity "):
        assert what_came(200, {"content-encoding": packing}, b"{}") is None


@pytest.mark.parametrize("key", ["errors", "error"])
def test_errors_are_looked_for_on_three_levels(key: str) -> None:
    errors: object = {key: "wrong"}
    for levels in range(1, 6):
        body = json.dumps(errors).encode()
        assert (what_came(200, {}, body) is not None) is (levels <= 3)
        errors = {"data": errors, "id": 7, "none": None} if levels % 2 else {"id": 7, "data": [5, errors]}


def test_errors_are_said_in_their_words() -> None:
    errors = [
        "bare",
        {"title": "Title", "detail": "Detail"},
        {"title": "Title"},
        {"title": "", "detail": "Detail"},
        {"title": 5, "code": 7},
        7,
        "",
    ]
    assert words_of(errors) == 'bare; Title: Detail; Title; Detail; {"title":5,"code":7}; 7'


@pytest.mark.parametrize("length", [79, 80, 81, 200])
def test_of_a_text_eighty_characters_are_said(length: int) -> None:
    said = f"no acceptance but {'x' * min(length, 80)!r} (text/plain, {length} bytes)"
    assert what_came(200, {"content-type": "text/plain; charset=utf-8"}, b"x" * length) == said


def test_of_a_body_64_kib_are_read() -> None:
    assert MAX_BODY_BYTES == 65_536
