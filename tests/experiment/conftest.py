"""Programs that run experiments, each on a machine of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.machine import Machine


@pytest.fixture
def machine(a_user_of_its_own: Path) -> Iterator[Machine]:
    """A machine on which nothing is configured: programs record to the local store."""
    own = Machine(a_user_of_its_own)
    yield own
    own.stop()


@pytest.fixture
def other_machine(tmp_path: Path) -> Iterator[Machine]:
    """Another one, for what the same program does there."""
    own = Machine(tmp_path)
    yield own
    own.stop()
