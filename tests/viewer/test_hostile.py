"""What was recorded is text, whatever it says. That none of it ran is checked at the end of every page."""

from __future__ import annotations

from urllib.parse import quote

from playwright.sync_api import Page, expect
from support.viewed import BIG_CHARACTERS, HOSTILE

TRACE = f"/experiments/hostile/traces/{quote(HOSTILE[2], safe='')}"


def test_names_and_ids_are_shown_as_they_are(page: Page, server: str) -> None:
    page.goto(server)
    link = page.get_by_role("link", name=HOSTILE[0])
    expect(link).to_be_visible()
    link.click()
    expect(page.locator("main h1")).to_have_text(HOSTILE[0])
    expect(page.get_by_role("columnheader", name=HOSTILE[0])).to_be_visible()
    page.get_by_role("rowheader").get_by_role("link", name=HOSTILE[1]).click()
    expect(page.get_by_role("treeitem").first).to_contain_text(HOSTILE[0])
    assert page.locator("main script, main img, main svg").count() == 0


def test_markup_in_values_and_stacks_is_text(page: Page, server: str) -> None:
    page.goto(f"{server}{TRACE}#h1")
    detail = page.locator("section.detail")
    for text in (HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[3], HOSTILE[4], HOSTILE[7]):
        expect(detail.locator(".part.failure")).to_contain_text(text)
        expect(detail.locator(".json").first).to_contain_text(text.strip())


def test_characters_that_reorder_or_hide_are_named(page: Page, server: str) -> None:
    page.goto(f"{server}{TRACE}#h1")
    said = page.locator(".part.failure .said")
    expect(said).to_contain_text("U+202Egnp.exeU+202CU+200BU+2066U+0007U+001B[31mU+FEFF")
    text = page.evaluate("document.body.innerText")
    assert not set("\u202e\u202c\u200b\u2066\x07\x1b\ufeff\U000e0041") & set(text)
    assert "👩‍👩‍👧 العربية עברית" in text
    named = said.locator(".control").first
    assert named.get_attribute("title") == "U+202E, right-to-left override"


def test_ten_million_characters_are_folded_and_can_be_had(page: Page, server: str) -> None:
    page.goto(f"{server}{TRACE}#h2")
    detail = page.locator("section.detail")
    expect(detail).to_contain_text("xxx")
    assert page.evaluate("document.body.innerText.length") < 100_000
    detail.get_by_role("button", name="Load the whole value").click()
    button = detail.get_by_role("button", name=f"Show all {BIG_CHARACTERS:,} characters")
    button.click()
    expect(detail.get_by_role("button", name="Show more: 400,000 of")).to_be_visible()
    # The page is still one that answers.
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_four_hundred_levels_are_opened_one_by_one(page: Page, server: str) -> None:
    page.goto(f"{server}{TRACE}#h3")
    folds = page.locator("section.detail .json details")
    expect(folds.first).to_be_visible()
    opened = folds.count()
    assert 0 < opened < 10
    folds.last.locator("summary").click()
    expect(folds).to_have_count(opened + 1)


def test_an_image_elsewhere_is_an_address_and_not_asked_for(page: Page, server: str) -> None:
    page.goto(f"{server}{TRACE}#h4")
    messages = page.get_by_role("list", name="Messages").get_by_role("listitem")
    expect(messages.nth(0)).to_contain_text(HOSTILE[0])
    expect(messages.nth(1)).to_contain_text("image: javascript:window.ran=1")
    expect(messages.nth(2)).to_contain_text("image: http://198.51.100.7/x.png")
    expect(messages.nth(3)).to_contain_text("calls f (1)")
    assert page.locator("main img, main a[href^='javascript']").count() == 0


def test_a_hostile_address_is_text_too(page: Page, server: str) -> None:
    page.goto(
        f"{server}/experiments/{quote(HOSTILE[1], safe='')}?where=%3Cscript%3E&sort=%3Cb%3E#%3Cimg%20src=x%3E"
    )
    expect(page.get_by_role("main")).to_contain_text("This can't be shown")
    page.goto(f"{server}/experiments/after?where=%ED%A0%80%3Cscript%3Ewindow.ran=1%3C/script%3E&offset=-1")
    expect(page.get_by_role("main")).to_be_visible()
