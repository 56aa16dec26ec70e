"""What rows took in tokens and money is compared as their latency is: by factors, deciding where asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from support.events import metric, span

from llmobs_trace.compare import MetricResult, Options, UnknownLabel, compare
from llmobs_trace.store.store import Store

NAMES = ["input_tokens", "output_tokens", "cost_usd"]


def rows(count: int, say: Mapping[str, object] | None, *, errors: Sequence[int] = ()) -> list[bytes]:
    return [
        span(
            f"r{number}",
            trace_id=f"t{number}",
            kind="experiment",
            row=f"row-{number}",
            say=say,
            error={"type": "ValueError"} if number in errors else None,
        )
        for number in range(count)
    ]


CHEAP = {"model_calls": 1, "input_tokens": 1000, "output_tokens": 100, "cost_usd": 0.01}
DEAR = {"model_calls": 1, "input_tokens": 1500, "output_tokens": 100, "cost_usd": 0.02}


def compared(
    path: Path, a: list[bytes], b: list[bytes], options: Options | None = None, metrics: bool = False
) -> tuple[str, dict[str, MetricResult]]:
    with Store(path / f"{len(list(path.iterdir()))}.db") as store:
        for name, spans in (("a", a), ("b", b)):
            scored = [metric(f"r{number}", "right", True) for number in range(len(spans))] if metrics else []
            store.add(name, spans, scored)
        found = compare(store, "a", "b", options)
    return found.verdict, {each.label: each for each in found.metrics}


def test_tokens_and_cost_are_shown_with_intervals_lower_is_better_and_decide_nothing(tmp_path: Path) -> None:
    verdict, metrics = compared(tmp_path, rows(30, CHEAP), rows(30, DEAR), metrics=True)
    assert list(metrics) == ["right", "row errors", "row latency", *NAMES]
    cost = metrics["cost_usd"]
    assert (cost.kind, cost.builtin, cost.direction, cost.decides) == ("cost", True, "lower", False)
    assert (cost.verdict, cost.difference) == ("worse", pytest.approx(1.0))
    assert cost.interval == (pytest.approx(1.0), pytest.approx(1.0))
    assert (cost.mean_a, cost.mean_b) == (pytest.approx(0.01), pytest.approx(0.02))
    assert (cost.total_a, cost.total_b) == (pytest.approx(0.3), pytest.approx(0.6))
    assert metrics["input_tokens"].difference == pytest.approx(0.5)
    assert (metrics["input_tokens"].total_a, metrics["input_tokens"].total_b) == (30_000, 45_000)
    assert metrics["output_tokens"].verdict == "no different"
    assert verdict == "cannot tell"  # of the metric that was recorded; the cost has no say


@pytest.mark.parametrize("asked", [{"judge": frozenset({"cost_usd"})}, {"directions": {"cost_usd": "lower"}}])
def test_what_somebody_asks_to_judge_decides(tmp_path: Path, asked: dict[str, object]) -> None:
    options = Options(**asked)  # type: ignore[arg-type]
    verdict, metrics = compared(tmp_path, rows(30, CHEAP), rows(30, DEAR), options)
    assert verdict == "worse"
    assert [label for label in NAMES if metrics[label].decides] == ["cost_usd"]
    verdict, _ = compared(tmp_path, rows(30, DEAR), rows(30, CHEAP), options)
    assert verdict == "better"


def test_not_to_know_what_was_asked_is_not_to_know_the_whole(tmp_path: Path) -> None:
    options = Options(judge=frozenset({"cost_usd"}))
    verdict, metrics = compared(tmp_path, rows(2, CHEAP), rows(2, DEAR), options)
    assert (metrics["cost_usd"].verdict, verdict) == ("cannot tell", "cannot tell")


def test_latency_decides_where_asked_by_either_name(tmp_path: Path) -> None:
    for name in ("latency", "row latency"):
        _, metrics = compared(tmp_path, rows(2, None), rows(2, None), Options(judge=frozenset({name})))
        assert metrics["row latency"].decides


def test_a_tolerated_difference_in_cost_is_a_share(tmp_path: Path) -> None:
    options = Options(judge=frozenset({"cost_usd"}), margins={"cost_usd": 1.5})
    verdict, _ = compared(tmp_path, rows(30, CHEAP), rows(30, DEAR), options)
    assert verdict == "no different"


def test_what_is_not_known_of_a_row_is_missing_and_no_zero(tmp_path: Path) -> None:
    known = {"model_calls": 1, "input_tokens": 10, "output_tokens": 5}
    b = [*rows(5, CHEAP), *rows(10, known)[5:]]
    _, metrics = compared(tmp_path, rows(10, CHEAP), b)
    cost = metrics["cost_usd"]
    assert (cost.n, cost.missing_a, cost.missing_b) == (5, 0, 5)
    assert (metrics["input_tokens"].n, metrics["input_tokens"].missing) == (10, 0)


def test_what_a_row_that_raised_would_have_taken_is_not_known(tmp_path: Path) -> None:
    _, metrics = compared(tmp_path, rows(10, CHEAP), rows(10, DEAR, errors=[3]))
    assert [(metrics[label].n, metrics[label].failed_b) for label in NAMES] == [(9, 1)] * 3


def test_rows_that_cost_nothing_are_cheaper_than_any_others(tmp_path: Path) -> None:
    free = CHEAP | {"cost_usd": 0}
    _, metrics = compared(tmp_path, rows(10, free), rows(10, free))
    assert (metrics["cost_usd"].difference, metrics["cost_usd"].losses) == (0, 0)
    for cost in (0.02, 2e-8):
        _, metrics = compared(tmp_path, rows(30, free), rows(30, CHEAP | {"cost_usd": cost}))
        assert (metrics["cost_usd"].losses, metrics["cost_usd"].verdict) == (30, "worse")


def test_experiments_without_model_calls_have_neither(tmp_path: Path) -> None:
    _, metrics = compared(tmp_path, rows(3, None), rows(3, None))
    assert list(metrics) == ["row errors", "row latency"]
    with pytest.raises(UnknownLabel, match=r"--judge names cost_usd, .* they have: row latency, latency"):
        compared(tmp_path, rows(3, None), rows(3, None), Options(judge=frozenset({"cost_usd"})))


def test_a_recorded_metric_of_the_same_name_keeps_it(tmp_path: Path) -> None:
    with Store(tmp_path / "x.db") as store:
        for name, spent, cost in (("a", CHEAP, 1.0), ("b", DEAR, 2.0)):
            metrics = [metric(f"r{number}", "cost_usd", cost) for number in range(30)]
            store.add(name, rows(30, spent), metrics)
        plain = {each.label: each for each in compare(store, "a", "b").metrics}
        asked = compare(store, "a", "b", Options(judge=frozenset({"cost_usd"})))
    assert (plain["cost_usd"].builtin, plain["cost_usd"].verdict) == (False, "not judged")
    assert plain["row cost_usd"].total_a == pytest.approx(0.3)
    judged = {each.label: each for each in asked.metrics}
    assert (judged["cost_usd"].verdict, judged["cost_usd"].direction) == ("worse", "lower")
    assert (judged["row cost_usd"].decides, asked.verdict) == (True, "worse")


def test_to_judge_what_is_judged_anyway_turns_nothing_round(tmp_path: Path) -> None:
    options = Options(judge=frozenset({"right"}))
    _, metrics = compared(tmp_path, rows(3, None), rows(3, None), options, metrics=True)
    assert metrics["right"].direction == "higher"
