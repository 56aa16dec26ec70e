"""Pages that are open while an experiment runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.events import START_NS
from support.serving import Serving
from support.viewed import row_events

from llmobs_trace.store.store import Store


@pytest.fixture
def growing(tmp_path: Path, serve: Callable[[Path], Serving]) -> Serving:
    """A server on a store of its own, which has 40 rows of an experiment `run`."""
    database = tmp_path / "growing.db"
    with Store(database) as store:
        store.add("run", [], [], name="running")
    add(database, 1, 41)
    return serve(database)


def add(database: Path, first: int, end: int) -> None:
    with Store(database) as store:
        for number in range(first, end):
            store.add("run", *row_events(number, run="l", start_ns=START_NS))


def test_what_is_in_no_row_yet_can_be_seen_and_goes_to_its_row(page: Page, growing: Serving) -> None:
    running, events = row_events(99, run="l", start_ns=START_NS)
    with Store(growing.database) as store:
        store.add("run", running[1:], [])
    page.goto(f"{growing.url}/experiments/run")
    region = page.get_by_role("region", name="In no row")
    expect(region.get_by_role("heading")).to_have_text(f"In no row: {len(running) - 1} spans")
    region.get_by_role("link").click()
    expect(page.get_by_role("treeitem")).to_have_count(len(running) - 1)
    page.go_back()
    with Store(growing.database) as store:
        store.add("run", running[:1], events)
    expect(page.locator("table.rows tbody a.open")).to_have_count(41)
    expect(region).to_have_count(0)


def test_rows_appear_and_what_the_reader_does_stays(page: Page, growing: Serving) -> None:
    page.goto(f"{growing.url}/experiments/run?order=desc&sort=start")
    rows = page.locator("table.rows tbody a.open")
    expect(rows).to_have_count(40)
    page.locator("#open-l-r020").focus()
    page.evaluate("scrollTo(0, 300)")
    page.evaluate("getSelection().selectAllChildren(document.getElementById('open-l-r030'))")
    kept = page.locator("#open-l-r020").element_handle()
    add(growing.database, 41, 43)
    expect(rows).to_have_count(42)
    expect(rows.first).to_have_text("row-042")
    expect(page.locator("#open-l-r020")).to_be_focused()
    assert kept.evaluate("(node) => node === document.activeElement")
    assert page.evaluate("String(getSelection())") == "row-030"
    # What was above may have grown; the row that is looked at is still where it was looked at.
    expect(page.locator("#open-l-r020")).to_be_in_viewport()
    expect(page.locator(".facts")).to_contain_text("42 rows")


def test_what_is_typed_is_not_taken_back_by_an_update(page: Page, growing: Serving) -> None:
    page.goto(f"{growing.url}/experiments/run")
    field = page.get_by_placeholder("Search spans: inputs, outputs, errors")
    field.fill("twice 91")
    expect(page.get_by_text("No row is like that.")).to_be_visible()
    add(growing.database, 91, 92)
    expect(page.locator("table.rows tbody a.open")).to_have_text(["row-091"])
    expect(field).to_have_value("twice 91")
    expect(field).to_be_focused()


def test_an_open_fold_stays_open_while_spans_arrive(page: Page, growing: Serving) -> None:
    page.goto(f"{growing.url}/experiments/run/traces/l-t004#l-r004-b")
    page.get_by_text("The event as on the wire").click()
    expect(page.locator("details.wire")).to_contain_text("small-1")
    page.get_by_role("region", name="Span model").get_by_role("button", name="JSON").first.click()
    with page.expect_response("**/traces/**"):
        add(growing.database, 50, 51)
    expect(page.locator("details.wire")).to_contain_text("small-1")
    expect(page.get_by_role("button", name="JSON", pressed=True)).to_have_count(1)


def test_a_new_experiment_appears_in_the_list(page: Page, growing: Serving) -> None:
    page.goto(growing.url)
    expect(page.get_by_role("rowheader")).to_have_count(1)
    with Store(growing.database) as store:
        store.add("second", *row_events(1, run="s", start_ns=START_NS + 10**12), name="second")
    expect(page.get_by_role("rowheader").first).to_contain_text("second")
