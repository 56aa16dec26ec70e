"""What capture logs on its own behalf."""

from __future__ import annotations

import pytest

from llmobs_trace.capture import recorder as slot


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets."""
    now = [1000.0]
    monkeypatch.setattr(slot.time, "monotonic", lambda: now[0])
    slot.forget_what_was_said()
    return now


def test_of_misuse_in_ever_new_words_a_bounded_number_is_logged_each_minute(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        for number in range(3000):
            slot.say(f"misuse of Type{number}")
    assert caplog.messages == [f"misuse of Type{number}" for number in range(64)]
    clock[0] += 60
    slot.say("misuse of Type2999")
    slot.say("misuse of Type0")
    assert caplog.messages[64:] == ["misuse of Type2999", "misuse of Type0"]
