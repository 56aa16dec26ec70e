"""A mistake in the set-up is one clear error; configure and shutdown, in any order, lose nothing."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from typing import Any

import pytest
from support.machine import Machine
from support.receiver import Receiver, Reply

from llmobs_trace import (
    ConfigurationError,
    UsageError,
    configure,
    delivery_stats,
    experiment_span,
    flush,
    record_metric,
    shutdown,
)
from llmobs_trace.store.store import Store

# --- Set-up errors ------------------------------------------------------------------------------------------

# Options → what the message must say: the option, what was given, what would do.
WRONG: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"destination": "datadog"},
        ["destination", "api_key (DD_API_KEY)", "project_name", "destination='local'"],
    ),
    (
        {"destination": "datadog", "api_key": "a", "app_key": "b", "experiment_id": "e", "dataset_id": "d"},
        ["destination", "project_id (LLMOBS_TRACE_PROJECT_ID)"],
    ),
    ({"destination": "datdog"}, ["destination", "'datdog'", "datadog, local"]),
    ({"site": "datadog.com"}, ["site", "'datadog.com'", "datadoghq.com, us3.datadoghq.com"]),
    ({"site": "https://app.datadoghq.eu"}, ["site", "did you mean datadoghq.eu"]),
    ({"base_url": "http://example.com"}, ["base_url", "'http://example.com'", "https://", "loopback"]),
    ({"base_url": "127.0.0.1:80"}, ["base_url", "'127.0.0.1:80'", "http://127.0.0.1:8080"]),
    ({"api_key": 5}, ["api_key", "int", "string"]),
    ({"experiment_id": ""}, ["experiment_id", "''", "not empty"]),
    ({"project_id": 3}, ["project_id", "3", "string"]),
    ({"dataset_id": "a\nb"}, ["dataset_id", "control characters"]),
    ({"sample_rate": 1.5}, ["sample_rate", "1.5", "from 0 to 1"]),
    ({"sample_rate": float("nan")}, ["sample_rate", "nan", "from 0 to 1"]),
    ({"sample_rate": "half"}, ["sample_rate", "'half'", "from 0 to 1"]),
    ({"flush_interval": 0}, ["flush_interval", "0", "0.1 to 3600"]),
    ({"request_timeout": -1}, ["request_timeout", "-1", "0.1 to 3600"]),
    ({"shutdown_timeout": True}, ["shutdown_timeout", "True", "0.1 to 3600"]),
    ({"max_batch_bytes": 1.5}, ["max_batch_bytes", "1.5", "bytes"]),
    ({"max_event_bytes": 1}, ["max_event_bytes", "1", "bytes"]),
    ({"max_journal_bytes": "much"}, ["max_journal_bytes", "'much'", "bytes"]),
    ({"enabled": "perhaps"}, ["enabled", "'perhaps'", "True or False"]),
    ({"capture_input": None, "capture_output": 2}, ["capture_output", "2", "True or False"]),
    ({"instrument_threads": "x"}, ["instrument_threads", "'x'", "True or False"]),
    ({"strict": []}, ["strict", "a list", "True or False"]),
    ({"redact": "hide"}, ["redact", "'hide'", "callable"]),
    ({"redact": lambda value: value}, ["redact", "redact(field, value)"]),
    ({"database": "/dev/null/x.db"}, ["database", "'/dev/null/x.db'", "can't be written", "name a file"]),
    ({"journal": "/dev/null/journal"}, ["journal", "'/dev/null/journal'", "can't be written", "directory"]),
    ({"journal": 3}, ["journal", "3", "directory", "off"]),
    ({"api_kee": "k"}, ["api_kee", "did you mean api_key?", "sample_rate"]),
]


@pytest.mark.parametrize(
    ("options", "said"), WRONG, ids=[", ".join(options) + f" {n}" for n, (options, _) in enumerate(WRONG)]
)
def test_a_wrong_option_raises_one_clear_error(options: dict[str, Any], said: list[str]) -> None:
    configure(experiment_name="before")
    with pytest.raises(ConfigurationError) as raised:
        configure(**options)
    message = str(raised.value)
    for part in said:
        assert part in message
    assert "\n" not in message
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    # What was configured before is still at work.
    with experiment_span("row"):
        pass
    assert flush(10)
    assert delivery_stats().delivered == 1


WRONG_ARGUMENTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"kind": "lm"}, ["kind", "'lm'", "llm"]),
    ({"name": 3}, ["name", "3"]),
    ({"tags": ["a"]}, ["tags", "list", "mapping"]),
    ({"row_id": 7}, ["row_id", "7"]),
    ({"experiment_id": ""}, ["experiment_id", "empty"]),
    ({"capture_input": "yes"}, ["capture_input", "'yes'"]),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG_ARGUMENTS)
def test_a_wrong_argument_of_a_decorator_raises_where_it_stands(
    arguments: dict[str, Any], said: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        experiment_span(**arguments)(lambda: None)
    for part in said:
        assert part in str(raised.value)


@pytest.mark.parametrize(("arguments", "said"), WRONG_ARGUMENTS)
def test_a_wrong_argument_of_a_block_is_logged_and_left_out(
    arguments: dict[str, Any], said: list[str], machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    with experiment_span(**{"name": "row", **arguments}) as span:
        span.set_output("x")
    assert shutdown(10)
    [line] = caplog.messages
    for part in said:
        assert part in line
    [stored_span] = machine.stored_spans()
    assert stored_span["meta"]["output"] == "x"
    configure(strict=True)
    with pytest.raises(UsageError), experiment_span(**{"name": "row", **arguments}):
        pass


# --- Configure, shut down, and again ------------------------------------------------------------------------


def stored(machine: Machine) -> Counter[str]:
    return Counter(span["name"] for span in machine.stored_spans())


def record(*names: str) -> None:
    for name in names:
        with experiment_span(name):
            pass


def test_a_second_configure_delivers_what_was_recorded_and_then_replaces(
    machine: Machine, receiver: Receiver
) -> None:
    configure(flush_interval=3600)
    record("to the store")
    ids = {"experiment_id": "e", "project_id": "p", "dataset_id": "d"}
    configure(api_key="k", app_key="k", base_url=receiver.url, **ids)
    assert stored(machine) == {"to the store": 1}
    assert delivery_stats().recorded == 0
    record("to the receiver")
    assert flush(10)
    [request] = receiver.requests()
    assert [span["name"] for span in request.spans] == ["to the receiver"]


def test_a_span_that_is_open_while_configure_replaces_is_not_lost(machine: Machine) -> None:
    configure()
    with experiment_span("open") as span:
        span.set_input("x")
        for name in ("second", "third"):
            configure(experiment_name=name)
        record("child")
    span.record_metric("m", 1)
    assert flush(10)
    assert delivery_stats().delivered == 3
    spans = {one["name"]: one for one in machine.stored_spans()}
    assert f"parent_id:{spans['open']['span_id']}" in spans["child"]["tags"]
    assert spans["open"]["meta"] == {"input": "x"}


def test_what_memory_loses_as_configure_replaces_is_said_as_what_it_is(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    configure(journal=None)
    shutdown()
    record("too late")
    configure(journal=None)
    said = [log.getMessage() for log in caplog.records if "lost" in log.getMessage()]
    assert said == ["1 event was not delivered, and lost: there was no journal on disk"]


def test_a_redactor_that_raises_is_said_once(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    configure(redact=lambda field, value: value / 0)
    record("one", "two")
    said = [log.getMessage() for log in caplog.records]
    assert said == ["the redactor raised TypeError: a marker is recorded instead of a value (name)"]


def test_a_process_that_names_two_experiments_has_two(machine: Machine) -> None:
    for name in ("prompt-v1", "prompt-v2", "prompt-v1"):
        configure(experiment_name=name)
        record("row")
    assert shutdown()
    found = json.loads(machine.command("experiments", "--format", "json").out)
    assert {each["name"]: each["rows"] for each in found} == {"prompt-v1": 2, "prompt-v2": 1}


def test_what_is_pending_as_configure_replaces_is_said_and_kept(
    machine: Machine, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.stop_listening()
    ids = {"experiment_id": "e", "project_id": "p", "dataset_id": "d"}
    configure(api_key="k", app_key="k", base_url=receiver.url, shutdown_timeout=0.1, **ids)
    record("kept")
    configure()
    said = [log.getMessage() for log in caplog.records if "not delivered" in log.getMessage()]
    assert said == [
        "1 event is not delivered yet; the next run will deliver what is left, or: llmobs-trace resend"
    ]
    assert "1 recorded = 0 delivered + 1 pending" in machine.command("doctor", code=None).out


def test_what_was_pending_as_configure_replaced_is_delivered_once_the_server_takes_it(
    machine: Machine, receiver: Receiver
) -> None:
    receiver.usual(Reply(status=503))
    options: dict[str, Any] = {"experiment_id": "e", "project_id": "p", "dataset_id": "d"}
    options |= {"api_key": "k", "app_key": "k", "base_url": receiver.url, "shutdown_timeout": 0.1}
    configure(**options)
    record("kept")
    configure(**options)
    receiver.usual(Reply())
    # At once, and not when the sender would look for ended processes next, in a minute.
    for count in itertools.count(1):
        receiver.wait_for(count)
        if receiver.accepted():
            break
    [span] = receiver.accepted()[0].spans
    assert span["name"] == "kept"
    assert delivery_stats().recorded == 0


def test_a_metric_of_a_span_from_before_a_second_configure_goes_where_the_span_went_unless_by_id_alone(
    machine: Machine,
) -> None:
    configure(experiment_id="first")
    with experiment_span("row") as row:
        pass
    with experiment_span("own", experiment_id="own") as own:
        pass
    configure(experiment_id="second")
    record_metric("span", 1, span=row)
    record_metric("id", 1, span=row.span_id)
    record_metric("id of its own", 1, span=own.span_id)
    assert flush(20)
    with Store(machine.database, read_only=True) as store:
        placed = list(store.select("SELECT label, experiment_id FROM metrics"))
    assert dict(placed) == {"span": "first", "id": "second", "id of its own": "own"}


def test_shutdown_and_configure_may_be_called_again_and_again(machine: Machine) -> None:
    assert shutdown()
    assert flush()
    for _ in range(3):
        configure()
        record("row")
        assert shutdown(10)
        assert shutdown(10)
        assert flush(10)
    assert stored(machine) == {"row": 3}
    senders = [thread for thread in threading.enumerate() if thread.name == "llmobs-trace-sender"]
    assert senders == []


def test_spans_recorded_after_shutdown_are_kept(machine: Machine) -> None:
    ended = machine.run("""
        with experiment_span("before"): pass
        assert shutdown(10)
        with experiment_span("after"): record_metric("m", 1)
        assert delivery_stats().pending == 2
    """)
    assert "2 events are not delivered yet" in ended.err
    machine.command("resend")
    assert stored(machine) == {"before": 1, "after": 1}


def test_spans_recorded_after_shutdown_go_with_the_next_configure(machine: Machine) -> None:
    configure()
    assert shutdown(10)
    record("between")
    assert not flush(0.1)
    configure()
    record("row")
    assert shutdown(10)
    assert stored(machine) == {"between": 1, "row": 1}


def test_configure_from_many_threads_at_once_leaves_one_sender(machine: Machine) -> None:
    def work(number: int) -> None:
        configure(experiment_name=str(number))
        record("row")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shutdown(10)
    configure()
    assert shutdown(10)
    assert stored(machine) == {"row": 8}


def test_many_configurations_leave_one_sender_and_no_descriptor_behind(machine: Machine) -> None:
    machine.run("""
        import os, threading
        def cycle():
            configure()
            with experiment_span("row"): pass
            assert shutdown(10)
        for _ in range(3): cycle()
        before = len(os.listdir("/dev/fd"))
        for _ in range(60): cycle()
        configure()
        with experiment_span("row"): pass
        assert len(os.listdir("/dev/fd")) <= before + 2, os.listdir("/dev/fd")
        senders = [thread for thread in threading.enumerate() if "llmobs" in thread.name]
        assert len(senders) <= 1, senders
    """)
    assert stored(machine) == {"row": 64}
    assert machine.pending() == 0


@pytest.mark.parametrize("to", ["the store", "the receiver"])
@pytest.mark.parametrize("patched", ["before the import", "after the import"])
def test_a_program_that_gevent_has_patched_records_and_delivers(
    machine: Machine, receiver: Receiver, to: str, patched: str
) -> None:
    if to == "the receiver":
        machine.sends_to(receiver.url, flush_interval=0.1)
    imports = ["from gevent import monkey; monkey.patch_all()", "from llmobs_trace import *"]
    if patched == "after the import":
        imports.reverse()
    machine.run(
        "\n".join(imports)
        + """
import gevent
def row(number):
    with experiment_span("row") as span:
        gevent.sleep(0.001 * (number % 3))
        with experiment_span("step"): gevent.sleep(0)
        record_metric("number", number)
gevent.joinall([gevent.spawn(row, number) for number in range(50)], raise_error=True)
assert flush(20)
row(50)
"""
    )
    names = Counter(span["name"] for one in receiver.requests() for span in one.spans) or stored(machine)
    assert names == {"row": 51, "step": 51}
    assert machine.pending() == 0
