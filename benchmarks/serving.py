"""Runs `llmobs-trace serve` in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(path: Path, environ: Mapping[str, str] | None = None) -> Iterator[int]:
    """`llmobs-trace serve` on a store; gives its port."""
    server = subprocess.Popen(
        [sys.executable, "-m", "llmobs_trace", "serve", "--database", str(path)],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline().rpartition(":")[2])
    finally:
        server.terminate()
        server.wait()
