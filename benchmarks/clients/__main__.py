"""What tracing OpenAI's client adds to a call and to a chunk of a stream, beside other tracers.

    python -m benchmarks.clients               all of them; each is installed in an environment of its own,
                                               which is kept
    python -m benchmarks.clients ddtrace …     only these, and this library
    python -m benchmarks.clients --write-manual    and the table is put into the manual

Each is measured in a process of its own, by the CPU time of the thread that calls: bare at first, then with
the one line that its documentation gives. All take turns, in as many processes as there are rounds; the table
gives the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import inlined, machine, manual
from benchmarks.clients.tracers import OTHERS, OURS, Instrumented
from benchmarks.environments import NotInstalled, environment
from benchmarks.figures import Plan
from benchmarks.rows import private_environment
from benchmarks.sink import ROOT, Sink

CHUNKS = 1_000
BEGIN = "<!-- clients: written by `python -m benchmarks.clients --write-manual` -->"
END = "<!-- clients: its end -->"
_SECONDS = 300


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.clients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(each.name for each in OTHERS))
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="processes for each (default 5)")
    parser.add_argument("--write-manual", action="store_true", help="put the table into the manual")
    arguments = parser.parse_args()
    if unknown := {*arguments.names} - {each.name for each in OTHERS}:
        parser.error(f"no such tracers: {', '.join(sorted(unknown))}")
    chosen = (OURS, *[each for each in OTHERS if not arguments.names or each.name in arguments.names])
    pythons: dict[str, Path] = {}
    reasons: dict[str, str] = {}
    for each in chosen:
        try:
            name, needs = f"client-of-{each.name.lower()}", (*each.requirements, "openai")
            pythons[each.name] = Path(sys.executable) if each is OURS else environment(name, needs)
        except NotInstalled as fault:
            reasons[each.name] = str(fault)
    told: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="llmobs-bench-", ignore_cleanup_errors=True) as scratch:
        names = sorted({each.peer for each in chosen})
        with Sink(names, inlined.REPLY["content"]) as sink, _model() as model:
            plan = Plan(False, 0, 0, Path(scratch), sink)
            for _ in range(arguments.rounds):
                for each in chosen:
                    if each.name in pythons and each.name not in reasons:
                        try:
                            one = _run(each, pythons[each.name], plan, model)
                            told.setdefault(each.name, []).append(one)
                        except (subprocess.SubprocessError, ValueError) as fault:
                            reasons[each.name] = _said(fault)
    lines = [*machine.described(_versions(told)), "", *_table(chosen, told, reasons)]
    print(*lines, sep="\n", flush=True)
    if arguments.write_manual:
        path = ROOT / ".github" / "docs" / "cost.md"
        path.write_text(manual.spliced(path.read_text(), lines, BEGIN, END))
    return int(OURS.name not in told)


@contextmanager
def _model() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.clients.server", str(CHUNKS)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
    finally:
        server.communicate("")


def _run(each: Instrumented, python: Path, plan: Plan, model: str) -> dict[str, Any]:
    arguments = (each.name, plan.sink.url(each.peer), model, str(CHUNKS), "5")
    done = subprocess.run(
        [str(python), "-m", "benchmarks.clients.worker", *arguments],
        input=json.dumps({"messages": inlined.MESSAGES, "reply": inlined.REPLY}) + "\n",
        cwd=plan.scratch,
        env=private_environment(plan),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or ["no reason given"])[-1][:160])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _said(fault: Exception) -> str:
    return f"not within {_SECONDS} s" if isinstance(fault, subprocess.TimeoutExpired) else str(fault)


def _versions(told: dict[str, list[dict[str, Any]]]) -> list[str]:
    others = [f"{name} {rounds[0]['version']}" for name, rounds in told.items() if name != OURS.name]
    return [f"openai {next(iter(told.values()))[0]['openai']}", *others] if told else others


def _table(
    chosen: tuple[Instrumented, ...], told: dict[str, list[dict[str, Any]]], reasons: dict[str, str]
) -> Iterator[str]:
    """What each adds; this library first, the others from the cheapest call on."""
    yield "| tracer | µs added to a call | µs added to a chunk | the client itself |"
    yield "|---|---|---|---|"
    added = {
        name: [
            statistics.median(one[f"traced_{what}"] - one[f"bare_{what}"] for one in rounds)
            for what in ("call", "chunk")
        ]
        for name, rounds in told.items()
    }
    for name in sorted(added, key=lambda name: (name != OURS.name, added[name][0])):
        call, chunk = added[name]
        bare = [statistics.median(one[f"bare_{what}"] for one in told[name]) for what in ("call", "chunk")]
        yield f"| {name} | {call:,.0f} | {chunk:.1f} | {bare[0]:,.0f} a call, {bare[1]:.0f} a chunk |"
    for each in chosen:
        if each.name in reasons:
            yield f"| {each.name} | not measured: {reasons[each.name]} | | |"


if __name__ == "__main__":
    sys.exit(main())
