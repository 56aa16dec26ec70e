"""`python -m tests.instrumentations [NAME …]`: runs real instrumentations of OpenTelemetry's over a program,
and keeps the spans that they make as the samples that the tests read.

It says which attributes are other ones than before, and 1 is the exit code where there are any. Each
instrumentation has an environment of its own, kept in the user's cache directory for a month.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from instrumentations.cases import CASES, PROGRAM, SAMPLES, Case, answers
from support.machine import ROOT
from support.model_server import ModelServer

sys.path.insert(0, str(ROOT))

from benchmarks.environments import NotInstalled, environment

_OF_THE_RUN = ("exception.stacktrace", "gen_ai.openai.api_base", "server.port")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.instrumentations", description=__doc__)
    names = ", ".join(case.name for case in CASES)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"these alone (default: all): {names}")
    wanted = parser.parse_args(words).names
    cases = [case for case in CASES if not wanted or case.name in wanted]
    if not cases:
        parser.error(f"none is named {', '.join(wanted)}; there are: {names}")
    SAMPLES.mkdir(exist_ok=True)
    as_before = [_told(case) for case in cases]
    return 0 if all(as_before) else 1


def _told(case: Case) -> bool:
    """Record one anew; whether it is as it was."""
    try:
        spans = without_the_run(record(case))
    except (NotInstalled, subprocess.SubprocessError) as problem:
        print(f"{case.name:16} {problem}", flush=True)
        return False
    before = case.recorded() if case.sample.exists() else None
    case.sample.write_text(json.dumps(spans, indent=1, sort_keys=True) + "\n")
    print(f"{case.name:16} {len(spans)} spans: {'as before' if spans == before else 'CHANGED'}", flush=True)
    return spans == before


def record(case: Case) -> list[dict[str, Any]]:
    """The spans that an instrumentation makes of the program."""
    python = environment(f"otel-{case.name}", case.requirements)
    with ModelServer() as server:
        server.will(*answers())
        run = subprocess.run(
            [str(python), str(PROGRAM), case.name, f"{server.url}/v1"],
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        )
    found: list[dict[str, Any]] = json.loads(run.stdout)
    return found


def without_the_run(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same without paths and ports of this machine."""
    for span in spans:
        for attributes in (span["attributes"], *(event["attributes"] for event in span["events"])):
            for name in _OF_THE_RUN:
                if name in attributes:
                    attributes[name] = "…"
    return spans
