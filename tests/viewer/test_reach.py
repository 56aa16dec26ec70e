"""Whoever looks, however: by keyboard, in the dark, through a small window, with a screen reader."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser import faults, shown, watched

TRACE = "/experiments/after/traces/b-t003#b-r003-a"
PAGES = ("/experiments", "/experiments/after", TRACE, "/compare?a=before&b=after", "/experiments/no-such")
SMALL = {"width": 400, "height": 800}


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.innerText")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_no_fault(browser: Browser, server: str, path: str, scheme: Any) -> None:
    with watched(browser, color_scheme=scheme, reduced_motion="reduce") as page:
        shown(page, server + path)
        assert faults(page) == []


def test_axe_finds_no_fault_in_a_small_window_nor_in_the_list_of_keys(browser: Browser, server: str) -> None:
    with watched(browser, viewport=SMALL) as page:
        shown(page, f"{server}/experiments/after")
        assert faults(page) == []
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
        assert faults(page) == []


@pytest.mark.parametrize("path", PAGES)
def test_nothing_sticks_out_of_a_small_window(browser: Browser, server: str, path: str) -> None:
    with watched(browser, viewport=SMALL) as page:
        shown(page, server + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= SMALL["width"]


@pytest.mark.parametrize("path", [*PAGES, "/experiments/hostile"])
def test_in_a_small_window_each_cell_keeps_to_its_place_and_says_something(
    browser: Browser, server: str, path: str
) -> None:
    with watched(browser, viewport=SMALL) as page:
        shown(page, server + path)
        cells = "[...document.querySelectorAll('table.rows tbody td')]"
        wide = f"{cells}.filter((cell) => cell.scrollWidth > cell.clientWidth + 1)"
        assert page.evaluate(f"{wide}.map((cell) => cell.innerText)") == []
        assert page.evaluate(f"{cells}.filter((cell) => cell.childNodes.length === 0).length") == 0


def test_filters_stay_in_their_line_whatever_a_metric_is_called(browser: Browser, server: str) -> None:
    with watched(browser) as page:
        shown(page, f"{server}/experiments/hostile")
        boxes = [each.bounding_box() for each in page.get_by_role("search").get_by_role("combobox").all()]
        assert len({box["y"] for box in boxes if box is not None}) == 1


def test_rows_are_cards_in_a_small_window_and_still_a_table_to_a_screen_reader(
    browser: Browser, server: str
) -> None:
    with watched(browser, viewport=SMALL) as page:
        shown(page, f"{server}/experiments/after")
        first = page.get_by_role("table").get_by_role("row").nth(1)
        box = first.bounding_box()
        assert box is not None
        assert box["width"] <= SMALL["width"]
        expect(first.get_by_role("cell")).to_have_count(9)
        page.get_by_label("Sort").select_option("Slowest first")
        expect(page.locator("table.rows tbody a.open").first).to_have_text("row-012")


def test_a_whole_visit_by_keyboard(page: Page, server: str) -> None:
    shown(page, server)
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert focused(page).startswith("answers before")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("answers, new prompt")
    assert focused(page) == "answers, new prompt"
    page.keyboard.press("/")
    page.keyboard.type("twice 11")
    expect(page.locator("table.rows tbody a.open")).to_have_text(["row-011"])
    page.keyboard.press("Escape")  # empties it
    expect(page.locator("table.rows tbody tr")).to_have_count(12)
    page.keyboard.press("Escape")  # leaves it
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("row-002")
    page.keyboard.press("Escape")
    expect(page.locator("main h1")).to_have_text("answers, new prompt")
    page.keyboard.press("g")
    page.keyboard.press("e")
    expect(page.locator("main h1")).to_have_text("Experiments")


def test_experiments_are_chosen_by_key(page: Page, server: str) -> None:
    shown(page, server)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox").first).to_be_checked()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("link", name="Compare 2")).to_be_visible()
    page.keyboard.press("k")
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox").first).not_to_be_checked()


def test_going_back_finds_the_row_that_was_left(page: Page, server: str) -> None:
    shown(page, f"{server}/experiments/many")
    for _ in range(30):
        page.keyboard.press("j")
    before = page.evaluate("scrollY")
    assert before > 0
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("row-030")
    page.go_back()
    expect(page.locator("main h1")).to_have_text("many rows")
    page.wait_for_function("document.activeElement.innerText === 'row-030'")
    assert page.evaluate("scrollY") == before


def test_the_tree_is_moved_through_with_the_arrows(page: Page, server: str) -> None:
    shown(page, f"{server}/experiments/after/traces/b-t004")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("treeitem", selected=True)).to_contain_text("look up")
    page.keyboard.press("End")
    expect(page.get_by_role("treeitem", selected=True)).to_contain_text("model")
    expect(page).to_have_url(re.compile("#b-r004-b$"))
    page.keyboard.press("ArrowLeft")  # to the parent
    expect(page.get_by_role("treeitem", selected=True)).to_contain_text("answer")
    page.keyboard.press("ArrowLeft")  # folds it
    expect(page.get_by_role("treeitem")).to_have_count(1)
    expect(page.get_by_role("treeitem")).to_have_attribute("aria-expanded", "false")
    page.reload()
    expect(page.get_by_role("treeitem")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("treeitem")).to_have_count(3)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("treeitem", selected=True)).to_contain_text("look up")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "treeitem"


def test_the_keys_are_listed_under_the_question_mark(page: Page, server: str) -> None:
    shown(page, server)
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard")
    expect(keys).to_contain_text("next row, previous row")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    keys.get_by_role("button", name="Close").click()
    expect(keys).to_be_hidden()


def test_the_content_is_one_key_away(page: Page, server: str) -> None:
    shown(page, server)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def background(page: Page) -> str:
    found: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return found


def test_colours_follow_the_system_until_they_are_chosen(browser: Browser, server: str) -> None:
    with watched(browser, color_scheme="dark") as page:
        shown(page, server)
        dark = background(page)
        page.emulate_media(color_scheme="light")
        light = background(page)
        assert light != dark
        page.keyboard.press("t")
        page.keyboard.press("t")
        expect(page.get_by_role("button", name="Colours: Dark. Change")).to_be_visible()
        assert background(page) == dark
        page.reload()
        expect(page.get_by_role("button", name="Colours: Dark. Change")).to_be_visible()
        assert background(page) == dark


def test_what_colour_says_is_said_in_words(browser: Browser, server: str) -> None:
    with watched(browser, forced_colors="active") as page:
        shown(page, f"{server}/experiments/after")
        row = page.locator("table.rows tbody tr").nth(2)
        expect(row).to_contain_text("✗ LookupError")
        expect(row).to_contain_text("missing")
        expect(page.locator("table.rows tbody tr").nth(4)).to_contain_text("failed")
        expect(page.locator("table.rows tbody tr").first).to_contain_text("✓ pass")
