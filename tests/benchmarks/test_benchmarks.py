"""The benchmark command works, and its table says what was measured. No timing is asserted here."""

from __future__ import annotations

import ast
import gzip
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True, scope="module")
def _benchmarks_can_be_imported() -> None:
    """They are beside the package, not in it."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))


def test_the_command_says_what_it_does() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for option in ("--quick", "--write-manual", "--check", "--rows"):
        assert option in run.stdout


def test_a_row_that_is_not_there_is_misuse() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--rows", "nothing"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 2
    assert "no such rows: nothing" in run.stderr


def test_every_goal_is_measured_by_some_row_and_every_row_has_a_goal() -> None:
    from benchmarks.goals import GOALS
    from benchmarks.peers import PEERS

    named = {f"peer.{peer.name}" for peer in PEERS} | {"throughput"}
    for module in (ROOT / "benchmarks" / "rows").glob("*.py"):
        texts = {
            node.value
            for node in ast.walk(ast.parse(module.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        named |= texts & set(GOALS)
    written = {"call.journal", "call.memory", "block.journal", "block.memory", "threads.4", "threads.16"}
    assert named | written == set(GOALS)


def test_every_tracer_has_a_module_and_a_server_s_answers() -> None:
    from benchmarks.answers import ROUTES, answer
    from benchmarks.peers import OURS, PEERS

    names = {peer.name for peer in PEERS} | {OURS}
    assert set(ROUTES) == names
    for name in names:
        assert (ROOT / "benchmarks" / "peers" / f"{name}.py").is_file()
        assert answer(name, "POST", "/nothing/of/the/kind") is None


def test_a_goal_is_met_as_it_is_printed() -> None:
    from benchmarks.goals import Goal

    assert Goal("at most", 1.6).met(1.604)
    assert not Goal("at most", 1.6).met(1.61)
    assert Goal("at least", 20, at_least=True).met(19.999)
    assert not Goal("at least", 20, at_least=True).met(19.9)
    assert Goal("stated", None).met(99.0)


def test_the_table_says_what_was_measured_missed_and_not_measured() -> None:
    from benchmarks.figures import Figure
    from benchmarks.report import goals_table, unmet

    figures = [
        Figure("call.journal", (1.5, 1.7, 1.4)),
        Figure("large", (9.0, 8.0, 10.0), "one text 9.00"),
        Figure("peer.opik", (), "not installed: no such package"),
        Figure("threads.4", (1.02,)),
    ]
    _, _, call, opik, large, threads = goals_table(figures)
    assert "| ≤ 1.6 | 1.50 | 1.40 to 1.70 | yes |" in call
    assert "| ≤ 1.3 | 9.00 | 8.00 to 10.0 | **no** | one text 9.00 |" in large
    assert "not measured | not installed: no such package |" in opik
    assert "| stated | 1.02 | one run |" in threads
    assert unmet(figures) == ["large"]


def test_a_ratio_is_taken_round_by_round() -> None:
    from benchmarks.figures import ratios

    figure = ratios("coroutine", [2e-6, 30e-6], [1e-6, 10e-6])
    assert figure.values == (2.0, 3.0)


def test_the_manual_s_table_is_put_between_its_markers_again_and_again() -> None:
    from benchmarks.manual import BEGIN, END, spliced

    text = f"# Cost\n\n{BEGIN}\n{END}\n\nMore.\n"
    once = spliced(text, ["| old |"])
    assert once == f"# Cost\n\n{BEGIN}\n\n| old |\n\n{END}\n\nMore.\n"
    assert spliced(once, ["| new |"]) == once.replace("old", "new")
    with pytest.raises(ValueError, match="no place for the table"):
        spliced("# Cost\n", ["| new |"])


def test_the_picture_is_sound_and_says_every_figure_in_words() -> None:
    from benchmarks.plot import Bar, svg

    picture = svg([Bar("slow <&>", 524.0), Bar("this library", 6.25, ours=True)], "a machine")
    root = ElementTree.fromstring(picture)
    space = "{http://www.w3.org/2000/svg}"
    title = root.find(f"{space}title")
    assert title is not None
    assert title.text is not None
    assert title.text.endswith("this library 6.2; slow <&> 524")
    ours, other = root.findall(f"{space}rect")
    assert ours.get("class") == "ours"
    assert float(str(ours.get("width"))) < float(str(other.get("width")))


def test_the_sink_counts_the_calls_that_came_whole() -> None:
    from benchmarks.sink import Sink

    with Sink(["opentelemetry", "ddtrace"], mark="the reply") as sink:
        assert _post(sink.url("ddtrace") + "/api/v2/llmobs", b"the reply, the reply") == 202
        body = gzip.compress(b"the reply")
        assert _post(sink.url("opentelemetry") + "/v1/traces", body, {"Content-Encoding": "gzip"}) == 200
        datadog, otlp = sink.received("ddtrace"), sink.received("opentelemetry")
        assert (datadog.requests, datadog.calls, datadog.body_bytes) == (1, 2, 20)
        assert (otlp.calls, otlp.body_bytes, otlp.unknown) == (1, len(body), {})


def test_the_sink_tells_of_a_tracer_that_has_changed_its_protocol() -> None:
    from benchmarks.sink import Sink

    with Sink(["langfuse"], mark="the reply") as sink:
        assert _post(sink.url("langfuse") + "/api/new", b"the reply") == 404
        garbled = {"Content-Encoding": "gzip"}
        assert _post(sink.url("langfuse") + "/api/public/otel/v1/traces", b"not gzip", garbled) == 200
        received = sink.received("langfuse")
    assert received.calls == 0
    assert received.unknown.pop("/api/new") == 1
    assert [reason.split(":")[0] for reason in received.unknown] == ["/api/public/otel/v1/traces"]


def test_a_worker_records_calls_that_reach_the_sink(tmp_path: Path) -> None:
    from benchmarks.peers import OURS
    from benchmarks.sink import Sink

    with Sink([OURS], mark="the reply") as sink:
        commands = [json.dumps({"messages": [], "reply": "the reply"}), "burst 700 200"]
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.peers.worker", OURS, sink.url(OURS)],
            input="".join(f"{command}\n" for command in commands),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=120,
        )
        set_up, told = map(json.loads, run.stdout.splitlines())
        assert set_up["version"]
        assert told["calls"] == 700
        assert sink.received(OURS).calls == 700 + 500  # a burst to warm up


def test_what_can_t_be_installed_is_said_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.environments import NotInstalled, environment

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(NotInstalled, match="not installed: "):
        environment("nothing", ("not a requirement at all",))


def _post(url: str, body: bytes, headers: dict[str, str] | None = None) -> int:
    request = urllib.request.Request(url, body, headers or {}, method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("kind", ["requests", "tokens"])
def test_no_row_fails_by_a_provider_s_limit_and_each_is_served_once(kind: str) -> None:
    from benchmarks import limits

    rate = {"requests": 10, "tokens": 10_000}[kind]
    came = limits.measured("llmobs_trace", kind, rate, rows=40)
    assert (came["done"], came["failed"], came["served"]) == (40, 0, 40)
    assert came["refused"] > 0


def test_of_a_killed_run_no_more_calls_are_paid_twice_than_were_running(tmp_path: Path) -> None:
    from benchmarks import experiments

    calls = tmp_path / "calls"
    experiments.ran("llmobs_trace", 60, str(tmp_path), "", calls, 30, killed=True)
    took = experiments.ran("llmobs_trace", 60, str(tmp_path), "", calls)
    assert took["scored"] == 60
    assert 60 <= calls.stat().st_size <= 60 + experiments.JOBS
