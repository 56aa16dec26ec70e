"""A trace goes on in other processes over HTTP, and in callbacks: right parent, and the same experiment."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import textwrap
import threading
import wsgiref.headers
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.machine import Machine
from support.receiver import Receiver, Reply

from llmobs_trace import UsageError, continue_trace, current_span, experiment_span, inject, propagate

# Its own experiment is not the client's, so that what arrives under the client's came by the headers.
SERVER = """
import json, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
configure(experiment_id="the server's own", project_id="p-server", dataset_id="d-server")

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        with continue_trace(self.headers, trust=True):
            with experiment_span("handler" + self.path) as span:
                with experiment_span("step"):
                    record_metric("in the step", 1)
                span.record_metric("of the handler", True)
            active = current_span()
            body = json.dumps({"span": span.span_id, "inside": active and active.span_id}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.readline()
assert flush(20)
"""

CLIENT = """
import json, sys, urllib.request
def get(path, headers):
    request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
"""


class Served:
    """A server process that continues traces; `run` runs a client's code, and waits for both to deliver."""

    def __init__(self, machine: Machine, server: subprocess.Popen[str], receiver: Receiver) -> None:
        assert server.stdout is not None
        self._machine, self._server, self._receiver = machine, server, receiver
        self._port = int(server.stdout.readline())

    def run(self, client: str) -> tuple[list[Any], dict[str, dict[str, Any]]]:
        """What the client told, and all spans by name: each with its `experiment`, `parent` and `metrics`."""
        told = self._machine.run(CLIENT + textwrap.dedent(client), self._port).told
        _, err = self._server.communicate("\n", timeout=30)
        assert self._server.returncode == 0, err
        spans: dict[str, dict[str, Any]] = {}
        metrics: dict[str, list[str]] = {}
        for request in self._receiver.requests():
            for metric in request.metrics:
                metrics.setdefault(metric["span_id"], []).append(
                    f"{request.experiment_id}: {metric['label']}"
                )
            for span in request.spans:
                tags = dict(tag.split(":", 1) for tag in span["tags"])
                spans[span["name"]] = {
                    **span,
                    "experiment": request.experiment_id,
                    "parent": tags.get("parent_id"),
                }
        for span in spans.values():
            span["metrics"] = metrics.get(span["span_id"], [])
        return told, spans


@pytest.fixture
def served(machine: Machine, receiver: Receiver) -> Served:
    machine.sends_to(receiver.url, "of the environment")
    return Served(machine, machine.start(SERVER, name="server"), receiver)


def test_a_trace_goes_on_in_the_process_that_serves_it(served: Served) -> None:
    _, spans = served.run("""
        ids = {"experiment_id": "é;,=: %", "project_id": "p;1,2", "dataset_id": "d=3"}
        with experiment_span("row", **ids):
            with experiment_span("call", kind="tool"):
                headers = inject({"tracestate": "vendor=1", "x": "y"})
                assert headers["tracestate"].endswith("vendor=1")
                get("/a", headers)
    """)
    assert set(spans) == {"row", "call", "handler/a", "step"}
    assert len({span["trace_id"] for span in spans.values()}) == 1
    assert spans["handler/a"]["parent"] == spans["call"]["span_id"]
    assert spans["step"]["parent"] == spans["handler/a"]["span_id"]
    for span in spans.values():
        assert (span["experiment"], span["project_id"], span["dataset_id"]) == ("é;,=: %", "p;1,2", "d=3")
    assert spans["step"]["metrics"] == ["é;,=: %: in the step"]
    assert spans["handler/a"]["metrics"] == ["é;,=: %: of the handler"]


def test_a_trace_that_is_not_sampled_stays_so_over_there(served: Served) -> None:
    told, spans = served.run("""
        configure(sample_rate=0)
        with experiment_span("row"):
            print(json.dumps(inject({})))
            print(json.dumps(get("/a", inject({}))))
    """)
    assert told[0]["traceparent"].endswith("-00")
    assert told[1]["inside"] is None
    assert spans == {}


def test_headers_that_are_malformed_or_missing_begin_a_trace_of_the_server_s_own(served: Served) -> None:
    _, spans = served.run("""
        get("/none", {})
        get("/bad", {"traceparent": "00-xyz-1-01", "tracestate": "llmobs=e:stolen;p:p;d:d"})
        get("/zero", {"traceparent": "00-" + "0" * 32 + "-" + "1" * 16 + "-01"})
        get("/ff", {"traceparent": "ff-" + "1" * 32 + "-" + "1" * 16 + "-01"})
        get("/foreign", {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "tracestate": "vendor=1"})
        wrong_ids = "llmobs=e:;p:%0A;d:"
        get("/ids", {"traceparent": "00-" + "c" * 32 + "-" + "d" * 16 + "-01", "tracestate": wrong_ids})
        with experiment_span("row") as row:
            pass
        assert inject({}) == {}
    """)
    for name in ("none", "bad", "zero", "ff"):
        assert spans[f"handler/{name}"]["parent"] is None
        assert spans[f"handler/{name}"]["experiment"] == "the server's own"
    # Another tracer's headers: its trace goes on, in the server's experiment.
    assert spans["handler/foreign"]["trace_id"] == "a" * 32
    assert spans["handler/foreign"]["parent"] == "b" * 16
    assert spans["handler/foreign"]["experiment"] == spans["handler/ids"]["experiment"] == "the server's own"


def test_requests_at_once_keep_their_callers_apart(served: Served) -> None:
    _, spans = served.run("""
        from concurrent.futures import ThreadPoolExecutor
        def call(number):
            with experiment_span(f"call {number}", experiment_id=f"e{number % 3}") as span:
                answer = get(f"/{number}", inject({}))
                # After the headers' block nothing of it is active, and inside it the remote parent is.
                assert answer["inside"] == span.span_id, answer
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(call, range(24)))
    """)
    for number in range(24):
        call, handler = spans[f"call {number}"], spans[f"handler/{number}"]
        assert handler["parent"] == call["span_id"]
        assert handler["trace_id"] == call["trace_id"]
        assert handler["experiment"] == call["experiment"] == f"e{number % 3}"


# --- In one process -----------------------------------------------------------------------------------------


def test_propagate_binds_the_active_span_to_a_callback(llmobs_spans: Any) -> None:
    @experiment_span
    def callback(number: int) -> int:
        return number * 2

    with experiment_span("row"):
        bound = propagate(callback)
    results: list[int] = []

    def on_another_thread() -> None:
        with experiment_span("unrelated"):
            results.append(bound(21))

    thread = threading.Thread(target=on_another_thread)
    thread.start()
    thread.join()
    assert results == [42]
    assert current_span() is None
    assert (
        llmobs_spans.named(callback.__qualname__.rsplit(".", 1)[-1]).parent_id
        == llmobs_spans.named("row").span_id
    )
    assert llmobs_spans.named("unrelated").parent_id is None


STRANGERS = """
configure(flush_interval=0.1, max_journal_bytes=8 << 20)
for number in range(100):
    parent = f"00-{number + 1:032x}-{'b' * 16}-01"
    trace = {"traceparent": parent, "tracestate": f"llmobs=e:h{number};p:p;d:d"}
    with continue_trace(trace, trust=TRUST), experiment_span("of a request", input="x" * 100_000): pass
    with experiment_span("own", input="y" * 1000): pass
    if number % 10 == 9:
        flush(5)
assert flush(5) is not TRUST
print(delivery_stats().delivered, delivery_stats().dropped, delivery_stats().pending_bytes)
"""


@pytest.mark.parametrize("trust", [False, True])
def test_headers_with_unknown_experiments_cost_the_program_none_of_its_own_events(
    machine: Machine, receiver: Receiver, trust: bool
) -> None:
    machine.sends_to(receiver.url)
    for number in range(100):
        receiver.usual(Reply(status=404, body='{"errors":["unknown"]}'), experiment_id=f"h{number}")
    ended = machine.run(STRANGERS.replace("TRUST", str(trust)))
    delivered, dropped, pending_bytes = map(int, ended.out.split())
    own = [span for request in receiver.accepted() for span in request.spans if span["name"] == "own"]

    assert len(own) == 100
    assert (delivered, dropped, pending_bytes) == (200, 0, 0) if not trust else delivered == 100
    assert pending_bytes <= 2 << 20
    if trust:
        assert dropped >= 75
        assert (
            f"{dropped} events were dropped, and lost: only trace headers name their experiments" in ended.err
        )
        assert len(ended.err.splitlines()) <= 6


@given(
    headers=st.dictionaries(
        st.sampled_from(["traceparent", "TraceParent", "tracestate", "x"]) | st.text(max_size=5),
        st.text(max_size=60)
        | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True)
        | st.from_regex(r"llmobs=e:.{0,9};p:.{0,9};d:.{0,9}", fullmatch=True),
        max_size=4,
    )
)
def test_no_headers_hurt(headers: dict[str, str]) -> None:
    from llmobs_trace.capture.recorder import Recorder, Scope
    from llmobs_trace.process.life import recording_to

    records: list[bytes] = []
    with recording_to(Recorder(records.append, Scope("e", "p", "d"))):
        with continue_trace(headers), experiment_span("row"):
            inject(dict(headers))
        assert current_span() is None
    assert len(records) <= 1
    for record in records:
        assert json.loads(record)["span"]["name"] == "row"


