"""What the root of a trace says of the model calls in it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llmobs_trace import RecordedSpans, experiment_span
from llmobs_trace.capture import model_sums
from llmobs_trace.wire import Kind

SUMS = ("model_calls", "input_tokens", "output_tokens", "cost_usd")


def call(kind: Kind = "llm", **tags: Any) -> None:
    with experiment_span("call", kind=kind, tags=tags):
        pass


def sums(spans: RecordedSpans, root: str = "row") -> dict[str, str]:
    return {name: value for name, value in spans.named(root).tags.items() if name in SUMS}


def test_a_root_has_the_sums_of_the_calls_in_its_tree(llmobs_spans: RecordedSpans) -> None:
    with experiment_span("row"):
        call(model_name="m", input_tokens=10, output_tokens=2, cost_usd=0.1)
        with experiment_span("deeper"):
            call("embedding", input_tokens="5", cost_usd="0.2")
    assert sums(llmobs_spans) == {
        "model_calls": "2",
        "input_tokens": "15",
        "output_tokens": "2",
        "cost_usd": "0.3",
    }
    assert not set(llmobs_spans.named("deeper").tags) & set(SUMS)


def test_a_cost_is_summed_only_where_every_call_s_is_known(llmobs_spans: RecordedSpans) -> None:
    with experiment_span("row"):
        call(model_name="m", cost_usd=0.1)
        call(model_name="m")
    assert sums(llmobs_spans) == {"model_calls": "2"}


def test_a_root_that_is_a_call_says_each_name_once(llmobs_spans: RecordedSpans) -> None:
    with experiment_span("row", kind="llm", tags={"input_tokens": 10, "topic": "sums"}):
        pass
    own = [tag for tag in llmobs_spans[0].wire["tags"] if tag.startswith(SUMS)]
    assert sorted(own) == ["input_tokens:10", "model_calls:1"]
    assert llmobs_spans[0].tags["topic"] == "sums"


@pytest.mark.parametrize("kind", ["agent", "workflow", "task", "tool", "experiment", "retrieval"])
def test_totals_of_what_is_no_call_do_not_count(kind: Kind, llmobs_spans: RecordedSpans) -> None:
    with experiment_span("row"), experiment_span("agent", kind=kind, tags={"input_tokens": 30}):
        call(input_tokens=10)
        call(input_tokens=20)
    assert sums(llmobs_spans) == {"model_calls": "2", "input_tokens": "30"}
    assert llmobs_spans.named("agent").tags["input_tokens"] == "30"


def test_totals_of_a_call_that_holds_calls_do_not_count(llmobs_spans: RecordedSpans) -> None:
    with experiment_span("row"), experiment_span("ask", kind="llm", tags={"input_tokens": 30}):
        call(input_tokens=10)
        call(input_tokens=20)
    assert sums(llmobs_spans) == {"model_calls": "2", "input_tokens": "30"}


def test_a_span_of_a_call_s_kind_that_says_nothing_of_it_is_none(llmobs_spans: RecordedSpans) -> None:
    with experiment_span("row"):
        call(prompt="short")
        with experiment_span("bare", kind="llm"):
            pass
    assert sums(llmobs_spans) == {}


@pytest.mark.parametrize("wrong", ["many", None, True, float("nan"), "inf", [3], {}])
def test_what_is_no_number_is_not_known(wrong: Any, llmobs_spans: RecordedSpans) -> None:
    with experiment_span("row"):
        call(input_tokens=wrong, output_tokens=3)
    assert sums(llmobs_spans) == {"model_calls": "1", "output_tokens": "3"}


def test_calls_of_other_traces_are_theirs(llmobs_spans: RecordedSpans) -> None:
    with experiment_span("row"):
        call(input_tokens=1)
        thread = threading.Thread(target=_another_row)
        with experiment_span("within"):
            call(input_tokens=2)
    thread.start()
    thread.join()
    assert sums(llmobs_spans) == {"model_calls": "2", "input_tokens": "3"}
    assert sums(llmobs_spans, "other") == {"model_calls": "1", "input_tokens": "7"}


def _another_row() -> None:
    with experiment_span("other"):
        call(input_tokens=7)


def test_calls_in_many_threads_all_count(llmobs_spans: RecordedSpans) -> None:
    with experiment_span("row"), ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: call(input_tokens=1, output_tokens=2, cost_usd=0.25), range(2000)))
    assert sums(llmobs_spans) == {
        "model_calls": "2000",
        "input_tokens": "2000",
        "output_tokens": "4000",
        "cost_usd": "500.0",
    }


def test_nothing_is_kept_of_a_trace_without_calls_nor_of_one_that_ended(llmobs_spans: RecordedSpans) -> None:
    model_sums.forget()
    with experiment_span("row"):
        assert model_sums.by_trace == {}
        call(input_tokens=1)
        assert len(model_sums.by_trace) == 1
    assert model_sums.by_trace == {}


def test_traces_whose_roots_end_elsewhere_are_forgotten_in_time(llmobs_spans: RecordedSpans) -> None:
    model_sums.forget()
    for number in range(3 * model_sums._MOST_TRACES):
        model_sums.count(f"{number:032x}", "a", "b", {"input_tokens": 1})
    assert len(model_sums.by_trace) <= model_sums._MOST_TRACES
    model_sums.forget()
