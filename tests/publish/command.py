"""`python -m tests.publish`: 100,000 events are published to `llmobs-trace serve` by a command that is killed
at random moments and run again; then `reconcile` says what of them arrived. The exit code is 0 where nothing
is missing and nothing is there twice.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from support.events import metric, span
from support.serving import Serving

from llmobs_trace.catalog.local_catalog import LocalCatalog
from llmobs_trace.store.store import Store

_AT_ONCE = 5_000
_ENVIRON = {"DD_API_KEY": "canary-api", "DD_APP_KEY": "canary-app", "LLMOBS_TRACE_PROJECT_NAME": "bot"}


class Run(Struct, frozen=True):
    """One process: how long it lived, what it computed and the most memory that it took."""

    command: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    was_killed: bool


class Outcome(Struct, frozen=True):
    """What came of it; `said` are the last lines of `publish` and `reconcile`."""

    runs: list[Run]
    published: str
    reconciled: str
    experiments: int

    def is_whole(self, events: int) -> bool:
        """Whether all of it arrived once, in one experiment."""
        told = f"{events:,} arrived, 0 missing, 0 different, 0 twice, 0 there and not known here"
        return (self.reconciled, self.experiments) == (told, 1)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.publish", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="so many, half of them spans")
    parser.add_argument("--kills", type=int, default=8, help="so many processes are killed before one ends")
    parser.add_argument("--seed", type=int, default=None, help="the same moments again")
    parser.add_argument("--seconds", type=float, default=20.0, help="one lives for at most so long")
    options = parser.parse_args(words)
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    print(f"{options.events:,} events, {options.kills} kills, --seed {seed}", flush=True)
    chance = random.Random(seed)
    moments = [chance.uniform(0.2, options.seconds) for _ in range(options.kills)]
    with tempfile.TemporaryDirectory() as directory:
        outcome = carry_out(Path(directory), options.events, moments)
    for run in outcome.runs:
        end = "killed" if run.was_killed else "ended"
        took = f"{run.seconds:6.1f} s, {run.cpu_seconds:5.1f} s of them at work, {run.peak_mb:4.0f} MB"
        print(f"{run.command:9}  {took}, {end}")
    print(f"publish    {outcome.published}\nreconcile  {outcome.reconciled}")
    return 0 if outcome.is_whole(options.events) else 1


def carry_out(directory: Path, events: int, moments: Sequence[float]) -> Outcome:
    """Publish so many events, killed so many seconds after each start, and compare what arrived."""
    database = directory / "recorded.db"
    with Store(database) as store:
        for spans, metrics in _recorded(events // 2):
            store.add("big", spans, metrics, name="big")
    with Serving(directory / "datadog.db") as server:
        environ = {**os.environ, **_ENVIRON, "LLMOBS_TRACE_BASE_URL": server.url}
        environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        runs = []
        for seconds in (*moments, None):
            run, said = _process("publish", database, environ, seconds)
            runs.append(run)
        compared, reconciled = _process("reconcile", database, environ, None)
        runs.append(compared)
    with Store(directory / "datadog.db", read_only=True) as store:
        made = sum(1 for _ in LocalCatalog(store).find())
    return Outcome(runs, said, reconciled, made)


def _recorded(count: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
    for begin in range(0, count, _AT_ONCE):
        numbers = range(begin, min(begin + _AT_ONCE, count))
        yield (
            [span(f"s{n}", trace_id=f"t{n}", kind="experiment", row=f"r{n}", input=n) for n in numbers],
            [metric(f"s{n}", "exact", True) for n in numbers],
        )


def _process(command: str, database: Path, environ: dict[str, str], seconds: float | None) -> tuple[Run, str]:
    """Run a command, to its end or for so many seconds; what it took, and its last line."""
    words = [sys.executable, "-m", "llmobs_trace", command, "big", "--database", str(database)]
    began = time.monotonic()
    process = subprocess.Popen(
        words,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=None if seconds is None else subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    timer = None
    if seconds is not None:
        timer = threading.Timer(seconds, process.send_signal, (signal.SIGKILL,))
        timer.start()
    said = process.stdout.read().strip()
    _, status, used = os.wait4(process.pid, 0)
    if timer is not None:
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    run = Run(
        command,
        time.monotonic() - began,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss / 1024,
        process.returncode == -signal.SIGKILL,
    )
    return run, re.sub(r"; the experiment.*", "", said)
