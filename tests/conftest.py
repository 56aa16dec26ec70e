"""Every test is a user of its own: a home, a working directory, no variables of ours, nothing configured."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# A deadline would make a test's answer depend on what else the machine does.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
# For one more Python, after one has run the most.
hypothesis.settings.register_profile(
    "again", deadline=None, derandomize=True, print_blob=True, max_examples=20
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")

_numbers = itertools.count()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests' homes are; by a counter, since looking for a free name costs more with every one."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def a_user_of_its_own(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home directory, which is the working directory too. What was configured is shut down in the end."""
    home = homes / str(next(_numbers))
    home.mkdir()
    # What tools have in their caches is theirs, and some of them download it anew where it is missing.
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    for name in list(os.environ):
        if name.startswith(("DD_", "LLMOBS_TRACE_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(home)
    yield home
    _forget_what_was_configured()
    shutil.rmtree(home, ignore_errors=True)


def _forget_what_was_configured() -> None:
    runtime = sys.modules.get("llmobs_trace.runtime")
    if runtime is None:
        return
    slot = sys.modules["llmobs_trace.capture.recorder"]
    pipeline, runtime._pipeline = runtime._pipeline, None
    slot.current, slot.first_filler = None, runtime._configure_from_environment
    slot._said_at.clear()
    if pipeline is not None:
        pipeline.worker.shutdown(0.1)
        pipeline.queue.close(keep=False)
