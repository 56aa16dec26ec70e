"""The one file of an experiment's pages, as bytes; `tests/viewer/test_exported.py` opens it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from support.commands import RunCommand
from support.events import span
from support.viewed import BIG_CHARACTERS, HOSTILE, fill

from llmobs_trace.cli.export.page import page
from llmobs_trace.store.store import Store


def written(database: Path, experiment_id: str) -> str:
    with Store(database, read_only=True) as store, store.snapshot():
        return b"".join(page(store, experiment_id)).decode()


def embedded(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="embedded">(.*?)</script>', text, re.S)
    assert found is not None
    return json.loads(found[1])


def test_it_holds_every_row_every_span_and_what_the_server_says_of_them(run: RunCommand) -> None:
    code, out, err = run("export", "latest", "--format", "html")
    assert (code, err) == (0, "")
    data = embedded(out)
    assert data["experiment"]["experiment"]["id"] == "e-new"
    assert [row["row_id"] for row in data["rows"]] == ["row-1", "row-2"]
    assert [span["name"] for span in data["traces"]["t1"]["spans"]] == ["answer", "generate", "look up"]
    assert set(data["traces"]) == {"t1", "t2", "t3"}
    assert data["spans"] == {}


def test_nothing_recorded_can_end_its_element(tmp_path: Path) -> None:
    fill(tmp_path / "x.db")
    text = written(tmp_path / "x.db", "hostile")
    assert text.count("<script") == text.count("</script") == 2
    assert "<!--" not in text
    assert HOSTILE[0] not in text
    data = embedded(text)
    assert data["experiment"]["experiment"]["name"] == HOSTILE[0]
    (big,) = (json.loads(each["span"]) for each in data["spans"].values())
    assert big["meta"]["input"] == "x" * BIG_CHARACTERS


def test_its_policy_allows_the_script_and_the_style_in_it_and_nothing_else(run: RunCommand) -> None:
    text = run("export", "latest", "--format", "html").out
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert found is not None
    policy = dict(part.strip().split(" ", 1) for part in found[1].split(";"))
    for kind, name in (("script-src", "script type=.module."), ("style-src", "style")):
        block = re.search(f"<{name}>(.*?)</", text, re.S)
        assert block is not None
        digest = base64.b64encode(hashlib.sha256(block[1].encode()).digest()).decode()
        assert policy[kind] == f"'sha256-{digest}'"
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == "data:"
    assert "connect-src" not in policy
    assert not re.search(r'(?:src|href)="(?!data:)', text)


def test_more_rows_and_spans_than_an_answer_holds_are_all_there(tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    with Store(database) as store:
        rows = [span(f"r{n}", trace_id=f"t{n}", kind="experiment", row=f"row-{n}") for n in range(1201)]
        deep = [span(f"s{n}", trace_id="t0", parent="r0", start_ns=10**18 + n) for n in range(1100)]
        store.add("e", rows + deep, [])
    data = embedded(written(database, "e"))
    assert len({row["row_id"] for row in data["rows"]}) == len(data["rows"]) == 1201
    spans = data["traces"]["t0"]["spans"]
    assert len({each["span_id"] for each in spans}) == len(spans) == 1101


def test_what_a_trace_costs_grows_with_its_spans_and_not_with_their_square(tmp_path: Path) -> None:
    def asked(spans: int) -> int:
        """How many rows of its tables SQLite went through to write a trace."""
        database = tmp_path / f"{spans}.db"
        with Store(database) as store:
            below = [span(f"s{n}", trace_id="t", parent="r", start_ns=10**18 + n) for n in range(spans)]
            store.add("e", [span("r", trace_id="t", kind="experiment"), *below], [])
        seen = [0]

        def count() -> None:
            seen[0] += 1

        with Store(database, read_only=True) as store, store.snapshot():
            # Called after so many of SQLite's own instructions.
            store._connection.set_progress_handler(count, 1000)
            assert len(embedded(b"".join(page(store, "e")).decode())["traces"]["t"]["spans"]) == spans + 1
        return seen[0]

    assert asked(8000) < 5 * asked(2000)


def test_a_trace_of_any_depth_is_written(tmp_path: Path) -> None:
    with Store(tmp_path / "x.db") as store:
        chain = [span("s0", trace_id="t", kind="experiment")]
        chain += [span(f"s{n}", trace_id="t", parent=f"s{n - 1}") for n in range(1, 3000)]
        store.add("e", chain, [])
    spans = embedded(written(tmp_path / "x.db", "e"))["traces"]["t"]["spans"]
    assert [each["depth"] for each in spans] == list(range(3000))
