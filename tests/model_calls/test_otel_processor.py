"""What the span processor promises: of what is left out, never ends, is remote, forked or shut down."""

from __future__ import annotations

import gc
import json
import os
import random
import threading
from typing import Any

import pytest
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from support.nesting import leaf
from support.otel import parents_of, tracing

from llmobs_trace import (
    configure,
    continue_trace,
    current_span,
    delivery_stats,
    experiment_span,
    flush,
    inject,
    instrument,
)
from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.model_calls.foreign import known
from llmobs_trace.not_errors import NotErrors
from llmobs_trace.otel import SpanProcessor
from llmobs_trace.store.store import Store

# --- what is left out ---------------------------------------------------------------------------------------


def test_children_of_what_only_passes_over_are_those_of_the_nearest_kept_span_around(
    llmobs_spans: Any,
) -> None:
    with tracing(only=lambda span: not span.name.startswith("x")) as tracer, experiment_span("b1"):
        with tracer.start_as_current_span("x2"), tracer.start_as_current_span("x3"):
            leaf("b4")
            with tracer.start_as_current_span("o5"), tracer.start_as_current_span("x6"):
                leaf("b7")
                tracer.start_span("o8").end()
        run = tracer.start_span("x9")
        tracer.start_span("o10", context=set_span_in_context(run)).end()
        run.end()
    assert parents_of(llmobs_spans) == {
        "b1": None,
        "b4": "b1",
        "o5": "b1",
        "b7": "o5",
        "o8": "o5",
        "o10": "b1",
    }


def test_children_of_a_root_that_is_passed_over_are_roots_each_of_a_trace_of_its_own(
    llmobs_spans: Any,
) -> None:
    with tracing(only=lambda span: span.name != "x") as tracer, tracer.start_as_current_span("x"):
        leaf("b1")
        with tracer.start_as_current_span("o2"):
            leaf("b3")
        tracer.start_span("o4").end()
    assert parents_of(llmobs_spans) == {"b1": None, "o2": None, "b3": "o2", "o4": None}


def test_only_sees_what_a_span_has_when_its_first_child_opens_and_when_it_ends(llmobs_spans: Any) -> None:
    with tracing(only=lambda span: "wanted" in (span.attributes or {})) as tracer, experiment_span("b1"):
        with tracer.start_as_current_span("at once") as span:
            span.set_attribute("wanted", True)
            leaf("b2")
        with tracer.start_as_current_span("too late") as span:
            leaf("b3")
            span.set_attribute("wanted", True)
        with tracer.start_as_current_span("never"):
            leaf("b4")
    # One that comes to be wanted after a child has been given another parent is kept all the same.
    assert parents_of(llmobs_spans) == {
        "b1": None,
        "at once": "b1",
        "b2": "at once",
        "too late": "b1",
        "b3": "b1",
        "b4": "b1",
    }


def test_a_span_is_kept_where_only_raises_and_the_program_hears_nothing_of_it(llmobs_spans: Any) -> None:
    def only(span: Any) -> bool:
        raise KeyError(span.name)

    with tracing(only=only) as tracer, tracer.start_as_current_span("o1"):
        leaf("b2")
    assert parents_of(llmobs_spans) == {"o1": None, "b2": "o1"}


class _ByName(Sampler):
    """Leaves out what begins with an `x`, whatever is around it; `r` is recorded, and not sampled."""

    def should_sample(self, parent_context: Any, trace_id: int, name: str, *more: Any, **how: Any) -> Any:
        decisions = {"x": Decision.DROP, "r": Decision.RECORD_ONLY}
        return SamplingResult(decisions.get(name[0], Decision.RECORD_AND_SAMPLE))

    def get_description(self) -> str:
        return "by name"


@pytest.mark.parametrize("unsampled", ["x", "r"])
def test_children_of_what_is_not_sampled_are_those_of_the_nearest_sampled_span(
    unsampled: str, llmobs_spans: Any
) -> None:
    with tracing(sampler=_ByName()) as tracer:
        outer = tracer.start_span("o1")
        token = context_api.attach(set_span_in_context(outer))
        with tracer.start_as_current_span(unsampled):
            leaf("b2")
            tracer.start_span("o3").end()
        context_api.detach(token)
        outer.end()
        with tracer.start_as_current_span("x"):
            leaf("b4")
    assert parents_of(llmobs_spans) == {"o1": None, "b2": "o1", "o3": "o1", "b4": None}


