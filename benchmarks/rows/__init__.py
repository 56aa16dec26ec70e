"""What is measured of this library alone: a module for each group of rows, `measure(plan)` in each.

Where one thread computes and waits for nothing, its CPU time is taken and not the wall's: what else runs on
the machine is not in it. What needs a process of its own runs the same module as a program (`alone`), which
prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.figures import Plan
from benchmarks.peers import OURS
from benchmarks.sink import ROOT

_SECONDS = 300


def alone(module: str, plan: Plan, *arguments: object) -> dict[str, Any]:
    """Run a row's module as a program, with its journal and files under the plan's directory."""
    run = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=plan.scratch,
        env=private_environment(plan),
        stdout=subprocess.PIPE,
        text=True,
        timeout=_SECONDS,
        check=True,
    )
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return told


def private_environment(plan: Plan) -> dict[str, str]:
    """The environment of what is run: nothing of the user's settings, nothing left in the user's places."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    place = str(plan.scratch)
    return {**kept, "HOME": place, "TMPDIR": place, "XDG_STATE_HOME": place, "PYTHONPATH": str(ROOT)}


def sending_to(url: str) -> dict[str, Any]:
    """Options that send to the sink."""
    return {
        "base_url": url,
        "api_key": "key",
        "app_key": "key",
        "experiment_id": "experiment",
        "project_id": "project",
        "dataset_id": "dataset",
    }


def our_url(plan: Plan) -> str:
    url: str = plan.sink.url(OURS)
    return url
