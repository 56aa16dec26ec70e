from __future__ import annotations

from collections import Counter

import pytest

from llmobs_trace.receiver.rehearsal import SERVER_ERRORS, Fate, Rehearsal, Script


def fates(script: Script, count: int) -> list[Fate]:
    rehearsal = Rehearsal(script)
    return [rehearsal.next() for _ in range(count)]


def kind(fate: Fate) -> str:
    if fate.instead is not None:
        return str(fate.instead.status)
    return "before" if fate.drop_before else "after" if fate.drop_after else "ok"


def test_without_a_script_nothing_fails_and_nothing_is_said() -> None:
    assert set(map(kind, fates(Script(), 100))) == {"ok"}
    assert fates(Script(), 1) == [Fate()]


def test_what_fails_is_as_often_as_was_asked_for() -> None:
    script = Script(too_many_percent=20, server_error_percent=10, drop_percent=10, seed=1)
    found = Counter(map(kind, fates(script, 10_000)))
    assert 1800 < found["429"] < 2200
    assert 800 < sum(found[str(status)] for status in SERVER_ERRORS) < 1200
    assert all(found[str(status)] > 150 for status in SERVER_ERRORS)
    assert found["before"] > 350
    assert found["after"] > 350
    assert 5600 < found["ok"] < 6400


def test_a_seed_makes_the_same_failures_again() -> None:
    script = Script(too_many_percent=30, server_error_percent=30, drop_percent=30, latency_ms=(1, 9), seed=7)
    assert fates(script, 50) == fates(script, 50)
    other = Script(too_many_percent=30, server_error_percent=30, drop_percent=30, latency_ms=(1, 9), seed=8)
    assert fates(script, 50) != fates(other, 50)


@pytest.mark.parametrize("name", ["too_many_percent", "server_error_percent", "drop_percent"])
def test_a_hundred_percent_is_all(name: str) -> None:
    assert "ok" not in set(map(kind, fates(Script(**{name: 100.0}), 200)))


def test_latency_is_within_its_bounds() -> None:
    found = [fate.latency_seconds for fate in fates(Script(latency_ms=(50, 400)), 200)]
    assert 0.05 <= min(found) < 0.1
    assert 0.35 < max(found) <= 0.4


def test_beyond_the_rate_is_429_until_the_window_is_over() -> None:
    now = 100.0
    rehearsal = Rehearsal(Script(rate=(2, 10)), clock=lambda: now)
    first, second, third = (rehearsal.next() for _ in range(3))
    assert dict(first.headers)["X-RateLimit-Remaining"] == "1"
    assert dict(second.headers)["X-RateLimit-Remaining"] == "0"
    assert "Retry-After" not in dict(second.headers)
    assert third.instead is not None
    assert third.instead.status == 429
    told = dict(third.instead.headers)
    assert (told["X-RateLimit-Limit"], told["X-RateLimit-Period"]) == ("2", "10")
    assert told["Retry-After"] == told["X-RateLimit-Reset"]
    # Whoever waits for so long is let in.
    now += int(told["Retry-After"])
    assert kind(rehearsal.next()) == "ok"