def test_an_unsampled_trace_of_opentelemetry_leaves_ours_as_they_are(llmobs_spans: Any) -> None:
    with tracing(sampler=ALWAYS_OFF) as tracer, experiment_span("b1"), tracer.start_as_current_span("o2"):
        leaf("b3")
    assert parents_of(llmobs_spans) == {"b1": None, "b3": "b1"}


def test_a_trace_that_we_left_out_is_left_out_with_opentelemetry_s_spans(llmobs_spans: Any) -> None:
    slot.get().sample_rate = 0.0
    with tracing() as tracer, experiment_span("b1"), tracer.start_as_current_span("o2"):
        leaf("b3")
        assert current_span() is None
    with tracing() as tracer, tracer.start_as_current_span("o4"):
        leaf("b5")
    assert parents_of(llmobs_spans) == {}


def test_nothing_is_recorded_nor_asked_while_the_library_is_off(llmobs_spans: Any) -> None:
    slot.get().enabled = False

    def only(span: Any) -> bool:
        raise AssertionError

    with tracing(only=only) as tracer, tracer.start_as_current_span("o1"), experiment_span("b2"):
        pass
    assert list(llmobs_spans) == []


# --- remote parents -----------------------------------------------------------------------------------------


def _remote(trace_id: int, span_id: int, *, sampled: bool = True) -> Any:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return set_span_in_context(
        NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags))
    )


@pytest.mark.parametrize("way", ["named", "current"])
def test_a_remote_parent_is_the_parent_and_its_trace_goes_on(way: str, llmobs_spans: Any) -> None:
    with tracing() as tracer:
        if way == "named":
            with tracer.start_as_current_span("o1", context=_remote(0xAB, 0xCD)):
                leaf("b2")
        else:
            token = context_api.attach(_remote(0xAB, 0xCD))
            with tracer.start_as_current_span("o1"):
                leaf("b2")
            leaf("b3")
            with experiment_span("b4"):
                tracer.start_span("o5").end()
            context_api.detach(token)
    assert {span.trace_id for span in llmobs_spans} == {f"{0xAB:032x}"}
    assert llmobs_spans.named("o1").parent_id == f"{0xCD:016x}"
    assert llmobs_spans.named("b2").parent_id == llmobs_spans.named("o1").span_id
    if way == "current":
        assert llmobs_spans.named("b3").parent_id == f"{0xCD:016x}"
        assert llmobs_spans.named("o5").parent_id == llmobs_spans.named("b4").span_id


def test_a_remote_parent_that_is_not_sampled_there_is_not_ours(llmobs_spans: Any) -> None:
    with tracing(sampler=_ByName()) as tracer:
        token = context_api.attach(_remote(0xAB, 0xCD, sampled=False))
        with tracer.start_as_current_span("o1"):
            leaf("b2")
        leaf("b3")
        context_api.detach(token)
    assert parents_of(llmobs_spans) == {"o1": None, "b2": "o1", "b3": None}


def test_headers_of_ours_that_opentelemetry_reads_continue_the_trace_and_its_experiment(
    llmobs_spans: Any,
) -> None:
    with tracing() as tracer:
        with experiment_span("b1", experiment_id="another"):
            headers = inject({})
        context = TraceContextTextMapPropagator().extract(headers)
        with tracer.start_as_current_span("o2", context=context):
            leaf("b3")
    assert parents_of(llmobs_spans) == {"b1": None, "o2": "b1", "b3": "o2"}
    assert {span.experiment_id for span in llmobs_spans} == {"another"}


def test_headers_of_opentelemetry_s_that_we_read_continue_its_trace(llmobs_spans: Any) -> None:
    headers: dict[str, str] = {}
    with tracing() as tracer:
        with tracer.start_as_current_span("o1"):
            TraceContextTextMapPropagator().inject(headers)
        with continue_trace(headers):
            leaf("b2")
    assert parents_of(llmobs_spans) == {"o1": None, "b2": "o1"}


