"""What a comparison says of known experiments, and that it never says more than it knows."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.examples import examples
from support.sides import FAILED, Value, side

from llmobs_trace.compare.comparison import Options, compare_sides, overall
from llmobs_trace.compare.pairs import Side
from llmobs_trace.compare.results import MetricResult, Spread

OPPOSITE = {
    "better": "worse",
    "worse": "better",
    "no different": "no different",
    "cannot tell": "cannot tell",
}


def judged(
    a: Sequence[Value], b: Sequence[Value], options: Options | None = None, label: str = "m"
) -> MetricResult:
    """The metric of two lists of values, row by row."""
    rows = len(a)
    metrics = compare_sides(side({label: a}, rows=rows), side({label: b}, rows=rows), options or Options())
    return next(metric for metric in metrics if metric.label == label)


# --- Verdicts -----------------------------------------------------------------------------------------------


def test_what_chance_rarely_makes_is_better_or_worse() -> None:
    a, b = [False] * 12 + [True] * 30, [True] * 12 + [True] * 30
    found = judged(a, b)
    assert (found.verdict, found.wins, found.losses, found.ties) == ("better", 12, 0, 30)
    assert found.difference == pytest.approx(12 / 42)
    assert found.p == pytest.approx(stats.binomtest(0, 12).pvalue)
    assert judged(b, a).verdict == "worse"


def test_lower_may_be_better() -> None:
    a, b = [0.1] * 20, [0.3] * 20
    assert judged(a, b).verdict == "better"
    turned = judged(a, b, Options(directions={"m": "lower"}))
    assert (turned.verdict, turned.direction) == ("worse", "lower")
    assert (turned.wins, turned.losses) == (0, 20)
    assert turned.difference == pytest.approx(0.2)


def test_many_rows_that_are_the_same_are_no_different_and_few_are_not_enough() -> None:
    assert judged([True] * 60, [True] * 60).verdict == "no different"
    few = judged([True] * 20, [True] * 20)
    assert (few.verdict, few.rows_needed) == ("cannot tell", 52)
    assert judged([0.5] * 60, [0.5] * 60).verdict == "no different"


def test_small_differences_are_none_where_the_interval_is_within_the_margin() -> None:
    chance = random.Random(1)
    a = [chance.random() for _ in range(100)]
    b = [each + chance.gauss(0, 0.05) for each in a]
    b = [min(1.0, max(0.0, each)) for each in b]
    found = judged(a, b)
    assert found.verdict == "no different"
    assert found.margin == 0.05
    assert judged(a, b, Options(margin=0.001)).verdict == "cannot tell"


def test_a_stated_margin_tolerates_what_is_surely_smaller() -> None:
    a = [0.5 + number % 7 / 100 for number in range(100)]
    b = [each - 0.01 - number % 3 / 1000 for number, each in enumerate(a)]
    assert judged(a, b).verdict == "worse"
    assert judged(a, b, Options(margin=0.05)).verdict == "no different"
    assert judged(a, b, Options(margins={"m": 0.005})).verdict == "worse"


def test_what_cannot_be_told_says_how_many_rows_would_settle_it() -> None:
    a = [False, True] * 10
    b = [True, True] * 2 + [False, True] * 8
    found = judged(a, b)
    assert (found.verdict, found.wins, found.losses) == ("cannot tell", 2, 0)
    assert found.rows_needed is not None
    assert found.rows_needed > 20
    assert found.p == 0.5


def test_rows_that_would_settle_it_do() -> None:
    chance = random.Random(3)

    def draw(rows: int) -> tuple[list[Value], list[Value]]:
        a = [chance.gauss(0.4, 0.15) for _ in range(rows)]
        return list(a), [each + chance.gauss(0.05, 0.15) for each in a]

    needed = judged(*draw(10)).rows_needed
    assert needed is not None
    settled = sum(judged(*draw(120)).verdict != "cannot tell" for _ in range(40))
    assert settled >= 30


def test_the_scale_of_scores_beyond_one_is_the_range_that_was_seen() -> None:
    stars = [1, 2, 3, 4, 5] * 20
    found = judged(stars, stars[::-1])
    assert found.margin == pytest.approx(0.2)


# --- Failures -----------------------------------------------------------------------------------------------


def test_every_row_is_scored_failed_or_missing() -> None:
    found = judged([1.0, FAILED, None, 0.5, None], [FAILED, None, None, 0.5, FAILED])
    assert (found.n, found.failed, found.missing) == (1, 3, 1)
    assert (found.failed_a, found.failed_b, found.missing_a, found.missing_b) == (1, 2, 2, 2)


def test_a_failure_is_no_zero() -> None:
    found = judged([0.8] * 30 + [FAILED] * 5, [0.8] * 30 + [FAILED] * 5)
    assert (found.mean_a, found.mean_b, found.n) == (pytest.approx(0.8), pytest.approx(0.8), 30)


def test_failures_that_could_turn_the_verdict_leave_it_open() -> None:
    a, b = [False] * 8 + [True] * 30, [True] * 8 + [True] * 30
    assert judged(a, b).verdict == "better"
    found = judged([*a, *[True] * 9], [*b, *[FAILED] * 9])
    assert found.verdict == "cannot tell"
    assert "9 rows" in found.reason
    assert "better" in found.reason
    assert found.bounds == (pytest.approx(-1 / 47), pytest.approx(8 / 47))


def test_failures_that_could_not_turn_it_do_not() -> None:
    a, b = [False] * 25 + [True] * 30 + [True], [True] * 25 + [True] * 30 + [FAILED]
    found = judged(a, b)
    assert found.verdict == "better"
    assert "1 row" in found.reason


def test_rows_that_failed_on_both_sides_speak_for_neither() -> None:
    a, b = [False] * 12 + [True] * 20, [True] * 12 + [True] * 20
    assert judged([*a, *[FAILED] * 50], [*b, *[None] * 50]).verdict == "better"


def test_a_run_that_fails_where_it_is_bad_is_not_better_for_it() -> None:
    chance = random.Random(5)
    a = [chance.random() for _ in range(100)]
    b: list[Value] = [each if (each := chance.random()) > 0.3 else FAILED for _ in range(100)]
    assert judged(a, [0.5 if each == FAILED else each for each in b]).verdict in ("better", "cannot tell")
    assert judged(a, b).verdict == "cannot tell"


def test_a_label_that_only_one_side_has_can_not_be_told() -> None:
    found = judged([None] * 60, [True] * 60)
    assert (found.verdict, found.n, found.missing_a) == ("cannot tell", 0, 60)
    assert found.rows_needed is not None


# --- Several metrics ----------------------------------------------------------------------------------------


def metrics_of(a: dict[str, Sequence[Value]], b: dict[str, Sequence[Value]]) -> dict[str, MetricResult]:
    return {metric.label: metric for metric in compare_sides(side(a), side(b), Options())}


def test_several_metrics_share_the_level() -> None:
    rows = 40
    flips = [False] * 6 + [True] * (rows - 6), [True] * rows
    alone = metrics_of({"m": flips[0]}, {"m": flips[1]})["m"]
    assert (alone.verdict, alone.p) == ("better", pytest.approx(2 / 2**6))
    mixed = [number % 2 == 0 for number in range(rows)]
    together = metrics_of({"m": flips[0], "n": mixed}, {"m": flips[1], "n": mixed[::-1]})["m"]
    assert (together.verdict, together.p_adjusted) == ("cannot tell", pytest.approx(4 / 2**6))
    # A metric of which nothing can be said costs nothing.
    beside = metrics_of({"m": flips[0], "n": [1.0] * rows}, {"m": flips[1], "n": [1.0] * rows})["m"]
    assert beside.verdict == "better"


def test_rows_that_raise_more_often_are_worse_and_slower_rows_decide_nothing() -> None:
    a, b = side({}, rows=80), side({}, rows=80, errors=range(12))
    found = {metric.label: metric for metric in compare_sides(a, b, Options())}
    assert (found["row errors"].verdict, found["row errors"].losses) == ("worse", 12)
    assert found["row errors"].difference == pytest.approx(12 / 80)
    assert found["row latency"].failed_b == 12
    assert not found["row latency"].decides
    assert overall(list(found.values())) == "worse"


def test_the_whole_is_worse_if_one_is_and_open_if_one_is() -> None:
    better, worse = [False] * 20 + [True] * 60, [True] * 80
    same, few = [True] * 80, [True] * 3 + [None] * 77
    for labels, expected in (
        ({"m": (better, worse), "n": (worse, better)}, "worse"),
        ({"m": (better, worse), "n": (same, same)}, "better"),
        ({"m": (same, same)}, "no different"),
        ({"m": (better, worse), "n": (few, few)}, "cannot tell"),
    ):
        a, b = ({label: pair[at] for label, pair in labels.items()} for at in (0, 1))
        assert overall(compare_sides(side(a), side(b), Options())) == expected


# --- Kinds --------------------------------------------------------------------------------------------------


def test_a_category_has_no_better_but_flips_and_agreement() -> None:
    a: list[Value] = [["year"]] * 5 + [["name"]] * 5
    found = judged(a, [*[["name"]] * 5, *[["name"]] * 5])
    assert (found.kind, found.direction, found.verdict, found.decides) == (
        "category",
        None,
        "cannot tell",
        False,
    )
    assert found.flips == [("year", "name", 5)]
    assert (found.agreement, found.categories) == (0.5, [("name", 5, 10), ("year", 5, 0)])
    assert judged([["x"]] * 60, [["x"]] * 60).verdict == "no different"


def test_assessments_decide_where_there_are_any() -> None:
    rows = 30
    words: list[Value] = [["some"]] * rows
    a = side({"m": words}, passed={"m": [False] * 10 + [True] * 20})
    b = side({"m": words}, passed={"m": [True] * rows})
    found = compare_sides(a, b, Options())[0]
    assert (found.kind, found.verdict, found.passed_a, found.passed_b) == ("assessment", "better", 20, 30)


def test_a_score_whose_low_values_pass_is_better_where_it_is_lower() -> None:
    low, high = [0.1] * 20, [0.9] * 20
    a = side({"m": high}, passed={"m": [False] * 20})
    b = side({"m": low}, passed={"m": [True] * 20})
    found = compare_sides(a, b, Options())[0]
    assert (found.kind, found.direction, found.verdict) == ("score", "lower", "better")
    assert (found.direction, found.direction_from) == ("lower", "assessments")


# --- Repeats ------------------------------------------------------------------------------------------------


def test_repeats_of_a_row_count_once() -> None:
    """Ten repeats of three rows are three rows' worth of evidence, not thirty."""
    a, b = side({"m": [0.1] * 30}), side({"m": [0.9] * 30})

    def repeated(one: object) -> object:
        rows = {(f"row {number // 10}", number % 10 + 1): row for number, row in enumerate(one.rows.values())}  # type: ignore[attr-defined]
        return msgspec.structs.replace(one, rows=rows)

    found = compare_sides(repeated(a), repeated(b), Options())[0]  # type: ignore[arg-type]
    assert (found.n, found.dataset_rows, found.p) == (3, 3, pytest.approx(0.25))
    assert (found.scored_a, found.scored_b) == (30, 30)
    assert found.verdict == "cannot tell"


