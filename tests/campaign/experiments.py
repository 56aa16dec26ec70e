"""Experiments in the campaign: a program that runs one is killed at random moments, and run again until it is
whole; then it has to have come to what its twin came to, which nobody killed.

What is random is drawn in `draw`; `carry_out` runs the processes; `check` is pure. Its five clauses are: the
same rows and metrics; the same that is shown; no step paid for twice but those that a kill cut off; ledgers
that balance; and what was cut off is in no row.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct
from support.machine import Machine

EVALUATORS = 2
_PROGRAM = Path(__file__).with_name("experiment_program.py")
_PATIENCE_SECONDS = 120


class Kill(Struct, frozen=True, kw_only=True):
    """A signal, after so many calls of the user's functions in the process, or after so much time."""

    by: Literal["SIGKILL", "SIGTERM", "SIGINT"]
    after_calls: int = 0
    after_seconds: float = 0.0


class ExperimentPlan(Struct, frozen=True, kw_only=True):
    """One run. `raises` and `passes_later` are rows: one raises each time, one at its first attempt."""

    seed: int
    run: int
    rows: int
    repeats: int
    jobs: int
    kind: Literal["sync", "async", "processes"]
    raises: int
    passes_later: int
    kills: list[Kill]

    def as_json(self) -> bytes:
        """For the program, and for a person who reads what failed."""
        return msgspec.json.encode(self)

    @property
    def command(self) -> str:
        """What to type to have exactly this run again."""
        return f"python -m tests.campaign --seed {self.seed} --run {self.run}"


class ExperimentEvidence(Struct, kw_only=True):
    """What the program and its twin left."""

    shown: dict[str, Any]
    twin_shown: dict[str, Any]
    calls: Counter[str]
    twin_calls: Counter[str]
    kills: int
    orderly: int
    verdict: str
    strays: list[list[str]]
    code: int
    twin_code: int


def draw(seed: int, run: int) -> ExperimentPlan:
    """The plan of one run."""
    chance = random.Random(f"experiment {seed}/{run}")
    rows = chance.randint(4, 30)
    return ExperimentPlan(
        seed=seed,
        run=run,
        rows=rows,
        repeats=chance.choice([1, 1, 2, 3]),
        jobs=chance.choice([1, 2, 4, 8]),
        kind=chance.choice(["sync", "sync", "async", "processes"]),
        raises=chance.randrange(rows),
        passes_later=chance.randrange(rows),
        kills=[_kill(chance, rows) for _ in range(chance.randint(1, 4))],
    )


def _kill(chance: random.Random, rows: int) -> Kill:
    by: Any = chance.choice(["SIGKILL", "SIGKILL", "SIGKILL", "SIGTERM", "SIGINT"])
    if chance.random() < 0.3:
        return Kill(by=by, after_seconds=round(chance.uniform(0.2, 1.5), 3))
    return Kill(by=by, after_calls=int(chance.triangular(1, rows * 4, rows)))


def carry_out(plan: ExperimentPlan) -> ExperimentEvidence:
    """Run the twin, then the program as often as it takes."""
    home = Path(tempfile.mkdtemp(prefix="campaign-"))
    machine, twin = Machine(home / "program"), Machine(home / "twin")
    try:
        for one in (machine, twin):
            one.home.mkdir()
            (one.home / "plan.json").write_bytes(plan.as_json())
        twin_code = _whole(twin)
        ended: list[int] = []
        for kill in plan.kills:
            ended.append(_killed(machine, kill))
            if _is_whole(machine):
                # The kill came too late: the same command begins a new one.
                ended.clear()
                for name in ("calls", "passed", "shown.json"):
                    (machine.home / name).unlink(missing_ok=True)
        code = _whole(machine)
        return ExperimentEvidence(
            shown=json.loads((machine.home / "shown.json").read_text()),
            twin_shown=json.loads((twin.home / "shown.json").read_text()),
            calls=_calls(machine),
            twin_calls=_calls(twin),
            kills=ended.count(-signal.SIGKILL),
            orderly=ended.count(130),
            verdict=machine.command("doctor", code=None).out.splitlines()[-1],
            strays=_strays(machine),
            code=code,
            twin_code=twin_code,
        )
    finally:
        machine.stop()
        twin.stop()
        shutil.rmtree(home, ignore_errors=True)


def _whole(machine: Machine) -> int:
    process = machine.start_python(_PROGRAM)
    _, said = process.communicate(timeout=_PATIENCE_SECONDS)
    assert (machine.home / "shown.json").exists(), said
    return process.returncode


def _killed(machine: Machine, kill: Kill) -> int:
    """How the process ended; 0 where it was over before."""
    words = (kill.by, kill.after_calls) if kill.after_calls else ()
    process = machine.start_python(_PROGRAM, *words)
    try:
        process.wait(_PATIENCE_SECONDS if kill.after_calls else kill.after_seconds)
    except subprocess.TimeoutExpired:
        if kill.after_calls:
            raise
        process.send_signal(signal.Signals[kill.by])
        process.wait(_PATIENCE_SECONDS)
    # A pool's workers are left by a program that is killed, and wait for it.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode


def _is_whole(machine: Machine) -> bool:
    """Whether nothing is left of the last run."""
    runs = sorted(machine.home.glob("state/llmobs-trace/runs/*/steps.jsonl"), key=os.path.getmtime)
    # Of a run that was killed at its very beginning there is a file without a line.
    # What a killed process leaves behind its last line is zeros.
    lines = runs[-1].read_bytes().rstrip(b"\0").splitlines() if runs else []
    return any(b'"finished"' in line for line in lines[-1:])


def _calls(machine: Machine) -> Counter[str]:
    return Counter((machine.home / "calls").read_text().splitlines())


def _strays(machine: Machine) -> list[list[str]]:
    """The tags of spans whose parent is not there."""
    spans = machine.stored_spans()
    ids = {f"parent_id:{span['span_id']}" for span in spans}
    parents = [[tag for tag in span["tags"] if tag.startswith("parent_id:")] for span in spans]
    return [
        span["tags"] for span, parent in zip(spans, parents, strict=True) if parent and not set(parent) & ids
    ]


def check(plan: ExperimentPlan, evidence: ExperimentEvidence) -> list[str]:
    """Everything that is promised, one sentence for each promise that was not kept."""
    problems = []
    for what, found in evidence.twin_shown.items():
        if evidence.shown[what] != found:
            clause = 1 if what in ("rows", "metrics") else 2
            problems.append(f"clause {clause}: {what} is {evidence.shown[what]}, and its twin's {found}")
    if evidence.code != evidence.twin_code:
        problems.append(f"clause 2: it ended with {evidence.code}, and its twin with {evidence.twin_code}")
    more = evidence.calls - evidence.twin_calls
    # Of the row that passes later a first attempt may be cut off, and repeats at once may all be first.
    most = evidence.kills * plan.jobs * (1 + EVALUATORS) + evidence.kills + plan.repeats - 1
    if sum(more.values()) > most:
        problems.append(f"clause 3: {sum(more.values())} calls were made again, {most} may be: {more}")
    later = Counter({f"task {plan.passes_later}": plan.repeats - 1})
    if missing := evidence.twin_calls - evidence.calls - later:
        problems.append(f"clause 3: these calls were never made: {missing}")
    if not evidence.verdict.startswith("nothing lost: "):
        problems.append(f"clause 4: the doctor says {evidence.verdict!r}")
    for tags in evidence.strays:
        if not any(tag.startswith("attempt:") for tag in tags):
            problems.append(f"clause 5: a span of no row is no cut-off attempt's: {tags}")
    return problems
