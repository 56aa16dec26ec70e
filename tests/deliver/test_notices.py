"""Few log lines, with a simulated clock."""

from __future__ import annotations

import logging

import pytest

from llmobs_trace.deliver.notices import MAX_CAUSES, Notices, events


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
        notices.happened(number, f"{number} paused", kind="experiment", quiet=number < 2999)
    notices.over(0, "forgotten", kind="experiment")
    notices.over(2999, "works", kind="experiment")
    assert caplog.messages == ["2999 paused", "works: 1 failed in 0 s"]


# --- What comes and goes, and what comes without end --------------------------------------------------------


def test_what_flaps_is_told_once_a_minute_and_the_last_word_is_true(
    notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(0, 300, 2):
        clock.now = float(second)
        notices.look()
        notices.happened("outage", "fails", cause=503)
        clock.now += 1
        notices.look()
        notices.over("outage", "works again")
    assert notices.next_due() is None
    assert caplog.messages == ["fails", "works again: 1 failed in 1 s"] * 5


def test_a_cause_that_changes_while_it_flaps_is_told_once_a_minute_too(
    notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(30):
        for cause in (503, "no answer"):
            clock.now += 1
            notices.look()
            notices.happened("outage", f"fails: {cause}", cause=cause)
            clock.now += 1
            notices.over("outage", "works again")
    clock.now += 60
    notices.look()
    assert caplog.messages.count("fails: 503") == caplog.messages.count("fails: no answer") == 2
    assert len(caplog.messages) <= 7
    assert caplog.messages[-1].startswith("works again")


def test_thousands_of_troubles_of_one_cause_are_a_line_now_and_one_a_minute_later(
    notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(900):
        clock.now += 0.01
        notices.happened(number, f"experiment {number} is paused", kind="experiment", cause=404, once=True)
    notices.happened("x", "experiment x is paused", kind="experiment", cause=401, once=True)
    assert notices.next_due() == pytest.approx(60.01)
    clock.now = 60.02
    notices.look()
    assert caplog.messages == [
        "experiment 0 is paused",
        "experiment x is paused",
        "experiment 899 is paused (and 898 more like it)",
    ]
    for number in range(900):
        notices.over(number, f"experiment {number} works again", kind="experiment")
    clock.now = 130.0
    notices.look()
    assert caplog.messages[3:] == [
        "experiment 0 works again: 1 failed in 60 s",
        "experiment 899 works again: 1 failed in 51 s (and 898 more like it)",
    ]


def test_the_second_of_two_is_told_when_its_minute_comes_or_at_the_end(
    notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "ab":
        notices.happened(name, f"{name} is paused", kind="experiment", cause=404, once=True)
    notices.happened("outage", "fails")
    notices.happened("outage", "fails")
    assert caplog.messages == ["a is paused", "fails"]
    notices.end()
    assert caplog.messages == ["a is paused", "fails", "b is paused"]
    notices.end()
    assert len(caplog.messages) == 3


def test_what_is_over_before_it_could_be_told_is_not_told(
    notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "ab":
        notices.happened(name, f"{name} is paused", kind="experiment", cause=404, once=True)
    notices.over("b", "b works again", kind="experiment")
    clock.now = 100.0
    notices.look()
    notices.end()
    assert caplog.messages == ["a is paused"]


@pytest.mark.parametrize("causes", [17, 5000])
def test_of_causes_without_end_a_few_are_named_each_minute(
    notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture, causes: int
) -> None:
    for cause in range(causes):
        notices.happened("outage", f"fails: {cause}", cause=cause)
    assert len(caplog.messages) == MAX_CAUSES
    said = 0
    while (due := notices.next_due()) is not None:
        said += 1
        clock.now = due
        notices.look()
        assert len(caplog.messages) <= MAX_CAUSES * (1 + int(clock.now // 60))
    assert said <= 5
    assert f"fails: {causes - 1}" in " ".join(caplog.messages)
    assert len(notices._said_at) <= MAX_CAUSES


def test_one_event_is_and_others_are() -> None:
    assert events(1, "are") == "1 event is"
    assert events(1, "were") == "1 event was"
    assert events(0, "are") == "0 events are"
    assert events(2, "were") == "2 events were"
