"""The columns of an experiment's rows, as somebody chose and ordered them; and its cards, in one row."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect
from support.browser import faults, shown
from support.events import metric, span
from support.serving import Serving

from llmobs_trace.store.store import Store


def heads(page: Page) -> list[str]:
    return page.locator("table.rows thead th").all_inner_texts()


def test_columns_are_chosen_and_ordered_and_stay_so_in_the_address(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/after")
    page.locator("summary").filter(has_text="Columns").click()
    menu = page.locator(".menu div.panel")
    for name in ("Input", "Status", "Began"):
        menu.get_by_role("checkbox", name=name, exact=True).uncheck()
        expect(page.get_by_role("columnheader", name=name)).to_have_count(0)
    menu.get_by_role("button", name="Move Latency earlier").click()
    expect(page).to_have_url(re.compile("columns=.*latency%0Ascore%3Astyle"))
    assert heads(page) == ["Row", "Output", "Expected", "correct", "likeness", "Latency", "style"]
    menu.get_by_label("Height of rows").select_option("One line")
    assert faults(page) == []
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    shown(page)
    assert heads(page) == ["Row", "Output", "Expected", "correct", "likeness", "Latency", "style"]
    assert page.locator("table.rows .clamp").first.evaluate("each => each.offsetHeight") < 30
    # Who goes on to a row and comes back finds them so.
    page.locator("table.rows tbody a.open").first.click()
    expect(page.locator("main h1")).to_have_text("row-001")
    page.keyboard.press("Escape")
    expect(page.get_by_role("columnheader", name="Latency")).to_be_visible()
    assert heads(page)[-2:] == ["Latency", "style"]
    page.locator("summary").filter(has_text="Columns").click()
    page.get_by_role("link", name="As they were").click()
    expect(page.get_by_role("columnheader", name="Began")).to_be_visible()


def test_of_many_metrics_the_cards_are_one_row_until_somebody_wants_more(
    page: Page, serve: Callable[[Path], Serving], tmp_path: Path
) -> None:
    with Store(tmp_path / "x.db") as store:
        for row in range(3):
            metrics = [metric(f"r{row}", f"score {n:02}", row * n / 9) for n in range(25)]
            store.add("e", [span(f"r{row}", trace_id=f"t{row}", row=f"row-{row}", output="x " * 90)], metrics)
    page.goto(f"{serve(tmp_path / 'x.db').url}/experiments/e")
    cards = page.get_by_role("article")
    expect(cards.first).to_be_visible()
    tops = "all => new Set(all.map((each) => each.offsetTop)).size"
    assert cards.evaluate_all(tops) == 1
    shown = cards.count()
    # Their bars stand on one line.
    assert (
        page.locator(".card .histogram ol").evaluate_all(
            "all => new Set(all.map((each) => Math.round(each.getBoundingClientRect().bottom))).size"
        )
        == 1
    )
    page.get_by_role("link", name=f"Show {26 - shown} more metrics").click()
    expect(cards).to_have_count(26)
    page.set_viewport_size({"width": 800, "height": 600})
    page.get_by_role("link", name="Show one row of them").click()
    expect(cards).not_to_have_count(26)
    assert cards.count() < shown
    # An answer has the width that numbers don't need.
    wide = page.locator("table.rows tbody td[data-column=Output]").first.evaluate("each => each.offsetWidth")
    number = page.locator("table.rows tbody td.number").first.evaluate("each => each.offsetWidth")
    assert wide > 2 * number
