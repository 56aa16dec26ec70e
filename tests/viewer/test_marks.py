"""What people say by hand on the pages, and that the pages of others can't say anything."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from support.browser import faults, watched
from support.events import START_NS
from support.serving import Serving
from support.viewed import row_events

from llmobs_trace.store import queries
from llmobs_trace.store.store import Store

TRACE = "/experiments/after/traces/b-t004"
ROW = "b-r004"


@pytest.fixture
def served(tmp_path: Path, serve: Callable[[Path], Serving]) -> Serving:
    """A server on a store of its own: `before` and `after`, each with rows 1 to 5."""
    database = tmp_path / "experiments.db"
    with Store(database) as store:
        for name, run, better in (("before", "a", False), ("after", "b", True)):
            for number in range(1, 6):
                start_ns = START_NS + (10**12 if better else 0)
                store.add(name, *row_events(number, run=run, start_ns=start_ns, better=better), name=name)
    return serve(database)


def said(served: Serving, experiment_id: str = "after") -> dict[str, dict[str, Any]]:
    """What was said by hand of the row, by label."""
    with Store(served.database, read_only=True) as store:
        events = [json.loads(each.event) for each in queries.metrics(store, experiment_id)]
    return {event["label"]: event for event in events if event["label"].startswith("human")}


def verdict(page: Page) -> Locator:
    return page.get_by_role("region", name="Your verdict")


def test_a_row_is_marked_by_keys_and_buttons_and_it_is_shown_at_once(page: Page, served: Serving) -> None:
    page.goto(served.url + TRACE)
    marks = verdict(page)
    expect(marks.get_by_role("button", name="Pass")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("f")
    expect(marks.get_by_role("button", name="Fail")).to_have_attribute("aria-pressed", "true")
    marks.get_by_role("button", name="Pass").click()
    expect(marks.get_by_role("button", name="Pass")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("n")
    page.get_by_role("dialog", name="Note on the row").get_by_label("Note").fill("right, but <b>short</b>")
    assert faults(page) == []
    page.keyboard.press("Control+Enter")
    expect(marks).to_contain_text("Note: right, but <b>short</b>")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog", name="What should have been expected")
    expect(dialog.get_by_label("Expected output")).to_have_value("8")
    dialog.get_by_label("Expected output").fill("eight")
    dialog.get_by_role("button", name="Save").click()
    expect(marks).to_contain_text("Expected instead: ")
    there = said(served)
    assert there["human"]["boolean_value"] is True
    assert (there["human"]["assessment"], there["human"]["reasoning"]) == ("pass", "right, but <b>short</b>")
    assert there["human_expected_output"]["json_value"] == {"value": {"value": "eight"}}
    # In the table of metrics too, and whole after a reload.
    expect(page.get_by_role("rowheader", name="human", exact=True)).to_be_visible()
    page.reload()
    expect(marks.get_by_role("button", name="Pass")).to_have_attribute("aria-pressed", "true")
    assert faults(page) == []
    marks.get_by_role("button", name="Pass").click()
    expect(marks.get_by_role("button", name="Pass")).to_have_attribute("aria-pressed", "false")
    expect(marks).to_contain_text("right, but")
    assert "human" not in said(served)


def test_two_people_who_mark_a_row_at_once_lose_nothing(
    browser: Browser, page: Page, served: Serving
) -> None:
    page.goto(served.url + TRACE)
    with watched(browser) as other:
        other.goto(served.url + TRACE)
        expect(verdict(other)).to_be_visible()
        page.keyboard.press("f")
        other.keyboard.press("n")
        other.get_by_role("textbox", name="Note").fill("of the other one")
        other.keyboard.press("Control+Enter")
        for each in (page, other):
            expect(verdict(each).get_by_role("button", name="Fail")).to_have_attribute("aria-pressed", "true")
            expect(verdict(each)).to_contain_text("of the other one")
    assert said(served)["human"]["reasoning"] == "of the other one"


def test_while_reading_a_number_chooses_whose_answer_is_marked(page: Page, served: Serving) -> None:
    page.goto(f"{served.url}/compare?a=before&b=after&read={ROW}")
    page.keyboard.press("f")
    marks = page.get_by_role("region", name="Your verdict on B")
    expect(marks.get_by_role("button", name="Fail")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("1")
    marks = page.get_by_role("region", name="Your verdict on A")
    expect(marks.get_by_role("button", name="Fail")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("p")
    expect(marks.get_by_role("button", name="Pass")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("rowheader", name="human")).to_be_visible()
    assert said(served, "before")["human"]["boolean_value"] is True
    assert said(served)["human"]["boolean_value"] is False
    assert faults(page) == []


def test_an_experiment_is_renamed_noted_and_deleted_and_that_undone(page: Page, served: Serving) -> None:
    page.goto(served.url)
    page.get_by_role("button", name="Edit after").click()
    dialog = page.get_by_role("dialog", name="after")
    dialog.get_by_role("textbox", name="Name").fill("with sources")
    dialog.get_by_role("textbox", name="Note").fill("the better one")
    assert faults(page) == []
    dialog.get_by_role("button", name="Save").click()
    first = page.get_by_role("rowheader").first
    expect(first).to_contain_text("with sources")
    expect(first).to_contain_text("the better one")
    first.get_by_role("link").click()
    expect(page.locator("main .head")).to_contain_text("the better one")
    page.go_back()
    page.get_by_role("button", name="Edit with sources").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("rowheader")).to_have_count(1)
    notice = page.get_by_role("status").filter(has_text="Deleted")
    expect(notice).to_contain_text("with sources")
    assert faults(page) == []
    notice.get_by_role("button", name="Undo").click()
    expect(first).to_contain_text("with sources")
    with Store(served.database, read_only=True) as store:
        assert queries.find_experiment(store, "after").note == "the better one"


_EVIL = """<!doctype html><iframe name="nowhere"></iframe>
<form id="f" method="post" target="nowhere" enctype="text/plain">
<input name='{"name":"evil","x":"' value='"}'></form>
<script>
const there = "THERE";
const body = '{"name": "evil"}';
const post = (path, more) => fetch(there + path, { method: "POST", body, ...more }).catch(() => {});
const typed = (type) => ({ headers: { "Content-Type": type } });
(async () => {
  for (const name of ["name", "delete", "marks/b-r004"]) {
    const path = `/api/experiments/after/${name}`;
    await post(path, { credentials: "include", ...typed("application/json") });
    await post(path, { mode: "no-cors", ...typed("text/plain") });
    await post(path, { mode: "no-cors", ...typed("application/x-www-form-urlencoded") });
    await post(path, { headers: { "X-LLMObs-Trace-Token": "x" } });
    new Image().src = there + path;
    navigator.sendBeacon(there + path, new Blob([body], { type: "text/plain" }));
    const frame = document.querySelector("iframe");
    const isLoaded = new Promise((done) => frame.addEventListener("load", done, { once: true }));
    const form = document.getElementById("f");
    form.action = there + path;
    form.submit();
    await isLoaded;
  }
  window.token = await fetch(there + "/api/token").then((answer) => answer.text(), () => "none");
  document.title = "done";
})();
</script>"""


def test_a_page_of_another_site_changes_nothing(browser: Browser, tmp_path: Path, served: Serving) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text(_EVIL.replace("THERE", served.url))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    site = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    context = browser.new_context()
    try:
        page = context.new_page()
        ours = context.new_page()
        ours.goto(served.url)  # as a browser has it that is signed in, so to say
        for host in ("127.0.0.1", "localhost"):
            page.goto(f"http://{host}:{site.server_port}/")
            page.wait_for_function("document.title === 'done'")
            assert page.evaluate("window.token") == "none"
    finally:
        context.close()
        site.shutdown()
        site.server_close()
    with Store(served.database, read_only=True) as store:
        assert [each.name for each in queries.experiments(store)] == ["after", "before"]
    assert said(served) == {}
