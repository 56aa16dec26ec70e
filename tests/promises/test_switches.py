"""Off is off, a sample is whole traces, strict speaks up, and without keys or network everything works."""

from __future__ import annotations

import json
import logging
from collections import Counter
from typing import Any

import pytest
from support.machine import Machine
from support.receiver import Receiver

from llmobs_trace import (
    LLMObsTraceError,
    UsageError,
    configure,
    current_span,
    delivery_stats,
    experiment_span,
    flush,
    record_metric,
)

# --- Sampling -----------------------------------------------------------------------------------------------


def test_a_sample_is_of_whole_traces_with_their_metrics(machine: Machine) -> None:
    machine.set(sample_rate=0.5)
    [told] = machine.run("""
        import json, threading
        from concurrent.futures import ThreadPoolExecutor
        def row(number):
            with experiment_span("row", input=number) as span:
                sampled = current_span() is not None
                with experiment_span("child") as child:
                    record_metric("in the child", number)
                    with ThreadPoolExecutor(1) as pool:
                        pool.submit(leaf, number).result()
                    assert (current_span() is child) == sampled
                span.record_metric("of the row", number)
            record_metric("afterwards", number, span=span)
            record_metric("by id", number, span=span.span_id)
            return sampled
        @experiment_span
        def leaf(number): return number
        print(json.dumps(sum(row(number) for number in range(200))))
    """).told
    assert 40 < told < 160
    spans, metrics = machine.stored_spans(), machine.stored_metrics()
    assert Counter(span["name"] for span in spans) == {"row": told, "child": told, "leaf": told}
    assert len({span["trace_id"] for span in spans}) == told
    labels = ("in the child", "of the row", "afterwards", "by id")
    assert Counter(metric["label"] for metric in metrics) == dict.fromkeys(labels, told)


def test_at_a_rate_of_zero_nothing_is_recorded() -> None:
    configure(sample_rate=0.0)
    with experiment_span("row") as span:
        assert current_span() is None
        span.set_output("x")
        span.record_metric("m", 1)
        record_metric("m", 1)
    assert delivery_stats().recorded == 0


# --- The off switch -----------------------------------------------------------------------------------------


def test_the_off_switch_wins_over_code_and_is_silent(machine: Machine, receiver: Receiver) -> None:
    machine.sends_to(receiver.url, enabled=0, site="x", sample_rate="not a number")
    machine.environ["DD_SITE"] = "nowhere.example"
    ended = machine.run("""
        import logging, sys, threading
        logging.basicConfig(level=logging.DEBUG)
        configure(enabled=True, experiment_name="x", strict=True)
        @experiment_span
        def work(x): return x
        with experiment_span("row", input="x") as span:
            assert current_span() is None
            span.set_output(1); span.set_tags({"a": 1}); span.record_metric("m")
            span.record_exception(ValueError())
            record_metric("m", 1)
            assert work(3) == 3 and list(map(work, range(3))) == [0, 1, 2]
        record_metric("without a span")
        assert inject({}) == {}
        with continue_trace({"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}): pass
        assert flush() and shutdown()
        assert delivery_stats().recorded == 0
        assert threading.active_count() == 1
        assert not {"httpx", "sqlite3"} & set(sys.modules)
    """)
    assert ended.out + ended.err == ""
    assert receiver.requests() == []
    assert [path.name for path in machine.home.rglob("*")] == ["program.py"]


def test_code_can_switch_off_and_on_again() -> None:
    configure(enabled=False)
    with experiment_span("off") as span:
        assert current_span() is None
    configure()
    with experiment_span("on"):
        assert current_span() is not None
    span.record_metric("of a span that was never recorded", 1)
    assert flush(10)
    assert delivery_stats().recorded == 1


# --- Strict -------------------------------------------------------------------------------------------------

MISUSES = {
    "a metric without a span": lambda span: record_metric("m", 1),
    "a metric without a value": lambda span: span.record_metric("m"),
    "a metric of what is no span": lambda span: record_metric("m", 1, span=3),
    "a metric of no known type": lambda span: span.record_metric("m", 1, metric_type="number"),
    "an assessment that there is not": lambda span: span.record_metric("m", 1, assessment="good"),
    "an output of a span that has ended": lambda span: span.set_output(1),
    "tags that are no mapping": lambda span: _open_span().set_tags(["a"]),
    "a tag of the library's own": lambda span: _open_span().set_tags({"parent_id": "x"}),
    "an exception that is none": lambda span: _open_span().record_exception("oops"),
}


