from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.events import span

from llmobs_trace.errors import StoreError
from llmobs_trace.receiver.pricing import Pricing
from llmobs_trace.store import prices, queries
from llmobs_trace.store.store import Store

pytest.importorskip("genai_prices")

CALL = {"model_name": "gpt-4.1-mini", "model_provider": "openai", "input_tokens": 1000, "output_tokens": 500}


def known(store: Store) -> int:
    return sum(each.cost_usd is not None for each in queries.spans(store, "e"))


def test_costs_are_worked_out_a_part_at_a_time_and_events_come_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "_AT_ONCE", 2)
    taken: list[int] = []
    with Store(tmp_path / "x.db") as store, ThreadPoolExecutor(1) as pool:
        store.add("e", [span(f"{number}", kind="llm", say=CALL) for number in range(6)], [])
        begun = threading.Event()
        pool.submit(begun.wait)
        pricing = Pricing(store, pool)
        pricing.begin("e")
        pricing.begin("e")  # once is enough
        event = pool.submit(lambda: taken.append(known(store)))
        begun.set()
        event.result(60)
        settle(pool, lambda: known(store) == 6)
    assert taken == [2]


def settle(pool: ThreadPoolExecutor, is_done: Callable[[], bool]) -> None:
    """Let the pool's thread do what it has been given, and what that gives it."""
    for _ in range(20):
        if pool.submit(is_done).result(60):
            return
    raise AssertionError("not done")


def test_what_can_not_be_written_is_said_and_tried_again_when_it_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*arguments: object) -> None:
        raise StoreError("the disk is full")

    with Store(tmp_path / "x.db") as store, ThreadPoolExecutor(1) as pool:
        store.add("e", [span("a", kind="llm", say=CALL)], [])
        store.derive_rows()
        pricing = Pricing(store, pool)
        with monkeypatch.context() as full:
            full.setattr(Store, "change", refuse)
            pricing.begin("e")
            settle(pool, lambda: bool(caplog.messages))
        assert caplog.messages == ["costs are not worked out: the disk is full"]
        pricing.begin("e")
        settle(pool, lambda: known(store) == 1)


def test_after_the_end_nothing_is_begun(tmp_path: Path) -> None:
    with Store(tmp_path / "x.db") as store:
        pool = ThreadPoolExecutor(1)
        pool.shutdown()
        Pricing(store, pool).begin("e")