# --- ids and times ------------------------------------------------------------------------------------------


def test_a_root_keeps_its_trace_id_and_every_span_its_id_and_its_times(llmobs_spans: Any) -> None:
    with tracing() as tracer:
        root = tracer.start_span("o1", start_time=1_700_000_000_000_000_001)
        context = root.get_span_context()
        root.end(end_time=1_700_000_001_000_000_003)
        with experiment_span("b2"):
            inner = tracer.start_span("o3")
            inner.end()
    recorded = llmobs_spans.named("o1")
    assert recorded.trace_id == f"{context.trace_id:032x}"
    assert recorded.span_id == f"{context.span_id:016x}"
    assert (recorded.start_ns, recorded.duration_ns) == (1_700_000_000_000_000_001, 1_000_000_002)
    assert recorded.kind == "task"
    inside = llmobs_spans.named("o3")
    assert inside.trace_id == llmobs_spans.named("b2").trace_id
    assert inside.tags["otel.trace_id"] == f"{inner.get_span_context().trace_id:032x}"


def test_a_program_that_seeds_random_for_each_row_loses_no_span(llmobs_spans: Any) -> None:
    """OpenTelemetry draws its ids from `random`: then they are the same ones again."""
    with tracing() as tracer:
        for row in range(3):
            random.seed(0)
            with tracer.start_as_current_span(f"o{row}"):
                leaf(f"b{row}")
        outer = tracer.start_span("outer")
        with trace.use_span(outer):
            random.seed(0)
            with tracer.start_as_current_span("inner"):
                leaf("b3")
        outer.end()
    assert len({span.span_id for span in llmobs_spans}) == len(list(llmobs_spans)) == 9
    found = parents_of(llmobs_spans)
    assert {found[f"b{row}"] for row in range(3)} == {f"o{row}" for row in range(3)}
    assert (found["inner"], found["b3"]) == ("outer", "inner")


# --- the user's own words -----------------------------------------------------------------------------------


def test_the_current_span_may_be_one_of_opentelemetry_s_and_be_told_more(llmobs_spans: Any) -> None:
    with tracing() as tracer, tracer.start_as_current_span("o1", attributes={"input.value": "theirs"}):
        span = current_span()
        assert span is not None
        span.set_input("mine")
        span.set_tags({"stage": "draft"})
        span.record_metric("good", True)
        assert inject({})["traceparent"].split("-")[2] == span.span_id
    recorded = llmobs_spans.named("o1")
    assert (recorded.input, recorded.tags["stage"]) == ("mine", "draft")
    assert [metric.span_id for metric in llmobs_spans.metrics] == [recorded.span_id]


def test_redaction_and_what_is_not_captured_are_as_for_our_own_spans(llmobs_spans: Any) -> None:
    from llmobs_trace.encode import Redactor

    recorder = slot.get()
    recorder.redactor = Redactor(
        lambda field, value: json.loads(json.dumps(value).replace("secret", "***")), slot.say
    )
    told = {"gen_ai.operation.name": "chat", "gen_ai.prompt.0.content": "a secret", "note": "secret"}
    with tracing() as tracer:
        with (
            pytest.raises(ValueError, match="secret"),
            tracer.start_as_current_span("a secret", attributes=told),
        ):
            raise ValueError("secret")
        recorder.capture_input = recorder.capture_output = False
        tracer.start_span("blind", attributes=told).end()
    assert "secret" not in json.dumps([span.wire for span in llmobs_spans])
    assert llmobs_spans.named("a ***").error["message"] == "***"
    assert llmobs_spans.named("blind").input is None
    assert "gen_ai.prompt.0.content" not in llmobs_spans.named("blind").tags


# --- the end ------------------------------------------------------------------------------------------------


def test_what_nobody_ends_is_recorded_when_it_is_collected_and_at_the_provider_s_end(
    llmobs_spans: Any,
) -> None:
    with tracing() as tracer:
        lost = tracer.start_span("lost", attributes={"k": "v"})
        with trace.use_span(lost):
            leaf("b1")
        del lost
        gc.collect()
        assert llmobs_spans.named("lost").tags["k"] == "v"
        held = tracer.start_span("held", attributes={"k": "v"})
    assert parents_of(llmobs_spans) == {"b1": "lost", "lost": None, "held": None}
    assert {llmobs_spans.named(name).tags["otel.ended"] for name in ("lost", "held")} == {"false"}
    held.end()  # too late, and no second record
    assert len(list(llmobs_spans)) == 3


