"""Model calls as a person reads them: whichever provider's shape was recorded, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, Page, expect
from support.browser import faults
from support.events import START_NS, metric, span
from support.serving import Serving
from support.shapes import DATA_URL, LEFT_OUT, SHAPES, Exchange
from support.viewed import HOSTILE

from llmobs_trace.store.store import Store

Serve = Callable[[Path], Serving]
CALL = {"model_name": "gpt-4.1-mini-2025-04-14", "model_provider": "openai", "finish_reason": "stop"}
CALL |= {"input_tokens": 1200, "output_tokens": 34, "cached_tokens": 1000, "reasoning_tokens": 8}
CALL |= {"cost_usd": 0.0012, "retries": 2}
SHOWN = "/experiments/calls/traces/t#"


def recorded(path: Path, values: dict[str, tuple[Any, Any]]) -> Path:
    """A row whose spans, by their ids, have these inputs and outputs."""
    with Store(path) as store:
        sums = {"model_calls": 1, "input_tokens": 1200, "output_tokens": 34, "cost_usd": 0.0012}
        spans = [span("row", trace_id="t", kind="experiment", row="row-1", say=sums)]
        spans += [
            span(
                name,
                trace_id="t",
                parent="row",
                kind="llm",
                name=f"chat {name}",
                say=CALL,
                start_ns=START_NS + at,
                input=given,
                output=made,
            )
            for at, (name, (given, made)) in enumerate(values.items(), 1)
        ]
        store.add("calls", spans, [])
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


def messages(page: Page, part: str) -> Locator:
    section = page.locator("section.part").filter(has=page.get_by_role("heading", name=part, exact=True))
    return section.get_by_role("list", name="Messages").get_by_role("listitem")


def test_whichever_providers_shape_was_recorded_the_conversation_is_the_same(
    page: Page, serve: Serve, database: Path
) -> None:
    say = Exchange()
    url = serve(recorded(database, {name: shape(say) for name, shape in SHAPES.items()})).url
    for name in SHAPES:
        page.goto(f"{url}{SHOWN}{name}")
        expect(page.locator("section.detail h2")).to_have_text(f"chat {name}")
        given = messages(page, "Input")
        said = [each.inner_text().split("\n")[0] for each in given.all()]
        # A response's items are each a message of their own.
        calls = ["assistant", "assistant"] if name == "openai_responses" else ["assistant"]
        assert said == ["system", "user", *calls, "tool"], name
        expect(given.nth(0)).to_contain_text(say.system)
        expect(given.nth(1)).to_contain_text(say.question)
        expect(given.nth(1).locator("img")).to_have_attribute("src", DATA_URL)
        thinking = given.locator("details.thinking")
        expect(thinking.get_by_text(say.thought)).to_be_hidden()
        thinking.locator("summary").click()
        expect(thinking.get_by_text(say.thought)).to_be_visible()
        call = given.locator(".tool.call")
        expect(call.locator(".what")).to_have_text(f"calls {say.tool} ({say.call_id})")
        expect(call.locator("dt")).to_have_text(say.name)
        expect(call.locator("dd")).to_have_text(say.city)
        result = given.locator(".tool.result")
        expect(result.locator(".what")).to_have_text(f"result of {say.tool} ({say.call_id})")
        expect(result).to_contain_text(say.result)
        answer = messages(page, "Output")
        expect(answer).to_have_count(1)
        assert answer.inner_text().split()[: 1 + len(say.answer.split())] == [
            "assistant",
            *say.answer.split(),
        ], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_conversation_can_be_read_by_anybody(
    page: Page, serve: Serve, database: Path, scheme: Literal["light", "dark"]
) -> None:
    given, made = SHAPES["anthropic"](Exchange())
    given["messages"][0]["content"].append({"type": "image", "url": LEFT_OUT})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{serve(recorded(database, {'a': (given, made)})).url}{SHOWN}a")
    page.locator("details.thinking summary").click()
    expect(page.locator(".marker")).to_be_visible()
    assert faults(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_no_message_shows_is_folded_and_there(page: Page, serve: Serve, database: Path) -> None:
    url = serve(recorded(database, {"a": SHAPES["openai_chat"](Exchange())})).url
    page.goto(f"{url}{SHOWN}a")
    rest = page.locator("details.others").filter(has_text="The rest of the response")
    expect(rest.get_by_text("prompt_tokens")).to_be_hidden()
    rest.locator("summary").first.click()
    expect(rest.get_by_text("prompt_tokens")).to_be_visible()
    # And all of it as it was recorded.
    page.get_by_role("button", name="JSON", exact=True).nth(1).click()
    expect(page.locator(".json").get_by_text("choices")).to_be_visible()


def test_what_only_looks_like_an_answer_is_drawn_as_what_it_is(
    page: Page, serve: Serve, database: Path
) -> None:
    question = {
        "question": "The capital?",
        "choices": [{"label": "A", "text": "Oslo"}, {"label": "B", "text": "Bergen"}],
    }
    values: dict[str, tuple[Any, Any]] = {
        "choices": (question, None),
        "role": ({"role": "admin", "content": {"may": "all"}}, None),
        "output": ({"output": [{"type": "file", "path": "x"}]}, None),
        "message": ({"message": "done", "code": 3}, None),
    }
    url = serve(recorded(database, values)).url
    for name in values:
        page.goto(f"{url}{SHOWN}{name}")
        expect(page.locator("section.detail h2")).to_have_text(f"chat {name}")
        expect(page.locator("section.detail .json")).to_have_count(1)
        expect(page.get_by_role("list", name="Messages")).to_have_count(0)


def test_a_call_has_its_model_tokens_and_cost(page: Page, serve: Serve, database: Path) -> None:
    url = serve(recorded(database, {"a": ("q", "a")})).url
    page.goto(f"{url}{SHOWN}a")
    expect(page.get_by_role("list", name="Model call").get_by_role("listitem")).to_have_text(
        [
            "gpt-4.1-mini-2025-04-14 (openai)",
            "1,200 tokens in (1,000 cached)",
            "34 out (8 reasoning)",
            "cost $0.0012",
            "finished: stop",
            "2 retries",
        ]
    )
    # They are no tags of the user's.
    expect(page.get_by_role("heading", name="Tags")).to_have_count(0)
    expect(page.get_by_role("treeitem", selected=True)).to_contain_text("1,200 → 34 · $0.0012")
    expect(page.locator(".head .facts")).to_contain_text("1 model call1,200 tokens in34 outcost $0.0012")


def test_what_was_left_out_of_a_message_is_said_in_its_place(
    page: Page, serve: Serve, database: Path
) -> None:
    parts = [
        {"type": "image", "url": LEFT_OUT},
        {"type": "image_url", "image_url": {"url": LEFT_OUT}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": LEFT_OUT}},
        {"inline_data": {"mime_type": "image/png", "data": LEFT_OUT}},
        {"type": "text", "text": LEFT_OUT},
        {"type": "input_audio", "input_audio": {"format": "wav", "data": "[audio/wav, 1,000,000 bytes, 01]"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
    ]
    url = serve(recorded(database, {"a": ([{"role": "user", "content": parts}], None)})).url
    page.goto(f"{url}{SHOWN}a")
    expect(page.locator(".marker")).to_have_text(
        [
            *["image image/png, 5,242,880 bytes, 0123456789abcdef not kept"] * 4,
            "media image/png, 5,242,880 bytes, 0123456789abcdef not kept",
            "audio wav, audio/wav, 1,000,000 bytes, 01 not kept",
            "file a.pdf, 3 bytes not shown",
        ]
    )
    expect(page.locator("main img")).to_have_count(0)


@pytest.mark.parametrize("turn", [0, 4])
def test_whatever_a_model_or_a_tool_says_is_text(page: Page, serve: Serve, database: Path, turn: int) -> None:
    # Each of the texts in each of the places, in turns.
    texts = [HOSTILE[(turn + at) % len(HOSTILE)] for at in range(len(Exchange._fields))]
    values = {name: shape(Exchange(*texts)) for name, shape in SHAPES.items()}
    values["pictures"] = (
        [
            *({"role": each, "name": each, "content": [{"type": each}]} for each in texts),
            *({"role": "user", "content": [{"type": "image", "url": each}]} for each in texts),
            *(
                {"role": "user", "content": [{"type": "image", "media_type": each, "data": each}]}
                for each in (*texts, "image/svg+xml")
            ),
            *({"role": "user", "content": [{"type": "file", "file": {"filename": each}}]} for each in texts),
            *({"role": "user", "content": "x", each: each} for each in texts),
        ],
        {"choices": [{"message": {"refusal": each}, each: each} for each in texts], texts[0]: texts},
    )
    tools = [{"name": each} for each in texts]
    values["asked"] = ({"messages": [{"role": "user", "content": "x"}], "tools": tools, texts[0]: 1}, None)
    url = serve(recorded(database, values)).url
    for name in values:
        page.goto(f"{url}{SHOWN}{name}")
        expect(page.locator("section.detail h2")).to_have_text(f"chat {name}")
        opened = -1
        while (found := page.locator("section.detail details:not(.wire)").count()) != opened:
            opened = found  # what is folded is drawn when it is opened
            page.evaluate(
                "document.querySelectorAll('details:not(.wire)').forEach((each) => each.open = true)"
            )
            page.wait_for_timeout(50)
        drawn = page.locator("main img").evaluate_all("all => all.map((each) => each.getAttribute('src'))")
        assert set(drawn) <= {DATA_URL}, name
        assert page.locator("main script, main svg, main iframe, main object").count() == 0


def test_rows_have_tokens_cost_and_model_and_are_sorted_by_them(
    page: Page, serve: Serve, database: Path
) -> None:
    with Store(database) as store:
        for number, cost in enumerate([0.5, None, 0.25]):
            sums: dict[str, object] = {"model_calls": 1, "input_tokens": 100 * number, "output_tokens": 7}
            spent = {} if cost is None else {"cost_usd": cost}
            of_call = {"model_name": "claude-sonnet-4-5-20250929"} if cost else {"model_name": "unheard of"}
            root = span(
                f"r{number}", trace_id=f"t{number}", kind="experiment", row=f"row-{number}", say=sums | spent
            )
            call = span(
                f"c{number}", trace_id=f"t{number}", parent=f"r{number}", kind="llm", say=of_call | spent
            )
            store.add("calls", [root, call], [])
    page.goto(f"{serve(database).url}/experiments/calls")
    cells = page.locator("table.rows tbody tr")
    expect(cells.nth(0).locator("[data-column=Tokens]")).to_have_text("0 → 7")
    expect(page.locator("[data-column=Cost]")).to_have_text(["$0.50", "unknown", "$0.25"])
    expect(page.locator("[data-column=Model]")).to_have_text(
        ["claude-sonnet-4-5", "unheard of", "claude-sonnet-4-5"]
    )
    expect(page.locator(".card").filter(has_text="Cost")).to_contain_text("$0.75 in all")
    expect(page.locator(".card").filter(has_text="Cost")).to_contain_text("1 row unknown")
    expect(page.locator(".card").filter(has_text="Tokens")).to_contain_text("300 in, 21 out")
    page.get_by_role("columnheader", name="Cost").get_by_role("link").click()
    expect(page.locator("[data-column=Cost]")).to_have_text(["$0.50", "$0.25", "unknown"])
    page.get_by_role("columnheader", name="Cost").get_by_role("link").click()
    expect(page.locator("[data-column=Cost]")).to_have_text(["$0.25", "$0.50", "unknown"])


def test_a_page_without_model_calls_has_none_of_it(page: Page, server: str) -> None:
    page.goto(f"{server}/experiments/before")
    expect(page.get_by_role("columnheader", name="Latency")).to_be_visible()
    for name in ("Tokens", "Cost", "Model"):
        expect(page.get_by_role("columnheader", name=name, exact=True)).to_have_count(0)
    expect(page.locator(".card").filter(has_text="Cost")).to_have_count(0)


def test_a_cost_decides_where_somebody_chooses_it_to(page: Page, serve: Serve, database: Path) -> None:
    with Store(database) as store:
        for name, cost in (("cheap", 0.01), ("dear", 0.02)):
            say = {"model_calls": 1, "input_tokens": 1200, "output_tokens": 7, "cost_usd": cost}
            rows = [
                span(f"{n}", trace_id=f"t{n}", kind="experiment", row=f"row-{n}", say=say) for n in range(30)
            ]
            store.add(name, rows, [metric(f"{n}", "right", True) for n in range(30)])
    page.goto(f"{serve(database).url}/compare?a=cheap&b=dear")
    row = page.locator("table.verdicts tbody tr").filter(has=page.get_by_role("rowheader", name="cost_usd"))
    expect(row).to_contain_text("in all $0.30 and $0.60")
    expect(row).to_contain_text("+100%")
    expect(page.locator("main")).to_contain_text("As a whole: ? cannot tell")
    page.get_by_label("Which cost_usd is better").select_option("lower")
    expect(page.locator("main")).to_contain_text("As a whole: ▼ worse")
    compared = page.locator("table.compared tbody tr").first
    expect(compared.locator("[data-column=Cost]")).to_have_text("$0.01 → $0.02")
    expect(compared.locator("[data-column=Tokens]")).to_have_text("1,200 + 7")


def test_costs_that_nobody_stated_appear_while_somebody_looks(
    page: Page, serve: Serve, database: Path
) -> None:
    pytest.importorskip("genai_prices")
    spent = {"input_tokens": 1000, "output_tokens": 500}
    called = {"model_name": "gpt-4.1-mini", "model_provider": "openai", **spent}
    with Store(database) as store:
        root = span("r", trace_id="t", kind="experiment", row="row-1", say={"model_calls": 1, **spent})
        store.add("calls", [root, span("c", trace_id="t", parent="r", kind="llm", say=called)], [])
    page.goto(f"{serve(database).url}/experiments/calls")
    expect(page.locator("[data-column=Cost]")).to_have_text("~$0.0012")
    expect(page.locator("[data-column=Cost] span")).to_have_attribute(
        "title", re.compile("^worked out from the tokens with genai-prices [0-9]")
    )
    expect(page.locator(".card").filter(has_text="Cost")).to_contain_text("~$0.0012 in all")
