from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import Run, RunCommand
from support.events import START_NS, metric, span

from llmobs_trace.cli import main
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.store.store import Store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A store with two experiments, `e-old` and the latest, `e-new`; in that, everything happened once."""
    path = tmp_path / "experiments.db"
    with Store(path) as store:
        store.add("e-old", [span("r", kind="experiment", start_ns=START_NS - 10**9)], [], name="before")
        spans = [
            span("r1", trace_id="t1", kind="experiment", row="row-1", name="answer", input={"q": "Why?"}),
            span("c1", trace_id="t1", parent="r1", kind="llm", name="generate", start_ns=START_NS + 1),
            span("d1", trace_id="t1", parent="c1", kind="tool", name="look up", start_ns=START_NS + 2),
            span(
                "r2",
                trace_id="t2",
                kind="experiment",
                row="row-2",
                name="answer",
                start_ns=START_NS + 10,
                error={"type": "ValueError", "message": "no answer\nat all", "stack": "Traceback"},
            ),
            span("o", trace_id="t3", parent="gone", name="orphan", start_ns=START_NS + 20),
        ]
        metrics = [
            metric("r1", "exact", True, assessment="pass"),
            metric("r2", "exact", error={"message": "judge is down"}),
            metric("c1", "f1", 0.25),
            metric("nowhere", "f1", 0.75),
        ]
        store.add("e-new", spans, metrics, name="after")
    return path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], database: Path) -> RunCommand:
    """Run a command on the store in this process."""

    def run(*words: str, on: Path | None = database) -> Run:
        chosen = [] if on is None else ["--database", str(on)]
        code = main([*words, *chosen])
        out, err = capfd.readouterr()
        return Run(code, out, err)

    return run


class Terminal(io.StringIO):
    """Where a person looks; `lines` is what was written."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Screen, Terminal]]:
    """A screen that is a terminal of a width."""

    def make(columns: int, **environ: str) -> tuple[Screen, Terminal]:
        monkeypatch.setenv("COLUMNS", str(columns))
        out = Terminal()
        return Screen(out, out, environ), out

    return make


@pytest.fixture
def pipe() -> Screen:
    return Screen(io.StringIO(), io.StringIO(), {})
