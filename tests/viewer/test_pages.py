"""Every page by its address, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.events import span
from support.serving import Serving
from support.viewed import MANY, ROWS

from llmobs_trace.local.store import Store


def column(page: Page, name: str) -> list[str]:
    """The cells of a column of the rows, by its head."""
    return page.locator(f'table.rows tbody [data-column="{name}"]').all_inner_texts()


def first_rows(page: Page) -> list[str]:
    return page.locator("table.rows tbody a.open").all_inner_texts()


def test_the_list_has_every_experiment_the_latest_first(page: Page, server: str) -> None:
    page.goto(server)
    expect(page.get_by_role("heading", level=1)).to_have_text("Experiments")
    rows = page.get_by_role("rowheader")
    expect(rows).to_have_count(5)
    assert [text.split()[-1] for text in rows.all_inner_texts()] == [
        "after",
        "before",
        "many",
        "wide",
        "hostile",
    ]
    row = page.get_by_role("row").filter(has_text="answers, new prompt")
    # rows, spans, errors, metrics, failed
    expect(row.get_by_role("cell")).to_have_text(["", re.compile("2025"), "d", "12", "35", "2", "32", "1"])
    expect(page).to_have_title("Experiments · llmobs-trace")


def test_experiments_are_searched_and_the_search_is_in_the_address(page: Page, server: str) -> None:
    page.goto(server)
    page.get_by_placeholder("Search names and ids").fill("prompt")
    expect(page.get_by_role("rowheader")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=prompt$"))
    page.reload()
    expect(page.get_by_role("rowheader")).to_have_count(1)
    expect(page.get_by_placeholder("Search names and ids")).to_have_value("prompt")
    page.get_by_placeholder("Search names and ids").fill("nowhere")
    expect(page.get_by_text("No experiment's name or id has “nowhere” in it.")).to_be_visible()


def test_an_experiment_shows_every_row_with_failed_and_missing_evaluations_in_words(
    page: Page, server: str
) -> None:
    page.goto(f"{server}/experiments/after")
    expect(page.get_by_role("heading", level=1)).to_have_text("answers, new prompt")
    expect(page.locator("table.rows tbody tr")).to_have_count(ROWS)
    assert column(page, "likeness")[:8] == [
        "0.525",
        "0.55",
        "missing",
        "0.6",
        "failed",
        "0.65",
        "missing",
        "0.7",
    ]
    assert column(page, "correct")[2] == "missing"
    assert column(page, "Output")[2] == "LookupError: nothing is known of 3"
    assert column(page, "Status")[1:3] == ["✓ ok", "✗ LookupError"]
    assert column(page, "Latency")[:2] == ["13 ms", "16 ms"]
    assert column(page, "Expected")[0] == "2"
    card = page.get_by_role("article").filter(has=page.get_by_role("heading", name="likeness"))
    expect(card).to_contain_text("9 scored · 1 failed · 2 missing")


def test_rows_are_sorted_by_their_heads_and_say_so(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/after")
    page.get_by_role("link", name="Latency").click()
    expect(page.locator("table.rows tbody a.open").first).to_have_text("row-012")
    head = page.get_by_role("columnheader", name="Latency")
    expect(head).to_have_attribute("aria-sort", "descending")
    head.get_by_role("link").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(page.locator("table.rows tbody a.open").first).to_have_text("row-001")
    page.get_by_role("columnheader", name="likeness").get_by_role("link").click()
    expect(page.locator("table.rows tbody a.open").first).to_have_text("row-012")
    # Without a score comes last, whichever way.
    assert first_rows(page)[-3:] == ["row-007", "row-005", "row-003"]
    page.reload()
    expect(page.locator("table.rows tbody a.open").first).to_have_text("row-012")


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("status=error", ["row-003"]),
        ("failed=1", ["row-005"]),
        ("missing=likeness", ["row-003", "row-007"]),
        ("label=style&value=plain", ["row-001", "row-005", "row-007", "row-009", "row-011"]),
        ("label=likeness&min=0.5&below=0.6", ["row-001", "row-002"]),
        ("q=24", ["row-012"]),
        ("q=known", ["row-003"]),
    ],
)
def test_a_filter_is_an_address(page: Page, server: str, query: str, rows: list[str]) -> None:
    page.goto(f"{server}/experiments/after?{query}")
    expect(page.locator("table.rows tbody a.open")).to_have_text(rows)
    expect(page.locator(".found")).to_have_text(f"{len(rows)} of {ROWS}")
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator("table.rows tbody tr")).to_have_count(ROWS)


def test_a_bar_of_a_histogram_leads_to_its_rows(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/after")
    bar = page.get_by_role("list", name="Rows by likeness").get_by_role("listitem").last
    expect(bar).to_have_text(re.compile(r"^0\.78\d* to 0\.8: 1 row$"))
    bar.click()
    expect(page.locator("table.rows tbody a.open")).to_have_text(["row-012"])
    page.get_by_role("list", name="Rows by style").get_by_role("link", name="plain").click()
    expect(page.locator("table.rows tbody tr")).to_have_count(5)
    page.get_by_role("link", name="style is plain. Take this filter away").click()
    expect(page.locator("table.rows tbody tr")).to_have_count(ROWS)


def test_numbers_that_are_all_the_same_are_no_histogram(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/wide")
    card = page.get_by_role("article").filter(has=page.get_by_role("heading", name="Latency"))
    expect(card).to_have_text(re.compile("^Latency1.2 s medianof one row$"))


def test_filters_are_chosen_and_typed(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/after")
    page.get_by_label("Status").first.select_option("error")
    expect(page.locator("table.rows tbody a.open")).to_have_text(["row-003"])
    page.get_by_label("Status").first.select_option("")
    page.get_by_label("Evaluation").select_option("A failed evaluator")
    expect(page.locator("table.rows tbody a.open")).to_have_text(["row-005"])
    page.get_by_label("Evaluation").select_option("Missing likeness")
    expect(page.locator("table.rows tbody a.open")).to_have_text(["row-003", "row-007"])
    page.get_by_label("Value").select_option("style: plain (5)")
    expect(page.locator("table.rows tbody tr")).to_have_count(5)
    page.get_by_placeholder(re.compile("^Search")).fill("zzz")
    expect(page.get_by_text("No row is like that.")).to_be_visible()


def test_rows_come_in_pages(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/many")
    expect(page.locator("table.rows tbody tr")).to_have_count(100)
    page.get_by_role("link", name="Next →").click()
    expect(page.locator("table.rows tbody a.open").first).to_have_text("row-101")
    expect(page.get_by_text(f"101 to 200 of {MANY} rows")).to_be_visible()
    page.get_by_role("link", name="Next →").click()
    expect(page.locator("table.rows tbody tr")).to_have_count(MANY - 200)
    page.go_back()
    expect(page.locator("table.rows tbody a.open").first).to_have_text("row-101")


def test_a_trace_is_a_tree_with_times_and_what_was_said(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/after/traces/b-t004")
    items = page.get_by_role("treeitem")
    expect(items).to_have_count(3)
    assert [item.get_attribute("aria-level") for item in items.all()] == ["1", "2", "2"]
    assert items.last.get_attribute("aria-label") == "model, llm, took 16 ms, after 5 ms"
    items.last.click()
    expect(page).to_have_url(re.compile("#b-r004-b$"))
    detail = page.get_by_role("region", name="Span model")
    expect(detail).to_contain_text("first item after 2 ms")
    expect(detail).to_contain_text("not run to its end")
    messages = detail.get_by_role("list", name="Messages").first.get_by_role("listitem")
    expect(messages).to_have_text(["systemAnswer in one sentence.", "userWhat is twice 4?"])
    detail.get_by_role("button", name="JSON").first.click()
    expect(detail.locator(".json").first).to_contain_text('role: "system"')


def test_a_trace_opens_at_the_span_in_its_address(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/after/traces/b-t004#b-r004-a")
    expect(page.get_by_role("treeitem", selected=True)).to_contain_text("look up")
    # As it was recorded: more digits than a JavaScript number has.
    expect(page.get_by_role("region", name="Span look up")).to_contain_text("limit: 9007199254740993")
    page.reload()
    expect(page.get_by_role("treeitem", selected=True)).to_contain_text("look up")


def test_a_large_trace_comes_in_parts_and_a_span_in_its_address_is_found(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/wide/traces/w")
    expect(page.get_by_role("treeitem")).to_have_count(500)
    page.get_by_role("link", name="Show more: 700 spans are left").click()
    expect(page.get_by_role("treeitem")).to_have_count(1000)
    page.goto(f"{server}/experiments/wide/traces/w#w-1199")
    expect(page.get_by_role("treeitem", selected=True)).to_contain_text("step 1199")
    expect(page.get_by_role("treeitem")).to_have_count(1200)


def test_an_error_is_shown_with_its_stack(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/after/traces/b-t003")
    detail = page.get_by_role("region", name="Span answer")
    expect(detail).to_contain_text("LookupError: nothing is known of 3")
    expect(detail).to_contain_text('File "answer.py", line 3, in look_up')
    expect(detail).to_contain_text("None was recorded.")
    expect(page.get_by_text("2 errors")).to_be_visible()


def test_the_event_is_there_as_it_was_on_the_wire(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/after/traces/b-t004#b-r004-b")
    page.get_by_text("The event as on the wire").click()
    expect(page.locator("details.wire")).to_contain_text('"time_to_first_item_ns:2000000"')


def test_a_trace_goes_on_to_the_next_row_of_what_was_looked_through(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/after?missing=likeness")
    page.locator("table.rows tbody tr").first.get_by_role("cell").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("row-003")
    expect(page.get_by_text("row 1 of 2")).to_be_visible()
    page.get_by_role("link", name="Next →").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("row-007")
    page.get_by_role("navigation", name="Where you are").get_by_role(
        "link", name="answers, new prompt"
    ).click()
    expect(page.locator("table.rows tbody a.open")).to_have_text(["row-003", "row-007"])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/experiments/no-such", "no-such"),
        ("/experiments/after/traces/no-such", "no-such"),
        ("/experiments/after?sort=colour", "sort"),
        ("/experiments/a/b/c/d/e", "There is no such page"),
        ("/compare", "choose them in the list"),
    ],
)
def test_what_is_not_there_is_said(page: Page, server: str, path: str, said: str) -> None:
    page.goto(server + path)
    expect(page.get_by_role("main")).to_contain_text(said)
    expect(page.get_by_role("main").get_by_role("link", name="All experiments")).to_be_visible()


def test_an_experiment_without_a_name_is_called_by_its_whole_id(
    page: Page, serve: Callable[[Path], Serving], tmp_path: Path
) -> None:
    with Store(tmp_path / "unnamed.db") as store:
        for number in (1, 2):
            store.add(f"prompt-baseline-v{number}", [span("row")], [])
    serving = serve(tmp_path / "unnamed.db")
    page.goto(serving.url)
    names = [f"prompt-baseline-v{number}" for number in (2, 1)]
    expect(page.locator("tbody a.open")).to_have_text(names)
    page.goto(f"{serving.url}/compare?a={names[1]}&b={names[0]}")
    expect(page).to_have_title(re.compile(f"^Compare {names[1]} and {names[0]}"))
