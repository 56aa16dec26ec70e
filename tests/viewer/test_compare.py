"""Experiments side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect
from support.events import metric, span
from support.serving import Serving

from llmobs_trace.local.store import Store


def rows(page: Page) -> list[str]:
    return page.locator("table.compared tbody a.open").all_inner_texts()


def test_two_are_chosen_in_the_list_and_compared(page: Page, server: str) -> None:
    page.goto(server)
    expect(page.get_by_text("Choose two to compare")).to_be_visible()
    # The later one first: A is the earlier one all the same.
    page.get_by_role("checkbox", name=re.compile("^Choose answers, new prompt")).check()
    expect(page.get_by_text("Choose one more")).to_be_visible()
    page.get_by_role("checkbox", name=re.compile("^Choose answers, began")).check()
    page.reload()
    page.get_by_role("link", name="Compare 2").click()
    expect(page).to_have_url(re.compile(r"/compare\?a=before&b=after$"))
    expect(page.locator(".sides li")).to_have_text(
        [re.compile("^Aanswers before"), re.compile("^Banswers, new")]
    )
    expect(page.get_by_role("heading", level=2).first).to_contain_text("B against A: ")


def test_each_metric_has_its_difference_interval_and_verdict_with_a_reason(page: Page, server: str) -> None:
    page.goto(f"{server}/compare?a=before&b=after")
    row = page.locator("table.verdicts tbody tr").filter(has=page.get_by_role("rowheader", name="correct"))
    # Of 11 rows that both scored, A is wrong on three.
    expect(row).to_contain_text("72.7%")
    expect(row).to_contain_text("+27.3 points")
    expect(row).to_contain_text(re.compile(r"\u2212\d+(\.\d)? to \+\d+(\.\d)? points"))
    expect(row).to_contain_text("3 better, 0 worse")
    expect(row).to_contain_text("1 missing (1 and 1)")
    expect(row).to_contain_text(re.compile("cannot tell.*too few rows"))
    likeness = page.locator("table.verdicts tbody tr").filter(
        has=page.get_by_role("rowheader", name="likeness")
    )
    expect(likeness).to_contain_text("1 failed (1 and 1)")
    expect(page.locator("table.verdicts tbody")).to_contain_text("row latency")
    # Neither style is better than another.
    style = page.locator("table.verdicts tbody tr").filter(has=page.get_by_role("rowheader", name="style"))
    expect(style).to_contain_text("no verdict")


def test_rows_show_what_changed_word_by_word(page: Page, server: str) -> None:
    page.goto(f"{server}/compare?a=before&b=after")
    expect(page.locator("table.compared tbody tr")).to_have_count(12)
    row = page.locator("table.compared tbody tr").nth(3)
    expect(row.get_by_role("rowheader")).to_have_text(re.compile("row-004.*changed"))
    expect(row.locator("del")).to_have_text("4")
    expect(row.locator("ins")).to_have_text("8")
    expect(row.locator('[data-column="correct"]')).to_have_text("false fail → true pass")
    same = page.locator("table.compared tbody tr").nth(4)
    expect(same.locator('[data-column="likeness"]')).to_have_text("failed")
    expect(same.locator("del, ins")).to_have_count(0)


def test_rows_are_narrowed_down_to_changed_answers_and_flips(page: Page, server: str) -> None:
    page.goto(f"{server}/compare?a=before&b=after")
    page.get_by_label("Which rows").select_option("The answer changed")
    expect(page.locator("table.compared tbody a.open")).to_have_text(["row-004", "row-008", "row-012"])
    page.get_by_label("Which rows").select_option("style changed")
    expect(page.get_by_text("No row is like that.")).to_be_visible()
    page.get_by_label("Which rows").select_option("correct changed")
    expect(page.locator("table.compared tbody a.open")).to_have_text(["row-004", "row-008", "row-012"])
    page.reload()
    expect(page.locator("table.compared tbody a.open")).to_have_text(["row-004", "row-008", "row-012"])
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator("table.compared tbody tr")).to_have_count(12)
    page.get_by_role("columnheader", name="correct").get_by_role("link").click()
    expect(page.locator("table.compared tbody a.open").first).to_have_text(re.compile("row-0(04|08|12)"))
    expect(page.get_by_role("columnheader", name="correct")).to_have_attribute("aria-sort", "descending")


def test_the_sides_are_swapped(page: Page, server: str) -> None:
    page.goto(f"{server}/compare?a=before&b=after")
    page.get_by_role("link", name="Swap A and B").click()
    expect(page).to_have_url(re.compile(r"a=after&b=before$"))
    expect(page.locator("table.verdicts tbody tr").first).to_contain_text("\u221227.3 points")


def test_a_third_is_compared_with_the_first_too(page: Page, server: str) -> None:
    page.goto(f"{server}/compare?a=before&b=after&c=many")
    expect(page.get_by_role("heading", level=2).filter(has_text="against A")).to_have_count(2)
    expect(page.get_by_text("12 rows in both, 218 in C alone")).to_be_visible()
    expect(page.get_by_role("columnheader", name="C's output")).to_be_visible()
    page.get_by_role("link", name="Next →").click()
    expect(page.locator("table.compared tbody tr").last).to_contain_text("not in this one")


def test_an_answer_leads_to_its_own_trace(page: Page, server: str) -> None:
    page.goto(f"{server}/compare?a=before&b=after")
    page.locator("table.compared tbody tr").nth(3).get_by_role("link", name="The answer to 4 is 8.").click()
    expect(page).to_have_url(re.compile("/experiments/after/traces/b-t004#b-r004$"))


def test_of_many_rows_the_rows_come_first_and_the_verdicts_once_they_are_worked_out(
    page: Page, serve: Callable[[Path], Serving], tmp_path: Path
) -> None:
    with Store(tmp_path / "x.db") as store:
        for name, right, duration_ns in (("a", 0.5, 1_000_000), ("b", 0.9, 1_000_100)):
            spans = [
                span(f"r{n}", trace_id=f"t{n}", row=f"row{n:05}", start_ns=n, duration_ns=duration_ns)
                for n in range(7_000)
            ]
            store.add(name, spans, [metric(f"r{n}", "right", n / 7_000 < right) for n in range(7_000)])
    serving = serve(tmp_path / "x.db")
    # The page asks again when its clock goes on.
    page.clock.install(time=0)
    page.clock.pause_at(1_000)
    page.goto(f"{serving.url}/compare?a=a&b=b")
    expect(page.get_by_role("status").filter(has_text="being worked out")).to_be_visible()
    expect(page.locator("table.compared tbody tr")).to_have_count(100)
    expect(page.locator("table.verdicts")).to_have_count(0)
    page.clock.resume()
    expect(page.locator("table.verdicts tbody")).to_contain_text("+40 points")
    expect(page.get_by_role("heading", level=2).first).to_contain_text("better")
    expect(page.get_by_text("being worked out")).to_have_count(0)
    # A hundredth of a percent: no more than nothing, and without a sign.
    latency = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="row latency"))
    expect(latency.get_by_role("cell", name="0%", exact=True)).to_be_visible()