def with_repeats(repeats: int, rows: Sequence[Sequence[Value]], label: str = "m") -> Side:
    """Rows with the values of their repeats."""
    made = side({label: [value for row in rows for value in row]}, rows=repeats * len(rows))
    keys = [(f"row {number // repeats}", number % repeats + 1) for number in range(repeats * len(rows))]
    return msgspec.structs.replace(made, rows=dict(zip(keys, made.rows.values(), strict=True)))


def compared(a: Side, b: Side, label: str = "m") -> MetricResult:
    return next(metric for metric in compare_sides(a, b, Options()) if metric.label == label)


def test_a_row_is_judged_by_its_mean_however_often_each_side_ran_it() -> None:
    found = compared(with_repeats(3, [[0.0, 0.5, 1.0]] * 20), with_repeats(1, [[0.9]] * 20))
    assert (found.mean_a, found.mean_b, found.n) == (pytest.approx(0.5), pytest.approx(0.9), 20)
    assert (found.scored_a, found.scored_b, found.verdict) == (60, 20, "better")


def test_repeats_without_a_score_are_at_their_worst_and_at_their_best() -> None:
    a = with_repeats(2, [[0.5, 0.5]] * 10)
    found = compared(a, with_repeats(2, [[0.7, FAILED], [0.7, None], *[[0.7, 0.7]] * 8]))
    assert (found.n, found.failed_b, found.missing_b, found.scored_b) == (10, 1, 1, 18)
    assert found.difference == pytest.approx(0.2)
    assert found.bounds == (pytest.approx(0.2 - 0.07), pytest.approx(0.2 + 0.03))
    assert "2 rows without all of their scores" in found.reason