def test_after_its_shutdown_a_processor_records_nothing_and_leaves_no_trace(llmobs_spans: Any) -> None:
    gc.collect()
    before = set(active._blocks)  # what other tests left to nobody
    with tracing() as tracer:
        pass
    with tracer.start_as_current_span("o1"):
        leaf("b2")
    assert parents_of(llmobs_spans) == {"b2": None}
    assert active._elsewhere is None
    assert set(active._blocks) <= before


def test_spans_that_ended_are_held_by_nobody(llmobs_spans: Any) -> None:
    with tracing() as tracer:
        for number in range(50):
            with tracer.start_as_current_span(f"o{number}"), experiment_span(f"b{number}"):
                pass
        del number
        gc.disable()
        try:
            assert len(known) <= 1  # without the collector's help
        finally:
            gc.enable()


def test_force_flush_and_shutdown_deliver(tmp_path: Any) -> None:
    configure(database=tmp_path / "x.db", flush_interval=3600)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    tracer = provider.get_tracer("tests")
    tracer.start_span("o1").end()
    assert provider.force_flush(30_000)
    assert delivery_stats().delivered == 1
    tracer.start_span("o2").end()
    provider.shutdown()
    assert (delivery_stats().delivered, delivery_stats().pending) == (2, 0)
    leaf("b3")  # the library itself goes on
    assert flush(timeout=30)
    assert delivery_stats().delivered == 3


def test_two_processors_of_one_provider_record_a_span_once(llmobs_spans: Any) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    provider.add_span_processor(SpanProcessor())
    with provider.get_tracer("tests").start_as_current_span("o1"):
        leaf("b2")
    provider.shutdown()
    assert parents_of(llmobs_spans) == {"o1": None, "b2": "o1"}


def test_processors_that_are_called_in_threads_of_their_own_find_the_same_parents(llmobs_spans: Any) -> None:
    with (
        tracing(active_span_processor=ConcurrentMultiSpanProcessor(2)) as tracer,
        experiment_span("b1"),
        tracer.start_as_current_span("o2"),
        experiment_span("b3"),
    ):
        tracer.start_span("o4").end()
    assert parents_of(llmobs_spans) == {"b1": None, "o2": "b1", "b3": "o2", "o4": "b3"}


def test_a_forked_child_starts_anew_and_records_its_parent_s_spans_no_second_time(tmp_path: Any) -> None:
    configure(destination="local", database=tmp_path / "x.db", journal=tmp_path / "journal")
    with tracing() as tracer:
        with tracer.start_as_current_span("o1") as outer:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    leaf("b2")
                    with tracer.start_as_current_span("o3"):
                        leaf("b4")
                    outer.end()
                    status = 0 if flush(timeout=30) and delivery_stats().recorded == 3 else 2
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert flush(timeout=30)
        assert delivery_stats().recorded == 1
    assert _stored(tmp_path / "x.db") == {
        "o1": None,
        "b2": None,
        "o3": None,
        "b4": "o3",
    }


def _stored(database: Any) -> dict[str, str | None]:
    with Store(database) as store:
        spans = list(store.select("SELECT span_id, parent_id, name FROM spans"))
    names = {span_id: name for span_id, _, name in spans}
    return {name: names.get(parent_id) for _, parent_id, name in spans}


# --- errors -------------------------------------------------------------------------------------------------


def test_an_exception_is_the_error_with_its_stack(llmobs_spans: Any) -> None:
    with tracing() as tracer, pytest.raises(ZeroDivisionError), tracer.start_as_current_span("o1"):
        1 / 0
    recorded = llmobs_spans.named("o1")
    assert recorded.status == "error"
    assert recorded.error["type"] == "ZeroDivisionError"
    assert recorded.error["message"] == "division by zero"
    assert "1 / 0" in recorded.error["stack"]


