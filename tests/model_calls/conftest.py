"""A model provider for each test, and what is instrumented put back after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.model_server import ModelServer

from llmobs_trace import uninstrument


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_stays_instrumented() -> Iterator[None]:
    yield
    uninstrument()


@pytest.fixture(autouse=True)
def one_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each client reads all that it trusts when it is made; of a file of one, that takes no time."""
    monkeypatch.setenv("SSL_CERT_FILE", str(Path(__file__).parents[1] / "support" / "loopback.pem"))
