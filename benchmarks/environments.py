"""Makes an environment of its own for each tracer, server and suite: all in one would never resolve.

They are kept in the user's cache directory, by interpreter and requirements, and are made anew once they are
a month old, so that a comparison is with what people install today.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

# What the package needs, for those that have itself from the source.
RUN_TIME = ("httpx", "msgspec", "wrapt")
_KEPT_SECONDS = 30 * 24 * 3600
_INSTALL_SECONDS = 600


class NotInstalled(Exception):
    """Why there is no environment, in one line."""


def cache_directory() -> Path:
    """Where this user's programs keep what they can make again."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "llmobs-trace-benchmarks"


def environment(name: str, requirements: tuple[str, ...]) -> Path:
    """The interpreter of an environment that holds the requirements; raises `NotInstalled`."""
    version = "{}.{}.{}".format(*sys.version_info[:3])
    key = hashlib.sha256("\n".join((sys.base_prefix, *requirements)).encode()).hexdigest()[:8]
    place = cache_directory() / f"{name}-{version}-{key}"
    python = place / "bin" / "python"
    made = place / "made"  # written last: without it, an installation was cut short
    if made.is_file() and time.time() - made.stat().st_mtime < _KEPT_SECONDS:
        return python
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    for command in _commands(place, python, requirements):
        _run(command)
    made.touch()
    return python


def _commands(place: Path, python: Path, requirements: tuple[str, ...]) -> list[list[str]]:
    if uv := shutil.which("uv"):
        return [
            [uv, "venv", "--quiet", "--python", sys.executable, str(place)],
            [uv, "pip", "install", "--quiet", "--python", str(python), *requirements],
        ]
    return [
        [sys.executable, "-m", "venv", str(place)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements],
    ]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"not installed within {_INSTALL_SECONDS} s") from None
    except OSError as fault:
        raise NotInstalled(str(fault)) from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise NotInstalled(f"not installed: {said[-1].strip()[:200]}")
