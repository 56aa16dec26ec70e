"""Runs drawn from a seed of a program that sends by name, with workers, broken answers and kills, against a
scripted Datadog: each run has one experiment, and nothing that it said had ended is missing.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from support.scripted_datadog import READINGS, STEPS, Asked, Fault, ScriptedDatadog

_ROOT = Path(__file__).parents[2]
_PROGRAM = """
import multiprocessing, os, time
from llmobs_trace import *
def work(worker):
    for number in range(5):
        with experiment_span(f"{worker}-{number}"): record_metric("number", number)
        os.write(1, f"{worker}-{number}\\n".encode())
        time.sleep(0.02)
if __name__ == "__main__":
    configure()
    workers = [multiprocessing.get_context("fork").Process(target=work, args=(n,)) for n in range(3)]
    for worker in workers: worker.start()
    work("first")
    for worker in workers: worker.join()
"""
_ANSWERS = ("no answer", "lost", "half", 503, 429)


def carry_out(seed: int, number: int) -> list[str]:
    """What was promised and not kept, with what was drawn; nothing, as a rule."""
    draw = random.Random(f"{seed} {number}")
    faults = [
        Fault(draw.choice(STEPS), draw.choice(_ANSWERS), nth=draw.randint(1, 3))
        for _ in range(draw.randint(0, 4))
    ]
    reading = draw.choice(list(READINGS.values()))
    killing = (draw.choice(STEPS), draw.randint(1, 2)) if draw.random() < 0.7 else None
    with tempfile.TemporaryDirectory() as home, ScriptedDatadog(reading, *faults) as datadog:
        problems = _run(Path(home), datadog, killing, shutdown_timeout=draw.choice([0.2, 2.0, 10.0]))
    drawn = f"run {number} of seed {seed}, {reading}, {faults}, killed at {killing}"
    return [f"{problem}; {drawn}" for problem in problems]


def _run(
    home: Path, datadog: ScriptedDatadog, killing: tuple[str, int] | None, shutdown_timeout: float
) -> list[str]:
    (home / "program.py").write_text(_PROGRAM)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(_ROOT),
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "DD_API_KEY": "a" * 20,
        "DD_APP_KEY": "b" * 20,
        "LLMOBS_TRACE_BASE_URL": datadog.url,
        "LLMOBS_TRACE_PROJECT_NAME": "project",
        "LLMOBS_TRACE_DATASET_NAME": "dataset",
        "LLMOBS_TRACE_FLUSH_INTERVAL": "0.1",
        "LLMOBS_TRACE_SHUTDOWN_TIMEOUT": str(shutdown_timeout),
    }
    program = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=home,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def kill(asked: Asked) -> None:
        if killing is not None and (asked.step, datadog.steps().count(asked.step) + 1) == killing:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)

    datadog.on_request = kill
    out, err = program.communicate(timeout=120)
    datadog.on_request = lambda asked: None
    for _ in range(6):  # each may meet a fault that was drawn
        command = [sys.executable, "-m", "llmobs_trace", "resend"]
        resent = subprocess.run(command, cwd=home, env=environ, capture_output=True, text=True, timeout=120)
        if resent.returncode == 0:
            break
    return list(_problems(datadog, set(out.split()), err, resent.stdout + resent.stderr))


def _problems(datadog: ScriptedDatadog, ended: set[str], err: str, resent: str) -> list[str]:
    problems = []
    if missing := ended - {span["name"] for span in datadog.spans}:
        problems.append(f"{len(missing)} of {len(ended)} are missing: {resent}")
    made = [len(kept) for kept in (datadog.projects, datadog.datasets, datadog.experiments)]
    if max(made) > 1:
        problems.append(f"{made} projects, datasets and experiments were made")
    for span in datadog.spans:
        ids = (span["project_id"], span["dataset_id"], span["experiment"])
        if ids != tuple(kept[0]["id"] for kept in (datadog.projects, datadog.datasets, datadog.experiments)):
            problems.append(f"a span has the ids {ids}")
            break
    if "Traceback" in err or "inside the sender" in err:
        problems.append(err)
    return problems
