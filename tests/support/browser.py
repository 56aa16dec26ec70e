"""A headless Chromium on pages of ours, which notes whatever a page should not have done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

# First the one without windows, whose pages cost a quarter.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
# Nothing of the browser's own goes out, and it runs where there is no sandbox for it.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_NOTED = "Failed to load resource: the server responded with a status of 40"
SOON_MS = 20_000
expect.set_options(timeout=SOON_MS)


def executable() -> str:
    """The Chromium that is there: `CHROMIUM`, or the first on the PATH."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium: apt-get install chromium-headless-shell, or name one in CHROMIUM")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; ended at the end of the block, with the event loop that drives it."""
    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page in a context of its own, which in the end has made no error and asked nobody but us."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    context.set_default_timeout(SOON_MS)
    wrong: list[str] = []
    asked: list[str] = []
    page = context.new_page()
    # Chromium itself notes each answer of 400 and more; what a page makes of those is its test's to say.
    page.on(
        "console",
        lambda message: _NOTED in message.text or wrong.append(f"console {message.type}: {message.text}"),
    )
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    context.on("request", lambda request: asked.append(request.url))
    context.add_init_script(
        "document.addEventListener('securitypolicyviolation',"
        " (event) => console.error(`${event.violatedDirective} ${event.blockedURI}`))"
    )
    try:
        yield page
        assert page.evaluate("window.ran") is None, "recorded text was run"
    finally:
        context.close()
    assert wrong == []
    assert [url for url in asked if not _is_ours(url)] == []


def shown(page: Page, address: str | None = None) -> None:
    """Have the page at an address, else the present one anew, and wait until it shows what it has loaded."""
    if address is None:
        page.reload()
    else:
        page.goto(address)
    expect(page.locator("main h1")).to_be_visible()


def _is_ours(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "file", "about") or parts.hostname == "127.0.0.1"


def faults(page: Page) -> list[str]:
    """What axe-core finds wrong with the page, a line each."""
    page.evaluate(_AXE)
    found = page.evaluate(
        "axe.run(document, {resultTypes: ['violations'], runOnly: "
        "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    return [
        f"{violation['id']}: {violation['help']}: {node['html'][:200]} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
