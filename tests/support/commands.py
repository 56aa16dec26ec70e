"""What a run of the command line is, for its tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
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


def in_a_terminal(*words: str, columns: int = 120, **environ: str) -> Run:
    """Run `python -m llmobs_trace` where a person would, and see what they would; talk comes apart."""
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "llmobs_trace", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            env={
                **{name: value for name, value in os.environ.items() if name not in ("PAGER", "LESS")},
                "PYTHONPATH": os.pathsep.join(sys.path),
                "COLUMNS": str(columns),
                "TERM": "xterm",
                "NO_COLOR": "1",
                **environ,
            },
        )
    finally:
        os.close(theirs)
    seen = bytearray()
    with suppress(OSError):  # as Linux says that nobody holds the other end any more
        while part := os.read(ours, 1 << 16):
            seen += part
    os.close(ours)
    _, err = process.communicate(timeout=60)
    return Run(process.returncode, seen.decode().replace("\r\n", "\n"), err.decode())


def finish(process: subprocess.Popen[bytes]) -> Run:
    """What it did, once it is over."""
    out, err = process.communicate(timeout=60)
    return Run(process.returncode, out.decode(), err.decode())