def test_repeats_and_their_judge_differ_by_so_much() -> None:
    a = with_repeats(2, [[0.4, 0.6], [0.5, 0.7]])
    b = msgspec.structs.replace(a, votes={"m": [[0.5, 0.3], [0.6, 0.6]]})
    found = compared(a, b)
    assert found.spread_a == Spread(repeats=pytest.approx(0.02**0.5))
    assert found.spread_b == Spread(repeats=pytest.approx(0.02**0.5), judge=pytest.approx(0.005**0.5))
    assert found.spread_b.task == pytest.approx(0.015**0.5)
    assert compared(side({"m": [0.5]}), side({"m": [0.5]})).spread_a is None


def test_a_row_is_of_the_category_that_most_of_its_repeats_have() -> None:
    a = with_repeats(3, [[["x"], ["x"], ["y"]], [["x"], ["y"], FAILED]])
    found = compared(a, with_repeats(3, [[["x"], ["x"], ["x"]], [["y"], ["y"], ["y"]]]))
    assert (found.agreement, found.flips) == (0.5, [("x + y", "y", 1)])
    assert (found.spread_a, found.spread_b) == (Spread(agreement=0.6), Spread(agreement=1.0))


# --- For all ------------------------------------------------------------------------------------------------

_value = st.one_of(
    st.none(),
    st.just(FAILED),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, 0.25, 0.5, 1.0, 1e308, -1e308, 5e-324]),
    st.booleans(),
)
_values = st.lists(st.tuples(_value, _value), max_size=12)


