from __future__ import annotations

import csv
import io
import json
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import events
from support.commands import RunCommand
from support.events import metric, span
from support.wire_schema import load_official, load_strict

from llmobs_trace.cli import export, main
from llmobs_trace.deliver import lane
from llmobs_trace.local import queries
from llmobs_trace.local.store import Store


def everything(store: Store, experiment_id: str) -> tuple[list[bytes], list[bytes]]:
    return (
        sorted(found.event for found in queries.spans(store, experiment_id)),
        sorted(found.event for found in queries.metrics(store, experiment_id)),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(spans=st.lists(events.spans(), max_size=8), metrics=st.lists(events.metrics(), max_size=8))
def test_what_was_exported_and_added_again_is_the_same_store(
    tmp_path_factory: pytest.TempPathFactory, spans: list[bytes], metrics: list[bytes]
) -> None:
    directory = tmp_path_factory.mktemp("exported")
    with Store(directory / "a.db") as store:
        store.add("e", spans, metrics)
        before = everything(store, "e")
    for form in ("jsonl", "events"):
        output = directory / form
        words = [
            "export",
            "e",
            "--format",
            form,
            "--output",
            str(output),
            "--database",
            str(directory / "a.db"),
        ]
        assert main(words) == 0
        with Store(directory / f"{form}.db") as again:
            for line in output.read_bytes().splitlines():
                again.add("e", *taken_apart(json.loads(line)))
            assert [list(map(json.loads, each)) for each in everything(again, "e")] == [
                list(map(json.loads, each)) for each in before
            ]


def taken_apart(line: dict[str, object]) -> tuple[list[bytes], list[bytes]]:
    """The events of a line of either format, encoded as the tests encode them."""
    attributes = line["data"]["attributes"] if "data" in line else None  # type: ignore[index]
    spans = attributes.get("spans", []) if attributes is not None else [line] if "trace_id" in line else []
    metrics = (
        attributes.get("metrics", []) if attributes is not None else [] if "trace_id" in line else [line]
    )
    return [encoded(each) for each in spans], [encoded(each) for each in metrics]


def encoded(event: object) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


def test_jsonl_is_every_event_byte_for_byte_spans_first(run: RunCommand, database: Path) -> None:
    code, out, err = run("export", "latest", "--format", "jsonl")
    assert (code, err) == (0, "")
    with Store(database) as store:
        kept = [*queries.spans(store, "e-new"), *queries.metrics(store, "e-new")]
    assert out.encode().splitlines() == [found.event for found in kept]


def test_events_are_request_bodies_as_the_endpoint_takes_them(run: RunCommand) -> None:
    (line,) = run("export", "latest", "--format", "events").out.splitlines()
    load_official(line.encode())
    body = load_strict(line.encode())
    attributes = body["data"]["attributes"]
    assert (len(attributes["spans"]), len(attributes["metrics"])) == (5, 4)


def test_bodies_are_bounded_in_bytes_and_in_count(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "many.db"
    with Store(path) as store:
        spans = [span(f"s{n}", start_ns=n, input="x" * (n * 10)) for n in range(300)]
        store.add(
            "e",
            [*spans, span("huge", start_ns=300, input="x" * 50_000)],
            [metric("s1", "f1", n) for n in range(50)],
        )
    monkeypatch.setattr(export, "_BODY_BYTES", 20_000)
    monkeypatch.setattr(lane, "MAX_BATCH_EVENTS", 20)
    bodies = run("export", "e", "--format", "events", on=path).out.splitlines()
    held = [json.loads(body)["data"]["attributes"] for body in bodies]
    counts = [len(each.get("spans", [])) + len(each.get("metrics", [])) for each in held]
    assert sum(counts) == 351
    assert max(counts) == 20
    assert [count for body, count in zip(bodies, counts, strict=True) if len(body) > 20_000] == [1]


def test_an_experiment_without_events_exports_nothing(run: RunCommand, database: Path) -> None:
    with Store(database) as store:
        store.add("none", [], [])
    assert run("export", "none", "--format", "jsonl").out == ""
    assert run("export", "none", "--format", "events").out == ""
    assert run("export", "none", "--format", "csv").out.startswith("row_id,trace_id,span_id,")


def test_csv_has_a_line_for_each_span_and_a_column_for_each_label(run: RunCommand) -> None:
    lines = list(csv.DictReader(io.StringIO(run("export", "latest", "--format", "csv").out)))
    assert [line["span_id"] for line in lines] == ["r1", "c1", "d1", "r2", "o"]
    assert (lines[0]["row_id"], lines[0]["input"], lines[0]["exact"], lines[0]["f1"]) == (
        "row-1",
        '{"q": "Why?"}',
        "true",
        "",
    )
    assert (lines[1]["parent_id"], lines[1]["kind"], lines[1]["f1"]) == ("r1", "llm", "0.25")
    assert lines[3]["error_message"] == "no answer\nat all"


def test_a_failure_in_csv_is_written_out_and_no_blank_or_zero(run: RunCommand) -> None:
    lines = list(csv.DictReader(io.StringIO(run("export", "latest", "--format", "csv").out)))
    assert [line["exact"] for line in lines] == ["true", "", "", "failed: judge is down", ""]


def test_several_metrics_of_a_label_share_a_cell_and_json_ones_are_json(
    run: RunCommand, database: Path
) -> None:
    metrics = [metric("a", "x", "good"), metric("a", "x", "bad", at_ms=2), metric("a", "y", {"k": [1]})]
    with Store(database) as store:
        store.add("cells", [span("a", output=[1, "é"])], [*metrics, metric("a", "z", assessment="pass")])
    (line,) = csv.DictReader(io.StringIO(run("export", "cells", "--format", "csv").out))
    assert (line["x"], line["y"], line["z"], line["output"]) == (
        "good | bad",
        '{"k": [1]}',
        "pass",
        '[1, "é"]',
    )


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_run_is_kept_from_it(run: RunCommand, database: Path, text: str) -> None:
    with Store(database) as store:
        store.add("cells", [span("a", input=text, name=text)], [metric("a", text, text)])
    (line,) = csv.DictReader(io.StringIO(run("export", "cells", "--format", "csv").out, newline=""))
    assert (line["input"], line["name"], line["'" + text]) == ("'" + text, "'" + text, "'" + text)


def test_numbers_stay_numbers_in_csv(run: RunCommand, database: Path) -> None:
    with Store(database) as store:
        store.add("cells", [span("a", input="-5", output=-5)], [metric("a", "x", -0.5)])
    (line,) = csv.DictReader(io.StringIO(run("export", "cells", "--format", "csv").out))
    assert (line["input"], line["output"], line["x"]) == ("-5", "-5", "-0.5")


def test_a_file_is_written_whole_and_said_so_on_stderr(run: RunCommand, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("what was there")
    code, out, err = run("export", "latest", "--format", "jsonl", "--output", str(output))
    assert (code, out) == (0, "")
    assert err == f"wrote 5 spans and 4 metrics of e-new to {output}\n"
    assert output.read_text() == run("export", "latest", "--format", "jsonl", "--output", "-").out
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(output.stat().st_mode) == 0o666 & ~umask


def test_a_failure_in_mid_file_leaves_what_was_there(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "out"
    directory.mkdir()
    output = directory / "out.jsonl"
    output.write_text("what was there")

    def fails(store: Store, experiment_id: str) -> object:
        yield b"half"
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(export._WRITERS, "jsonl", fails)
    code, _, err = run("export", "latest", "--format", "jsonl", "--output", str(output))
    assert (code, err) == (1, "llmobs-trace: [Errno 28] No space left on device\n")
    assert output.read_text() == "what was there"
    assert list(directory.iterdir()) == [output]


def test_a_place_that_cannot_be_written_is_1_and_said(run: RunCommand, tmp_path: Path) -> None:
    output = tmp_path / "no" / "x.csv"
    code, _, err = run("export", "latest", "--format", "csv", "--output", str(output))
    assert (code, err) == (1, f"llmobs-trace: can't write {output}: No such file or directory\n")


def test_a_link_stays_a_link_and_a_named_pipe_a_pipe(run: RunCommand, tmp_path: Path) -> None:
    target, link, fifo = tmp_path / "target", tmp_path / "link", tmp_path / "fifo"
    target.write_text("")
    link.symlink_to(target)
    assert run("export", "latest", "--format", "csv", "--output", str(link)).code == 0
    assert link.is_symlink()
    assert target.read_text()
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    assert run("export", "latest", "--format", "csv", "--output", str(fifo)).code == 0
    reader.join()
    assert read == [target.read_bytes()]
