"""litellm: every case of `litellm_cases.py`, in a process that has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support import kept_apart


def test_what_holds_of_litellm_s_calls() -> None:
    path = os.pathsep.join([kept_apart.folder("LITELLM"), os.environ.get("PYTHONPATH", "")])
    cases = Path(__file__).with_name("litellm_cases.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)]
    environ = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        command, cwd=cases.parents[2], env=environ, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert "passed" in done.stdout
