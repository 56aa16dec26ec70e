"""Recorded values, each shown as what it is: words, markdown, JSON, tracebacks, vectors, pictures."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markdown_cases.cases import texts, wrong
from playwright.sync_api import Locator, Page, expect
from support.browser import faults
from support.events import span
from support.serving import Serving
from support.shapes import DATA_URL

from llmobs_trace.store.store import Store

ANSWER = """# What to do

Call **us** or write *now*, with `code` and ~~haste~~:

1. First
   - inside
2. Second

| step | days |
|:-----|-----:|
| one  | 2 \\| 3 |

```python
print("**as it is**")
```

> Quoted, and <b>no markup</b> &amp; no entity.

[our pages](https://example.com/help?q=1) [a trap](javascript:window.ran=1) ![far](http://198.51.100.7/x.png)
"""
CARETS = (
    'Traceback (most recent call last):\n  File "x.py", line 1\n    a = '
    + "b" * 300
    + "\n        ^^^\nNameError"
)

# What stands behind a picture's end is nothing to whoever draws it.
LARGER = DATA_URL.split(",")[0] + "," + b64encode(b64decode(DATA_URL.split(",")[1]) + bytes(600)).decode()


def show(page: Page, serve: Callable[[Path], Serving], path: Path, **values: Any) -> Locator:
    with Store(path) as store:
        store.add("e", [span("s", trace_id="t", row="row", **values)], [])
    page.goto(f"{serve(path).url}/experiments/e/traces/t")
    return page.locator("section.part").filter(has=page.get_by_role("heading", name="Output", exact=True))


def test_a_text_is_shown_as_markdown_when_somebody_wants_it_and_from_then_on(
    page: Page, serve: Callable[[Path], Serving], tmp_path: Path
) -> None:
    output = show(page, serve, tmp_path / "x.db", input="**as it is**", output=ANSWER)
    expect(output).to_contain_text("# What to do")
    output.get_by_role("button", name="Markdown").click()
    expect(output.get_by_role("button", name="Markdown")).to_be_focused()
    page.reload()
    drawn = output.locator(".markdown")
    expect(drawn.locator(".heading.level-1")).to_have_text("What to do")
    expect(drawn.locator("p strong")).to_have_text("us")
    expect(drawn.locator("p em")).to_have_text("now")
    expect(drawn.locator("p code")).to_have_text("code")
    expect(drawn.locator("del")).to_have_text("haste")
    expect(drawn.locator("ol > li")).to_have_count(2)
    expect(drawn.locator("ol > li > ul > li")).to_have_text("inside")
    expect(drawn.locator("th")).to_have_text(["step", "days"])
    expect(drawn.locator("td")).to_have_text(["one", "2 | 3"])
    expect(drawn.locator("td.number")).to_have_count(1)
    expect(drawn.locator(".code-block")).to_contain_text('print("**as it is**")')
    expect(drawn.locator("blockquote")).to_have_text("Quoted, and <b>no markup</b> &amp; no entity.")
    # A link says where it leads, opens a page of its own, and is none where it would run something.
    link = drawn.get_by_role("link")
    expect(link).to_have_text("our pages (example.com)")
    assert (link.get_attribute("target"), link.get_attribute("rel")) == (
        "_blank",
        "noopener noreferrer nofollow",
    )
    expect(drawn).to_contain_text("a trap (javascript:window.ran=1)")
    expect(drawn).to_contain_text("image far (http://198.51.100.7/x.png)")
    assert faults(page) == []
    # It was said of outputs alone.
    expect(page.locator("section.part").filter(has_text="Input")).to_contain_text("**as it is**")
    output.get_by_role("button", name="JSON").click()
    expect(output).to_contain_text(json.dumps(ANSWER)[:40])


def test_markdown_that_means_harm_is_drawn_and_does_none(page: Page, server: str) -> None:
    assert wrong(page, server, texts(150)) == []


def test_a_traceback_keeps_its_columns_and_scrolls(
    page: Page, serve: Callable[[Path], Serving], tmp_path: Path
) -> None:
    error = {"type": "NameError", "message": "b", "stack": CARETS}
    output = show(page, serve, tmp_path / "x.db", output={"said": CARETS}, error=error)
    for place in (page.locator(".part.failure"), output):
        box = place.locator(".unwrapped")
        # As many lines as it has, however narrow the place: nothing is wrapped.
        lines = (
            "box => box.querySelector('.piece').offsetHeight / parseFloat(getComputedStyle(box).lineHeight)"
        )
        assert round(box.evaluate(lines)) == 5
        assert box.evaluate("box => box.scrollWidth > box.clientWidth && box.tabIndex === 0")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_json_within_a_text_is_folded_and_a_vector_is_one_line(
    page: Page, serve: Callable[[Path], Serving], tmp_path: Path
) -> None:
    found = {"tickets": [{"id": number, "state": "open"} for number in range(20)]}
    said = f"I found this:\n{json.dumps(found, indent=2)}\nand no more than [that]."
    values = {"said": said, "vector": [number / 7 for number in range(300)], "picture": DATA_URL}
    output = show(page, serve, tmp_path / "x.db", output=values)
    expect(output).to_contain_text("I found this:")
    expect(output).to_contain_text("and no more than [that].")
    folds = output.locator("details:not([open]) > summary")
    expect(folds.first).to_contain_text('{"tickets": [{"id": 0, "state": "open"}')
    expect(folds.last).to_contain_text("300 numbers")
    assert folds.last.evaluate("each => each.offsetHeight") < 50
    folds.first.click()
    expect(output).to_contain_text("20 items")


@pytest.mark.parametrize("value", [DATA_URL, {"chart": LARGER}])
def test_a_picture_that_a_value_holds_is_shown(
    page: Page, serve: Callable[[Path], Serving], tmp_path: Path, value: Any
) -> None:
    output = show(page, serve, tmp_path / "x.db", output=value)
    expect(output.locator("img")).to_have_count(1)
    expect(output).to_contain_text("image/png")


def test_a_value_is_copied_as_it_was_recorded(
    page: Page, serve: Callable[[Path], Serving], tmp_path: Path
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    output = show(page, serve, tmp_path / "x.db", input={"a": [1, 2.50]}, output="a text\nof two lines")
    output.get_by_role("button", name="Copy the value").click()
    expect(output.get_by_role("button", name="Copy the value")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "a text\nof two lines"
    page.get_by_role("button", name="Copy the value").first.click()
    page.wait_for_function("navigator.clipboard.readText().then((text) => text === '{\"a\": [1, 2.5]}')")
