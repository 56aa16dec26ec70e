"""A trace narrowed down to what somebody looks for, and what can be copied of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from support.browser import faults, shown
from support.events import metric, span
from support.serving import Serving

from llmobs_trace.store.store import Store


@pytest.fixture
def url(serve: Callable[[Path], Serving], tmp_path: Path) -> str:
    """Two rows, each of an agent with a task, in which are a tool and a model; and a retrieval beside it."""
    with Store(tmp_path / "x.db") as store:
        for row in "ab":
            parts = [
                (None, "root", "experiment", "start"),
                ("root", "plan", "agent", "think"),
                ("plan", "gather", "task", "collect"),
                ("gather", "lookup", "tool", "Größe of Oslo " + "and more " * 300),
                ("gather", "chat", "llm", "talk"),
                ("root", "fetch", "retrieval", "documents"),
            ]
            spans = [
                span(
                    f"{row}-{name}",
                    trace_id=row,
                    parent=parent and f"{row}-{parent}",
                    row=f"row-{row}" if parent is None else None,
                    kind=kind,
                    name=name,
                    start_ns=at,
                    input=text,
                )
                for at, (parent, name, kind, text) in enumerate(parts, start=100 if row == "a" else 200)
            ]
            store.add("e", spans, [metric(f"{row}-root", "right", True)])
    return serve(tmp_path / "x.db").url


def names(page: Page) -> Locator:
    return page.locator(".node .name")


def test_a_trace_is_searched_and_what_is_found_keeps_what_it_is_below(page: Page, url: str) -> None:
    shown(page, f"{url}/experiments/e/traces/a")
    page.keyboard.press("/")
    page.keyboard.type("größe oslo")
    expect(page.get_by_text("1 of 6 spans")).to_be_visible()
    expect(names(page)).to_have_text(["root", "plan", "gather", "lookup"])
    expect(page.locator(".node.found .name")).to_have_text("lookup")
    page.get_by_role("treeitem", name="lookup").click()
    # The next row is searched for the same, at the same span, as far down.
    page.set_viewport_size({"width": 1280, "height": 300})
    detail = page.locator(".detail")
    detail.evaluate("each => each.scrollTo(0, 120)")
    page.get_by_role("link", name="Next →").click()
    expect(page.locator("main h1")).to_have_text("row-b")
    expect(page.get_by_role("treeitem", selected=True)).to_have_attribute("id", "span-b-lookup")
    expect(names(page)).to_have_text(["root", "plan", "gather", "lookup"])
    expect(page.get_by_placeholder("Search this trace")).to_have_value("größe oslo")
    page.wait_for_function("document.querySelector('.detail').scrollTop === 120")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("/experiments/e$"))


def test_what_is_typed_before_a_page_is_there_waits_for_it(page: Page, url: str) -> None:
    asked: list[Route] = []
    page.route("**/traces/a?*", lambda route: asked.append(route))
    shown(page, f"{url}/experiments/e")
    page.locator("table.rows tbody a.open").first.click()
    expect(page).to_have_url(re.compile("/traces/a"))
    page.keyboard.type("/of oslo")
    for each in asked:
        each.continue_()
    expect(page.get_by_text("1 of 6 spans")).to_be_visible()
    expect(page.get_by_placeholder("Search this trace")).to_have_value("of oslo")
    # What leads elsewhere does not wait.
    page.route("**/traces/b?*", lambda _: None)
    page.get_by_role("link", name="Next →").click()
    page.locator("main h1").click()
    page.keyboard.type("ge")
    expect(page.locator("main h1")).to_have_text("Experiments")


def test_kinds_are_left_out_and_what_is_below_them_takes_their_place(page: Page, url: str) -> None:
    page.goto(f"{url}/experiments/e/traces/a")
    kinds = page.get_by_role("group", name="Kinds of spans")
    for kind in ("agent", "task"):
        kinds.get_by_role("button", name=kind).click()
    expect(names(page)).to_have_text(["root", "lookup", "chat", "fetch"])
    levels = page.get_by_role("treeitem").evaluate_all("all => all.map((each) => each.ariaLevel)")
    assert levels == ["1", "2", "2", "2"]
    shown(page)
    expect(names(page)).to_have_text(["root", "lookup", "chat", "fetch"])
    assert faults(page) == []
    kinds.get_by_role("button", name="agent").click()
    expect(names(page)).to_have_text(["root", "plan", "lookup", "chat", "fetch"])


def test_ids_links_and_the_whole_row_are_copied(page: Page, url: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{url}/experiments/e/traces/a?sort=start#a-chat")

    def copied(name: str) -> str:
        button = page.get_by_role("button", name=f"Copy {name}", exact=True)
        button.click()
        expect(button).to_have_text("Copied")
        found: str = page.evaluate("navigator.clipboard.readText()")
        return found

    assert copied("the trace's id") == "a"
    assert copied("the span's id") == "a-chat"
    assert copied("a link to the span") == f"{url}/experiments/e/traces/a#a-chat"
    row = json.loads(copied("the row as JSON"))
    assert row["span"]["span_id"] == "a-root"
    assert [each["label"] for each in row["metrics"]] == ["right"]
