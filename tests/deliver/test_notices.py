"""Few log lines, with a simulated clock."""

from __future__ import annotations

import logging

import pytest

from llmobs_trace.deliver.notices import Notices


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notices(clock: Clock) -> Notices:
    return Notices(logging.getLogger("llmobs_trace"), clock)


def test_a_cause_is_named_at_most_once_a_minute(
    notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(181):
        clock.now = float(second)
        notices.happened("outage", "no answer", cause="broken")
    assert caplog.messages == [
        "no answer",
        "no answer (61 times in 60 s)",
        "no answer (121 times in 120 s)",
        "no answer (181 times in 180 s)",
    ]


def test_each_cause_of_a_trouble_is_named(notices: Notices, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        notices.happened("outage", "no answer", cause="broken")
        notices.happened("outage", "HTTP 503", cause=503)
    assert caplog.messages == ["no answer", "HTTP 503"]


def test_its_end_comes_with_a_total(notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    for second in range(30):
        clock.now = float(second)
        notices.happened("outage", "no answer")
    notices.over("outage", "delivery works again")
    assert caplog.messages == ["no answer", "delivery works again: 30 failed in 29 s"]


def test_what_was_not_named_ends_without_a_word(notices: Notices, caplog: pytest.LogCaptureFixture) -> None:
    notices.happened("outage", "no answer", quiet=True)
    notices.over("outage", "delivery works again")
    notices.over("other", "never was")
    assert caplog.messages == []


def test_once_is_once_until_it_is_over(
    notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for second in (0.0, 1000.0, 2000.0):
        clock.now = second
        notices.happened("e", "paused", once=True)
    notices.over("e", "works")
    notices.happened("e", "paused", once=True)
    assert caplog.messages == ["paused", "works: 3 failed in 2000 s", "paused"]


def test_troubles_without_end_are_forgotten_from_the_oldest(
    notices: Notices, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3000):
        notices.happened(number, "paused")
    caplog.clear()
    notices.over(0, "forgotten")
    notices.over(2999, "works")
    assert caplog.messages == ["works: 1 failed in 0 s"]
