"""Where a table was measured: the machine, the interpreter, the versions, how busy it was."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path


def described(others: Iterable[str] = ()) -> list[str]:
    """A few lines for above the table; `others` are further versions, ready to print."""
    ours = [f"{package} {version(package)}" for package in ("llmobs-trace", "wrapt", "msgspec", "httpx")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, Python {platform.python_version()} on "
        f"{platform.system()} {platform.release()} {platform.machine()}, {_processor()}, {cores} cores; "
        f"load over the last 15 minutes {os.getloadavg()[2]:.1f}.",
        ", ".join([*ours, *others]) + ".",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
