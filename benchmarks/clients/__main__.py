"""What tracing OpenAI's client adds to a call and to a chunk of a stream, beside other tracers.

    python -m benchmarks.clients               all of them; each is installed in an environment of its own,
                                               which is kept
    python -m benchmarks.clients ddtrace …     only these, and this library
    python -m benchmarks.clients --write-manual    and the table is put into the manual

Each is measured in pairs of processes that take turns, one with the line that its documentation gives and one
without, by the CPU time of the thread that calls. In a round each makes 25 calls and reads three streams; so
much more the median call of the one takes than that of the other, and the table gives the median of the
rounds. In brackets is where it falls nine times in ten if pairs and rounds are drawn again; where that
reaches down to nothing, the table says what it is at most.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import inlined, machine, manual
from benchmarks.clients.tracers import OTHERS, OURS, Instrumented
from benchmarks.environments import NotInstalled, environment
from benchmarks.figures import Plan
from benchmarks.rows import private_environment
from benchmarks.sink import ROOT, Sink

CHUNKS = 100
PAIRS = 3
REDRAWN = 400
BEGIN = "<!-- clients: written by `python -m benchmarks.clients --write-manual` -->"
END = "<!-- clients: its end -->"


Round = tuple[dict[str, list[float]], dict[str, list[float]]]


class Told(NamedTuple):
    """The rounds of one tracer: what calls and chunks took without its line and with it."""

    version: str
    openai: str
    pairs: list[list[Round]]

    def added(self, what: str) -> tuple[float, float, float]:
        """What it adds: the least that nine tenths of redrawn rounds say, what all rounds say, the most."""
        draw = random.Random(0)
        told = [
            [statistics.median(traced[what]) - statistics.median(bare[what]) for bare, traced in rounds]
            for rounds in self.pairs
        ]
        redrawn = sorted(
            statistics.median(
                [each for pair in draw.choices(told, k=PAIRS) for each in draw.choices(pair, k=len(pair))]
            )
            for _ in range(REDRAWN)
        )
        figure = statistics.median([each for pair in told for each in pair])
        return redrawn[REDRAWN // 20], figure, redrawn[-REDRAWN // 20]

    def bare(self, what: str) -> float:
        """What the client itself takes."""
        return statistics.median([took for rounds in self.pairs for bare, _ in rounds for took in bare[what]])


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.clients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(each.name for each in OTHERS))
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="of each pair (default 10)")
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
    told: dict[str, Told] = {}
    with tempfile.TemporaryDirectory(prefix="llmobs-bench-", ignore_cleanup_errors=True) as scratch:
        names = sorted({each.peer for each in chosen})
        with Sink(names, inlined.REPLY["content"]) as sink, _model() as model:
            plan = Plan(False, 0, arguments.rounds, Path(scratch), sink)
            for each in chosen:
                if each.name in pythons:
                    try:
                        told[each.name] = _measured(each, pythons[each.name], plan, model)
                    except (OSError, ValueError) as fault:
                        reasons[each.name] = str(fault)
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


class _Worker:
    """One of the two processes; it is asked for rounds."""

    def __init__(self, each: Instrumented, how: str, python: Path, plan: Plan, model: str) -> None:
        arguments = (each.name, how, plan.sink.url(each.peer), model, str(CHUNKS))
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  `end` closes it
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.clients.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=plan.scratch,
            env=private_environment(plan),
        )

    def ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        if not (answer := self._process.stdout.readline()):
            self._errors.seek(0)
            raise ValueError((self._errors.read().strip().splitlines() or ["it ended"])[-1][:160])
        found: dict[str, Any] = json.loads(answer)
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def _measured(each: Instrumented, python: Path, plan: Plan, model: str) -> Told:
    message = json.dumps({"messages": inlined.MESSAGES, "reply": inlined.REPLY})
    pairs = []
    for _ in range(PAIRS):
        workers = [_Worker(each, how, python, plan, model) for how in ("bare", "traced")]
        try:
            versions, _ = [worker.ask(message) for worker in workers]
            pairs.append([_round(workers, number) for number in range(plan.repeats)])
        finally:
            for worker in workers:
                worker.end()
    return Told(versions["version"], versions["openai"], pairs)


def _round(workers: list[_Worker], number: int) -> Round:
    """A round of both, each the first as often as the other."""
    order = workers if number % 2 else workers[::-1]
    took = {worker: worker.ask("") for worker in order}
    return took[workers[0]], took[workers[1]]


def _versions(told: dict[str, Told]) -> list[str]:
    others = [f"{name} {each.version}" for name, each in told.items() if name != OURS.name]
    return [f"openai {next(iter(told.values())).openai}", *others] if told else others


def _table(chosen: tuple[Instrumented, ...], told: dict[str, Told], reasons: dict[str, str]) -> Iterator[str]:
    """What each adds; this library first, the others from the cheapest call on."""
    yield "| tracer | µs added to a call | µs added to a chunk | the client itself |"
    yield "|---|---|---|---|"
    for name in sorted(told, key=lambda name: (name != OURS.name, told[name].added("call")[1])):
        call, chunk = _shown(told[name].added("call"), 0), _shown(told[name].added("chunk"), 1)
        bare = [told[name].bare(what) for what in ("call", "chunk")]
        yield f"| {name} | {call} | {chunk} | {bare[0]:,.0f} a call, {bare[1]:.0f} a chunk |"
    for each in chosen:
        if each.name in reasons:
            yield f"| {each.name} | not measured: {reasons[each.name]} | | |"


def _shown(added: tuple[float, float, float], digits: int) -> str:
    """The figure and how far it is sure; of what may be nothing the most."""
    least, figure, most = added
    if least <= 0:
        return f"at most {max(most, 0):,.{digits}f}"
    return f"{figure:,.{digits}f} ({least:,.{digits}f} to {most:,.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
