"""One row of several experiments, to read: whole answers side by side, and from row to row by keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.browser import faults
from support.events import metric, span
from support.serving import Serving

from llmobs_trace.store.store import Store

# Of rows 0 to 5, what each experiment came to: right or wrong, and None where it raised.
OUTCOMES = {
    "a": (True, True, False, True, None, True),
    "b": (True, False, True, None, True, True),
    "c": (True, True, True, True, True, True),
}


@pytest.fixture
def url(serve: Callable[[Path], Serving], tmp_path: Path) -> str:
    """Three experiments of six rows. B has row 1 wrong, and raises in row 3; row 5 alone is the same."""
    with Store(tmp_path / "x.db") as store:
        for name, outcomes in OUTCOMES.items():
            spans, metrics = [], []
            for number, right in enumerate(outcomes):
                span_id = f"{name}{number}"
                who = name if number != 5 else "each"
                long = f" {'It is so. ' * 900}The end of {who} {number}."
                values = {} if right is None else {"output": f"**Answer** {who}{long}"}
                spans.append(
                    span(
                        span_id,
                        trace_id=span_id,
                        row=f"row-{number}",
                        start_ns=number,
                        input=f"What is {number}?",
                        expected_output={"value": f"It is {number}."},
                        error={"type": "Timeout", "message": "too late"} if right is None else None,
                        say={"model_calls": 1, "input_tokens": 20, "output_tokens": 5, "cost_usd": 0.5},
                        **values,
                    )
                )
                if right is not None:
                    word = "pass" if right else "fail"
                    reason = f"because {name} says so"
                    metrics.append(metric(span_id, "right", right, assessment=word, reasoning=reason))
                    metrics.append(metric(span_id, "length", 0.5))
            store.add(name, spans, metrics, name=f"run {name}")
    return serve(tmp_path / "x.db").url


def rows(page: Page) -> list[str]:
    return page.locator("table.compared tbody a.open").all_inner_texts()


def test_a_row_is_read_with_its_whole_answers_scores_and_reasons(page: Page, url: str) -> None:
    page.goto(f"{url}/compare?a=a&b=b")
    page.get_by_role("link", name="row-1").click()
    expect(page.locator("main h1")).to_have_text("row-1")
    expect(page.get_by_text("row 2 of 6")).to_be_visible()
    expect(page.get_by_role("region", name="Input")).to_contain_text("What is 1?")
    expect(page.get_by_role("region", name="Expected")).to_contain_text("It is 1.")
    for letter in "AB":
        side = page.get_by_role("region", name=f"{letter}'s answer")
        expect(side).to_contain_text(f"The end of {letter.lower()} 1.")
        expect(side).to_contain_text("1 ms")
        expect(side).to_contain_text("20 → 5 tokens")
        expect(side).to_contain_text("$0.50")
    score = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="right"))
    expect(score).to_contain_text("true passbecause a says so")
    expect(score).to_contain_text("false failbecause b says so")
    expect(score).to_have_class("worse")
    # One choice for all answers.
    page.get_by_role("region", name="A's answer").get_by_role("button", name="Markdown").click()
    expect(page.get_by_role("region", name="B's answer").locator("strong")).to_have_text("Answer")
    assert faults(page) == []
    page.keyboard.press("d")
    expect(page.locator(".whole-answer ins").first).to_have_text("b")
    expect(page).to_have_url(re.compile("read=a1&diff=1$"))
    page.keyboard.press("Escape")
    expect(page.locator("main h1")).to_have_text("Compare")
    expect(page).to_have_url(re.compile(r"/compare\?a=a&b=b$"))
    expect(page.get_by_role("link", name="row-1")).to_be_focused()


def test_keys_lead_from_row_to_row_and_to_the_next_regression(page: Page, url: str) -> None:
    page.goto(f"{url}/compare?a=a&b=b")
    page.get_by_role("link", name="Read the answers").click()
    title = page.locator("main h1")
    expect(title).to_have_text("row-0")
    for key, name in (("j", "row-1"), ("j", "row-2"), ("k", "row-1"), ("r", "row-3")):
        page.evaluate("scrollTo(0, 500)")
        page.keyboard.press(key)
        expect(title).to_have_text(name)
    page.wait_for_function("scrollY === 0")
    expect(page.get_by_role("region", name="B's answer")).to_contain_text("Timeout: too late")
    page.reload()
    expect(title).to_have_text("row-3")
    page.keyboard.press("r")
    expect(page.get_by_text("There is no regression after this row.")).to_be_visible()
    page.keyboard.press("j")
    expect(title).to_have_text("row-4")
    page.keyboard.press("j")
    expect(title).to_have_text("row-5")
    expect(page.locator("main a[rel=next]")).to_have_count(0)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("Regressions", ["row-3", "row-1"]),  # the worst first
        ("Improvements", ["row-2", "row-4"]),
        ("The answer changed", ["row-0", "row-1", "row-2", "row-3", "row-4"]),
        ("Failed in one", ["row-3", "row-4"]),
    ],
)
def test_rows_are_narrowed_down_to_what_became_of_them_and_read_in_that_order(
    page: Page, url: str, choice: str, expected: list[str]
) -> None:
    page.goto(f"{url}/compare?a=a&b=b")
    page.get_by_label("Which rows").select_option(choice)
    expect(page.locator("table.compared tbody a.open")).to_have_text(expected)
    page.get_by_role("link", name="Read the answers").click()
    expect(page.locator("main h1")).to_have_text(expected[0])
    page.keyboard.press("j")
    expect(page.locator("main h1")).to_have_text(expected[1])
    expect(page.get_by_text(f"row 2 of {len(expected)}")).to_be_visible()
    # A filter that leaves the row out says so, and goes on with its own rows.
    page.get_by_label("Which rows").select_option("All rows")
    expect(page.get_by_text(re.compile(r"row \d of 6"))).to_be_visible()


def test_only_a_flip_is_coloured_and_worse_is_told_from_better_by_a_word(page: Page, url: str) -> None:
    page.goto(f"{url}/compare?a=a&b=b")
    cells = page.locator('table.compared [data-column="right"]')
    expect(cells.nth(1)).to_have_text("▼ worse: true pass → false fail")
    expect(cells.nth(1)).to_have_class(re.compile("flipped worse"))
    expect(cells.nth(2)).to_have_text("▲ better: false fail → true pass")
    expect(page.locator('table.compared .flipped[data-column="length"]')).to_have_count(0)
    # The verdict begins with what is known.
    expect(page.get_by_role("heading", name="B against A: ")).to_contain_text("metrics none can be told")


def test_three_are_one_matrix_and_read_side_by_side(page: Page, url: str) -> None:
    page.goto(f"{url}/compare?a=a&b=b&c=c")
    expect(page.locator("table.verdicts")).to_have_count(1)
    expect(page.get_by_role("columnheader", name="C against A")).to_be_visible()
    row = page.locator("table.verdicts tbody tr").filter(has=page.get_by_role("rowheader", name="right"))
    expect(row.get_by_role("cell")).to_have_count(3)
    expect(row).to_contain_text("? cannot tell")
    assert faults(page) == []
    page.get_by_role("link", name="Read the answers").click()
    expect(page.get_by_role("region", name="C's answer")).to_contain_text("The end of c 0.")
    page.keyboard.press("r")
    expect(page.locator("main h1")).to_have_text("row-1")


def test_without_a_row_in_common_each_has_its_own_means_and_why_there_is_no_verdict_is_said(
    page: Page, serve: Callable[[Path], Serving], tmp_path: Path
) -> None:
    with Store(tmp_path / "x.db") as store:
        for name, value in (("a", 0.25), ("b", 0.75)):
            root = span(name, trace_id=name, row=f"only-{name}")
            store.add(name, [root], [metric(name, "score", value), metric(name, "ok", True)])
    page.goto(f"{serve(tmp_path / 'x.db').url}/compare?a=a&b=b")
    expect(page.get_by_text("No row in common, and so no verdict")).to_be_visible()
    row = page.locator("table.verdicts tbody tr")
    score = row.filter(has=page.get_by_role("rowheader", name="score"))
    expect(score).to_contain_text("0.25")
    expect(score).to_contain_text("0.75")
    expect(row.filter(has=page.get_by_role("rowheader", name="ok"))).to_contain_text("100%")
    # Of a row that one alone has, nothing is beside what it says.
    expect(page.locator("table.rows tbody tr", has_text="only-a")).not_to_contain_text("→")
    # The reason is said once, and no column is there for what can't be had.
    expect(page.locator("table.verdicts th[scope=col]")).to_have_text(["Metric", "A", "B"])
