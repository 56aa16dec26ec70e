from __future__ import annotations

import collections
import dataclasses
import decimal
import enum
import fractions
import logging
import math
import time
import types
from unittest import mock

import numpy
import pandas
import pytest
import wrapt
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace import UsageError, experiment_span, record_metric
from llmobs_trace.capture import recorder as slot
from llmobs_trace.capture.metric import typed
from llmobs_trace.encode import Redactor


@pytest.fixture(autouse=True)
def everything_is_said_again():
    """Misuse is logged once a minute; each test starts afresh."""
    slot.forget_what_was_said()


@pytest.fixture
def said(caplog):
    """A callable: the lines logged so far."""
    caplog.set_level(logging.WARNING, "llmobs_trace")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def one(llmobs_spans):
    """A callable: record a metric within a span of its own; what was recorded of it."""

    def record(*args, **kwargs):
        with experiment_span("row"):
            record_metric(*args, **kwargs)
        return llmobs_spans.metrics[-1]

    return record


class Grade(enum.Enum):
    GOOD = "good"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Judged:
    verdict: str
    score: float


# --- value → type -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "metric_type", "sent"),
    [
        (True, "boolean", True),
        (False, "boolean", False),
        (0, "score", 0),
        (3, "score", 3),
        (-0.25, "score", -0.25),
        (2**53, "score", 2**53),
        (10**25, "score", 1e25),
        (Level.HIGH, "score", 3),
        (numpy.float32(0.5), "score", 0.5),
        (numpy.float64(0.5), "score", 0.5),
        (numpy.int64(7), "score", 7),
        (numpy.bool_(True), "boolean", True),
        (decimal.Decimal("0.5"), "score", 0.5),
        ("good", "categorical", "good"),
        ("", "categorical", ""),
        (Grade.GOOD, "categorical", "good"),
        ({"a": 1}, "json", {"a": 1}),
        ({}, "json", {}),
        (collections.OrderedDict(a=1), "json", {"a": 1}),
        (types.MappingProxyType({"a": 1}), "json", {"a": 1}),
        (Judged("pass", 0.5), "json", {"verdict": "pass", "score": 0.5}),
        ([1, 2], "json", {"value": [1, 2]}),
    ],
)
def test_the_type_follows_from_the_value(one, value, metric_type, sent):
    metric = one("label", value)
    assert (metric.metric_type, metric.value, metric.error) == (metric_type, sent, None)
    assert type(metric.value) is type(sent) or metric_type == "score"
    values = [name for name in metric.wire if name.endswith("_value")]
    assert values == [f"{metric_type}_value"]


@pytest.mark.parametrize(
    ("value", "metric_type", "sent"),
    [
        (True, "score", 1),
        (False, "score", 0),
        (1, "categorical", "1"),
        (0.5, "categorical", "0.5"),
        (True, "categorical", "true"),
        ({"a": 1}, "categorical", '{"a":1}'),
        ("good", "json", {"value": "good"}),
        (1, "json", {"value": 1}),
        (True, "boolean", True),
    ],
)
def test_unless_the_type_is_named(one, value, metric_type, sent):
    metric = one("label", value, metric_type=metric_type)
    assert (metric.metric_type, metric.value, metric.error) == (metric_type, sent, None)


@pytest.mark.parametrize(
    ("value", "metric_type"),
    [("0.5", "score"), ("yes", "boolean"), (1, "boolean"), ({"a": 1}, "score"), ([1], "score")],
)
def test_a_value_that_cannot_be_of_the_named_type_is_an_error_and_not_lost(one, value, metric_type):
    metric = one("label", value, metric_type=metric_type)
    assert (metric.metric_type, metric.value) == (metric_type, None)
    assert metric.error


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        numpy.float64("nan"),
        numpy.float32("inf"),
        decimal.Decimal("NaN"),
        decimal.Decimal("Infinity"),
        10**400,
        -(10**400),
    ],
)
def test_a_score_that_is_not_finite_is_sent_with_an_error_and_not_as_a_number(one, value):
    metric = one("label", value)
    assert (metric.metric_type, metric.value) == ("score", None)
    assert "not finite" in metric.error
    assert "score_value" not in metric.wire


