from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import pytest
from support.commands import Run
from support.events import everything_once, metric, span

from llmobs_trace import ConfigurationError, LLMObsTraceError, read
from llmobs_trace.cli import main
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "experiments.db"
    with Store(path) as store:
        store.add("e-old", [span("r", kind="experiment")], [])
        store.add("e-new", *everything_once(), name="after")
    return path


def test_a_row_has_what_was_recorded_of_it_and_what_was_measured_in_its_tree(database: Path) -> None:
    found = read(database=database)
    first, second = found.rows
    assert (found.id, found.name, first.row_id, first.input, first.status) == (
        *("e-new", "after", "row-1"),
        *({"q": "Why?"}, "ok"),
    )
    assert first.scores == {"exact": True, "f1": 0.25}
    assert (second.scores, second.score_errors) == ({}, {"exact": "judge is down"})
    assert second.error == "ValueError: no answer\nat all"
    with pytest.raises(AttributeError):
        first.row_id = "another"  # type: ignore[misc]


def test_spans_and_metrics_are_as_on_the_wire(database: Path) -> None:
    found = read("e-new", database)
    assert [each["span_id"] for each in found.spans] == ["r1", "c1", "d1", "r2", "o"]
    with Store(database) as store:
        kept = [metric.label for metric in queries.metrics(store, "e-new")]
    assert [each["label"] for each in found.metrics] == kept


def test_pandas_has_the_columns_of_csv_and_says_what_kind_each_is(
    database: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [span(f"r{n}", trace_id=f"t{n}", row=f"row-{n}", output=n) for n in range(3)]
    said = [
        metric("r0", "f1", 0.5, reasoning="half of it"),
        metric("r1", "f1", error={"message": "rate limit"}),
        *(metric(f"r{n}", "exact", n > 0) for n in range(2)),
        metric("r0", "status", "good", assessment="pass"),
    ]
    with Store(database) as store:
        store.add("kinds", rows, said)
    table = read("kinds", database).to_pandas()
    done = Run(main(["export", "kinds", "--format", "csv", "--database", str(database)]), *capfd.readouterr())
    names, *_ = csv.reader(io.StringIO(done.out))
    assert list(table.columns) == names
    assert {"metric.status", "metric.status.assessment", "f1.error", "f1.reasoning"} <= set(names)
    kinds = {name: str(table[name].dtype) for name in ("start_ns", "output", "f1", "exact", "input")}
    assert kinds == {
        "start_ns": "int64",
        "output": "int64",
        "f1": "float64",
        "exact": "boolean",
        "input": "object",
    }
    assert (table["f1"].mean(), table["exact"].mean()) == (0.5, 0.5)


def test_what_is_not_there_is_said(database: Path) -> None:
    with pytest.raises(LLMObsTraceError, match='whose id or name begins with "nothing"'):
        read("nothing", database)
    with pytest.raises(LLMObsTraceError, match="there is no store at"):
        read(database=database.with_name("elsewhere.db"))


def test_without_pandas_the_rows_are_there_and_the_table_says_what_to_install(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    found = read(database=database)
    assert len(found.rows) == 2
    with pytest.raises(ConfigurationError, match="pip install pandas"):
        found.to_pandas()
