"""Real sockets and real processes: a receiver in a process of its own, and a machine where programs run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.machine import Machine
from support.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def machine(a_user_of_its_own: Path) -> Iterator[Machine]:
    """A machine on which nothing is configured: programs record to the local store."""
    own = Machine(a_user_of_its_own)
    yield own
    own.stop()
