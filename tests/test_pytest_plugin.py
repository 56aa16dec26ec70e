"""The fixture `llmobs_spans` in a project of its own: a test has what it recorded, and nobody else does."""

from __future__ import annotations

import textwrap

import pytest
from support.machine import ROOT

pytest_plugins = ["pytester"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project whose tests run in a process of their own, with the plugin as its users have it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return pytester


def passes(project: pytest.Pytester, tests: str, count: int = 1) -> None:
    project.makepyfile("import pytest\nfrom llmobs_trace import *\n" + textwrap.dedent(tests))
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-q")
    result.assert_outcomes(passed=count)


def test_a_test_has_what_it_recorded_as_it_would_have_been_sent(project: pytest.Pytester) -> None:
    passes(
        project,
        """
        @experiment_span
        def answer(question):
            with experiment_span("model", kind="llm", input=question, tags={"model": "small"}) as span:
                span.set_output("4")
            record_metric("length", 1, reasoning="short", assessment="pass")
            return "4"

        def test_answer(llmobs_spans):
            answer("2+2?")
            assert llmobs_spans.tree() == {"answer": {"model": {}}}
            model, root = llmobs_spans
            assert model is llmobs_spans.named("model") and llmobs_spans[-1] is root
            assert len(llmobs_spans) == 2
            assert (model.kind, model.input, model.output) == ("llm", "2+2?", "4")
            assert model.tags == {"model": "small"}
            assert (model.parent_id, model.trace_id) == (root.span_id, root.trace_id)
            assert (root.input, root.output, root.kind) == ({"question": "2+2?"}, "4", "experiment")
            assert root.status == "ok" and root.error is None and root.parent_id is None and root.row_id
            assert root.duration_ns >= model.duration_ns >= 0
            assert model.wire["meta"] == {"input": "2+2?", "output": "4"}
            [metric] = llmobs_spans.metrics
            assert (metric.label, metric.value, metric.metric_type) == ("length", 1, "score")
            assert (metric.span_id, metric.assessment, metric.reasoning) == (root.span_id, "pass", "short")
            with pytest.raises(AssertionError, match="answer"):
                llmobs_spans.named("nothing of this name")
            llmobs_spans.clear()
            assert not llmobs_spans and not llmobs_spans.metrics
        """,
    )


def test_each_test_has_its_own_and_failures_are_there_too(project: pytest.Pytester) -> None:
    passes(
        project,
        """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        @pytest.mark.parametrize("number", [1, 2, 3])
        def test_alone(llmobs_spans, number):
            assert len(llmobs_spans) == 0
            with pytest.raises(ValueError), experiment_span("row") as span:
                span.record_metric("m", error="no")
                raise ValueError("mine")
            [found] = llmobs_spans
            assert found.status == "error" and found.error["type"] == "ValueError"
            assert found.error["message"] == "mine"
            assert llmobs_spans.metrics[0].error == "no" and llmobs_spans.metrics[0].value is None

        def test_threads_and_tasks(llmobs_spans):
            @experiment_span("leaf")
            def leaf(): pass
            async def main():
                await asyncio.gather(*(asyncio.to_thread(leaf) for _ in range(2)))
            with experiment_span("root"):
                with ThreadPoolExecutor(1) as pool: pool.submit(leaf).result()
                asyncio.run(main())
            assert llmobs_spans.tree() == {"root": {"leaf": {}, "leaf#2": {}, "leaf#3": {}}}
        """,
        count=4,
    )


def test_nothing_leaves_the_process_whatever_is_configured(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("api_key", "app_key"):
        monkeypatch.setenv(f"DD_{name.upper()}", "key")
    for name in ("experiment_id", "project_id", "dataset_id"):
        monkeypatch.setenv(f"LLMOBS_TRACE_{name.upper()}", "id")
    monkeypatch.setenv("LLMOBS_TRACE_ENABLED", "0")
    passes(
        project,
        """
        import sys, threading
        from pathlib import Path

        def test_in_memory(llmobs_spans):
            with experiment_span("row"): pass
            assert len(llmobs_spans) == 1
            assert "httpx" not in sys.modules and "sqlite3" not in sys.modules
            assert not [one for one in threading.enumerate() if one.name.startswith("llmobs")]
            assert not list(Path.home().rglob("*journal*"))

        def test_without_the_fixture():
            with experiment_span("row"):
                assert current_span() is None
        """,
        count=2,
    )


def test_what_was_configured_is_back_afterwards(project: pytest.Pytester) -> None:
    passes(
        project,
        """
        @pytest.fixture(scope="module", autouse=True)
        def configured():
            configure(journal=None)
            yield
            assert flush(10)
            assert delivery_stats().delivered == 2

        def record(name):
            with experiment_span(name): pass

        def test_before(): record("kept")
        def test_with_it(llmobs_spans):
            record("in hand")
            assert [span.name for span in llmobs_spans] == ["in hand"]
            assert delivery_stats().recorded == 1
        def test_after(): record("kept")
        """,
        count=3,
    )


def test_a_test_that_configures_has_that_from_there_on(project: pytest.Pytester) -> None:
    """What was configured before is closed by then: what came later would be recorded nowhere."""
    passes(
        project,
        """
        @pytest.fixture(scope="module", autouse=True)
        def configured():
            configure(journal=None)
            yield
            assert flush(10)
            assert (delivery_stats().recorded, delivery_stats().delivered) == (2, 2)

        def record(name):
            with experiment_span(name): pass

        def test_it(llmobs_spans):
            record("in hand")
            configure(journal=None, experiment_name="another")
            record("delivered")
            assert [span.name for span in llmobs_spans] == ["in hand"]
        def test_after(): record("delivered, too")
        """,
        count=2,
    )


@pytest.mark.parametrize("how", ["configured", "by the environment", "not at all"])
def test_misuse_raises_where_it_would_in_the_program(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "by the environment":
        monkeypatch.setenv("LLMOBS_TRACE_STRICT", "yes")
    passes(
        project,
        f"""
        from contextlib import nullcontext
        from llmobs_trace import UsageError, record_metric
        if {how!r} == "configured":
            configure(journal=None, strict=True)
        def test_misuse(llmobs_spans):
            with nullcontext() if {how!r} == "not at all" else pytest.raises(UsageError):
                record_metric("m", 1.0)
        """,
        count=1,
    )
