from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.serving import Serving
from support.viewed import fill

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Serve = Callable[[Path], Serving]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    from support.browser import chromium  # loaded by who looks at pages alone

    # This folder's: while it is there, no test in this process could have an event loop of its own.
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with experiments `before`, `after`, `many` and `hostile`; not to be written to."""
    path = tmp_path_factory.mktemp("viewed") / "experiments.db"
    fill(path)
    return path


@pytest.fixture(scope="session")
def server(filled: Path) -> Iterator[str]:
    """The URL of `llmobs-trace serve` on that store."""
    with Serving(filled) as serving:
        yield serving.url


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a store of the test's own until the page is closed: one without its server has errors."""
    with ExitStack() as servers:
        yield lambda database: servers.enter_context(Serving(database))


@pytest.fixture
def page(browser: Browser, serve: Serve) -> Iterator[Page]:
    """An empty page of 1280 by 800 pixels."""
    from support.browser import watched

    with watched(browser) as found:
        yield found
