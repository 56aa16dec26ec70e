"""Which values of a label are the better ones, and that nobody is told so who wasn't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sides import FAILED, Value, side

from llmobs_trace.compare.comparison import Options, compare_sides, overall
from llmobs_trace.compare.direction import Recorded, Told, costly_word
from llmobs_trace.compare.pairs import Side
from llmobs_trace.compare.results import MetricResult

LOW: list[Value] = [0.2] * 40
HIGH: list[Value] = [0.5] * 40
NOBODY = Recorded()
SAYS_LOWER, SAYS_HIGHER, SAYS_BOTH = Recorded(lower=40), Recorded(higher=40), Recorded(40, 1)


def recording(values: list[Value], label: str, said: Recorded) -> Side:
    made = side({label: values})
    return Side(made.rows, made.outcomes, made.types, {label: said} if said != NOBODY else {})


def judged(
    label: str,
    *,
    told: Told | None = None,
    a: Recorded = NOBODY,
    b: Recorded = NOBODY,
    values: tuple[list[Value], list[Value]] = (LOW, HIGH),
) -> MetricResult:
    """A label that went from 0.2 to 0.5 in every row."""
    options = Options(directions={} if told is None else {label: told})
    sides = [recording(each, label, said) for each, said in zip(values, (a, b), strict=True)]
    return compare_sides(sides[0], sides[1], options)[0]


@pytest.mark.parametrize(
    "label",
    [
        *(
            "cost",
            "Cost",
            "total_cost",
            "costUSD",
            "cost_usd",
            "price",
            "usd",
            "token",
            "tokens",
            "output tokens",
        ),
        *("latency", "latency_ms", "p95Latency", "duration", "duration-seconds", "seconds", "ms", "time.ms"),
        *(
            "toxicity",
            "max toxicity",
            "is_toxic",
            "error",
            "errors",
            "HTTPErrors",
            "error_rate",
            "wordErrorRate",
        ),
    ],
)
def test_what_there_is_mostly_too_much_of_is_not_judged_until_somebody_says(label: str) -> None:
    found = judged(label)
    assert (found.verdict, found.direction, found.direction_from) == ("not judged", None, None)
    assert (found.judged, found.decides, found.p_adjusted, found.rows_needed) == (False, False, None, None)
    assert "nobody said whether more or less is better" in found.reason
    # Its numbers are there all the same, and so is in how many rows it went up and down.
    assert found.difference == pytest.approx(0.3)
    assert (found.wins, found.losses, found.ties) == (40, 0, 0)
    assert judged(label, told="lower").verdict == "worse"
    assert judged(label, told="higher").verdict == "better"
    assert judged(label, a=SAYS_LOWER, b=SAYS_LOWER).verdict == "worse"


@pytest.mark.parametrize(
    "label", ["accuracy", "accosted", "terms", "forms", "tokenization", "terror", "f1", "", "usdt"]
)
def test_any_other_metric_is_judged_by_its_being_higher_and_that_is_said_to_be_assumed(label: str) -> None:
    found = judged(label)
    assert (found.verdict, found.direction, found.direction_from) == ("better", "higher", "assumed")


@pytest.mark.parametrize(
    ("told", "a", "b", "direction", "source"),
    [
        (None, SAYS_LOWER, NOBODY, "lower", "recorded"),
        (None, NOBODY, SAYS_LOWER, "lower", "recorded"),
        (None, SAYS_HIGHER, SAYS_HIGHER, "higher", "recorded"),
        ("higher", SAYS_LOWER, SAYS_LOWER, "higher", "said"),
        ("lower", SAYS_HIGHER, SAYS_LOWER, "lower", "said"),
        ("neither", SAYS_LOWER, SAYS_LOWER, None, "said"),
        ("neither", NOBODY, NOBODY, None, "said"),
    ],
)
@pytest.mark.parametrize("label", ["quality", "cost"])
def test_who_asks_comes_before_the_records_and_these_before_the_name(
    label: str, told: Told | None, a: Recorded, b: Recorded, direction: str | None, source: str
) -> None:
    found = judged(label, told=told, a=a, b=b)
    assert (found.direction, found.direction_from) == (direction, source)
    expected = {"higher": "better", "lower": "worse", None: "not judged"}
    assert found.verdict == expected[direction]


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (
            SAYS_LOWER,
            SAYS_HIGHER,
            "A's records say that lower is better, and B's records say that higher is better",
        ),
        (
            SAYS_HIGHER,
            SAYS_LOWER,
            "A's records say that higher is better, and B's records say that lower is better",
        ),
        (SAYS_BOTH, NOBODY, "A's records say both"),
        (NOBODY, SAYS_BOTH, "B's records say both"),
        (SAYS_LOWER, SAYS_BOTH, "A's records say that lower is better, and B's records say both"),
    ],
)
def test_records_that_contradict_each_other_leave_it_unjudged_and_that_is_said(
    a: Recorded, b: Recorded, why: str
) -> None:
    found = judged("quality", a=a, b=b)
    assert (found.verdict, found.direction, found.direction_from, found.reason) == (
        *("not judged", None, "recorded", why),
    )


@pytest.mark.parametrize("passes", ["low", "high"])
def test_assessments_say_of_a_score_which_is_better_whatever_it_is_called(passes: str) -> None:
    values: list[Value] = [0.1, 0.2, 0.8, 0.9] * 10
    assessed = [(value < 0.5) == (passes == "low") for value in (0.1, 0.2, 0.8, 0.9)] * 10  # type: ignore[operator]
    a = side({"latency": values}, passed={"latency": assessed})
    b = side({"latency": [0.1] * 40}, passed={"latency": [passes == "low"] * 40})
    found = compare_sides(a, b, Options())[0]
    assert (found.direction, found.direction_from) == (
        "lower" if passes == "low" else "higher",
        "assessments",
    )
    assert found.verdict == ("better" if passes == "low" else "worse")


def test_what_passes_is_better_whatever_the_label_is_called() -> None:
    """The share of pass, where a boolean's every value was assessed."""
    a = side({"errors": [True] * 40}, passed={"errors": [False] * 40})
    b = side({"errors": [False] * 40}, passed={"errors": [True] * 40})
    found = compare_sides(a, b, Options())[0]
    assert (found.kind, found.verdict, found.direction) == ("assessment", "better", "higher")
    # Who says which value is better is taken at their word.
    told = compare_sides(a, b, Options(directions={"errors": "lower"}))[0]
    assert (told.kind, told.verdict, told.direction) == ("boolean", "better", "lower")


