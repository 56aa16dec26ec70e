"""What this library costs beside a hand-inlined span and beside other tracers: one command, one table.

    python -m benchmarks                 everything, in under 20 minutes; other tracers are installed first,
                                         each in an environment of its own that is kept for the next time
    python -m benchmarks --quick         without other tracers, in under two minutes
    python -m benchmarks --write-manual  everything, and the table and its picture put into the manual
    python -m benchmarks --check         only whether a call's instructions have become more than they may be

Every figure is a ratio from one run, in rounds that take turns, and the table gives the median of the rounds
and their spread.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import field, inlined, machine, manual, plot, regressions, report, steps
from benchmarks.environments import NotInstalled, environment
from benchmarks.figures import Figure, Plan
from benchmarks.peers import OURS, PEERS
from benchmarks.rows import (
    amount,
    calls,
    exceptions,
    imports,
    large,
    local_store,
    media,
    otel,
    soak,
    streams,
    switches,
    tail,
    threads,
    wire,
)
from benchmarks.sink import ROOT, Sink

# In this order: what wants a quiet process comes before what leaves threads behind.
ROWS = (
    calls,
    exceptions,
    streams,
    switches,
    large,
    media,
    amount,
    imports,
    wire,
    tail,
    soak,
    local_store,
    otel,
    threads,
)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="no other tracers, fewer rounds")
    parser.add_argument("--write-manual", action="store_true", help="put the table into the manual")
    parser.add_argument(
        "--check", action="store_true", help="guard against regressions: 1 where one is found"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="so many rounds instead of 15, or 7")
    parser.add_argument(
        "--rows", metavar="NAME,…", help="only these: " + ", ".join(("field", *map(_name, ROWS), "steps"))
    )
    arguments = parser.parse_args()
    if arguments.quick and arguments.write_manual:
        parser.error("--write-manual is of a whole run: leave --quick out")
    if arguments.check:
        return regressions.check()
    wanted = arguments.rows.split(",") if arguments.rows else ["field", *map(_name, ROWS), "steps"]
    if unknown := set(wanted) - {"field", "steps", *map(_name, ROWS)}:
        parser.error(f"no such rows: {', '.join(sorted(unknown))}")

    with _plan(arguments.quick, arguments.rounds) as plan:
        figures, standings, failures = _measured(plan, wanted)
        versions = [f"{each.peer.title} {each.version}" for each in standings[1:] if each.version]
        lines = [*machine.described(versions), "", *report.goals_table(figures)]
        if standings:
            lines += ["", *report.field_table(standings)]
        print(*lines, sep="\n", flush=True)
        if "steps" in wanted:
            print("\nWhere the time of a decorated call goes:\n")
            print(*steps.table(plan.number, plan.repeats), sep="\n")
    if unmet := report.unmet(figures):
        say(f"not met: {', '.join(unmet)}")
    for failure in failures:
        say(f"not measured: {failure}")
    if failures:
        return 1
    if arguments.write_manual:
        _write(lines, standings)
    return 0


def say(text: str) -> None:
    """Talk, beside the table."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


@contextmanager
def _plan(quick: bool, rounds: int | None) -> Iterator[Plan]:
    names = [OURS] if quick else [OURS, *(peer.name for peer in PEERS)]
    python = sys.executable if quick else _sinks_python()
    number, repeats = (2_000, rounds or 7) if quick else (5_000, rounds or 15)
    with (
        tempfile.TemporaryDirectory(prefix="llmobs-bench-", ignore_cleanup_errors=True) as scratch,
        Sink(names, inlined.REPLY["content"], python) as sink,
    ):
        yield Plan(quick, number, repeats, Path(scratch), sink)


def _sinks_python() -> str:
    """One that can read what the tracers compress."""
    try:
        return str(environment("sink", ("zstandard",)))
    except NotInstalled as fault:
        say(f"zstd can't be read here, so what comes so compressed is not counted: {fault}")
        return sys.executable


def _measured(plan: Plan, wanted: list[str]) -> tuple[list[Figure], list[field.Standing], list[str]]:
    """The figures, the tracers' standings, and which rows failed and how: the others are measured."""
    figures: list[Figure] = []
    standings: list[field.Standing] = []
    failures: list[str] = []
    if "field" in wanted:
        figures, standings = field.measure(plan, say)
    for row in ROWS:
        if _name(row) in wanted:
            say(_name(row))
            measure: Callable[[Plan], Iterator[Figure]] = row.measure
            try:
                figures += measure(plan)
            except Exception as fault:
                traceback.print_exc()
                failures.append(f"{_name(row)}: {type(fault).__name__}: {fault}")
    return figures, standings, failures


def _write(lines: list[str], standings: list[field.Standing]) -> None:
    path = ROOT / ".github" / "docs" / "cost.md"
    path.write_text(manual.spliced(path.read_text(), lines))
    bars = [
        plot.Bar(each.peer.title, statistics.median(each.call_seconds) * 1e6, each.peer.name == OURS)
        for each in standings
        if each.call_seconds and not each.reason
    ]
    if bars:
        picture = ROOT / ".github" / "cost.svg"
        picture.parent.mkdir(exist_ok=True)
        picture.write_text(plot.svg(bars, lines[0]))
        say(f"wrote {path.name} and {picture.relative_to(ROOT)}")


def _name(row: object) -> str:
    return str(getattr(row, "__name__", "")).rpartition(".")[2]


if __name__ == "__main__":
    sys.exit(main())
