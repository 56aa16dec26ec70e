"""Runs tests against one mutant after another in a copy of the tree, each in a fork of this process.

It reads a line of JSON for each and answers with one. A fork has pytest loaded already, which takes longer
than most of these tests; the package itself is loaded by the fork alone.

python runner.py COPY
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

# Loaded for the forks. The suite has its own ways to test what is not loaded.
for name in ("_hypothesis_pytestplugin", "hypothesis.strategies", "httpx", "msgspec.json", "numpy", "pandas"):
    importlib.import_module(name)

_LARGEST_BYTES: Final = 4 << 30  # a mutant that goes on for ever takes no more memory than this
_NOT_THE_COPY: Final = 99


# These take seconds each, or processes of their own, and tell little about a module that decides.
SLOW: Final = (
    "-k",
    "not kill and not crash and not outages and not 50_mb and not mended and not process",
)


def run(copy: Path, tests: list[str], said: Path) -> int:
    """In a fork: what pytest ends with."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (_LARGEST_BYTES, _LARGEST_BYTES))
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(file, descriptor)
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy)
    sys.path.insert(0, str(copy))
    words = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=again", *SLOW, *tests]
    ended = int(pytest.main(words))
    ours = sys.modules.get("llmobs_trace")
    if ended == 0 and (ours is None or not str(ours.__file__).startswith(str(copy))):
        return _NOT_THE_COPY
    return ended


def ended_within(pid: int, seconds: float) -> int | None:
    """The exit code, or None where the time ran out: then nothing of it is left."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def judge(copy: Path, job: dict[str, Any]) -> dict[str, Any]:
    """`killed` where a test fails, `cut off` where none ends in time; without `source`, the module itself."""
    module = copy / "llmobs_trace" / job["module"]
    plain = module.read_text()
    said = copy / "said"
    began = time.monotonic()
    try:
        module.write_text(job.get("source") or plain)
        _forget_compiled(module)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                code = run(copy, job["tests"], said)
            finally:
                os._exit(code)
        code = ended_within(pid, job["patience_seconds"])
    finally:
        module.write_text(plain)
        _forget_compiled(module)
    if code == _NOT_THE_COPY:
        raise RuntimeError("the tests did not load the mutant")
    return {
        "outcome": {0: "survived", None: "cut off"}.get(code, "killed"),
        "seconds": time.monotonic() - began,
        "said": said.read_text(errors="replace")[-2000:] if said.exists() else "",
    }


def _forget_compiled(module: Path) -> None:
    # A mutant may be as long as the module, and written in the same second.
    for compiled in (module.parent / "__pycache__").glob(f"{module.stem}.*.pyc"):
        compiled.unlink()


def main() -> None:
    copy = Path(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(judge(copy, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
