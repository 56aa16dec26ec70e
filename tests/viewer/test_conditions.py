"""Conditions on the pages: the same rows as the store finds, in a saved file as well; groups."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect
from support.browser import faults
from support.events import START_NS, metric, span
from support.serving import Serving

from llmobs_trace.cli import main
from llmobs_trace.store import conditions
from llmobs_trace.store.store import Store

LABELS = ("f1", "correct", "tone", 'odd "label" = 1', "latency")
VALUES: dict[str, list[Any]] = {"f1": [0.5, 1, -2, None], "correct": [True, False, None]}
SEED = 7


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with rows of every sort, which arrived in the order in which they began."""
    draw = random.Random(SEED)
    spans, metrics = [], []
    for number in range(40):
        root = f"r{number:02}"
        error = {"type": draw.choice("EF"), "message": "it went wrong"} if draw.random() < 0.2 else None
        say = {"lang": draw.choice(["en", "zh", "1", "01"]), "n": draw.choice(["3", "2.5", "many", "-1"])}
        if draw.random() < 0.7:
            say |= {"input_tokens": draw.choice("123"), "cost_usd": "0.5"}
        of: dict[str, Any] = {"trace_id": f"t{number:02}", "start_ns": START_NS + number * 100}
        row = draw.choice([f"row-{number}", None])
        words = draw.choice(["The capital of Peru", "größe 東京", "Élysée a-b"])
        took_ns = draw.choice([0, 10**6, 25 * 10**7])
        spans.append(span(root, row=row, say=say, duration_ns=took_ns, input=words, **of))
        kind, name = draw.choice(["llm", "tool"]), draw.choice(["chat", "ask"])
        said = {"k": [draw.choice(["yes", "no"]), number]}
        spans.append(span(f"{root}-a", parent=root, kind=kind, name=name, error=error, output=said, **of))
        for label in LABELS:
            if draw.random() < 0.7:
                value = draw.choice(VALUES.get(label, ["warm", "2", "true", "pass"]))
                more: dict[str, Any] = {}
                if draw.random() < 0.1:
                    value, more = None, {"tags": ["not_applicable:true"], "error": {"message": ""}}
                elif value is not None and draw.random() < 0.4:
                    more = {"assessment": draw.choice(["pass", "fail"])}
                metrics.append(metric(draw.choice([root, f"{root}-a"]), label, value, at_ms=number, **more))
    path = tmp_path_factory.mktemp("drawn") / "x.db"
    with Store(path) as store:
        store.add("e", spans, metrics)
    return path


def a_condition(draw: random.Random) -> str:
    label = conditions.write_field(conditions.Field("metric", draw.choice([*LABELS, "nobodys"])))
    equal, order = draw.choice(["=", "!="]), draw.choice(["<", "<=", ">", ">=", "=", "!="])
    number = draw.choice(["0", "0.5", "1", "2", "-2", "2.50"])
    said = draw.choice([*conditions.BECAME, "warm", '"true"', '"pass"', '"2"'])
    return draw.choice(
        [
            f"{label}{order}{number}",
            f"{label}{equal}{said}",
            f"tag.{draw.choice(['n', 'lang', 'no'])}{order}{number}",
            f"tag.lang{equal}{draw.choice(['en', 'zh', 'xx', '1'])}",
            f"latency{order}{draw.choice(['0', '1ms', '250 ms', '0.25', '1m'])}",
            f"{draw.choice(['input_tokens', 'output_tokens', 'cost_usd'])}{order}{number}",
            f"status{equal}{draw.choice(['ok', 'error'])}",
            f"error{equal}{draw.choice(['any', 'E', 'G'])}",
            f"kind{equal}{draw.choice(['llm', 'tool', 'none'])}",
            f"name{equal}{draw.choice(['chat', 'ask', 'step'])}",
            f"row_id{equal}row-{draw.randrange(40)}",
            f"text{equal}{draw.choice(['cap PER', 'grosse', '京', 'elysee b', 'wrong', 'row', '***', '3'])}",
        ]
    )


