"""The table: what a server's answer means for a question about a catalog."""

from __future__ import annotations

import pytest

from llmobs_trace.catalog.refusals import Next, advice, next_after

JSON = {"content-type": "application/json"}


def after(status: int, body: bytes = b'{"data":{}}', *, is_whole: bool = True) -> Next:
    return next_after(status, JSON, body, is_whole=is_whole)[0]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((200, 201, 202, 204), Next.READ),
        ((203, 206), Next.A_FEW_TIMES),
        ((408, 429, 500, 502, 503, 504, 599), Next.AGAIN),
        ((409,), Next.LOOK),
        ((400, 413, 422), Next.NEVER),
        ((301, 302, 401, 403, 404, 405, 418, 451, 999), Next.NOT_YET),
    ],
)
def test_a_status_means(statuses: tuple[int, ...], expected: Next) -> None:
    assert {after(status) for status in statuses} == {expected}


@pytest.mark.parametrize("body", [b"", b" \n", b'{"data":null}', b'{"data":[],"errors":[]}', b'{"meta":{}}'])
def test_an_acceptance_may_have_nothing_to_say(body: bytes) -> None:
    assert after(204, body) is Next.READ


def test_the_word_error_in_what_was_asked_for_is_no_error() -> None:
    assert after(200, b'{"data":{"attributes":{"error":"2 of 48 rows raised"}}}') is Next.READ
    assert after(200, b'{"data":[{"id":"1"}],"errors":["some were left out"]}') is Next.READ


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><title> Sign\n in </title>", "no JSON:API but a page titled 'Sign in'"),
        (b"ok", "no JSON:API but 'ok'"),
        (b"[]", "no JSON:API but '[]'"),
        (b"[" * 100_000, "no JSON:API but '" + "[" * 80 + "'"),
        (b'{"errors":[{"title":"Forbidden","detail":"no"}]}', "errors within: Forbidden: no"),
        (b'{"errors":"no"}', "errors within: no"),
    ],
)
def test_what_is_no_answer_is_said_and_tried_a_few_times(body: bytes, words: str) -> None:
    assert next_after(200, JSON, body, is_whole=True) == (Next.A_FEW_TIMES, words)


def test_a_cut_answer_may_have_said_anything() -> None:
    assert next_after(200, JSON, b'{"data"', is_whole=False) == (
        Next.AGAIN,
        "the answer broke off after 7 bytes",
    )
    assert after(403, b'{"err', is_whole=False) is Next.NOT_YET


def test_advice_names_the_right_and_the_thing() -> None:
    assert "may write experiments" in advice(403, changes=True, named="the project 'p'")
    assert "may read experiments" in advice(403, changes=False, named="the project 'p'")
    assert advice(404, changes=False, named="the project 'p'").startswith(
        "check that the project 'p' is there"
    )
    assert advice(422, changes=True, named="x") == ""
    assert "DD_API_KEY" in advice(401, changes=True, named="x")
    assert advice(307, changes=True, named="x") == advice(301, changes=False, named="y") != ""
    assert "login pages" in advice(200, changes=True, named="x")
