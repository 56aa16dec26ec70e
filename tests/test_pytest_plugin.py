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
    # Half the time of such a project would go to loading a plugin that none of them uses.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
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


@pytest.mark.parametrize("enabled", ["1", "0"])
def test_values_are_captured_and_redacted_as_the_program_is_configured_to(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, enabled: str
) -> None:
    monkeypatch.setenv("LLMOBS_TRACE_ENABLED", enabled)
    monkeypatch.setenv("LLMOBS_TRACE_CAPTURE_OUTPUT", "no")
    passes(
        project,
        """
        @experiment_span
        def answer(question): return "secret"

        def test_by_the_environment(llmobs_spans):
            answer("a secret")
            [span] = llmobs_spans
            assert (span.input, span.output) == ({"question": "a secret"}, None)

        def test_then_configured():
            configure(journal=None, capture_input=False, capture_output=True, max_event_bytes=4096,
                      redact=lambda field, value: value.replace("secret", "hidden"))

        def test_as_configured(llmobs_spans):
            answer("a secret")
            with experiment_span("with", input="a secret " * 1000): pass
            assert "secret" not in str(llmobs_spans.records)
            plain, large = llmobs_spans
            assert (plain.input, plain.output) == (None, "hidden")
            assert len(llmobs_spans.records[1]) <= 4096 and large.input.startswith("a hidden a hidden")
        """,
        count=3,
    )


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver", "subprocess"])
def test_what_a_test_s_children_record_comes_to_the_test_and_to_nothing_else(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{project.path}")
    project.makepyfile(
        work="""
        import os, sys
        from llmobs_trace import *
        def hide(field, value): return value.replace("secret", "hidden") if isinstance(value, str) else value
        @experiment_span
        def work(number):
            record_metric("m", number)
            return "secret"
        def configured(number):
            configure(experiment_name="another")
            work(number)
        """
    )
    passes(
        project,
        f"""
        import multiprocessing, os, subprocess, sys
        from pathlib import Path
        from work import configured, hide, work

        @pytest.fixture(scope="module", autouse=True)
        def store():
            configure(database="store.db", journal="journal", redact=hide)
            with experiment_span("kept"): pass
            assert flush(20)

        def start(target, number):
            if {how!r} == "subprocess":
                words = f"import work; work.{{target.__name__}}({{number}})"
                environ = {{**os.environ, **child_environment()}}
                subprocess.run([sys.executable, "-c", words], check=True, env=environ)
            else:
                child = multiprocessing.get_context({how!r}).Process(target=target, args=(number,))
                child.start(); child.join()

        def test_children(llmobs_spans):
            work(0)
            assert len(llmobs_spans) == 1
            start(work, 1)
            start(configured, 2)
            assert [span.output for span in llmobs_spans] == ["hidden"] * 3
            assert [metric.value for metric in llmobs_spans.metrics] == [0, 1, 2]
            assert len({{span.experiment_id for span in llmobs_spans}}) == 1
            llmobs_spans.clear()
            start(work, 3)
            assert len(llmobs_spans) == 1

        def test_the_store_has_what_is_its_own():
            with experiment_span("kept"): pass
            assert flush(20)
            assert [report.counts.delivered for report in survey(Path("journal"))] == [2]
            assert not Path(".llmobs").exists()
        from llmobs_trace.journal import survey
        """,
        count=2,
    )


def test_a_fork_of_a_test_itself_records_to_the_test(project: pytest.Pytester) -> None:
    """Without `multiprocessing`, and without anything that was configured."""
    passes(
        project,
        """
        import os
        from pathlib import Path
        def test_fork(llmobs_spans):
            with experiment_span("open"):
                pid = os.fork()
                if pid == 0:
                    with experiment_span("child"): pass
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
            assert sorted(span.name for span in llmobs_spans) == ["child", "open"]
            assert not Path(".llmobs").exists()
        """,
    )


def test_tests_in_worker_processes_at_once_have_each_their_own(project: pytest.Pytester) -> None:
    """As of pytest-xdist: each worker is a pytest of its own, here even with what the first one hands on."""
    project.makepyfile(
        inner="""
        import multiprocessing, os
        from llmobs_trace import *
        @experiment_span
        def work(number): return "secret"
        def test_with_it(llmobs_spans):
            work(0)
            for how in ("fork", "spawn"):
                child = multiprocessing.get_context(how).Process(target=work, args=(1,))
                child.start(); child.join()
            assert [span.output for span in llmobs_spans] == ["hidden"] * 3
        def test_without_it():
            with experiment_span(f"by {os.environ['WORKER']}"): pass
        """,
        hiding="""
        def hide(field, value): return value.replace("secret", "hidden") if isinstance(value, str) else value
        """,
    )
    passes(
        project,
        """
        import os, subprocess, sys
        from pathlib import Path
        sys.path.insert(0, os.getcwd())
        from hiding import hide

        def test_workers(llmobs_spans):
            with experiment_span("in the first"): pass
            environ = {**os.environ, **child_environment(), "PYTHONPATH": os.pathsep.join(sys.path)}
            words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "inner.py"]
            workers = [
                subprocess.Popen(words, env={**environ, "WORKER": str(number)}, stdout=subprocess.PIPE)
                for number in range(2)
            ]
            for worker in workers:
                out, _ = worker.communicate()
                assert worker.returncode == 0, out.decode()
            assert sorted(span.name for span in llmobs_spans) == ["by 0", "by 1", "in the first"]

        @pytest.fixture(scope="module", autouse=True)
        def configured():
            configure(redact=hide, journal=None, database="store.db")
            yield
            assert not Path(".llmobs").exists()
            assert delivery_stats().recorded == 0
        """,
    )


def test_a_redactor_that_did_not_arrive_fails_the_test_and_records_nothing_raw(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        inner="""
        from llmobs_trace import *
        def test_without_it():
            with experiment_span("before"): pass
        def test_with_it(llmobs_spans):
            raise SystemExit("it ran")
        """
    )
    passes(
        project,
        """
        import os, subprocess, sys
        def test_worker():
            configure(redact=lambda field, value: value, journal=None, database="store.db")
            words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "inner.py"]
            for switched in ({}, {"LLMOBS_TRACE_ENABLED": "0"}):
                environ = {**os.environ, **child_environment(), **switched}
                ended = subprocess.run(words, env=environ, capture_output=True, text=True)
                assert ended.returncode == 1
                assert "1 passed, 1 error" in ended.stdout
                assert "redact: the process that started this one could not" in ended.stdout
        """,
    )
