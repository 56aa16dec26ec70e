"""The file that `export --format html` writes, opened from the disk."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.browser import faults
from support.viewed import BIG_CHARACTERS, HOSTILE

from llmobs_trace.cli import main

Export = Callable[[str], str]


@pytest.fixture
def export(filled: Path, tmp_path: Path) -> Export:
    """Export an experiment; gives the file's address."""

    def export(experiment_id: str) -> str:
        file = tmp_path / f"{experiment_id}.html"
        words = ["export", experiment_id, "--format", "html", "--output", str(file)]
        assert main([*words, "--database", str(filled)]) == 0
        return file.as_uri()

    return export


def test_it_shows_the_experiment_and_its_traces(page: Page, export: Export) -> None:
    page.goto(export("after"))
    expect(page.get_by_text("Saved file")).to_be_visible()
    # On the experiment, and not on a list of one.
    expect(page.locator("main h1")).to_have_text("answers, new prompt")
    expect(page.locator("table.rows tbody tr")).to_have_count(12)
    expect(page.get_by_role("link", name="Experiments", exact=True)).to_have_count(0)
    card = page.get_by_role("article").filter(has=page.get_by_role("heading", name="likeness"))
    expect(card).to_contain_text("9 scored · 1 failed · 2 missing")
    page.get_by_role("link", name="row-003").click()
    expect(page.get_by_role("region", name="Span answer")).to_contain_text(
        "LookupError: nothing is known of 3"
    )
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile(r"after\.html#/experiments/after/traces/b-t003#b-r003-a$"))
    page.reload()
    expect(page.get_by_role("treeitem", selected=True)).to_contain_text("look up")
    page.get_by_role("link", name="Next →").click()
    expect(page.locator("main h1")).to_have_text("row-004")
    page.go_back()
    expect(page.locator("main h1")).to_have_text("row-003")
    page.keyboard.press("Escape")
    expect(page.locator("main h1")).to_have_text("answers, new prompt")
    page.keyboard.press("Escape")  # there is nothing above it
    expect(page.locator("main h1")).to_have_text("answers, new prompt")
    page.keyboard.press("g")
    page.keyboard.press("e")
    expect(page.locator("main h1")).to_have_text("answers, new prompt")


# What the file's pages ask, and what the server's do: the same function of both, on the same question.
NEIGHBOURS = """async ([saved, query, traces]) => {
    const { embedded } = await import("/assets/source_embedded.js");
    const params = Object.fromEntries(new URLSearchParams(query));
    const found = [];
    for (const trace of traces) {
        const asked = new URLSearchParams({ ...params, trace });
        const served = await (await fetch(`/api/experiments/after/neighbours?${asked}`)).json();
        const kept = await embedded(JSON.parse(saved)).neighbours("after", { ...params, trace });
        found.push([kept, served].map(({ position, total, previous, next }) =>
            [position, total, previous?.trace_id ?? null, next?.trace_id ?? null]));
    }
    return found;
}"""


def saved_in(folder: Path, export: Export) -> str:
    """What an exported page has in it, as JSON."""
    export("after")
    text = (folder / "after.html").read_text()
    return text.partition('id="embedded">')[2].partition("</script>")[0]


def test_it_goes_on_to_the_row_before_and_after_as_the_server_does(
    page: Page, server: str, export: Export, tmp_path: Path
) -> None:
    saved = saved_in(tmp_path, export)
    page.goto(server)
    for query in ("", "sort=latency&order=desc", "where=likeness%3Dmissing"):
        for kept, served in page.evaluate(NEIGHBOURS, [saved, query, ["b-t001", "b-t003", "b-t012"]]):
            assert kept == served


def test_every_row_is_in_it(page: Page, export: Export) -> None:
    page.goto(f"{export('many')}#/experiments/many?offset=200")
    expect(page.locator("table.rows tbody tr")).to_have_count(30)


def test_nothing_recorded_runs_in_it(page: Page, export: Export) -> None:
    page.goto(f"{export('hostile')}#/experiments/hostile")
    expect(page.locator("main h1")).to_have_text(HOSTILE[0])
    page.locator("table.rows tbody a.open").click()
    expect(page.locator(".part.failure")).to_contain_text(HOSTILE[2])
    page.keyboard.press("ArrowDown")
    # A file has all of it: there is nothing to be loaded.
    expect(page.get_by_role("button", name=f"Show all {BIG_CHARACTERS:,} characters")).to_be_visible()
    assert page.locator("main script, main img").count() == 0


@pytest.mark.parametrize("path", ["", "#/experiments/after", "#/experiments/after/traces/b-t003"])
def test_axe_finds_no_fault_in_it(page: Page, export: Export, path: str) -> None:
    page.goto(export("after") + path)
    expect(page.locator("main h1")).to_be_visible()
    assert faults(page) == []
