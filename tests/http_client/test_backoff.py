"""Delays, with a simulated clock and chance."""

from __future__ import annotations

import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.http_client.backoff import (
    MAX_ASKED_SECONDS,
    Pace,
    asked_delay,
    asked_seconds,
    pause_delay,
    retry_delay,
)

PACE = Pace()
chances = st.floats(min_value=0, max_value=1, exclude_max=True)
NOW_S = 1_700_000_000.0


def test_the_promised_bounds_hold() -> None:
    assert (PACE.base_seconds, PACE.cap_seconds) == (1.0, 30.0)
    assert (PACE.pause_seconds, PACE.pause_cap_seconds) == (60.0, 600.0)


@given(st.integers(min_value=1, max_value=10**9), chances)
def test_a_delay_is_anywhere_between_zero_and_its_bound(failures: int, chance: float) -> None:
    bound = min(30.0, 2.0 ** min(failures - 1, 10))
    assert retry_delay(failures, chance, PACE) == pytest.approx(chance * bound)


def test_delays_grow_up_to_the_cap() -> None:
    almost = 1 - 2**-53
    assert [round(retry_delay(n, almost, PACE)) for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


@given(st.integers(min_value=1, max_value=10**9), chances)
def test_a_paused_experiment_is_left_alone_for_at_least_half_of_its_bound(
    failures: int, chance: float
) -> None:
    assert PACE.pause_seconds / 2 <= pause_delay(failures, chance, PACE) <= PACE.pause_cap_seconds


@pytest.mark.parametrize(
    ("failures", "bound"), [(1, 60.0), (2, 120.0), (3, 240.0), (4, 480.0), (5, 600.0), (10**9, 600.0)]
)
def test_the_wait_of_a_paused_experiment_doubles_up_to_ten_minutes(failures: int, bound: float) -> None:
    assert pause_delay(failures, 0.0, PACE) == bound / 2
    assert pause_delay(failures, 0.5, PACE) == bound * 0.75


def test_a_delay_is_a_number_however_many_failed_and_whatever_the_cap() -> None:
    pace = Pace(base_seconds=1.0, cap_seconds=math.inf)
    assert retry_delay(60, 1.0, pace) == 2.0**59
    assert (
        retry_delay(61, 1.0, pace) == retry_delay(62, 1.0, pace) == retry_delay(10**9, 1.0, pace) == 2.0**60
    )


@pytest.mark.parametrize(
    ("asked", "latest"), [(0.0, 0.0), (1.0, 1.1), (5.0, 5.5), (10.0, 11.0), (20.0, 21.0), (3600.0, 3601.0)]
)
def test_after_the_moment_that_was_asked_for_tries_are_spread_over_a_tenth_of_it_or_a_second(
    asked: float, latest: float
) -> None:
    assert asked_delay(asked, 0.0) == asked
    assert asked_delay(asked, 1.0) == pytest.approx(latest)
    assert asked_delay(asked, 0.5) == pytest.approx((asked + latest) / 2)


@given(st.floats(min_value=0, max_value=1e6), chances)
def test_what_the_server_asked_for_is_never_cut_short(asked: float, chance: float) -> None:
    assert asked <= asked_delay(asked, chance) <= asked + 1


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("0", 0.0), (" 2.5 ", 2.5)])
def test_retry_after_in_seconds(text: str, seconds: float) -> None:
    assert asked_seconds(503, {"retry-after": text}, NOW_S) == seconds


def test_retry_after_as_a_date() -> None:
    assert asked_seconds(503, {"retry-after": formatdate(NOW_S + 20, usegmt=True)}, NOW_S) == 20.0


def test_a_date_is_compared_with_the_servers_own_clock_where_it_tells() -> None:
    headers = {
        "retry-after": formatdate(NOW_S + 20, usegmt=True),
        "date": formatdate(NOW_S + 15, usegmt=True),
    }
    assert asked_seconds(503, headers, NOW_S - 5000) == 5.0


def test_a_date_in_the_past_asks_for_nothing_more() -> None:
    assert asked_seconds(503, {"retry-after": formatdate(NOW_S - 20, usegmt=True)}, NOW_S) == 0.0


def test_the_limits_reset_is_obeyed_on_a_429() -> None:
    assert asked_seconds(429, {"x-ratelimit-reset": "12"}, NOW_S) == 12.0


def test_the_limits_reset_counts_elsewhere_only_if_nothing_remains() -> None:
    headers = {"x-ratelimit-reset": "12", "x-ratelimit-remaining": "100"}
    for status in (200, 400, 428, 430, 500):
        assert asked_seconds(status, headers, NOW_S) is None
        assert asked_seconds(status, {"x-ratelimit-reset": "12"}, NOW_S) is None
    assert asked_seconds(500, {**headers, "x-ratelimit-remaining": "0"}, NOW_S) == 12.0


def test_retry_after_comes_before_the_limits_reset() -> None:
    assert asked_seconds(429, {"retry-after": "3", "x-ratelimit-reset": "12"}, NOW_S) == 3.0


def test_a_server_can_not_stop_delivery_for_good() -> None:
    assert asked_seconds(429, {"retry-after": "1e12"}, NOW_S) == MAX_ASKED_SECONDS == 3600.0
    assert asked_seconds(429, {"retry-after": "3599"}, NOW_S) == 3599.0


@pytest.mark.parametrize("text", ["", "soon", "-1", "-0.5", "nan", "inf", "Wed, 99 Foo 2024 00:00:00 GMT"])
def test_what_makes_no_sense_is_as_if_it_were_not_there(text: str) -> None:
    assert asked_seconds(503, {"retry-after": text}, NOW_S) is None


@given(st.text(), st.text(), st.text())
def test_no_header_whatever_raises(after: str, reset: str, date: str) -> None:
    asked = asked_seconds(429, {"retry-after": after, "x-ratelimit-reset": reset, "date": date}, NOW_S)
    assert asked is None or 0 <= asked <= MAX_ASKED_SECONDS
