"""A user's machine for one test: a home, a working directory, an environment, and programs that run there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llmobs_trace
from llmobs_trace.journal import JournalReport, survey
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

from .delivery import API_KEY, APP_KEY

ROOT = Path(__file__).parents[2]
_ALL = "from llmobs_trace import *"


@dataclass
class Ended:
    """A program that has ended: its exit code (negative: the signal that killed it), and what it said."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> list[Any]:
        """The lines of JSON on its stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Machine:
    """Programs are Python source; each is a file in the working directory and runs in its own process."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable  # whose libraries its programs have
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        kept = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
        self.environ = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "PYTHONPATH": str(ROOT),
            "PYTHONFAULTHANDLER": "1",
            "PYTHONUTF8": "1",
            **self.environ,
        }

    @property
    def journal(self) -> Path:
        """Where journals are kept when nobody says."""
        return self.home / "state" / "llmobs-trace" / "journal"

    @property
    def database(self) -> Path:
        """Where the local store is when nobody says."""
        return self.home / ".llmobs" / "experiments.db"

    def sends_to(self, base_url: str, experiment_id: str = "e-1", **options: object) -> None:
        """From now on programs deliver there, and not to the local store."""
        self.environ |= {"DD_API_KEY": API_KEY, "DD_APP_KEY": APP_KEY}
        ids = {"experiment_id": experiment_id, "project_id": "p-1", "dataset_id": "d-1"}
        self.set(base_url=base_url, **ids, **options)

    def set(self, **options: object) -> None:
        """Options of ours, by their environment variables."""
        self.environ |= {f"LLMOBS_TRACE_{name.upper()}": str(value) for name, value in options.items()}

    def start(self, program: str, *arguments: object, name: str = "program") -> subprocess.Popen[str]:
        """Start a program, with pipes to it; it doesn't outlive the test. The public names that it uses are
        there where it says `from llmobs_trace import *`, or else from its first line on: loading all of them
        takes half as long again.
        """
        file = self.home / f"{name}.py"
        source = textwrap.dedent(program)
        used = [public for public in llmobs_trace.__all__ if re.search(rf"\b{public}\b", source)]
        imports = f"from llmobs_trace import {', '.join(used)}" if used else "import llmobs_trace"
        source = source.replace(_ALL, imports) if _ALL in source else f"{imports}\n{source}"
        file.write_text(source, encoding="utf-8")
        return self._start([str(file), *map(str, arguments)])

    def start_python(self, *words: object) -> subprocess.Popen[str]:
        """Start the interpreter with these words: `-m` and a module, or a file."""
        return self._start([*map(str, words)])

    def run(self, program: str, *arguments: object, code: int | None = 0, timeout: float = 60.0) -> Ended:
        """Run a program to its end, which is to come with this exit code (None: with any)."""
        return self._end(self.start(program, *arguments), code, timeout)

    def command(self, *words: str, code: int | None = 0) -> Ended:
        """Run `llmobs-trace` with these words."""
        return self._end(self._start(["-m", "llmobs_trace", *words]), code, 60.0)

    def stop(self) -> None:
        """Kill what still runs, what it forked included."""
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def stored_spans(self) -> list[dict[str, Any]]:
        """All spans in the local store, as on the wire."""
        return [json.loads(span.event) for span in self._stored(queries.spans)]

    def stored_metrics(self) -> list[dict[str, Any]]:
        """All metrics in the local store, as on the wire."""
        return [json.loads(metric.event) for metric in self._stored(queries.metrics)]

    def journals(self) -> list[JournalReport]:
        """What is in the journal's directory."""
        return survey(self.journal)

    def pending(self) -> int:
        """How many events are in journals and not delivered."""
        return sum(report.counts.pending for report in self.journals())

    def _stored(self, query: Any) -> Iterator[Any]:
        if not self.database.exists():
            return
        with Store(self.database, read_only=True) as store:
            for experiment in queries.experiments(store):
                yield from query(store, experiment.id)

    def _start(self, arguments: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [self.python, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self.home,
            env=self.environ,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def _end(self, process: subprocess.Popen[str], code: int | None, timeout: float) -> Ended:
        out, err = process.communicate(timeout=timeout)
        assert code is None or process.returncode == code, f"exit code {process.returncode}:\n{out}\n{err}"
        return Ended(process.returncode, out, err)
