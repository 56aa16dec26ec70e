"""What runners of experiments cost a row, and which paid calls are lost with them when the process is killed.

    python -m benchmarks.experiments                    100,000 rows of a millisecond, by three runners
    python -m benchmarks.experiments --rows 2000        fewer
    python -m benchmarks.experiments --only llmobs_trace

Each row is a plain function that sleeps for a millisecond, and two evaluators; eight rows run at once. `own`
is the processor's time of the whole process a row: runner, recording and delivery. ddtrace delivers to
`llmobs-trace serve` on this machine, this library to the local store, whose part is said; pydantic-evals
keeps what it knows in memory. `paid twice` are calls that the same command makes again, in the end, after it
was killed in the middle of a tenth of the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.environments import NotInstalled, environment
from benchmarks.serving import serving
from benchmarks.sink import ROOT

WORKER = Path(__file__).with_name("runners") / "runs_worker.py"
RUNNERS = {"llmobs_trace": "this library", "ddtrace": "ddtrace", "pydantic_evals": "pydantic-evals"}
JOBS = 8
MOST_OWN_MICROSECONDS = 250


def python_of(runner: str) -> str:
    """The interpreter that has a runner."""
    name = runner.replace("_", "-")
    return sys.executable if runner == "llmobs_trace" else str(environment(name, (name,)))


def _clean(home: str, url: str = "") -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": home,
        "XDG_STATE_HOME": f"{home}/state",
        "DD_LLMOBS_OVERRIDE_ORIGIN": url,
        "DD_APM_TRACING_ENABLED": "false",
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    }


def ran(runner: str, rows: int, home: str, url: str, *more: object, killed: bool = False) -> dict[str, Any]:
    """What a runner's process says of itself."""
    command = [python_of(runner), str(WORKER), runner, str(rows), str(JOBS), *map(str, more)]
    done = subprocess.run(
        command, cwd=home, env=_clean(home, url), capture_output=True, text=True, timeout=3600
    )
    if done.returncode != (-signal.SIGKILL if killed else 0):
        raise RuntimeError(f"{runner} ended with {done.returncode}: {done.stderr[-2000:]}")
    return {} if killed else json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--only", choices=RUNNERS)
    arguments = parser.parse_args()
    rows, few = arguments.rows, max(arguments.rows // 10, 100)
    print("| runner | rows scored | seconds | own, µs a row | MB: before, at a tenth, most | paid twice |")
    print("|---|--:|--:|--:|--:|--:|", flush=True)
    is_met = True
    for runner in [arguments.only] if arguments.only else RUNNERS:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            calls = Path(home, "calls")
            try:
                python_of(runner)
                with serving(Path(home, "served.db"), _clean(home)) as port:
                    url = f"http://127.0.0.1:{port}"
                    one = ran(runner, rows, home, url)
                    ran(runner, few, home, url, calls, few // 2, killed=True)
                    ran(runner, few, home, url, calls)
            except (NotInstalled, RuntimeError) as fault:
                print(f"| {RUNNERS[runner]} | {fault} | | | | |", flush=True)
                is_met = is_met and runner != "llmobs_trace"
                continue
            twice = calls.stat().st_size - few
        own = one["cpu"] / rows * 1e6
        stored = one["sender_cpu"] / rows * 1e6
        part = f" (the store {stored:,.0f})" if stored else ""
        if runner == "llmobs_trace":
            is_met = own - stored <= MOST_OWN_MICROSECONDS and one["scored"] == rows
        memory = f"{one['began_mb']:.0f}, {one['tenth_mb']:.0f}, {one['most_mb']:.0f}"
        print(
            f"| {RUNNERS[runner]} | {one['scored']:,} | {one['seconds']:.1f} | {own:,.0f}{part} | {memory} "
            f"| {twice:,} of {few:,} |",
            flush=True,
        )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
