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
from support.examples import examples
from support.wire_schema import load_official, load_strict

from llmobs_trace.cli import main
from llmobs_trace.cli.export import command as export
from llmobs_trace.cli.terminal import units
from llmobs_trace.store import queries
from llmobs_trace.store.store import Store


def everything(store: Store, experiment_id: str) -> tuple[list[bytes], list[bytes]]:
    return (
        sorted(found.event for found in queries.spans(store, experiment_id)),
        sorted(found.event for found in queries.metrics(store, experiment_id)),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(30))
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
    monkeypatch.setattr(export, "MAX_BATCH_EVENTS", 20)
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
    assert run("export", "none", "--format", "csv").out.startswith("row_id,run_iteration,span_id,")
    assert run("export", "none", "--format", "csv-spans").out.startswith("row_id,trace_id,span_id,")


def lines(out: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(out)))


def test_csv_has_a_line_for_each_row_with_all_that_was_measured_in_its_tree(run: RunCommand) -> None:
    code, out, err = run("export", "latest", "--format", "csv")
    assert (code, err) == (
        0,
        "left out, since they are in no row: 1 span and 1 metric; csv-spans has every span\n",
    )
    first, second = lines(out)
    assert list(first) == [
        *("row_id", "run_iteration", "span_id", "trace_id", "input", "output", "expected_output"),
        *("status", "error", "start_ns", "duration_ns", "tags"),
        *("exact", "exact.error", "exact.assessment", "f1"),
    ]
    assert (first["row_id"], first["span_id"], first["input"], first["status"]) == (
        "row-1",
        "r1",
        '{"q": "Why?"}',
        "ok",
    )
    # One of them was recorded of a span below the row.
    assert (first["exact"], first["exact.assessment"], first["f1"]) == ("true", "pass", "0.25")
    assert (second["error"], second["exact"], second["exact.error"]) == (
        "ValueError: no answer\nat all",
        "",
        "judge is down",
    )


def test_csv_spans_has_a_line_for_each_span_with_the_id_of_its_row(run: RunCommand) -> None:
    code, out, err = run("export", "latest", "--format", "csv-spans")
    assert (code, err) == (0, "left out, since their spans are not here: 1 metric\n")
    found = lines(out)
    assert [(line["row_id"], line["span_id"]) for line in found] == [
        ("row-1", "r1"),
        ("row-1", "c1"),
        ("row-1", "d1"),
        ("row-2", "r2"),
        ("", "o"),
    ]
    assert (found[0]["exact"], found[0]["f1"], found[1]["parent_id"], found[1]["f1"]) == (
        *("true", ""),
        *("r1", "0.25"),
    )
    assert (found[3]["error_type"], found[3]["error_message"]) == ("ValueError", "no answer\nat all")
    assert (found[3]["exact"], found[3]["exact.error"]) == ("", "judge is down")


@pytest.mark.parametrize("form", ["csv", "csv-spans"])
def test_a_column_of_numbers_holds_numbers_and_blanks_alone_so_that_it_has_a_mean(
    run: RunCommand, database: Path, form: str
) -> None:
    spans = [span(f"r{n}", trace_id=f"t{n}", row=f"row-{n}") for n in range(4)]
    metrics = [
        metric("r0", "f1", 0.5, reasoning="half of it"),
        metric("r1", "f1", error={"message": "rate limit"}),
        metric("r2", "f1", metric_type="score", assessment="fail"),
        # An evaluator that once answered with a truth value.
        metric("r3", "f1", True),
    ]
    with Store(database) as store:
        store.add("numbers", spans, metrics)
    found = lines(run("export", "numbers", "--format", form).out)
    assert [float(line["f1"]) for line in found if line["f1"]] == [0.5, 1.0]
    assert [line["f1.error"] for line in found] == ["", "rate limit", "", ""]
    assert [line["f1.assessment"] for line in found] == ["", "", "fail", ""]
    assert [line["f1.reasoning"] for line in found] == ["half of it", "", "", ""]


@pytest.mark.parametrize("form", ["csv", "csv-spans"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(50))
@given(
    labels=st.lists(
        st.sampled_from(
            ["status", "input", "metric.status", "a", "a.error", "metric.a.error", "a.assessment", "", "A"]
        ),
        unique=True,
    ),
    fails=st.booleans(),
)
def test_no_two_columns_have_one_name_whatever_metrics_are_called(
    tmp_path_factory: pytest.TempPathFactory, labels: list[str], fails: bool, form: str
) -> None:
    path, output = tmp_path_factory.mktemp("named") / "x.db", tmp_path_factory.mktemp("named") / "x.csv"
    values = {"error": {"message": "no"}} if fails else {"score_value": 0.5, "assessment": "pass"}
    with Store(path) as store:
        store.add("e", [span("r")], [metric("r", label, **values) for label in labels])
    assert main(["export", "e", "--format", form, "--output", str(output), "--database", str(path)]) == 0
    names, line = csv.reader(output.open(newline=""))
    assert len(set(names)) == len(names) == len(line)
    by_name = dict(zip(names, line, strict=True))
    assert by_name["status"] == "ok"
    for label in labels:
        shown = f"metric.{label}" if label in ("status", "input") else label
        if label == "metric.status" and "status" in labels:
            continue  # which of the two had to give way is not promised
        if label != "status" or "metric.status" not in labels:
            assert by_name[shown] == ("" if fails else "0.5")


def test_several_metrics_of_a_label_are_what_a_comparison_takes_them_for(
    run: RunCommand, database: Path
) -> None:
    of_a = [
        *(metric("a", "score", number, at_ms=at) for at, number in enumerate((0.5, 1.0))),
        *(metric("a", "word", word, at_ms=at) for at, word in enumerate(("good", "bad", "good"))),
        metric("a", "flag", True),
        metric("b", "flag", False),
        metric("a", "hidden", 1.0),
        metric("b", "hidden", error={}),
        metric("a", "object", {"k": [1]}),
        metric("b", "object", {"k": 2}),
        metric("a", "judged", assessment="pass"),
        metric("b", "judged", assessment="fail"),
    ]
    with Store(database) as store:
        store.add("cells", [span("a", row="r", output=[1, "é"]), span("b", parent="a")], of_a)
    (line,) = lines(run("export", "cells", "--format", "csv").out)
    assert (line["score"], line["word"], line["flag"]) == ("0.75", "good | bad", "0.5")
    # A mean of the others would hide the failure.
    assert (line["hidden"], line["hidden.error"]) == ("", "neither a value nor an error")
    assert (line["object"], line["output"]) == ('[{"k": [1]},{"k": 2}]', '[1, "é"]')
    assert (line["judged"], line["judged.assessment"]) == ("", "pass | fail")


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x")', "\N{FULLWIDTH EQUALS SIGN}1+1", "\r=1"])
def test_what_a_spreadsheet_would_run_is_kept_from_it(run: RunCommand, database: Path, text: str) -> None:
    with Store(database) as store:
        store.add("cells", [span("a", input=text, name=text)], [metric("a", text, text)])
    (line,) = csv.DictReader(io.StringIO(run("export", "cells", "--format", "csv-spans").out, newline=""))
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
    assert err == (f"wrote 5 spans and 4 metrics of e-new to {output}, {units.size(output.stat().st_size)}\n")
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