@pytest.mark.parametrize(
    "value", [numpy.ma.masked, numpy.ma.array([0.9], mask=[1]).mean(), pandas.NA, pandas.NaT]
)
def test_a_value_that_says_it_is_missing_is_an_error_and_neither_a_number_nor_a_category(one, value):
    metric = one("label", value)
    assert (metric.metric_type, metric.value) == ("score", None)
    assert "the value is missing" in metric.error
    assert one("label", value, metric_type="categorical").metric_type == "categorical"
    assert one("label", "NaT").value == "NaT"


def test_a_value_is_what_its_type_is_and_not_what_it_answers_for(one):
    class Lazy:
        @property
        def __class__(self):
            raise RuntimeError("a query")

    for stands_in in (wrapt.ObjectProxy(0.5), mock.Mock(spec=float), Lazy()):
        metric = one("label", stands_in)
        assert (metric.metric_type, metric.error) == ("categorical", None)


def test_an_evaluator_that_failed_is_a_score_without_a_value(one):
    metric = one("label", error="the judge timed out")
    assert (metric.metric_type, metric.value, metric.error) == ("score", None, "the judge timed out")


def test_an_evaluator_that_failed_is_of_the_type_it_names(one):
    metric = one("label", None, error="timed out", metric_type="categorical")
    assert (metric.metric_type, metric.value, metric.error) == ("categorical", None, "timed out")


def test_an_error_may_be_an_exception(one):
    assert one("label", error=ValueError("no answer")).error == "no answer"


def test_an_error_may_be_an_exception_without_a_message(one):
    assert isinstance(one("label", error=TimeoutError()).error, str)


def test_an_exception_whose_message_raises_is_named(one):
    class Broken(Exception):
        def __str__(self):
            raise RuntimeError("no")

    assert "Broken" in one("label", error=Broken()).error


def test_a_value_and_an_error_are_both_sent(one):
    metric = one("label", 0.5, error="partly")
    assert (metric.value, metric.error) == (0.5, "partly")


@given(
    value=st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.dictionaries(st.text(), st.integers()),
        st.decimals(),
        st.fractions(),
        st.binary(),
        st.dates(),
        st.none(),
    ),
    named=st.sampled_from([None, "score", "categorical", "boolean", "json"]),
)
def test_any_value_gets_a_type_and_either_a_fitting_json_value_or_a_reason(value, named):
    import msgspec

    metric_type, encoded, problem = typed(value, named)
    assert metric_type == named or named is None
    if encoded is None:
        assert problem is not None or value is None
        return
    assert problem is None
    sent = msgspec.json.decode(encoded)
    fits = {"score": (int, float), "categorical": str, "boolean": bool, "json": dict}[metric_type]
    assert isinstance(sent, fits)
    if metric_type == "score":
        assert not isinstance(sent, bool)
        assert math.isfinite(sent)
        if isinstance(value, (bool, int, float)):
            assert sent == pytest.approx(float(value), rel=1e-15)


# --- which span ---------------------------------------------------------------------------------------------


def test_the_span_is_the_active_one(llmobs_spans):
    with experiment_span("row"), experiment_span("model"):
        record_metric("m", 1)
    assert llmobs_spans.metrics[0].span_id == llmobs_spans.named("model").span_id


def test_the_span_may_be_named_by_itself_or_by_its_id_and_may_have_ended(llmobs_spans):
    with experiment_span("row") as span:
        pass
    record_metric("by span", 1, span=span)
    record_metric("by id", 2, span=span.span_id)
    record_metric("of another process", 3, span="00f067aa0ba902b7")
    span.record_metric("by method", 4)
    ids = [metric.span_id for metric in llmobs_spans.metrics]
    assert ids == [span.span_id, span.span_id, "00f067aa0ba902b7", span.span_id]


