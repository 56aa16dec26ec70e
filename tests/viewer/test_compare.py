"""Experiments side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.events import metric, span
from support.serving import Serving

from llmobs_trace.store.store import Store


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
    expect(row.locator('[data-column="correct"]')).to_have_text("▲ better: false fail → true pass")
    same = page.locator("table.compared tbody tr").nth(4)
    expect(same.locator('[data-column="likeness"]')).to_have_text("failed")
    expect(same.locator("del, ins")).to_have_count(0)


@pytest.fixture
def long_answers(tmp_path: Path) -> Path:
    """Two runs whose answers are of 60,000 characters, and differ in the middle of each, if at all."""
    path = tmp_path / "long.db"
    with Store(path) as store:
        for name in ("before", "after"):
            spans = []
            for number in range(3):
                lines = [f"Line {line}: it says what it says, and no more." for line in range(1_400)]
                if number == 0 and name == "after":
                    lines[700] = lines[700].replace("no more", "nothing else")
                answer: Any = "\n".join(lines)
                if number == 1:
                    answer = {"text": answer, "tokens": 5 if name == "after" else 4}
                spans.append(
                    span(f"{name}{number}", trace_id=f"{name}{number}", row=f"row-{number}", output=answer)
                )
            store.add(name, spans, [])
    return path


def test_long_answers_are_compared_whole_and_what_changed_is_found_in_the_middle_of_them(
    page: Page, serve: Callable[[Path], Serving], long_answers: Path
) -> None:
    page.goto(f"{serve(long_answers).url}/compare?a=before&b=after")
    table = page.locator("table.compared")
    # What is shown of them is the same, so that nothing is marked; a button says where there is more to see.
    expect(table.locator("del, ins")).to_have_count(0)
    expect(table.get_by_role("button", name="changed")).to_have_count(2)
    table.get_by_role("button", name="changed").first.click()
    expect(page).to_have_url(re.compile("open=before0$"))
    page.reload()
    a, b = (page.get_by_role("region", name=f"{letter}'s whole answer") for letter in "AB")
    expect(a.locator("del")).to_have_text("no more")
    expect(b.locator("ins")).to_have_text("nothing else")
    expect(a).to_contain_text(re.compile("A 63,289 characters"))
    expect(a).to_contain_text("Line 700: it says what it says, and")
    expect(a).not_to_contain_text("Line 350:")
    a.get_by_role("button", name="characters the same").first.click()
    expect(a).to_contain_text("Line 350:")
    # One at a time.
    table.get_by_role("button", name="changed").last.click()
    expect(page.locator("tr.opened")).to_have_count(1)
    expect(page.locator(".whole-answer del")).to_have_text("4")
    table.get_by_role("button", name="changed").last.click()
    expect(page.locator("tr.opened")).to_have_count(0)


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (lambda name: "beginning " * 110_000 + name, "of a longer answer the beginning"),
        (
            lambda name: [{"role": "user", "content": text} for text in (name, "long " * 250_000, "newest")],
            "of a longer conversation the end",
        ),
    ],
    ids=["text", "conversation"],
)
def test_of_answers_too_long_to_be_shown_whole_it_is_said_which_part_is_and_that_they_differ_elsewhere(
    page: Page, serve: Callable[[Path], Serving], tmp_path: Path, answer: Callable[[str], Any], shown: str
) -> None:
    path = tmp_path / "longest.db"
    with Store(path) as store:
        for name in ("before", "after"):
            store.add(name, [span(name, trace_id=name, row="row", output=answer(name))], [])
    page.goto(f"{serve(path).url}/compare?a=before&b=after&open=before")
    expect(page.locator("tr.opened")).to_contain_text("What is shown of them is equal")
    for letter in "AB":
        expect(page.get_by_role("region", name=f"{letter}'s whole answer")).to_contain_text(shown)


@pytest.fixture
def costly(tmp_path: Path) -> Path:
    """Runs in which everything measured went up."""
    path = tmp_path / "costly.db"
    with Store(path) as store:
        for name, value in (("before", 0.2), ("after", 0.5)):
            spans, metrics = [], []
            for row in range(40):
                span_id = f"{name}{row}"
                spans.append(span(span_id, trace_id=span_id, row=f"row-{row}"))
                metrics += [metric(span_id, label, value) for label in ("toxicity", "quality")]
                metrics.append(metric(span_id, "harm", value, tags=["lower_is_better:true"]))
                word = "true" if name == "before" else "false"
                metrics.append(metric(span_id, "weight", value, tags=[f"lower_is_better:{word}"]))
                metrics.append(metric(span_id, "right", True, assessment="pass"))
            store.add(name, spans, metrics)
    return path


def test_the_direction_that_a_verdict_goes_by_stands_beside_each_metric(
    page: Page, serve: Callable[[Path], Serving], costly: Path
) -> None:
    page.goto(f"{serve(costly).url}/compare?a=before&b=after")
    said = {
        label: page.get_by_label(f"Which {label} is better").locator("option:checked").inner_text()
        for label in ("toxicity", "quality", "harm", "weight", "right")
    }
    assert said == {
        "toxicity": "Which is better?",
        "quality": "Higher is better (assumed)",
        "harm": "Lower is better (as recorded)",
        "weight": "Records contradict each other",
        "right": "Pass is better",
    }
    row = page.locator("table.verdicts tbody tr")
    for label, verdict in (
        ("toxicity", "not judged"),
        ("quality", "better"),
        ("harm", "worse"),
        ("weight", "not judged"),
    ):
        found = row.filter(has=page.get_by_role("rowheader", name=label))
        expect(found.locator(".verdict")).to_contain_text(verdict)
    unjudged = row.filter(has=page.get_by_role("rowheader", name="toxicity"))
    expect(unjudged).to_contain_text("40 higher, 0 lower")
    expect(page.get_by_label(re.compile("^Which row latency"))).to_have_count(0)


def test_a_direction_that_is_chosen_turns_the_verdict_and_is_kept_in_the_address(
    page: Page, serve: Callable[[Path], Serving], costly: Path
) -> None:
    page.goto(f"{serve(costly).url}/compare?a=before&b=after")
    row = page.locator("table.verdicts tbody tr").filter(has=page.get_by_role("rowheader", name="toxicity"))
    choice = page.get_by_label("Which toxicity is better")
    choice.select_option("Lower is better")
    expect(row.locator(".verdict")).to_contain_text("worse")
    expect(row).to_contain_text("lower_is_better=True")
    expect(page).to_have_url(re.compile(r"direction\.toxicity=lower$"))
    page.reload()
    expect(row.locator(".verdict")).to_contain_text("worse")
    expect(choice.locator("option:checked")).to_have_text("Lower is better")
    page.get_by_role("link", name="Swap A and B").click()
    expect(row.locator(".verdict")).to_contain_text("better")
    choice.select_option("Higher is better")
    expect(row.locator(".verdict")).to_contain_text("worse")
    choice.select_option("Don\u2019t judge it")
    expect(row).to_contain_text("told not to judge it")
    choice.select_option("As recorded, or assumed")
    expect(page).not_to_have_url(re.compile("direction"))
    expect(choice.locator("option:checked")).to_have_text("Which is better?")


def test_a_search_is_in_the_address_also_where_the_field_is_left_at_once(page: Page, server: str) -> None:
    page.clock.install(time=0)
    page.goto(f"{server}/compare?a=before&b=after")
    expect(page.locator("table.compared tbody tr")).to_have_count(12)
    # Nobody waits until a search takes itself on: it must not land in the address of what is opened next.
    page.clock.pause_at(60_000)
    page.get_by_placeholder("Search the rows").press_sequentially("answer to 4")
    page.locator("table.compared tbody a.open").nth(3).click()
    expect(page.locator("main h1")).to_have_text("row-004")
    page.clock.run_for(2_000)
    assert "q=" not in page.url
    page.go_back()
    expect(page).to_have_url(re.compile(r"&q=answer\+to\+4$"))
    expect(page.locator("table.compared tbody a.open")).to_have_text(["row-002", "row-004"])
    expect(page.get_by_placeholder("Search the rows")).to_have_value("answer to 4")


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
    expect(page).to_have_url(re.compile(r"/experiments/after/traces/b-t004\?from=.*#b-r004$"))


def test_who_leaves_a_trace_that_was_opened_from_a_comparison_is_back_where_they_were(
    page: Page, server: str
) -> None:
    page.goto(f"{server}/compare?a=before&b=after&changed=1&direction.likeness=lower")
    page.locator("table.compared tbody a.answer").nth(2).click()
    expect(page.locator("main h1")).to_have_text("row-008")
    page.keyboard.press("j")
    expect(page.locator("main h1")).to_have_text("row-009")
    page.keyboard.press("k")
    expect(page.locator("main h1")).to_have_text("row-008")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/compare\?a=before&b=after&changed=1&direction\.likeness=lower$"))
    expect(page.locator("table.compared tbody a.open").nth(1)).to_be_focused()


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
    # What is said of a metric is worked out anew, and meanwhile the table stays.
    page.clock.pause_at(2_000_000)
    page.get_by_label("Which right is better").select_option("Lower is better")
    expect(page.get_by_role("status").filter(has_text="these are from before")).to_be_visible()
    expect(page.locator("table.verdicts tbody")).to_contain_text("+40 points")
    page.clock.resume()
    expect(page.get_by_role("heading", level=2).first).to_contain_text("worse")
    # A hundredth of a percent: no more than nothing, and without a sign.
    latency = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="row latency"))
    expect(latency.get_by_role("cell", name="0%", exact=True)).to_be_visible()
