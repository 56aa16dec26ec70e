"""`python -m tests.clients [NAME …]`: runs the tests of model clients with the oldest release of each that is
said to be traced, and with the newest there is; 1 is the exit code where one fails.

    python -m tests.clients                      all of them
    python -m tests.clients anthropic litellm    only these
    python -m tests.clients anthropic==0.60.0    another release than these two

Each release has an environment of its own, made at its first run and kept in the user's cache directory for a
month. What a release lacks, its tests pass over.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from support.machine import ROOT

from llmobs_trace.model_calls.instrument import CLIENTS

sys.path.insert(0, str(ROOT))

from benchmarks.environments import RUN_TIME, NotInstalled, environment

# By the client: its tests.
TESTS = {
    "openai": ("test_openai_calls.py",),
    "anthropic": ("test_anthropic_calls.py", "test_anthropic_shapes.py"),
    "google-genai": ("test_gemini_calls.py", "test_gemini_shapes.py"),
    "litellm": ("litellm_cases.py",),
}
_TOOLS = ("pytest>=8", "hypothesis>=6.100")
_PATIENCE_SECONDS = 1800


class Release(NamedTuple):
    """One release of a client: its version, or None for the newest."""

    client: str
    version: str | None

    @property
    def requirements(self) -> tuple[str, ...]:
        """What its environment holds."""
        if self.version is None:
            return (self.client, *_TOOLS, *RUN_TIME)
        return (f"{self.client}=={self.version}", *_TOOLS, *RUN_TIME)


class Outcome(NamedTuple):
    """What came of a release's tests."""

    release: Release
    installed: str
    counts: dict[str, int]
    said: str  # where some failed

    @property
    def is_good(self) -> bool:
        return self.counts.get("passed", 0) > 0 and not self.counts.keys() & {"failed", "error", "errors"}


def releases(words: Sequence[str]) -> list[Release]:
    """Those that are meant by the command's words; raises `ValueError` for a name that is none."""
    found = []
    for word in words or list(CLIENTS):
        name, _, version = word.partition("==")
        if name not in CLIENTS:
            raise ValueError(f"{name} is no client; there are: {', '.join(CLIENTS)}")
        versions = [version] if version else [CLIENTS[name].since, None]
        found += [Release(name, each) for each in versions]
    return found


def run(release: Release) -> Outcome:
    """Run a release's tests; raises `NotInstalled`."""
    python = environment(f"client-{release.client}", release.requirements)
    files = [str(Path("tests", "model_calls", name)) for name in TESTS[release.client]]
    plugins = ["-p", "llmobs_trace.pytest_plugin", "-p", "no:cacheprovider"]
    words = [str(python), "-m", "pytest", "-q", "--tb=short", "-W", "ignore", *plugins, *files]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        words, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=_PATIENCE_SECONDS
    )
    last = (done.stdout.strip().splitlines() or [""])[-1]
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (\w+)", last.partition(" in ")[0])}
    if done.returncode and not counts.get("failed"):
        counts["error"] = 1
    return Outcome(release, _installed(python, release.client), counts, done.stdout + done.stderr)


def _installed(python: Path, client: str) -> str:
    asked = f"import importlib.metadata as m; print(m.version({client!r}))"
    return subprocess.run([str(python), "-c", asked], capture_output=True, text=True).stdout.strip()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.clients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(CLIENTS)}")
    parser.add_argument("--verbose", action="store_true", help="what the tests of a release said that failed")
    options = parser.parse_args(words)
    try:
        meant = releases(options.names)
    except ValueError as problem:
        parser.error(str(problem))
    print(f"{'client':14} {'release':12} {'':8} tests", flush=True)
    is_good = True
    for release in meant:
        which = "newest" if release.version is None else "oldest"
        try:
            outcome = run(release)
        except (NotInstalled, subprocess.TimeoutExpired) as problem:
            print(f"{release.client:14} {release.version or '':12} {which:8} {problem}", flush=True)
            is_good = False
            continue
        counted = ", ".join(f"{count} {name}" for name, count in outcome.counts.items())
        print(f"{release.client:14} {outcome.installed:12} {which:8} {counted}", flush=True)
        if not outcome.is_good:
            is_good = False
            lines = outcome.said.splitlines()
            if not options.verbose:
                lines = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
            print("\n".join(lines), flush=True)
    return 0 if is_good else 1