def test_a_spans_own_record_metric_takes_the_same_arguments(llmobs_spans):
    given = {
        "metric_type": "score",
        "assessment": "fail",
        "reasoning": "because",
        "tags": {"judge": "small"},
        "metadata": {"tokens": 5},
        "error": "partly",
        "timestamp_ms": 1_700_000_000_000,
        "lower_is_better": True,
    }
    with experiment_span("row") as span:
        record_metric("one", 0.5, **given)
        span.record_metric("two", 0.5, **given)
    first, second = (metric.wire for metric in llmobs_spans.metrics)
    assert {**first, "label": "two"} == second


def test_a_metric_goes_to_the_experiment_of_its_span(llmobs_spans):
    with experiment_span("row", experiment_id="other") as span:
        record_metric("inside", 1)
        with experiment_span("child"):
            record_metric("deeper", 2)
    record_metric("after", 3, span=span)
    record_metric("by id", 4, span=span.span_id)
    assert [metric.experiment_id for metric in llmobs_spans.metrics] == ["other"] * 4


def test_where_the_trace_is_not_sampled_nothing_is_recorded_and_nothing_said(llmobs_spans, said):
    slot.current.sample_rate = 0.0
    with experiment_span("row") as span:
        record_metric("m", 1)
        with experiment_span("child") as child:
            record_metric("m", 1)
            child.record_metric("m", 1)
        record_metric("m", 1, span=span)
        record_metric("m", 1, span=child)
        record_metric("m", 1, span=child.span_id)
    assert llmobs_spans.metrics == []
    assert said() == []


def test_where_tracing_is_off_nothing_is_recorded_and_nothing_said(llmobs_spans, said):
    slot.current.enabled = False
    with experiment_span("row") as span:
        record_metric("m", 1)
        span.record_metric("m", 1)
        record_metric("m", 1, span=span.span_id)
    record_metric("m")
    assert llmobs_spans.metrics == []
    assert said() == []


# --- the rest of a metric -----------------------------------------------------------------------------------


def test_assessment_reasoning_tags_and_metadata_are_sent(one):
    metric = one(
        "faithful",
        True,
        assessment="pass",
        reasoning="quotes the passage",
        tags={"judge": "small", "tokens": 12, "cached": True},
        metadata={"prompt": ["a", "b"]},
    )
    assert metric.wire == {
        "span_id": metric.span_id,
        "label": "faithful",
        "metric_type": "boolean",
        "boolean_value": True,
        "assessment": "pass",
        "reasoning": "quotes the passage",
        "tags": ["judge:small", "tokens:12", "cached:true"],
        "metadata": {"prompt": ["a", "b"]},
        "timestamp_ms": metric.timestamp_ms,
    }


@pytest.mark.parametrize(("said", "sent"), [(True, "true"), (False, "false"), (numpy.bool_(True), "true")])
def test_which_values_are_better_is_sent_as_a_tag_before_the_users_own(one, said, sent):
    metric = one("toxicity", 0.2, lower_is_better=said, tags={"judge": "small", "lower_is_better": "maybe"})
    assert metric.wire["tags"] == [f"lower_is_better:{sent}", "judge:small", "lower_is_better:maybe"]
    assert "tags" not in one("toxicity", 0.2).wire


def test_which_values_are_better_gets_past_a_redactor_of_tags(one):
    slot.current.redactor = Redactor(lambda field, value: None if field == "tags" else value)
    assert one("toxicity", 0.2, lower_is_better=True, tags={"a": 1}).wire["tags"] == ["lower_is_better:true"]


@pytest.mark.parametrize("given", ["yes", 1, 0.0, [True]])
def test_what_says_neither_true_nor_false_of_what_is_better_is_said_and_left_out(one, said, given):
    assert "tags" not in one("toxicity", 0.2, lower_is_better=given).wire
    assert "lower_is_better is neither True nor False: ignored" in said()[0]


