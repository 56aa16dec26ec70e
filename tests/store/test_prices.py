from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.events import said, span

from llmobs_trace.store import prices, queries
from llmobs_trace.store.prices import Call, cost_usd
from llmobs_trace.store.store import Store

genai_prices = pytest.importorskip("genai_prices")

MINI = {"model_name": "gpt-4.1-mini", "model_provider": "openai"}  # 0.40 and 1.60 dollars a million
A_CALL = MINI | {"input_tokens": 1000, "output_tokens": 500}
ITS_COST = pytest.approx(1000 * 0.4e-6 + 500 * 1.6e-6)


def ns(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=timezone.utc).timestamp()) * 10**9


def call(span_id: str, say: Mapping[str, object], kind: str = "llm") -> bytes:
    return span(span_id, parent="r", kind=kind, say=say)


def row(**say: object) -> bytes:
    return span("r", kind="experiment", row="row-1", say=say)


def priced(path: Path, *events: bytes) -> dict[str, tuple[float | None, str | None]]:
    """Costs, and who says so, by the spans' ids; worked out by whoever reads."""
    with Store(path) as store:
        store.add("e", events, [])
        for _ in prices.work_out(store, "e"):
            pass
        return costs(store)


def costs(store: Store) -> dict[str, tuple[float | None, str | None]]:
    return {each.span_id: (each.cost_usd, each.cost_from) for each in queries.spans(store, "e")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


def test_a_cost_is_worked_out_from_the_tokens_and_says_by_which_prices(path: Path) -> None:
    data = prices.price_data()
    assert data is not None
    assert data.startswith("genai-prices ")
    assert priced(path, call("a", A_CALL)) == {"a": (ITS_COST, data)}


def test_cached_tokens_are_cheaper(path: Path) -> None:
    found = priced(path, call("a", A_CALL), call("b", A_CALL | {"cached_tokens": 800}))
    (whole, _), (cached, _) = found["a"], found["b"]
    assert whole is not None
    assert cached is not None
    assert 0 < cached < whole


def test_tokens_that_are_written_to_a_cache_are_dearer_and_for_an_hour_more_so(path: Path) -> None:
    asked = {"model_name": "claude-haiku-4-5", "model_provider": "anthropic", "output_tokens": 0}
    asked |= {"input_tokens": 1000}
    found = priced(
        path,
        call("plain", asked),
        call("kept", asked | {"cache_written_tokens": 800}),
        call("for an hour", asked | {"cache_written_tokens": 800, "cache_written_1h_tokens": 800}),
    )
    # 1 dollar a million, 1.25 where they are written, 2 for an hour.
    assert [found[name][0] for name in ("plain", "kept", "for an hour")] == [
        pytest.approx(cost) for cost in (1000e-6, 200e-6 + 800 * 1.25e-6, 200e-6 + 800 * 2e-6)
    ]


def test_the_price_is_that_of_the_calls_own_date() -> None:
    # Its price was lowered by four fifths in June 2025.
    before, after = (
        cost_usd(Call("openai", "o3", 1_000_000, 0, None, False, when))
        for when in (ns(2025, 6, 1), ns(2025, 7, 1))
    )
    assert (before, after) == (pytest.approx(10.0), pytest.approx(2.0))


def test_a_price_that_the_provider_states_stands(path: Path) -> None:
    assert priced(path, call("a", A_CALL | {"cost_usd": 7})) == {"a": (7.0, "stated")}


@pytest.mark.parametrize(
    "say",
    [
        A_CALL | {"model_name": "a model that nobody sells"},
        A_CALL | {"model_provider": "a cellar"},
        MINI,
        MINI | {"input_tokens": 5},
        MINI | {"output_tokens": 5},
        A_CALL | {"cached_tokens": 2000},
        {"input_tokens": 5, "output_tokens": 5},
    ],
)
def test_what_is_not_known_stays_unknown_and_is_not_zero(path: Path, say: Mapping[str, object]) -> None:
    assert priced(path, call("a", say)) == {"a": (None, None)}


def test_an_embeddings_answer_has_no_tokens(path: Path) -> None:
    say = {"model_name": "text-embedding-3-small", "model_provider": "openai", "input_tokens": 1_000_000}
    assert priced(path, call("a", say, kind="embedding"))["a"][0] == pytest.approx(0.02)


def test_an_agents_totals_are_no_call(path: Path) -> None:
    assert priced(path, call("a", A_CALL, kind="agent")) == {"a": (None, None)}


def test_a_rows_cost_is_the_sum_of_all_its_calls_stated_or_worked_out(path: Path) -> None:
    found = priced(path, call("a", A_CALL), call("b", A_CALL | {"cost_usd": 1}), row(model_calls=2))
    assert found["r"] == (pytest.approx(1 + 0.0012), prices.price_data())


def test_a_row_states_the_sum_of_stated_costs_itself(path: Path) -> None:
    assert priced(path, call("a", {"cost_usd": 1}), row(model_calls=1, cost_usd=1))["r"] == (1.0, "stated")


def test_a_rows_cost_is_unknown_where_that_of_any_call_is(path: Path) -> None:
    found = priced(path, call("a", A_CALL), call("b", MINI), row(model_calls=2))
    assert found == {"a": (ITS_COST, prices.price_data()), "b": (None, None), "r": (None, None)}


def test_a_row_waits_for_calls_that_are_not_here_yet(path: Path) -> None:
    assert priced(path, call("a", A_CALL), row(model_calls=2))["r"] == (None, None)
    assert priced(path, call("b", A_CALL))["r"] == (pytest.approx(2 * 0.0012), prices.price_data())


def test_a_root_that_is_a_call_has_its_own_cost(path: Path) -> None:
    root = span("r", kind="llm", say=A_CALL | {"model_calls": 1})
    assert priced(path, root) == {"r": (ITS_COST, prices.price_data())}


def test_a_call_that_holds_calls_counts_through_them_alone(path: Path) -> None:
    inner = span("b", parent="a", kind="llm", say=A_CALL)
    found = priced(path, call("a", A_CALL), inner, row(model_calls=1))
    assert found["r"] == (ITS_COST, prices.price_data())


def test_a_root_that_holds_the_only_call_costs_what_that_does(path: Path) -> None:
    root = span("r", kind="llm", say=A_CALL | {"model_name": "gpt-4.1", "model_calls": 1})
    assert priced(path, call("a", A_CALL), root)["r"] == (ITS_COST, prices.price_data())


def test_of_a_root_that_is_one_call_of_several_nobody_knows_its_own_tokens(path: Path) -> None:
    root = span("r", kind="llm", say=A_CALL | {"model_calls": 2})
    assert priced(path, call("a", A_CALL), root)["r"] == (None, None)


def test_nothing_is_looked_for_again_by_the_same_prices_and_what_was_unknown_by_others(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = A_CALL | {"model_name": "tomorrows"}
    before = priced(path, call("a", A_CALL), call("b", unknown), row(model_calls=2))
    with Store(path) as store:
        assert prices.waiting(store, "e") == 0
        monkeypatch.setattr(prices, "price_data", lambda: "genai-prices 99")
        monkeypatch.setattr(prices, "cost_usd", lambda call: 5.0)
        assert prices.waiting(store, "e") == 2
        assert sum(prices.work_out(store, "e")) == 2
        after = costs(store)
        assert after["a"] == before["a"]
        assert after["b"] == (5.0, "genai-prices 99")
        assert after["r"] == (pytest.approx(5.0012), "genai-prices 99")


def test_who_is_no_call_is_looked_for_by_nobody(path: Path) -> None:
    of_several = span("r", kind="llm", say=A_CALL | {"model_calls": 2})
    with Store(path) as store:
        store.add(
            "e", [call("a", A_CALL | {"model_calls": 3}, kind="agent"), call("b", MINI), of_several], []
        )
        assert sum(prices.work_out(store, "e")) == 2  # the call, and the root, whose other call is not here
        assert prices.waiting(store, "e") == 1


def test_without_the_package_nothing_is_worked_out_and_nothing_fails(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "PACKAGE", "no-such-package")
    assert priced(path, call("a", A_CALL)) == {"a": (None, None)}


def test_many_calls_are_worked_out_a_part_at_a_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "_AT_ONCE", 3)
    with Store(path) as store:
        store.add("e", [call(f"{number}", A_CALL) for number in range(10)], [])
        assert list(prices.work_out(store, "e")) == [3, 3, 3, 1]
        assert [cost for cost, _ in costs(store).values()] == [ITS_COST] * 10


def test_the_library_and_its_store_import_no_prices_until_one_is_asked_for(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from llmobs_trace.store.store import Store\n"
        "from llmobs_trace.store import prices\n"
        "store = Store(Path(sys.argv[1])); store.add('e', [sys.argv[2].encode()], [])\n"
        "assert prices.waiting(store, 'e') == 1\n"
        "assert 'genai_prices' not in sys.modules\n"
        "list(prices.work_out(store, 'e')); assert 'genai_prices' in sys.modules"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "y.db"), call("a", A_CALL).decode()]
    subprocess.run(words, check=True, env={"PYTHONPATH": ":".join(sys.path)})


@given(says=st.lists(said, min_size=1, max_size=4), kinds=st.sampled_from(["llm", "embedding", "agent"]))
def test_whatever_the_tags_say_a_cost_is_unknown_or_an_amount(
    says: Iterable[Mapping[str, object]], kinds: str
) -> None:
    with TemporaryDirectory() as directory:
        events = [call(f"{number}", say, kind=kinds) for number, say in enumerate(says)]
        for cost, of in priced(Path(directory, "x.db"), *events, row(model_calls=len(events))).values():
            assert (cost is None) == (of is None)
            assert cost is None or cost >= 0