SORTS = ("start", "latency", "row_id", "status", "cost_usd", "error", "name", "tag.n", *LABELS[:3])
GROUPS = ("tag.lang", "tag.n", "tone", "correct", "f1")
ASK = """async ([saved, asked]) => {
    const { embedded } = await import("/assets/source_embedded.js");
    const { http } = await import("/assets/source_http.js");
    const { read, write } = await import("/assets/conditions.js");
    const sources = [embedded(JSON.parse(saved)), http()];
    const found = [];
    for (const [params, by] of asked) {
        const [kept, served] = await Promise.all(sources.map(async (source) => {
            const { total, rows } = await source.rows("e", params);
            const { groups, labels, shares } = by ? await source.groups("e", { ...params, by }) : {};
            return { total, rows: rows.map((row) => row.span_id), groups, labels, shares };
        }));
        found.push([kept, served, params.where.map((text) => write(read(text)))]);
    }
    return found;
}"""


def rounded(found: dict[str, Any]) -> dict[str, Any]:
    """Sums of floats depend on who adds."""
    for group in found.get("groups") or ():
        for score in group["scores"]:
            score["mean"] = round(score["mean"], 9)
    return found


def test_a_saved_file_finds_sorts_and_groups_as_the_store_does(
    page: Page, drawn: Path, serve: Callable[[Path], Serving], tmp_path: Path
) -> None:
    file = tmp_path / "e.html"
    assert main(["export", "e", "--format", "html", "--output", str(file), "--database", str(drawn)]) == 0
    saved = file.read_text().partition('id="embedded">')[2].partition("</script>")[0]
    draw = random.Random(SEED)
    asked = []
    for number in range(250):
        where = [a_condition(draw) for _ in range(draw.choice([0, 1, 1, 2, 3]))]
        params = {"where": where, "sort": draw.choice(SORTS), "order": draw.choice(["asc", "desc"])}
        asked.append((params, draw.choice(GROUPS) if number % 10 == 0 else None))
    page.goto(serve(drawn).url)
    found = page.evaluate(ASK, [saved, asked])
    totals = set()
    for (params, by), (kept, served, written) in zip(asked, found, strict=True):
        assert rounded(kept) == rounded(served), (params, by)
        assert written == [conditions.write(conditions.read(text)) for text in params["where"]]
        totals.add(served["total"])
    assert len(totals) > 15


def test_groups_have_scores_and_lead_to_their_rows(
    page: Page, drawn: Path, serve: Callable[[Path], Serving]
) -> None:
    url = f"{serve(drawn).url}/experiments/e"
    page.goto(url)
    page.get_by_role("combobox", name="Group").select_option("by tag lang")
    table = page.get_by_role("table", name="Groups by tag.lang")
    expect(table.get_by_role("row")).to_have_count(5)
    expect(table.get_by_role("columnheader")).to_have_text(
        ["tag.lang", "Rows", "correct", "f1", "latency", 'odd "label" = 1', "tone"]
    )
    assert faults(page) == []
    group = table.get_by_role("row", name="zh")
    rows = group.get_by_role("cell").first.inner_text()
    group.get_by_role("link", name="zh").click()
    expect(page.locator("table.rows tbody tr")).to_have_count(int(rows))
    expect(page.locator(".chip")).to_have_text([re.compile("^tag.lang=zh ")])
    page.get_by_text("Add a condition").click()
    assert faults(page) == []


def test_a_condition_that_says_nothing_is_named_on_the_page(
    page: Page, drawn: Path, serve: Callable[[Path], Serving]
) -> None:
    page.goto(f"{serve(drawn).url}/experiments/e?{urlencode({'where': 'f1>high'})}")
    expect(page.get_by_text("condition 'f1>high': > takes a number")).to_be_visible()