def test_metadata_that_is_no_mapping_is_wrapped(one):
    assert one("m", 1, metadata=["a"]).metadata == {"value": ["a"]}


def test_the_time_may_be_given(one):
    assert one("m", 1, timestamp_ms=1_700_000_000_123).timestamp_ms == 1_700_000_000_123


@pytest.mark.parametrize("given", [1_700_000_000_123.9, numpy.int64(1_700_000_000_123)])
def test_the_time_may_be_any_number(one, given):
    assert one("m", 1, timestamp_ms=given).timestamp_ms == 1_700_000_000_123


@pytest.mark.parametrize("given", ["soon", True, math.nan, math.inf, 2**63, -(2**64), 10**400, [], object()])
def test_a_time_that_is_none_is_said_and_now_takes_its_place(one, said, given):
    before_ms = time.time_ns() // 1_000_000
    assert before_ms <= one("m", 1, timestamp_ms=given).timestamp_ms <= time.time_ns() // 1_000_000
    assert len(said()) == 1
    assert "timestamp_ms is not milliseconds since the epoch" in said()[0]


def test_a_time_that_is_none_raises_in_strict_mode(llmobs_spans):
    slot.current.strict = True
    with experiment_span("row"), pytest.raises(UsageError, match="timestamp_ms"):
        record_metric("m", 1, timestamp_ms="soon")


def test_two_equal_metrics_are_two_metrics(llmobs_spans):
    with experiment_span("row"):
        for _ in range(20):
            record_metric("m", 1, timestamp_ms=1000)
        record_metric("m", 2, timestamp_ms=1000)
    assert [metric.timestamp_ms for metric in llmobs_spans.metrics] == [*range(1000, 1020), 1000]
    assert len(set(llmobs_spans.records)) == len(llmobs_spans.records)


@pytest.mark.parametrize(
    ("label", "text"), [(5, "5"), (0.5, "0.5"), (Grade.GOOD, "good"), (collections.UserString("k"), "k")]
)
def test_a_number_or_a_member_of_an_enum_may_be_a_label(one, label, text):
    assert one(label, 1).label == text


@pytest.mark.parametrize("left", ["", None])
def test_a_label_that_a_redactor_empties_is_said_to_be_removed(one, left):
    slot.current.redactor = Redactor(lambda field, value: left if field == "label" else value)
    assert one("secret", 1).label == "[removed by the redactor]"


def test_a_metric_is_the_value_at_the_call(llmobs_spans):
    value = {"a": [1]}
    with experiment_span("row"):
        record_metric("m", value, metadata=value)
        value["a"].append(2)
    assert (llmobs_spans.metrics[0].value, llmobs_spans.metrics[0].metadata) == ({"a": [1]}, {"a": [1]})


def test_a_metric_larger_than_an_event_may_be_is_cut_and_stays_what_it_is(llmobs_spans):
    slot.current.max_event_bytes = 20_000
    with experiment_span("row"):
        record_metric("m", "x" * 100_000, reasoning="y" * 50_000, metadata={"z": "z" * 50_000})
    (metric,) = llmobs_spans.metrics
    assert metric.metric_type == "categorical"
    assert isinstance(metric.value, str)
    assert isinstance(metric.metadata, dict)
    assert len(llmobs_spans.records[0]) <= 20_000


def test_the_longest_id_leaves_a_metric_within_the_bound_of_an_event(llmobs_spans):
    slot.current.max_event_bytes = 2048
    record_metric("m" * 9_000, "x" * 9_000, span="\U0001f600" * 256, reasoning="y" * 9_000)
    assert len(llmobs_spans.records[0]) <= 2048


# --- misuse -------------------------------------------------------------------------------------------------

