"""A model provider for each test, and what is instrumented put back after it."""

from __future__ import annotations

from collections.abc import Iterator

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
