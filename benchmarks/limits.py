"""How much of a provider's limit a runner of experiments uses with 64 rows at once, and at what price.

    python -m benchmarks.limits                 by requests and by tokens, beside mlflow's: some three minutes
    python -m benchmarks.limits --rows 100      fewer rows
    python -m benchmarks.limits --only llmobs_trace

The model answers in a tenth of a second. `used` is how much of what the limit allowed was served from the
first request to the last answer, what its bucket holds at the beginning included. `ms` are the latencies that
the runner shows of its rows: the model's alone, if waiting is not taken for it. Of mlflow it is the limiter
alone that runs, over as many threads: its store on SQLite takes some three rows a second of 64 threads, so
that its whole evaluation never meets the limit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.environments import NotInstalled, environment
from benchmarks.sink import ROOT

REQUESTS_A_SECOND, TOKENS_A_SECOND = 20, 20_000
WORKER = Path(__file__).with_name("runners") / "limits_worker.py"
RUNNERS = {"llmobs_trace": "this library's", "mlflow": "mlflow's"}
LEAST_USED = 0.85


def python_of(runner: str) -> str:
    """The interpreter that has a runner."""
    return sys.executable if runner == "llmobs_trace" else str(environment(runner, (runner, "httpx")))


def measured(runner: str, kind: str, rate: int, rows: int) -> dict[str, Any]:
    """What a runner made of a server of its own, and what came there."""
    python = python_of(runner)
    served = [sys.executable, "-m", "benchmarks.runners.limited", kind, str(rate)]
    server = subprocess.Popen(served, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}/"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        ran = subprocess.run(
            [python, str(WORKER), runner, url, str(rows)],
            cwd=scratch,  # mlflow writes there
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": scratch},
            capture_output=True,
            text=True,
            timeout=900,
        )
    came = json.loads(server.communicate("")[0])
    if ran.returncode:
        raise RuntimeError(f"{runner}: {ran.stderr[-2000:]}")
    allowed = rate * (1 + came["seconds"])
    return {**json.loads(ran.stdout.splitlines()[-1]), **came, "used": came["cost"] / allowed}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--only", choices=RUNNERS)
    arguments = parser.parse_args()
    print("| runner | limit a second | rows done | failed by it | used | 429s | seconds | ms, p50 and p95 |")
    print("|---|---|--:|--:|--:|--:|--:|--:|", flush=True)
    is_met = True
    for kind, rate in (("requests", REQUESTS_A_SECOND), ("tokens", TOKENS_A_SECOND)):
        for runner in [arguments.only] if arguments.only else RUNNERS:
            try:
                one = measured(runner, kind, rate, arguments.rows)
            except NotInstalled as fault:
                print(f"| {RUNNERS[runner]} | {rate:,} {kind} | {fault} | | | | | |", flush=True)
                continue
            if runner == "llmobs_trace":
                is_met = is_met and one["done"] == arguments.rows and one["used"] >= LEAST_USED
            median, most = one["ms"]
            print(
                f"| {RUNNERS[runner]} | {rate:,} {kind} | {one['done']:,} | {one['failed']:,} "
                f"| {one['used']:.0%} | {one['refused']:,} | {one['seconds']:.1f} "
                f"| {median:.0f}, {most:.0f} |",
                flush=True,
            )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
