"""What `show` says of model calls: tokens, cost, the answer; and of those of which it is not known."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from support.commands import RunCommand
from support.events import metric, span

from llmobs_trace.errors import StoreError
from llmobs_trace.store import prices
from llmobs_trace.store.store import Store

pytest.importorskip("genai_prices")

CALL = {"model_name": "gpt-4.1-mini", "model_provider": "openai", "input_tokens": 1000, "output_tokens": 500}
MESSAGE = {"role": "assistant", "content": "It rains."}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A row of two calls, one of a stated price; one of an unknown model; and one without any."""
    path = tmp_path / "experiments.db"
    row_1 = {"model_calls": 2, "input_tokens": 2000, "output_tokens": 1000}
    row_2 = {"model_calls": 1, "input_tokens": 7, "output_tokens": 2}
    with Store(path) as store:
        store.add(
            "e",
            [
                span("r1", kind="experiment", row="row-1", say=row_1, input="Rain?", output="Yes."),
                span("a", parent="r1", kind="llm", name="chat", say=CALL, output=MESSAGE),
                span("b", parent="r1", kind="llm", name="chat", say=CALL | {"cost_usd": 0.5}),
                span("r2", trace_id="t2", kind="experiment", row="row-2", say=row_2),
                span("c", trace_id="t2", parent="r2", kind="llm", say=CALL | {"model_name": "unheard of"}),
                span("r3", trace_id="t3", kind="experiment", row="row-3"),
            ],
            [metric("r1", "cost_usd", 3)],
        )
        store.derive_rows()
    return path


def test_a_call_has_its_model_tokens_cost_and_the_beginning_of_its_answer(run: RunCommand) -> None:
    lines = run("show", "latest").out.splitlines()
    (first, second, unknown) = [
        line.lstrip("│ ") for line in lines if "tokens in" in line and ", 500" in line
    ]
    assert first == "gpt-4.1-mini, 1,000 tokens in, 500 out, ~$0.0012 → It rains."
    assert second == "gpt-4.1-mini, 1,000 tokens in, 500 out, $0.50"
    assert unknown == "unheard of, 1,000 tokens in, 500 out, cost unknown"


def test_thinking_retries_each_tool_call_and_what_tools_gave_have_a_line(
    run: RunCommand, database: Path
) -> None:
    calls = [{"name": "weather", "arguments": {"city": city}} for city in ("Oslo", "Rome")]
    said = {"role": "assistant", "thinking": "Two cities.\nAsk.", "content": "I look.", "tool_calls": calls}
    with Store(database) as store:
        store.add(
            "e2",
            [
                span("r", trace_id="t", kind="experiment", row="row-1"),
                span("a", trace_id="t", parent="r", kind="llm", say=CALL | {"retries": 2}, output=said),
                span("b", trace_id="t", parent="r", kind="tool", input={"city": "Oslo"}, output="-3 °C"),
            ],
            [],
        )
    lines = [line.lstrip("│ ") for line in run("show", "e2").out.splitlines()]
    at = lines.index("thinks: Two cities. Ask.")
    assert lines[at + 1 : at + 4] == [
        "gpt-4.1-mini, 1,000 tokens in, 500 out, ~$0.0012, 2 retries → I look.",
        '→ calls weather({"city":"Oslo"})',
        '→ calls weather({"city":"Rome"})',
    ]
    assert lines[at + 5] == '{"city": "Oslo"} → -3 °C'


def test_a_row_has_its_answer_its_tokens_and_its_cost(run: RunCommand) -> None:
    out = run("show", "latest").out
    assert "row row-1  Rain?\n  → Yes.\n  2 model calls, 2,000 tokens in, 1,000 out, ~$0.501\n" in out
    assert "\n  1 model call, 7 tokens in, 2 out, cost unknown\n" in out
    assert "row row-3\nstep " in out


def test_the_table_of_scores_has_what_a_row_took_and_counts_what_is_unknown(run: RunCommand) -> None:
    out = run("show", "latest").out
    table = [line.split(None, 6) for line in out.splitlines() if "missing" in line or " · in all " in line]
    assert [" ".join(line) for line in table[1:]] == [
        "tokens in tokens 2 0 1 mean 1,004 (7 to 2,000) · in all 2,007",
        "tokens out tokens 2 0 1 mean 501 (2 to 1,000) · in all 1,002",
        "cost dollars 1 0 2 mean ~$0.501 ($0.501 to $0.501) · in all ~$0.501",
    ]


