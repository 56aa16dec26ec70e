"""Every page once in Firefox: what is shown there is what Chromium is tested for in full."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.agents_store import fill
from support.firefox import Page, firefox
from support.serving import Serving

TRACE = "/experiments/baseline/traces/0b000008000000000000000000000000"
PAIR = "/compare?a=baseline&b=retrieval-first"
# A page, and what it shows when it has all its answers.
PAGES = {
    "/experiments": "support agent, baseline",
    "/experiments/baseline": "ticket-0000",
    TRACE: "model",
    PAIR: "ticket-0000",
    f"{PAIR}&c=shorter-prompt": "ticket-0000",
    f"{PAIR}&read=0b00000000080001": "Expected",
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, str]]:
    path = tmp_path_factory.mktemp("firefox")
    (path / "profile").mkdir()
    with firefox(path / "profile") as page:
        fill(path / "experiments.db", 20)
        with Serving(path / "experiments.db") as serving:
            yield page, serving.url


@pytest.mark.parametrize("address", PAGES)
def test_every_page_shows_what_it_is_for_and_logs_no_error(browser: tuple[Page, str], address: str) -> None:
    page, url = browser
    page.errors.clear()
    page.go(url + address)
    shown = page.value(
        f"""new Promise((resolve) => {{
          const looking = () => document.querySelector("main")?.innerText.includes({PAGES[address]!r});
          if (looking()) resolve(true);
          const observer = new MutationObserver(() => looking() && resolve(true));
          observer.observe(document.body, {{ subtree: true, childList: true, characterData: true }});
          setTimeout(() => resolve(document.querySelector("main")?.innerText), 20_000);
        }})"""
    )
    assert shown is True, shown
    assert page.errors == []
