from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import Run, RunCommand
from support.events import START_NS, everything_once, span

from llmobs_trace.cli import main
from llmobs_trace.cli.terminal.screen import Screen
from llmobs_trace.store.store import Store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A store with two experiments, `e-old` and the latest, `e-new`; in that, everything happened once."""
    path = tmp_path / "experiments.db"
    with Store(path) as store:
        store.add("e-old", [span("r", kind="experiment", start_ns=START_NS - 10**9)], [], name="before")
        store.add("e-new", *everything_once(), name="after")
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