MISUSE = {
    "no span is active": lambda: record_metric("m", 1),
    "an empty id": lambda: record_metric("m", 1, span=""),
    "a span of another type": lambda: record_metric("m", 1, span=7),
    "an id of spaces": lambda: record_metric("m", 1, span="  "),
    "an id longer than any": lambda: record_metric("m", 1, span="a" * 200_000),
    "an id with the end of a line": lambda: record_metric("m", 1, span="00f067aa0ba902b7\n"),
    "an id that is no UTF-8": lambda: record_metric("m", 1, span="\ud800"),
    "value and label": lambda: _inside(lambda: record_metric(0.9, "faithfulness")),
    "value and label, by method": lambda: _inside(lambda span: span.record_metric(True, "faithfulness")),
    "another library's number and a label": lambda: _inside(lambda: record_metric(numpy.float32(1), "f")),
    "a mapping and a label": lambda: _inside(lambda: record_metric({"f": 1}, "faithfulness")),
    "a label that is empty": lambda: _inside(lambda: record_metric("", 1)),
    "a label of spaces": lambda: _inside(lambda: record_metric(" \n", 1)),
    "a label that is none": lambda: _inside(lambda: record_metric(None, 1)),
    "a label that is a truth value": lambda: _inside(lambda: record_metric(True, 1)),
    "a label that is an object": lambda: _inside(lambda: record_metric(object(), 1)),
    "a label of bytes": lambda: _inside(lambda: record_metric(b"m", 1)),
    "neither value nor error": lambda: _inside(lambda: record_metric("m")),
    "neither value nor error, by method": lambda: _inside(lambda span: span.record_metric("m")),
}


def _inside(act):
    with experiment_span("row") as span:
        act(span) if act.__code__.co_argcount else act()


@pytest.mark.parametrize("misuse", MISUSE.values(), ids=MISUSE)
def test_misuse_is_logged_once_and_records_nothing(llmobs_spans, said, misuse):
    misuse()
    misuse()
    assert len(said()) == 1
    assert "nothing recorded" in said()[0]
    assert llmobs_spans.metrics == []


@pytest.mark.parametrize("misuse", MISUSE.values(), ids=MISUSE)
def test_strict_makes_misuse_raise(llmobs_spans, misuse):
    slot.current.strict = True
    with pytest.raises(UsageError):
        misuse()
    assert llmobs_spans.metrics == []


def test_an_unknown_type_or_assessment_is_said_and_left_out(llmobs_spans, said):
    with experiment_span("row"):
        record_metric("m", 0.5, metric_type="number", assessment="maybe")
    (metric,) = llmobs_spans.metrics
    assert (metric.metric_type, metric.value, metric.assessment) == ("score", 0.5, None)
    assert len(said()) == 2


def test_hostile_arguments_never_reach_the_user(llmobs_spans):
    class Hostile:
        def __getattr__(self, name):
            raise RuntimeError(name)

        __str__ = __repr__ = __bool__ = __len__ = __iter__ = __hash__ = __getattr__
        __eq__ = __getattr__

    with experiment_span("row"):
        record_metric(Hostile(), Hostile())
        record_metric("m", Hostile())
        record_metric("m", 1, reasoning=Hostile(), metadata=Hostile())
        record_metric("m", 1, tags=Hostile())
        record_metric("m", 1, timestamp_ms="soon")
        record_metric("m", 1, metric_type=[], assessment={})
        record_metric("m", 1, metric_type=numpy.array([1, 2]), assessment=numpy.array([1, 2]))
        record_metric("m", error=5)
    assert len(llmobs_spans.metrics) == 7
    assert current_after() is None


def test_a_member_of_an_enum_that_is_a_text_names_a_type(one):
    class Of(str, enum.Enum):
        TYPE = "categorical"
        ASSESSMENT = "fail"

    metric = one("label", 1, metric_type=Of.TYPE, assessment=Of.ASSESSMENT)
    assert (metric.metric_type, metric.value, metric.assessment) == ("categorical", "1", "fail")


def current_after():
    from llmobs_trace import current_span

    return current_span()


def test_a_fraction_and_other_unknown_numbers_are_still_sent_as_something(one):
    metric = one("m", fractions.Fraction(1, 2))
    assert metric.value is not None or metric.error