def _open_span() -> Any:
    return experiment_span("open").__enter__()


@pytest.mark.parametrize("misuse", MISUSES)
def test_strict_raises_for(misuse: str) -> None:
    configure(strict=True)
    with experiment_span("row") as span:
        pass
    with pytest.raises(UsageError) as raised:
        MISUSES[misuse](span)
    assert isinstance(raised.value, LLMObsTraceError)


@pytest.mark.parametrize("misuse", MISUSES)
def test_without_strict_it_is_logged_once_and_harmless(misuse: str, caplog: pytest.LogCaptureFixture) -> None:
    configure()
    with experiment_span("row") as span:
        pass
    for _ in range(5):
        MISUSES[misuse](span)
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.WARNING


# --- Neither keys nor network -------------------------------------------------------------------------------


def test_without_keys_and_without_a_network_everything_works(machine: Machine) -> None:
    # Whatever would speak to a network fails; so does looking up a name.
    ended = machine.run("""
        import sys
        def no_network(event, arguments):
            if event.startswith("socket."):
                raise OSError(f"no network: {event}")
        sys.addaudithook(no_network)
        with experiment_span("row", input="q") as span:
            with experiment_span("model", kind="llm"): span.set_output("a")
            record_metric("exact", True)
        assert flush(20)
        assert "httpx" not in sys.modules
    """)
    assert ended.out + ended.err == ""
    assert {span["name"] for span in machine.stored_spans()} == {"row", "model"}
    [found] = json.loads(machine.command("experiments", "--format", "json").out)
    assert (found["name"], found["spans"], found["metrics"]) == ("program", 2, 1)
    assert "exact" in machine.command("show", "latest").out


def test_a_bad_variable_is_told_once_and_its_default_used(machine: Machine) -> None:
    machine.set(sample_rate="often", flush_interval="-1", databse="/tmp/x")
    ended = machine.run("for number in range(3):\n    with experiment_span('row'): pass")
    assert ended.err.count("sample_rate (LLMOBS_TRACE_SAMPLE_RATE): given 'often'") == 1
    assert ended.err.count("LLMOBS_TRACE_FLUSH_INTERVAL") == 1
    assert "did you mean LLMOBS_TRACE_DATABASE?" in ended.err
    assert len(machine.stored_spans()) == 3


def test_keys_without_ids_record_to_the_store_and_say_what_is_missing(
    machine: Machine, receiver: Receiver
) -> None:
    machine.environ |= {"DD_API_KEY": "k", "DD_APP_KEY": "k"}
    machine.set(base_url=receiver.url, project_id="p")
    ended = machine.run("for number in range(3):\n    with experiment_span('row'): pass")
    [line] = ended.err.splitlines()
    assert "dataset_name (LLMOBS_TRACE_DATASET_NAME) or dataset_id (LLMOBS_TRACE_DATASET_ID)" in line
    assert receiver.connections() == 0
    assert [span["project_id"] for span in machine.stored_spans()] == ["p"] * 3


def test_where_nothing_can_be_written_the_program_runs_all_the_same(machine: Machine) -> None:
    # A file where each directory would be.
    (machine.home / "state").write_text("")
    (machine.home / ".llmobs").write_text("")
    machine.set(shutdown_timeout=0.3)
    ended = machine.run("with experiment_span('row') as span: span.set_output(1)\nprint('done')")
    assert ended.out == "done\n"
    assert "Traceback" not in ended.err
    for said in ("journal", "database", "can't be written"):
        assert said in ended.err


def test_a_log_handler_that_raises_raises_into_no_call(machine: Machine) -> None:
    machine.set(flush_interval="soon", sample_rate=7)  # two lines at the first span
    machine.run("""
        import logging
        class Raising(logging.Handler):
            def emit(self, record): raise RuntimeError("mine")
        logging.getLogger("llmobs_trace").addHandler(Raising())
        with experiment_span("first") as span: pass
        span.set_output("too late")
        span.record_metric("no value")
        with experiment_span("second", kind="no such kind"): pass
        configure(max_journal_bytes=1 << 20, flush_interval=1.0, sample_rate=1.0)
        for number in range(100):
            with experiment_span("row", input="x" * 50_000): pass
        assert flush(20)
    """)
    assert {span["name"] for span in machine.stored_spans()} == {"first", "second", "row"}