def test_a_gate_is_unsure_where_nothing_that_was_recorded_is_judged() -> None:
    cost, same = side({"cost": LOW}), side({"cost": HIGH})
    assert overall(compare_sides(cost, same, Options())) == "cannot tell"
    assert overall(compare_sides(cost, same, Options(directions={"cost": "lower"}))) == "worse"
    # Beside something that is judged, it decides nothing.
    both = [side({"cost": values, "right": [True] * 40 + []}) for values in (LOW, HIGH)]
    alone = [side({"right": [True] * 40}) for _ in range(2)]
    assert overall(compare_sides(both[0], both[1], Options())) == overall(
        compare_sides(alone[0], alone[1], Options())
    )


def test_what_is_not_judged_takes_no_share_of_the_level_of_false_alarms() -> None:
    a: dict[str, list[Value]] = {"right": [False] * 8 + [True] * 40}
    b: dict[str, list[Value]] = {"right": [True] * 48}
    costs: dict[str, list[Value]] = {f"cost {n}": [float(row) for row in range(48)] for n in range(20)}
    alone = compare_sides(side(a), side(b), Options())
    beside = compare_sides(side(a | costs), side(b | costs), Options())
    of = {metric.label: metric for metric in beside}
    assert next(metric for metric in alone if metric.label == "right").p_adjusted == of["right"].p_adjusted


@given(
    st.lists(st.sampled_from([0.0, 0.25, 1.0, FAILED, None]), min_size=1, max_size=30),
    st.lists(st.sampled_from([0.0, 0.25, 1.0, FAILED, None]), min_size=1, max_size=30),
)
def test_told_the_other_way_round_a_verdict_turns_round_and_nothing_else_does(
    a: list[Value], b: list[Value]
) -> None:
    turned = {"better": "worse", "worse": "better"}
    higher, lower, neither = (
        compare_sides(
            side({"m": [0.25, *a]}, rows=31), side({"m": b}, rows=31), Options(directions={"m": told})
        )[0]
        for told in ("higher", "lower", "neither")
    )
    assert lower.verdict == turned.get(higher.verdict, higher.verdict)
    assert (lower.p, lower.interval, lower.difference, lower.n) == (
        *(higher.p, higher.interval, higher.difference, higher.n),
    )
    assert (neither.p, neither.interval, neither.difference, neither.n) == (
        *(higher.p, higher.interval, higher.difference, higher.n),
    )
    assert neither.verdict == "not judged"


@given(st.text(max_size=12))
def test_any_text_is_a_label_whose_words_can_be_looked_at(text: str) -> None:
    costly_word(text)
    assert costly_word(f"{text} cost") is not None
