"""Every page by its address, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect
from support.events import START_NS, span
from support.serving import Serving
from support.viewed import MANY, ROWS

from llmobs_trace.cli import main
from llmobs_trace.store.store import Store


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
    # dataset, status, rows, errors, failed, scores, latency
    expect(row.get_by_role("cell")).to_have_text(
        ["", re.compile("2025"), "d", "-", "12", "2", "1", re.compile("correct 100%"), "28 ms", "Edit"]
    )
    # By a column's head, and by a score.
    page.get_by_role("link", name="Rows", exact=True).click()
    expect(rows.first).to_contain_text("many")
    page.get_by_label("Sort").select_option("likeness, lowest first")
    expect(page).to_have_url(re.compile(r"sort=score%3Alikeness&order=asc"))
    expect(rows.first).to_contain_text("answers")
    page.get_by_label("Sort").select_option("Latest first")
    expect(rows.first).to_contain_text("answers, new prompt")
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
    expect(page.get_by_text("No experiment's name, id or dataset is like “nowhere”.")).to_be_visible()


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
    ("where", "rows"),
    [
        (["status=error"], ["row-003"]),
        (["likeness=failed"], ["row-005"]),
        (["likeness=missing"], ["row-003", "row-007"]),
        (["style=plain", "latency<40ms"], ["row-001", "row-005", "row-007", "row-009"]),
        (["likeness>=0.5", "likeness<0.6"], ["row-001", "row-002"]),
        (["text=24"], ["row-012"]),
        (["text=known", "error=LookupError"], ["row-003"]),
    ],
)
def test_conditions_are_an_address(page: Page, server: str, where: list[str], rows: list[str]) -> None:
    page.goto(f"{server}/experiments/after?{urlencode({'where': where}, doseq=True)}")
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
    page.get_by_role("list", name="Rows by style").get_by_role("link", name="chatty").click()
    expect(page.locator("table.rows tbody a.open")).to_have_text(["row-012"])
    page.get_by_role("list", name="Rows by style").get_by_role("link", name="plain").click()
    expect(page.get_by_text("No row is like that.")).to_be_visible()
    chips = [re.compile(f"^{asked} ") for asked in ("likeness>=0.78", "likeness<=0.8", "style=plain")]
    expect(page.locator(".chip")).to_have_text(chips)
    for _ in range(3):
        page.get_by_role("link", name="Take this condition away").first.click()
    expect(page.locator("table.rows tbody tr")).to_have_count(ROWS)


def test_numbers_that_are_all_the_same_are_no_histogram(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/wide")
    card = page.get_by_role("article").filter(has=page.get_by_role("heading", name="Latency"))
    expect(card).to_have_text(re.compile("^Latency1.2 s medianof one row$"))


def condition(page: Page, field: str, comparison: str, value: str) -> None:
    """Add a condition by its form."""
    page.get_by_text("Add a condition").click()
    page.get_by_label("Field").select_option(field)
    page.get_by_label("Comparison").select_option(comparison)
    page.get_by_label("Value", exact=True).fill(value)
    page.get_by_role("button", name="Add", exact=True).click()


def test_conditions_are_chosen_and_typed(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/after")
    shown = page.locator("table.rows tbody a.open")
    condition(page, "likeness", "is not", "missing")
    expect(shown).to_have_count(10)
    condition(page, "style", "is", "plain")
    expect(shown).to_have_text(["row-001", "row-005", "row-009", "row-011"])
    condition(page, "latency", "is below", "quick")
    # The form says what would do, and stays.
    value = page.get_by_label("Value", exact=True)
    assert "compared with a time" in value.evaluate("element => element.validationMessage")
    value.fill("40ms")
    value.press("Enter")
    expect(shown).to_have_text(["row-001", "row-005", "row-009"])
    expect(page).to_have_url(
        re.compile(r"\?where=likeness%21%3Dmissing&where=style%3Dplain&where=latency%3C40ms$")
    )
    page.get_by_role("link", name="latency<40ms. Take this condition away").click()
    expect(shown).to_have_count(4)
    page.get_by_placeholder(re.compile("^Search")).fill("zzz")
    expect(page.get_by_text("No row is like that.")).to_be_visible()
    page.get_by_placeholder(re.compile("^Search")).fill("")
    expect(shown).to_have_count(4)


def test_errors_finds_the_rows_in_which_any_span_failed(
    page: Page, serve: Callable[[Path], Serving], tmp_path: Path
) -> None:
    """A row that got over what failed in it is none that failed."""
    with Store(tmp_path / "x.db") as store:
        spans = [span(f"r{n}", trace_id=f"t{n}", row=f"row-{n}") for n in range(5)]
        spans.append(span("deep", trace_id="t1", parent="r1", error={"type": "Timeout"}))
        spans.append(span("r5", trace_id="t5", row="row-5", error={"type": "ValueError"}))
        store.add("e", spans, [])
    page.goto(f"{serve(tmp_path / 'x.db').url}/experiments/e")
    condition(page, "error", "is", "any")
    rows = page.locator("table.rows tbody tr")
    expect(rows.locator("a.open")).to_have_text(["row-1", "row-5"])
    expect(rows.first.locator('[data-column="Status"]')).to_have_text("✓ ok1 error inside")
    expect(page).to_have_url(re.compile(r"\?where=error%3Dany$"))
    page.get_by_role("link", name="Clear all").click()
    expect(rows).to_have_count(6)
    page.get_by_role("link", name="2 spans with errors").click()
    expect(rows).to_have_count(2)
    # An address may ask for one kind of error, as a condition on the command line does.
    page.goto(page.url.replace("any", "Timeout"))
    expect(rows.locator("a.open")).to_have_text(["row-1"])
    expect(page.get_by_role("link", name="error=Timeout. Take this condition away")).to_be_visible()


@pytest.fixture
def thousand(tmp_path: Path) -> Path:
    """1,200 rows of three spans each; every third has no `check`."""
    with Store(tmp_path / "thousand.db") as store:
        spans = []
        for n in range(1_200):
            at = START_NS + n * 10
            spans.append(span(f"r{n}", trace_id=f"t{n}", row=f"row-{n:04}", name="answer", start_ns=at))
            names = ["search", "search"] if n % 3 == 2 else ["search", "search", "check"]
            for place, name in enumerate(names, 1):
                spans.append(
                    span(f"r{n}-{place}", trace_id=f"t{n}", parent=f"r{n}", name=name, start_ns=at + place)
                )
        store.add("e", spans, [], name="a thousand")
    return tmp_path / "thousand.db"


def test_previous_and_next_go_through_all_rows_and_ask_for_no_more_than_they_need(
    page: Page, serve: Callable[[Path], Serving], thousand: Path
) -> None:
    sizes: dict[str, int] = {}
    page.on(
        "response",
        lambda found: sizes.update({found.url: len(found.body())}) if "/api/" in found.url else None,
    )
    page.goto(f"{serve(thousand).url}/experiments/e/traces/t498")
    for number in range(499, 503):
        page.get_by_role("link", name="Next →").click()
        expect(page.locator("main h1")).to_have_text(f"row-{number:04}")
        expect(page.get_by_text(f"row {number + 1} of 1,200")).to_be_visible()
    page.goto(page.url.replace("t502", "t1199"))
    expect(page.get_by_text("row 1,200 of 1,200")).to_be_visible()
    expect(page.locator("main a[rel=next]")).to_have_count(0)
    page.keyboard.press("k")
    expect(page.locator("main h1")).to_have_text("row-1198")
    assert sizes
    assert max(sizes.values()) < 5_000


def test_next_keeps_the_span_that_is_looked_at_and_finds_it_again_behind_rows_that_lack_it(
    page: Page, serve: Callable[[Path], Serving], thousand: Path
) -> None:
    page.goto(f"{serve(thousand).url}/experiments/e/traces/t0")
    selected = page.get_by_role("treeitem", selected=True)
    page.get_by_role("treeitem", name="search").nth(1).click()
    expect(page).to_have_url(re.compile("#r0-2$"))
    page.keyboard.press("j")
    expect(page.locator("main h1")).to_have_text("row-0001")
    expect(selected).to_have_attribute("id", "span-r1-2")
    page.reload()
    expect(selected).to_have_attribute("id", "span-r1-2")
    page.get_by_role("treeitem", name="check").click()
    for number, span_id in ((2, "r2"), (3, "r3-3"), (4, "r4-3")):
        page.keyboard.press("j")
        expect(page.locator("main h1")).to_have_text(f"row-{number:04}")
        expect(selected).to_have_attribute("id", f"span-{span_id}")
    page.get_by_role("treeitem", name="answer").click()
    page.keyboard.press("j")
    expect(selected).to_have_attribute("id", "span-r5")
    assert "at=" not in page.url


def test_esc_leads_to_the_page_of_the_list_that_the_row_is_on_and_to_the_row(
    page: Page, serve: Callable[[Path], Serving], thousand: Path
) -> None:
    page.goto(f"{serve(thousand).url}/experiments/e?order=desc&sort=start&offset=300")
    expect(page.locator("table.rows tbody a.open").first).to_have_text("row-0899")
    page.locator("table.rows tbody a.open").nth(98).click()
    expect(page.locator("main h1")).to_have_text("row-0801")
    page.keyboard.press("Escape")
    expect(page).to_have_url(
        re.compile(r"\?order=desc&sort=start&offset=300$|\?sort=start&order=desc&offset=300$")
    )
    expect(page.get_by_role("link", name="row-0801")).to_be_focused()
    # Who went on from there is on the next page by then.
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("row-0801")
    for number in ("0800", "0799"):
        page.keyboard.press("j")
        expect(page.locator("main h1")).to_have_text(f"row-{number}")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("offset=400$"))
    expect(page.get_by_role("link", name="row-0799")).to_be_focused()


def test_esc_leads_to_the_list_of_experiments_as_it_was_left(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments?q=answers")
    page.get_by_role("link", name="answers before").click()
    expect(page.locator("main h1")).to_have_text("answers")
    page.locator("table.rows tbody a.open").first.click()
    expect(page.locator("main h1")).to_have_text("row-001")
    page.keyboard.press("Escape")
    expect(page.locator("main h1")).to_have_text("answers")
    page.keyboard.press("Escape")
    expect(page.locator("tbody a.open")).to_have_count(2)
    expect(page).to_have_url(re.compile(r"\?q=answers$"))
    # There is nothing above it: a search that was made is not lost to one Esc too many.
    page.locator("main h1").click()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"\?q=answers$"))
    expect(page.locator("tbody a.open")).to_have_count(2)


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


@pytest.fixture
def long_talk(tmp_path: Path) -> Path:
    """A model call of 50 kB in one row, and of 3 MB in the other."""
    store_path = tmp_path / "talk.db"
    rules = {"role": "system", "content": "Rules. " * 6_000}
    asked = {"role": "user", "content": "What is twice 21?"}
    answer = {"role": "assistant", "content": "The answer is 42." + " It is so." * 200}
    long = [{"role": "user", "content": f"message {number} " + "x" * 30_000} for number in range(100)]
    with Store(store_path) as store:
        for name, messages in (("short", [rules, asked]), ("long", [rules, *long, asked])):
            root = span(f"{name}-r", trace_id=name, row=name, input={"messages": messages}, output=answer)
            call = span(
                f"{name}-m",
                trace_id=name,
                parent=f"{name}-r",
                kind="llm",
                name="model",
                input=messages,
                output=answer,
            )
            store.add("e", [root, call], [])
    return store_path


@pytest.mark.parametrize("is_file", [False, True])
def test_a_large_model_call_shows_its_question_and_its_answer(
    page: Page, serve: Callable[[Path], Serving], long_talk: Path, tmp_path: Path, is_file: bool
) -> None:
    if is_file:
        file = tmp_path / "talk.html"
        words = ["export", "e", "--format", "html", "--output", str(file), "--database", str(long_talk)]
        assert main(words) == 0
        page.goto(f"{file.as_uri()}#/experiments/e?sort=row_id&order=desc")
    else:
        page.goto(f"{serve(long_talk).url}/experiments/e?sort=row_id&order=desc")
    row = page.locator("table.rows tbody tr").first
    expect(row.locator('[data-column="Input"]')).to_have_text("What is twice 21?")
    expect(row.locator('[data-column="Output"]')).to_have_text(re.compile("^The answer is 42. .*…$"))
    row.locator("a.open").click()
    detail = page.locator("section.detail")
    for name in ("step", "model"):
        page.get_by_role("treeitem", name=name).click()
        messages = detail.get_by_role("list", name="Messages")
        expect(messages.first.get_by_role("listitem").last).to_have_text("userWhat is twice 21?")
        expect(messages.first.get_by_role("listitem").first).to_contain_text("Show all 42,000 characters")
        expect(messages.last).to_contain_text("The answer is 42.")
        expect(detail.get_by_role("button", name="Load the whole value")).to_have_count(0)


def test_of_a_conversation_beyond_a_megabyte_the_oldest_messages_are_left_out_and_can_be_had(
    page: Page, serve: Callable[[Path], Serving], long_talk: Path
) -> None:
    page.goto(f"{serve(long_talk).url}/experiments/e/traces/long#long-m")
    detail = page.locator("section.detail")
    messages = detail.get_by_role("list", name="Messages").first.get_by_role("listitem")
    expect(messages.last).to_have_text("userWhat is twice 21?")
    more = detail.get_by_role("button", name=re.compile(r"^The \d+ oldest messages are not shown"))
    assert messages.count() < 50
    more.click()
    expect(messages).to_have_count(102)
    expect(messages.first).to_contain_text("Rules.")


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
    page.goto(f"{server}/experiments/after?where=likeness%3Dmissing")
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
        ("/experiments/after?where=colour", "condition"),
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
