"""What a run of the command line is, for its tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple


class Run(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


RunCommand = Callable[..., Run]


def start(*words: str, **environ: str) -> subprocess.Popen[bytes]:
    """Start `python -m llmobs_trace` in a process of its own, with pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "llmobs_trace", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
    )


def finish(process: subprocess.Popen[bytes]) -> Run:
    """What it did, once it is over."""
    out, err = process.communicate(timeout=60)
    return Run(process.returncode, out.decode(), err.decode())