def test_a_status_without_an_exception_is_an_error_too_and_ok_is_none(llmobs_spans: Any) -> None:
    with tracing() as tracer:
        with tracer.start_as_current_span("told", attributes={"error.type": "timeout"}) as span:
            span.set_status(StatusCode.ERROR, "it took too long")
        with tracer.start_as_current_span("handled") as span:
            span.record_exception(ValueError("tried again"))
            span.set_status(StatusCode.OK)
        with tracer.start_as_current_span("recorded") as span:
            span.record_exception(ValueError("and left so"))
    assert llmobs_spans.named("told").error == {
        "type": "timeout",
        "message": "it took too long",
        "stack": "",
    }
    assert llmobs_spans.named("handled").status == "ok"
    assert llmobs_spans.named("recorded").error["message"] == "and left so"


@pytest.mark.parametrize("named", [[LookupError], ["builtins.LookupError"]])
def test_an_exception_that_the_program_calls_no_error_is_how_the_span_ended(
    named: Any, llmobs_spans: Any
) -> None:
    """`isinstance` decides, also of what is known by its name alone."""
    slot.get().not_errors = NotErrors.of(named)
    with tracing() as tracer:
        with pytest.raises(KeyError), tracer.start_as_current_span("o1"):
            raise KeyError("enough")
        with pytest.raises(ZeroDivisionError), tracer.start_as_current_span("o2"):
            1 / 0
    assert (llmobs_spans.named("o1").status, llmobs_spans.named("o1").tags["ended_by"]) == ("ok", "KeyError")
    assert llmobs_spans.named("o2").status == "error"


# --- one call is one span -----------------------------------------------------------------------------------


@pytest.mark.parametrize("outermost", ["ours", "theirs"])
def test_a_client_that_both_instrument_has_one_span_a_call(
    outermost: str, llmobs_spans: Any, server: Any
) -> None:
    import openai
    from support.model_server import openai as answers

    server.will(answers.chat({"content": "yes"}))
    instrument("openai")
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0)
    told = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}

    def ask() -> None:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}])

    with tracing() as tracer, experiment_span("row"):
        if outermost == "theirs":
            with tracer.start_as_current_span("their chat", attributes=told):
                ask()
        else:
            send = client._client.send

            def sent(*args: Any, **how: Any) -> Any:
                with tracer.start_as_current_span("their chat", attributes=told), experiment_span("http"):
                    return send(*args, **how)

            client._client.send = sent  # type: ignore[method-assign]
            ask()
    kinds = [span.name for span in llmobs_spans if span.kind == "llm"]
    assert kinds == (["their chat"] if outermost == "theirs" else ["chat m"])
    if outermost == "ours":
        assert parents_of(llmobs_spans) == {"row": None, "chat m": "row", "http": "chat m"}


def test_a_call_that_another_tracer_tells_of_at_its_end_alone_counts_once(
    llmobs_spans: Any, server: Any
) -> None:
    import openai
    from support.model_server import openai as answers

    server.will(answers.chat({"content": "yes"}))
    instrument("openai")
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0)
    told = {"openinference.span.kind": "LLM", "llm.model_name": "m", "llm.token_count.prompt": 9}
    with tracing() as tracer, experiment_span("row"):
        # As LangChain's callbacks: never current, and described when they end.
        for is_asked in (True, False):
            span = tracer.start_span("ChatOpenAI")
            if is_asked:
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}])
            span.set_attributes(told)
            span.end()
    kinds = [(span.name, span.kind) for span in llmobs_spans]
    assert kinds == [("chat m", "llm"), ("ChatOpenAI", "task"), ("ChatOpenAI", "llm"), ("row", "experiment")]
    assert llmobs_spans.named("row").tags["model_calls"] == "2"


def test_ten_threads_of_a_thousand_spans_lose_none(llmobs_spans: Any) -> None:
    def work(tracer: Any, number: int) -> None:
        for each in range(500):
            with tracer.start_as_current_span(f"o{number}.{each}"), experiment_span(f"b{number}.{each}"):
                pass

    with tracing() as tracer:
        threads = [threading.Thread(target=work, args=(tracer, number)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    found = parents_of(llmobs_spans)
    assert len(found) == 10_000
    assert all(found[name] == f"o{name[1:]}" for name in found if name[0] == "b")