def test_json_has_tokens_and_cost_and_says_who_says_so(run: RunCommand) -> None:
    shown = json.loads(run("show", "latest", "--format", "json").out)
    data = prices.price_data()
    names = ("model_calls", "input_tokens", "output_tokens", "cost_usd", "cost_from")
    assert [[row[name] for name in names] for row in shown["rows"]] == [
        [2, 2000, 1000, pytest.approx(0.5012), data],
        [1, 7, 2, None, None],
        [None] * 5,
    ]
    assert [row["output"] for row in shown["rows"]] == ["Yes.", None, None]
    calls = [each for row in shown["rows"] for each in row["spans"] if each["kind"] == "llm"]
    names = ("model_name", "model_provider", "input_tokens", "output_tokens", "cost_usd", "cost_from")
    assert [[call[name] for name in names] for call in calls] == [
        ["gpt-4.1-mini", "openai", 1000, 500, pytest.approx(0.0012), data],
        ["gpt-4.1-mini", "openai", 1000, 500, 0.5, "stated"],
        ["unheard of", "openai", 1000, 500, None, None],
    ]
    amounts = shown["experiment"]["amounts"]
    assert amounts["input_tokens"] == {
        "rows": 2,
        "unknown": 1,
        "total": 2007.0,
        "mean": 1003.5,
        "lowest": 7,
        "highest": 2000,
    }
    assert (amounts["cost_usd"]["unknown"], amounts["worked_out"]) == (2, 1)


def test_without_price_data_a_cost_is_unknown_and_the_way_to_it_is_said(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "PACKAGE", "no-such-package")
    code, out, err = run("show", "latest")
    assert (code, err) == (0, "")
    assert "1,000 tokens in, 500 out, cost unknown → It rains.\n" in out
    assert out.endswith("pip install 'llmobs-trace[prices]'\n")


def test_what_a_reader_worked_out_stays_in_the_store(run: RunCommand, database: Path) -> None:
    run("show", "latest")
    with Store(database) as store:
        ((cost, data),) = store.select("SELECT cost_usd, priced_with FROM spans WHERE span_id = 'a'")
        assert (cost, data) == (pytest.approx(0.0012), prices.price_data())
        assert prices.waiting(store, "e") == 0


def test_costs_that_can_not_be_kept_are_unknown_and_that_is_said(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise StoreError("can't write the store: it is on a disc")

    monkeypatch.setattr(Store, "change", refuse)
    code, out, err = run("show", "latest")
    assert (code, err) == (0, "costs are not worked out: can't write the store: it is on a disc\n")
    assert "1,000 tokens in, 500 out, cost unknown → It rains.\n" in out


@pytest.mark.parametrize(
    ("form", "id_column", "names"),
    [
        ("csv", "row_id", ["model_calls", "input_tokens", "output_tokens", "cost_usd", "cost_from"]),
        (
            "csv-spans",
            "span_id",
            [
                *("model_name", "model_provider", "model_calls", "input_tokens", "output_tokens"),
                *("cost_usd", "cost_from"),
            ],
        ),
    ],
)
def test_a_table_has_them_as_columns_beside_a_metric_of_the_same_name(
    run: RunCommand, form: str, id_column: str, names: list[str]
) -> None:
    lines = list(csv.DictReader(io.StringIO(run("export", "latest", "--format", form).out)))
    at = list(lines[0]).index("duration_ns") + 1
    assert list(lines[0])[at : at + len(names)] == names
    by_id = {line[id_column]: line for line in lines}
    first = by_id["row-1" if form == "csv" else "r1"]
    assert (first["input_tokens"], first["metric.cost_usd"]) == ("2000", "3.0")
    assert float(first["cost_usd"]) == pytest.approx(0.5012)
    assert by_id["row-3" if form == "csv" else "r3"]["cost_usd"] == ""
    if form == "csv-spans":
        assert (by_id["b"]["cost_from"], by_id["c"]["cost_from"]) == ("stated", "")


@pytest.mark.parametrize("form", ["csv", "csv-spans"])
def test_an_experiment_without_model_calls_has_none_of_these_columns(
    run: RunCommand, database: Path, form: str
) -> None:
    with Store(database) as store:
        store.add("plain", [span("p", kind="experiment", row="r")], [])
    head = run("export", "plain", "--format", form).out.splitlines()[0].split(",")
    assert not {"model_name", "input_tokens", "output_tokens", "cost_usd", "cost_from"} & set(head)
