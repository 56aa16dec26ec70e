"""Changes one thing at a time in modules that decide, and says which changes no test of theirs notices.

    python3 -m tests.mutants                          400 mutants, drawn by seed 1
    python3 -m tests.mutants --sample 100 --seed 2    fewer, and others
    python3 -m tests.mutants deliver encode/bound.py  of these rooms and modules

cosmic-ray makes the mutants, in an environment of its own, which is kept. Each is held to the quick tests
of its module (`mutants.tables`), in copies of the tree: the checkout is not touched. Mutants that may survive
are listed there with the reason; any other survivor, or a share of killed ones below 90 %, ends the command
with 1.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

from mutants.tables import ANYTHING, MAY_SURVIVE, TESTS

from benchmarks.environments import environment

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
PACKAGE: Final = ROOT / "llmobs_trace"
GOAL: Final = 0.9
_COPIED: Final = ("llmobs_trace", "tests", "benchmarks", "pyproject.toml")
# How long a module's tests may take, and how many times as long as they took those of a mutant may.
_PATIENCE_SECONDS: Final = 120.0
_TIMES: Final = 2


class Mutant(NamedTuple):
    """One change of one module."""

    module: str
    operator: str
    plain: str
    source: str

    @property
    def difference(self) -> list[str]:
        """The lines that change, as a diff without its head."""
        lines = difflib.unified_diff(self.plain.splitlines(), self.source.splitlines(), n=0, lineterm="")
        return list(lines)[2:]

    @property
    def reason(self) -> str | None:
        """Why it may survive, if that is known."""
        lines = self.difference
        was, becomes = (
            "\n".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
        )
        whys = (
            each.why
            for each in MAY_SURVIVE
            if each.module == self.module and each.line == was and _is_like(becomes, each.becomes)
        )
        return next(whys, None)


def _is_like(line: str, listed: str) -> bool:
    before, anything, after = listed.partition(ANYTHING)
    return line == listed or (bool(anything) and line.startswith(before) and line.endswith(after))


class Runner:
    """A process that holds mutants to their tests, in a copy of the tree."""

    def __init__(self, copy: Path) -> None:
        for name in _COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, copy / name)
        words = [sys.executable, str(HERE / "runner.py"), str(copy)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def judge(self, module: str, patience_seconds: float, source: str | None = None) -> dict[str, Any]:
        job = {
            "module": module,
            "source": source,
            "tests": [f"tests/{each}" for each in TESTS[module]],
            "patience_seconds": patience_seconds,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        judged: dict[str, Any] = json.loads(self._process.stdout.readline())
        return judged

    def close(self) -> None:
        self._process.communicate()


def sample(modules: Sequence[str], size: int, seed: int) -> list[Mutant]:
    """The same mutants for the same seed and the same modules."""
    python = environment("mutants", ("cosmic-ray>=8.4",))
    asked = {"package": str(PACKAGE), "modules": list(modules), "sample": size, "seed": seed}
    words = [str(python), str(HERE / "maker.py"), json.dumps(asked)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return [Mutant(**each) for each in json.loads(done.stdout)]


def outcomes(mutants: Sequence[Mutant], jobs: int, minutes: float) -> Iterator[tuple[Mutant, str]]:
    """What came of each, of those that the time is enough for: `survived`, `killed` or `cut off`.

    Raises `RuntimeError` where a module as it is does not pass them.
    """
    ends = time.monotonic() + 60 * minutes
    with ExitStack() as stack:
        runners: SimpleQueue[Runner] = SimpleQueue()
        for _ in range(jobs):
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")))
            runner = Runner(copy.resolve())
            stack.callback(runner.close)
            runners.put(runner)
        pool = stack.enter_context(ThreadPoolExecutor(jobs))

        def judge(module: str, patience_seconds: float, source: str | None = None) -> dict[str, Any]:
            runner = runners.get()
            try:
                return runner.judge(module, patience_seconds, source)
            finally:
                runners.put(runner)

        def plain(module: str) -> float:
            judged = judge(module, _PATIENCE_SECONDS)
            if judged["outcome"] != "survived":
                raise RuntimeError(f"{module} as it is does not pass its tests:\n{judged['said']}")
            print(f"{module}: {judged['seconds']:.1f} s as it is", file=sys.stderr, flush=True)
            return float(judged["seconds"])

        modules = sorted({each.module for each in mutants})
        took = dict(zip(modules, pool.map(plain, modules), strict=True))

        def outcome_of(mutant: Mutant) -> str | None:
            if time.monotonic() > ends:
                return None
            patience = _TIMES * took[mutant.module] + 10
            outcome: str = judge(mutant.module, patience, mutant.source)["outcome"]
            if outcome == "survived":
                print(*_described(mutant), sep="\n", file=sys.stderr, flush=True)
            return outcome

        for mutant, outcome in zip(mutants, pool.map(outcome_of, mutants), strict=True):
            if outcome is not None:
                yield mutant, outcome


def _described(mutant: Mutant) -> Iterator[str]:
    yield f"\n{mutant.module}: {mutant.operator}"
    yield from mutant.difference
    yield f"    {mutant.reason or 'NO REASON KNOWN'}"


def lines(judged: Mapping[Mutant, str]) -> Iterator[str]:
    """A line a room, and each survivor with what it changes. A mutant that was cut off counts as killed."""
    yield "| room | mutants | killed | of these cut off | survive for a reason | without | share killed |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    rooms = sorted({each.module.partition("/")[0] for each in judged})
    for name, prefix in [*((room, f"{room}/") for room in rooms), ("all", "")]:
        here = {each: outcome for each, outcome in judged.items() if each.module.startswith(prefix)}
        survived = [each for each, outcome in here.items() if outcome == "survived"]
        killed = len(here) - len(survived)
        cut_off = sum(outcome == "cut off" for outcome in here.values())
        excused = sum(each.reason is not None for each in survived)
        share = f"{killed / len(here):.1%}" if here else ""
        row = (name, len(here), killed, cut_off, excused, len(survived) - excused, share)
        yield f"| {' | '.join(map(str, row))} |"
    for each, outcome in judged.items():
        if outcome == "survived":
            yield from _described(each)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("modules", nargs="*", metavar="ROOM or MODULE", help="all that are known by default")
    parser.add_argument("--sample", type=int, default=400, help="so many mutants (default: 400)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no mutant later than that")
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time (default: 2)")
    arguments = parser.parse_args(words)
    chosen = [
        module
        for module in TESTS
        if not arguments.modules or {module, module.partition("/")[0]} & {*arguments.modules}
    ]
    if not chosen:
        parser.error(f"no such module; there are: {', '.join(TESTS)}")
    os.nice(10)
    mutants = sample(chosen, arguments.sample, arguments.seed)
    judged = dict(outcomes(mutants, arguments.jobs, arguments.minutes))
    print(*lines(judged), sep="\n")
    survived = [each for each, outcome in judged.items() if outcome == "survived"]
    is_enough = len(judged) - len(survived) >= GOAL * len(judged)
    return int(not is_enough or any(each.reason is None for each in survived))
