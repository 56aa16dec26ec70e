from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.serving import Serving

Serve = Callable[..., Serving]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start `serve` with these words, or with these limits; it doesn't outlive the test."""
    with ExitStack() as servers:

        def start(*words: str, **limits: float) -> Serving:
            return servers.enter_context(Serving(tmp_path / "experiments.db", *words, limits=limits or None))

        yield start


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server for a module's tests that only ask."""
    with Serving(tmp_path_factory.mktemp("served") / "experiments.db") as server:
        yield server