@pytest.mark.parametrize("make", [dict, http.client.HTTPMessage, wsgiref.headers.Headers])
def test_headers_that_came_in_are_handed_on_with_ours_in_the_place_of_theirs(
    llmobs_spans: Any, make: Any
) -> None:
    headers = make()
    headers["Traceparent"], headers["TraceState"] = f"00-{'a' * 32}-{'b' * 16}-01", "v=1"
    with continue_trace(headers), experiment_span("gateway") as gateway:
        onward = inject(headers)
    assert sorted(onward.keys()) == ["traceparent", "tracestate"]
    assert onward["tracestate"].endswith(",v=1")
    with continue_trace(onward), experiment_span("service") as service:
        pass
    assert (service.trace_id, service.parent_id) == (gateway.trace_id, gateway.span_id)


def test_one_object_entered_by_two_tasks_at_once_continues_each_for_itself(llmobs_spans: Any) -> None:
    remote = continue_trace({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    b_is_in, a_is_out = asyncio.Event(), asyncio.Event()

    async def a() -> None:
        with remote:
            await b_is_in.wait()
        with experiment_span("a, after"):
            a_is_out.set()

    async def b() -> None:
        with remote:
            b_is_in.set()
            await a_is_out.wait()
            with experiment_span("b, inside"):
                pass

    async def main() -> None:
        await asyncio.gather(a(), b())

    asyncio.run(main())
    assert llmobs_spans.named("a, after").parent_id is None
    assert llmobs_spans.named("b, inside").parent_id == "b" * 16


def test_headers_that_are_no_mapping_are_misuse(llmobs_spans: Any) -> None:
    from llmobs_trace.capture import recorder as slot

    message = http.client.HTTPMessage()  # no `Mapping`, but read like one
    message["traceparent"] = f"00-{'1' * 32}-{'2' * 16}-01"
    assert slot.current is not None
    slot.current.strict = True
    with continue_trace(message), experiment_span("row"):  # type: ignore[arg-type]
        pass
    assert llmobs_spans.named("row").parent_id == "2" * 16
    with pytest.raises(UsageError, match="continue_trace takes a mapping"):
        continue_trace([(b"traceparent", b"")]).__enter__()  # type: ignore[arg-type]


@given(st.tuples(*[st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=256)] * 3))
def test_ids_of_any_kind_survive_the_headers(ids: tuple[str, str, str]) -> None:
    from llmobs_trace.capture.recorder import Recorder, Scope
    from llmobs_trace.process.life import recording_to
    from llmobs_trace.wire import id_problem

    if any(map(id_problem, ids)):
        return
    records: list[bytes] = []
    with recording_to(Recorder(records.append, Scope("e", "p", "d"))):
        with experiment_span("there", experiment_id=ids[0], project_id=ids[1], dataset_id=ids[2]):
            headers = inject({})
        # A header holds ASCII, and no line ends.
        assert headers["tracestate"].isascii()
        assert headers["tracestate"].isprintable()
        with continue_trace(headers), experiment_span("here"):
            pass
    there, here = map(json.loads, records)
    assert here["experiment"] == there["experiment"] == ids[0]
    assert here["span"]["trace_id"] == there["span"]["trace_id"]
    assert (here["span"]["project_id"], here["span"]["dataset_id"]) == ids[1:]