@settings(max_examples=examples(60), deadline=None)
@given(_values, st.sampled_from([None, 0.0, 0.1, 10.0]))
def test_any_values_have_a_verdict_and_swapping_the_two_turns_it_round(
    pairs: list[tuple[Value, Value]], margin: float | None
) -> None:
    options = Options(margin=margin)
    a, b = side({"m": [x for x, _ in pairs]}), side({"m": [x for _, x in pairs]})
    there, back = compare_sides(a, b, options), compare_sides(b, a, options)
    for one, other in zip(there, back, strict=True):
        assert one.n + one.failed + one.missing + one.not_applicable == len(pairs)
        assert other.verdict == OPPOSITE[one.verdict]
        assert (other.wins, other.losses, other.ties) == (one.losses, one.wins, one.ties)
        assert other.p == one.p or other.p == pytest.approx(one.p)
        if one.interval is not None:
            assert one.difference is not None
            slack = 1e-9 * max(map(abs, one.interval)) + 1e-300
            assert one.interval[0] - slack <= one.difference <= one.interval[1] + slack
        # Numbers that JSON has: neither infinite nor none.
        for value in msgspec.to_builtins(one).values():
            assert not isinstance(value, float) or math.isfinite(value)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40), st.integers(0, 39))
def test_one_row_more_that_is_better_makes_nothing_worse(pairs: list[tuple[bool, bool]], place: int) -> None:
    order = ["worse", "cannot tell", "better"]
    place %= len(pairs)
    before = judged([x for x, _ in pairs], [x for _, x in pairs], Options(margin=0.0))
    pairs[place] = (pairs[place][0], True)
    after = judged([x for x, _ in pairs], [x for _, x in pairs], Options(margin=0.0))
    assert order.index(after.verdict) >= order.index(before.verdict)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40), st.data())
def test_a_failure_never_makes_a_verdict_of_none(pairs: list[tuple[bool, bool]], data: st.DataObject) -> None:
    """Whatever a failed row had come to: the verdict holds."""
    options = Options()
    lost = data.draw(st.sets(st.integers(0, len(pairs) - 1), max_size=4))
    a: list[Value] = [x for x, _ in pairs]
    b: list[Value] = [FAILED if number in lost else x for number, (_, x) in enumerate(pairs)]
    verdict = judged(a, b, options).verdict
    if verdict in ("better", "worse"):
        for filling in (True, False):
            filled = [filling if each == FAILED else each for each in b]
            assert judged(a, filled, options).verdict == verdict


def test_repeats_of_rows_rarely_alarm() -> None:
    """A small form of `benchmarks/compare_repeats.py`; taken for rows, they would in every third pair."""
    chance = random.Random(7)
    alarms = 0
    for _ in range(100):
        levels = [chance.random() for _ in range(20)]
        runs = []
        for repeats in chance.sample((3, 1), 2):
            drifted = [level + chance.gauss(0, 0.2) for level in levels]
            runs.append(
                with_repeats(
                    repeats, [[chance.gauss(each, 0.05) for _ in range(repeats)] for each in drifted]
                )
            )
        alarms += compared(*runs).verdict in ("better", "worse")
    assert stats.binomtest(alarms, 100).proportion_ci(0.999).low <= 0.05


@pytest.mark.parametrize("rows", [15, 60])
def test_two_runs_of_the_same_program_rarely_alarm(rows: int) -> None:
    """A small form of `benchmarks/compare.py`: at most 5%, as exactly as so few simulations can say."""
    chance = random.Random(rows)
    alarms = 0
    for _ in range(200):
        runs = []
        for _ in "ab":
            rates: list[Value] = [chance.random() < 0.6 for _ in range(rows)]
            scores: list[Value] = [round(chance.random(), 1) for _ in range(rows)]
            runs.append(side({"rate": rates, "score": scores}))
        compared = compare_sides(*runs, Options())
        alarms += any(metric.decides and metric.verdict in ("better", "worse") for metric in compared)
    assert stats.binomtest(alarms, 100).proportion_ci(0.999).low <= 0.05
