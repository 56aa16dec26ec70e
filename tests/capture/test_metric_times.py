"""However often a metric is recorded, each is another one by its bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.capture import metric_times


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    metric_times.forget()
    yield
    metric_times.forget()


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.integers(0, 12)), max_size=60))
def test_each_gets_the_first_millisecond_from_its_own_on_that_is_free(asked: list[tuple[bytes, int]]) -> None:
    metric_times.forget()
    taken: dict[bytes, set[int]] = {b"a": set(), b"b": set()}
    for body, wanted in asked:
        free = next(stamp for stamp in range(wanted, 100) if stamp not in taken[body])
        taken[body].add(free)
        assert metric_times.stamped(body, wanted) == b'%b,"timestamp_ms":%d' % (body, free)


@pytest.mark.parametrize("labels", [1, 10])
def test_tens_of_thousands_in_a_moment_are_all_distinct_and_take_no_room(labels: int) -> None:
    now_ms = metric_times.now_ms()
    given = {
        metric_times.stamped(b"%d" % (number % labels), now_ms + number // 20_000) for number in range(50_000)
    }
    assert len(given) == 50_000
    assert sum(map(len, metric_times._taken.values())) <= 2 * labels


def test_what_reaches_into_the_future_is_not_forgotten_for_others() -> None:
    now_ms = metric_times.now_ms() + 60_000
    first = {metric_times.stamped(b"often", now_ms) for _ in range(10)}
    for number in range(20_000):
        metric_times.stamped(b"once %d" % number, 1)
    assert metric_times.stamped(b"often", now_ms) not in first
    assert len(metric_times._taken) < 10_000


def test_one_metric_at_many_times_is_remembered_within_bounds() -> None:
    given = {metric_times.stamped(b"now and then", 2 * number) for number in range(10_000)}
    assert len(given) == 10_000
    assert len(metric_times._taken[hash(b"now and then")]) <= 2 * 1024


def test_threads_get_none_twice() -> None:
    found: list[bytes] = []

    def record() -> None:
        found.extend([metric_times.stamped(b"shared", 5) for _ in range(2_000)])

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*found}) == 8_000


def test_a_metric_that_failed_before_its_time_was_taken_keeps_no_other_from_its_own(monkeypatch):
    monkeypatch.setattr(metric_times, "_METRICS", 4)
    metric_times.stamped(b"failed", 1)
    with monkeypatch.context() as patched:
        patched.setattr(metric_times, "bisect_right", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            metric_times.stamped(b"failed", 1)
    for number in range(9):
        assert metric_times.stamped(b"%d" % number, 1) == b'%d,"timestamp_ms":1' % number
