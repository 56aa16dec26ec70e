"""What is tried again, and after how long."""

from __future__ import annotations

import email.utils
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.experiment.limits import (
    AttemptTimeout,
    Width,
    asked_to_wait,
    backoff,
    is_quota_used_up,
    is_rate_limit,
    is_transient,
)


def error(**attributes: Any) -> Exception:
    made = Exception("no")
    made.__dict__.update(attributes)
    return made


class RateLimitError(Exception):
    pass


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 529, 599])
@pytest.mark.parametrize("name", ["status_code", "status", "code"])
def test_a_status_that_passes_is_tried_again(status: int, name: str) -> None:
    assert is_transient(error(**{name: status}))
    assert is_transient(error(response=SimpleNamespace(status_code=status)))


@pytest.mark.parametrize(
    "other",
    [
        KeyError("429"),
        ValueError("status 503"),
        error(status_code=400),
        error(status_code=404),
        error(status="503"),
        error(code=True),
        AttemptTimeout("took longer"),
    ],
)
def test_all_else_fails_at_once_whatever_digits_its_text_has(other: Exception) -> None:
    assert not is_transient(other)
    assert is_transient(other, lambda _: True)
    assert is_transient(other, (Exception,))


@pytest.mark.parametrize(
    "other",
    [
        ConnectionResetError(),
        TimeoutError(),
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
        RateLimitError(),
    ],
)
def test_what_the_network_does_is_tried_again(other: Exception) -> None:
    assert is_transient(other)


def test_a_rate_limit_is_known_by_its_status_or_its_name() -> None:
    assert is_rate_limit(error(status_code=429))
    assert is_rate_limit(RateLimitError())
    assert not is_rate_limit(error(status_code=503))


@pytest.mark.parametrize(
    "used_up",
    [
        error(code="insufficient_quota"),
        error(type="insufficient_quota"),
        error(body={"error": {"code": "insufficient_quota"}}),
    ],
)
def test_what_was_paid_for_is_known_to_be_used_up(used_up: Exception) -> None:
    assert is_quota_used_up(used_up)


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"Retry-After": "12"}, 12.0),
        ({"retry-after": email.utils.formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"x-ratelimit-reset": str(NOW + 7)}, 7.0),
        ({"x-ratelimit-reset-requests": "1m30s"}, 90.0),
        ({"x-ratelimit-reset-tokens": "250ms", "x-ratelimit-reset-requests": "2s"}, 2.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_provider_s_own_word_on_when_is_taken(headers: dict[str, str], seconds: float | None) -> None:
    for kind in (dict, httpx.Headers):
        told = asked_to_wait(error(response=SimpleNamespace(headers=kind(headers))), now=NOW)
        assert told == (pytest.approx(seconds, abs=0.01) if seconds is not None else None)


@given(st.integers(0, 100), st.floats(0, 1))
def test_without_a_word_the_wait_is_drawn_and_bounded(tried: int, drawn: float) -> None:
    assert 0 <= backoff(tried, lambda: drawn) <= min(2.0**tried, 60.0)


def test_a_429_halves_the_width_and_successes_grow_it_while_it_binds() -> None:
    width = Width(8)
    width.limited(error(status_code=429), started=1.0, now=2.0)
    assert width.now == 4
    width.limited(error(status_code=429), started=1.5, now=2.1)  # it was in flight when the first came
    assert width.now == 4
    width.limited(error(status_code=429), started=3.0, now=4.0)
    assert width.now == 2
    for _ in range(2):
        width.succeeded(binds=True)
    assert width.now == 3
    for _ in range(100):
        width.succeeded(binds=False)
    assert width.now == 3
    for _ in range(100):
        width.succeeded(binds=True)
    assert width.now == 8


@given(st.lists(st.sampled_from(["limited", "good", "bad"]), max_size=60))
def test_the_width_is_always_from_one_to_the_jobs(events: list[str]) -> None:
    width = Width(6)
    for number, event in enumerate(events):
        if event == "limited":
            width.limited(error(status_code=429), started=number, now=number + 0.5)
        elif event == "good":
            width.succeeded(binds=True)
        else:
            width.struggled()
        assert 1 <= width.now <= 6
