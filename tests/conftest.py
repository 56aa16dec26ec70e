"""Every test is a user of its own: a home, a working directory, no variables of ours, nothing configured."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from support.selected import is_left_out, marks_of, quarter_of
from support.users import TwoUsers

# Which tests are to run is said to this pytest, which has read it, and not to those that tests start.
QUARTER = os.environ.pop("LLMOBS_TESTS_QUARTER", None)
os.environ.pop("PYTEST_ADDOPTS", None)
# None of these is in a test's environment.
_NOT_A_USERS = ("DD_", "LLMOBS_TRACE_", "PYTEST_XDIST_")

# Where images of containers set it, each program of a test would compile anew all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A deadline would make a test's answer depend on what else the machine does.
# Where it matters a property has its number; half of hypothesis's own finds the same faults of the others.
hypothesis.settings.register_profile("here", deadline=None, max_examples=50)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, max_examples=50)
# For one more Python, after one has run the most.
hypothesis.settings.register_profile(
    "again", deadline=None, derandomize=True, print_blob=True, max_examples=10
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return is_left_out(collection_path, config.option.markexpr) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for mark in marks_of(item.path):
            item.add_marker(mark)
    if QUARTER is not None:
        config.hook.pytest_deselected(items=[item for item in items if quarter_of(item.nodeid) != QUARTER])
        items[:] = [item for item in items if quarter_of(item.nodeid) == QUARTER]


def pytest_collection_finish() -> None:
    """Have the collector pass over what is there for good: tests that call it look at their own objects."""
    gc.collect()
    gc.freeze()


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
        if name.startswith(_NOT_A_USERS):
            monkeypatch.delenv(name)
    monkeypatch.chdir(home)
    yield home
    _forget_what_was_configured()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def two_users() -> Iterator[TwoUsers]:
    """A directory that this user shares with another; only root can be both."""
    if os.geteuid():
        pytest.skip("only root can be two users")
    with tempfile.TemporaryDirectory() as directory:
        shared = Path(directory, "shared")
        os.chmod(directory, 0o755)
        shared.mkdir()
        shared.chmod(0o777)
        yield TwoUsers(shared)


def _forget_what_was_configured() -> None:
    life = sys.modules.get("llmobs_trace.process.life")
    if life is not None:
        life.reset()
