from __future__ import annotations

import csv
import importlib.util
import io
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from support import kept_apart
from support.commands import RunCommand
from support.events import metric, span

from llmobs_trace.cli.export import parquet as written
from llmobs_trace.store.store import Store

if importlib.util.find_spec("pyarrow") is None:
    sys.path.append(kept_apart.folder("PYARROW"))  # 170 MB
from pyarrow import parquet


def exported(run: RunCommand, name: str, tmp_path: Path) -> Path:
    output = tmp_path / "rows.parquet"
    assert run("export", name, "--format", "parquet", "--output", str(output)).code == 0
    return output


def test_numbers_are_numbers_and_what_is_mixed_is_text(
    run: RunCommand, database: Path, tmp_path: Path
) -> None:
    outputs: list[Any] = [{"a": [1]}, "é", 7, None]
    rows = [
        span(
            f"r{n}",
            trace_id=f"t{n}",
            row=f"row-{n}",
            start_ns=n,
            input=n,
            output=output,
            expected_output=n / 2,
        )
        for n, output in enumerate(outputs)
    ]
    said = [
        metric("r0", "f1", 0.5, reasoning="half of it"),
        metric("r1", "f1", error={"message": "rate limit"}),
        *(metric(f"r{n}", "exact", n > 0) for n in range(3)),
        # Two spans of one row that say two things of it: its mean is among truth values.
        *(metric("r3", "exact", is_so, at_ms=n) for n, is_so in enumerate((True, False))),
        metric("r0", "status", "good"),
    ]
    with Store(database) as store:
        store.add("kinds", rows, said)
    output = exported(run, "kinds", tmp_path)
    table = parquet.read_table(output)
    types = {field.name: str(field.type) for field in table.schema}
    names = ("row_id", "start_ns", "input", "output", "expected_output", "f1", "f1.error", "exact")
    assert [types[name] for name in names] == [
        *("string", "int64", "int64", "string", "double", "double", "string", "double"),
    ]
    columns = table.to_pydict()
    assert columns["output"] == ['{"a": [1]}', "é", "7", None]
    assert (columns["input"], columns["f1"]) == ([0, 1, 2, 3], [0.5, None, None, None])
    assert columns["exact"] == [0.0, 1.0, 1.0, 0.5]
    assert columns["metric.status"] == ["good", None, None, None]
    names, *_ = csv.reader(io.StringIO(run("export", "kinds", "--format", "csv").out))
    assert table.column_names == list(names)

    import pandas

    assert pandas.read_parquet(output)["f1"].mean() == 0.5


def test_row_groups_are_bounded_and_hold_all_rows(
    run: RunCommand, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(database) as store:
        store.add("many", [span(f"r{n}", trace_id=f"t{n}", start_ns=n) for n in range(25)], [])
    monkeypatch.setattr(written, "_LINES", 10)
    file = parquet.ParquetFile(exported(run, "many", tmp_path))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [10, 10, 5]
    assert file.read().column("span_id").to_pylist() == [f"r{n}" for n in range(25)]


def test_an_experiment_without_rows_is_a_table_without_lines(
    run: RunCommand, database: Path, tmp_path: Path
) -> None:
    with Store(database) as store:
        store.add("none", [], [])
    table = parquet.read_table(exported(run, "none", tmp_path))
    assert (table.num_rows, "row_id" in table.column_names) == (0, True)


def test_memory_holds_a_row_group_and_not_the_experiment(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written, "_GROUP_BYTES", 1 << 20)
    monkeypatch.setattr(written, "_IN_MEMORY_BYTES", 1 << 20)
    with Store(database) as store:
        for n in range(0, 400, 20):
            store.add(
                "long", [span(f"r{m}", trace_id=f"t{m}", input=f"{m}" * 9_000) for m in range(n, n + 20)], []
            )
    with Store(database, read_only=True) as store:
        tracemalloc.start()
        size_bytes = sum(len(piece) for piece in written.parquet(store, "long"))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert size_bytes > 0
    assert peak_bytes < 7 << 20  # of more than 10 MiB


def test_without_pyarrow_it_says_what_to_install_and_leaves_what_was_there(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "out"
    directory.mkdir()
    output = directory / "rows.parquet"
    output.write_text("what was there")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = run("export", "latest", "--format", "parquet", "--output", str(output))
    assert (code, "pip install 'llmobs-trace[parquet]'" in err) == (2, True)
    assert (list(directory.iterdir()), output.read_text()) == ([output], "what was there")
