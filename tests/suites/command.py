"""Compares other people's suites, plain and with every function decorated, test by test.

    python3 -m tests.suites                         CPython's suites, and anyio's
    python3.13 -m tests.suites                      on another interpreter
    python3 -m tests.suites functools contextlib    only these

CPython's suites are in the `test` package that comes with an interpreter; anyio's come with its source
distribution, which pip fetches. What they need is installed in an environment of its own, which is kept.

Each suite runs three times, each in a process of its own: as it is, with the least decorator that can be
around what it decorates, and with `@experiment_span`. What differs with ours is listed with its reason
(`suites.reasons`); what has none, or differs with ours alone, ends the command with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

from suites.reasons import reason_of

from benchmarks.environments import RUN_TIME, cache_directory, environment

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CPYTHON = ("functools", "coroutines", "asyncgen", "generators", "contextlib", "contextlib_async", "inspect")
SUITES = (*CPYTHON, "anyio")
HOW = ("plain", "least", "ours")
_PATIENCE_SECONDS = 900
_ANYIO = (
    "anyio[trio]", "blockbuster", "psutil", "pytest>=9", "pytest-mock", "pytest-timeout", "trustme",
    "truststore", "uvloop",
)  # fmt: skip


class Difference(NamedTuple):
    """A test that came out otherwise with ours than plain."""

    test: str
    plain: str
    ours: str
    # Whether the least decorator makes the same difference.
    is_everybodys: bool
    reason: str | None


class Compared(NamedTuple):
    """One suite, three times."""

    suite: str
    tests: int
    passed: int
    differences: list[Difference]


def compare(suite: str, outcomes: Mapping[str, Mapping[str, str]]) -> Compared:
    """What differs between the runs, by test."""
    plain, least, ours = (outcomes[how] for how in HOW)
    differences = []
    for test in sorted({*plain, *ours}):
        before, after = plain.get(test, "not there"), ours.get(test, "not there")
        if _kind(before) != _kind(after):
            everybodys = _kind(least.get(test, "not there")) == _kind(after)
            differences.append(Difference(test, before, after, everybodys, reason_of(suite, test)))
    return Compared(suite, len(plain), sum(_kind(each) == "passed" for each in plain.values()), differences)


def _kind(outcome: str) -> str:
    kind = outcome.partition(":")[0]
    return "failed" if kind == "error" else kind


def run(suite: str) -> Compared:
    """One suite; raises `RuntimeError` where a run ends without saying what came of it."""
    with tempfile.TemporaryDirectory(prefix=f"suites-{suite}-") as directory:
        run_once = _anyio if suite == "anyio" else _cpython
        outcomes = {how: run_once(suite, how, Path(directory)) for how in HOW}
        compared = compare(suite, outcomes)
        # Sockets and processes are sometimes late: what differs must differ again.
        if suite == "anyio" and compared.differences:
            tests = [each.test for each in compared.differences]
            for how in HOW:
                outcomes[how] |= _anyio(suite, how, Path(directory), tests)
            compared = compare(suite, outcomes)
    return compared


@cache
def _python(suite: str) -> Path:
    """The interpreter of the environment that a suite needs; made by whoever asks first."""
    if suite == "anyio":
        return environment("suites-anyio", (*RUN_TIME, *_ANYIO))
    return environment("suites", RUN_TIME)


def _cpython(suite: str, how: str, where: Path) -> dict[str, str]:
    module = f"test.test_{suite}"
    if suite == "inspect" and sys.version_info >= (3, 12):
        module = "test.test_inspect.test_inspect"
    outcomes = where / f"{how}.json"
    words = [str(_python(suite)), str(HERE / "child.py"), module, how, str(outcomes)]
    return _outcomes(words, where, outcomes, {})


def _anyio(suite: str, how: str, where: Path, tests: Sequence[str] = ("tests",)) -> dict[str, str]:
    python = _python(suite)
    source = _source_of_anyio(python)
    outcomes = where / f"{how}.json"
    environ = {
        "SUITES_MODULES": "tests",
        "SUITES_WITH": how,
        "SUITES_OUTCOMES": str(outcomes),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE.parent)]),
    }
    words = [
        str(python),
        "-m",
        "pytest",
        "-q",
        "-p",
        "suites.anyio_plugin",
        "--assert=plain",
        "-m",
        "not network",
    ]
    # Its plugin's tests run a pytest of their own, where nothing is decorated.
    words += ["-p", "no:cacheprovider", "--ignore=tests/test_pytest_plugin.py", *tests]
    return _outcomes(words, source, outcomes, environ)


def _source_of_anyio(python: Path) -> Path:
    """Where anyio's tests are, of the release that this environment has; fetched once."""
    code = "from importlib.metadata import version; print(version('anyio'))"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    release = done.stdout.strip()
    source = cache_directory() / f"anyio-{release}"
    if not source.exists():
        words = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "anyio"]
        subprocess.run([*words, "-d", str(source.parent), f"anyio=={release}"], check=True)
        with tarfile.open(source.parent / f"anyio-{release}.tar.gz") as archive:
            archive.extractall(source.parent)
    return source


def _outcomes(
    words: Sequence[str], where: Path, outcomes: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("DD_", "LLMOBS_TRACE_"))
    }
    clean |= {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", **environ}
    done = subprocess.run(
        words, cwd=where, env=clean, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
    )
    if not outcomes.exists():
        raise RuntimeError(
            f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    found: dict[str, str] = json.loads(outcomes.read_text())
    return found


def lines(compared: Sequence[Compared]) -> Iterator[str]:
    """A line a suite, and one for each difference."""
    yield "| suite | tests | pass plain | differ decorated | with the least, too | without a reason |"
    yield "|---|--:|--:|--:|--:|--:|"
    for each in compared:
        everybodys = sum(difference.is_everybodys for difference in each.differences)
        unexplained = sum(difference.reason is None for difference in each.differences)
        row = (each.suite, each.tests, each.passed, len(each.differences), everybodys, unexplained)
        yield f"| {' | '.join(map(str, row))} |"
    for each in compared:
        for difference in each.differences:
            mark = "as with the least decorator" if difference.is_everybodys else "OURS ALONE"
            yield f"\n{each.suite}: {difference.test}"
            yield f"    plain: {difference.plain}\n    ours:  {difference.ours}"
            yield f"    {mark}; {difference.reason or 'NO REASON KNOWN'}"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.suites",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all by default")
    parser.add_argument("--jobs", type=int, default=2, help="so many suites at a time (default: 2)")
    arguments = parser.parse_args(words)
    chosen = arguments.suites or SUITES
    if unknown := set(chosen) - set(SUITES):
        parser.error(f"no suite {', '.join(sorted(unknown))}; there are: {', '.join(SUITES)}")
    for suite in chosen:
        _python(suite)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        compared = list(pool.map(run, chosen))
    print(*lines(compared), sep="\n")
    differences = [difference for each in compared for difference in each.differences]
    return int(any(each.reason is None or not each.is_everybodys for each in differences))
