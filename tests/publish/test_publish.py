"""`publish` and `reconcile` against `llmobs-trace serve`, which answers as Datadog does, over a socket."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Raw
from publish.command import carry_out
from support.commands import Run, RunCommand
from support.events import START_NS, everything_once, span
from support.serving import Serving

from llmobs_trace.catalog.catalog import NewExperiment, Record
from llmobs_trace.catalog.local_catalog import LocalCatalog
from llmobs_trace.cli import main
from llmobs_trace.publish.fingerprints import Fingerprint
from llmobs_trace.publish.reconciling import reconcile
from llmobs_trace.store import by_hand, datasets, made_experiments, marks, queries, records
from llmobs_trace.store.store import Store

DONE, NO, MISUSE, CANNOT_TELL = 0, 1, 2, 3


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A store with the experiment `e-new`; of its metrics one is of a span that is not there."""
    path = tmp_path / "experiments.db"
    with Store(path) as store:
        store.add("e-new", *everything_once(), name="after")
    return path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], database: Path) -> RunCommand:
    """Run a command on the store in this process."""

    def run(*words: str) -> Run:
        code = main([*words, "--database", str(database)])
        out, err = capfd.readouterr()
        return Run(code, out, err)

    return run


@pytest.fixture
def datadog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    with Serving(tmp_path / "datadog.db") as server:
        monkeypatch.setenv("DD_API_KEY", "canary-api")
        monkeypatch.setenv("DD_APP_KEY", "canary-app")
        monkeypatch.setenv("LLMOBS_TRACE_BASE_URL", server.url)
        monkeypatch.setenv("LLMOBS_TRACE_PROJECT_NAME", "bot")
        yield server


def published(server: Serving) -> made_experiments.MadeExperiment:
    """The one experiment that was made there."""
    with Store(server.database, read_only=True) as store:
        [made] = made_experiments.find_experiments(store)
        return made


def test_everything_of_an_experiment_is_there_under_ids_that_were_made_by_name(
    run: RunCommand, datadog: Serving
) -> None:
    told = run("publish", "e-new", "--experiment-name", "quiz")
    assert (told.code, told.out.partition(";")[0]) == (
        DONE,
        "9 events = 9 delivered + 0 rejected + 0 undelivered",
    )
    made = published(datadog)
    assert (made.name, made.project_name, made.dataset_name, made.status) == (
        "quiz",
        "bot",
        "after",
        "completed",
    )
    with Store(datadog.database, read_only=True) as store:
        [of_name] = datasets.find_datasets(store)
        held = {record.id: record.input for record in records.records(store, of_name)}
        assert (
            queries.find_experiment(store, made.id).spans,
            queries.find_experiment(store, made.id).metrics,
        ) == (5, 4)
    assert held == {"row-1": b'{"q":"Why?"}', "row-2": b"null"}
    spans, metrics = datadog.stored()
    assert {(each["project_id"], each["dataset_id"]) for each in spans} == {
        (made.project_id, made.dataset_id)
    }
    assert len(metrics) == 4
    told = run("reconcile", "e-new")
    assert (told.code, told.out) == (
        DONE,
        # Of a span that is not here there is one metric, which nobody can read back.
        "8 arrived, 0 missing, 0 different, 0 twice, 0 there and not known here\n",
    )
    assert "canary" not in told.err + told.out


def test_what_was_made_by_name_keeps_its_names_config_dataset_and_status_and_its_tags_follow(
    run: RunCommand, datadog: Serving, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLMOBS_TRACE_PROJECT_NAME")
    with Store(database) as store:
        catalog = LocalCatalog(store)
        project = catalog.project("support")
        rows = [Record(id="r", input=Raw(b'"q"'), metadata=Raw(b'{"level":1}'), tags=("a",))]
        of_name = catalog.dataset(project.id, "tickets", rows)
        assert of_name is not None
        new = NewExperiment(
            id="made",
            run="mark",
            name="triage",
            project_id=project.id,
            dataset_id=of_name.id,
            config=Raw(b'{"model":"m"}'),
            metadata=Raw(b'{"tags":["x"],"llmobs_trace":{"run":"mark","git":"abc"}}'),
            repeats=2,
        )
        made = catalog.experiment(new)
        say = {"experiment_id": made.id, "project_id": project.id, "run_id": "kept"}
        store.add(made.id, [span("r1", kind="experiment", row="r", say=say)], [])
        catalog.status(made.id, "failed", "1 of 1 rows raised")
    assert run("publish", "made").code == DONE
    there = published(datadog)
    assert (there.name, there.project_name, there.dataset_name) == ("triage", "support", "tickets")
    assert (there.run, there.run_count, there.status, there.error) == (
        "mark",
        2,
        "failed",
        "1 of 1 rows raised",
    )
    assert json.loads(there.config or b"") == {"model": "m"}
    assert json.loads(there.metadata or b"")["llmobs_trace"] == {"run": "mark", "git": "abc"}
    [row], _ = datadog.stored()
    assert {f"experiment_id:{there.id}", f"project_id:{there.project_id}", "run_id:kept"} <= {*row["tags"]}


def test_published_again_nothing_is_twice_and_what_came_since_follows(
    run: RunCommand, datadog: Serving, database: Path
) -> None:
    first = run("publish", "e-new")
    with Store(database) as store:
        store.add("e-new", [span("later", start_ns=START_NS + 99)], [])
    assert run("reconcile", "e-new").code == DONE  # of what was published
    for words in ((), ("--again",)):
        told = run("publish", "e-new", *words)
        assert (told.code, told.out.partition(" = ")[0]) == (DONE, "10 events")
        assert told.out.rpartition(" ")[2] == first.out.rpartition(" ")[2]
    spans, metrics = datadog.stored()
    assert (len(spans), len(metrics)) == (6, 4)


def test_what_a_person_says_is_sent_too_and_what_they_say_later_follows(
    run: RunCommand, database: Path, datadog: Serving
) -> None:
    with Store(database) as store:
        marks.verdict(store, "e-new", "r1", True)
        marks.verdict(store, "e-new", "r1", False)
        by_hand.rename(store, "e-new", "by hand")
    assert run("publish", "e-new").out.startswith("10 events = 10 delivered + 0 rejected + 0 undelivered")
    assert published(datadog).name == "by hand"
    with Store(database) as store:
        marks.note(store, "e-new", "r1", "no source")
    assert run("publish", "e-new").out.startswith("11 events = 11 delivered + 0 rejected + 0 undelivered")
    _, metrics = datadog.stored()
    said = [each.get("reasoning") for each in metrics if each["label"] == "human"]
    assert said == [None, "no source"]
    assert run("reconcile", "e-new").code == DONE


def test_killed_at_any_moment_the_same_command_goes_on_and_all_of_it_arrives_once(tmp_path: Path) -> None:
    # `python -m tests.publish` does it with 100,000.
    outcome = carry_out(tmp_path, 4_000, [0.5, 1.0, 1.5])
    assert outcome.published == "4,000 events = 4,000 delivered + 0 rejected + 0 undelivered"
    assert outcome.is_whole(4_000), outcome.reconciled


def test_what_is_missing_or_another_there_is_named_and_sent_again(run: RunCommand, datadog: Serving) -> None:
    run("publish", "e-new")
    assert run("reconcile", "e-new").code == DONE  # who reads first derives what is changed below
    with sqlite3.connect(datadog.database) as connection:
        connection.execute("DELETE FROM span_event WHERE key = (SELECT key FROM span WHERE span_id = 'd1')")
        connection.execute("DELETE FROM span WHERE span_id = 'd1'")
        connection.execute("UPDATE metric SET event = replace(event, '0.25', '0.5') WHERE label = 'f1'")
    told = run("reconcile", "e-new")
    assert told.code == NO
    assert told.out.startswith("6 arrived, 1 missing, 1 different, 0 twice, 0 there")
    assert "  missing: span d1\n" in told.out
    assert re.search("different: metric c1 f1 [0-9]+\n", told.out)
    assert "llmobs-trace publish e-new --again" in told.err
    run("publish", "e-new", "--again")
    assert run("reconcile", "e-new").out.startswith("7 arrived, 0 missing, 1 different")


def test_an_event_that_is_refused_for_good_is_counted_and_the_others_arrive(
    run: RunCommand, datadog: Serving, database: Path
) -> None:
    with Store(database) as store:
        # No array stands directly in an array on the wire; by hand it can be in a store.
        store.add("odd", [span("good"), span("bad", input=[[1]])], [])
    told = run("publish", "odd")
    assert told.code == NO
    assert told.out.startswith("2 events = 1 delivered + 1 rejected + 0 undelivered;")
    # It is there without its values, which were refused.
    assert run("reconcile", "odd").out.startswith("1 arrived, 0 missing, 1 different")


def test_a_bad_day_only_takes_longer(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--rehearse-5xx", "40", "--rehearse-drop", "20", "--seed", "1")
    with Serving(tmp_path / "datadog.db", *words) as server:
        for name, value in (("DD_API_KEY", "k"), ("DD_APP_KEY", "a"), ("LLMOBS_TRACE_BASE_URL", server.url)):
            monkeypatch.setenv(name, value)
        assert run("publish", "e-new").code == DONE
        assert run("reconcile", "e-new").code == DONE


def test_a_dry_run_shows_what_would_be_sent_and_needs_nobody(run: RunCommand) -> None:
    told = run("publish", "e-new", "--project-name", "bot", "--dry-run")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert [line["path"].rpartition("/")[2] for line in lines] == [
        "projects",
        "datasets",
        "batch_update",
        "experiments",
        "events",
    ]
    assert lines[0]["body"]["data"]["attributes"]["name"] == "bot"
    assert [each["id"] for each in lines[2]["body"]["data"]["attributes"]["insert_records"]] == [
        "row-1",
        "row-2",
    ]
    assert {each["project_id"] for each in lines[4]["body"]["data"]["attributes"]["spans"]} == {"<project>"}
    # As they are sent: with all that a server is asked for, and without what is null.
    assert lines[2]["body"]["data"].pop("attributes") == {
        "deduplicate": False,
        "create_new_version": True,
        "insert_records": [{"id": "row-1", "input": {"q": "Why?"}}, {"id": "row-2", "input": None}],
    }
    assert lines[2]["body"]["data"] == {"type": "datasets", "id": "<dataset>"}
    asked = lines[3]["body"]["data"]["attributes"]
    assert {*asked} == {"name", "project_id", "dataset_id", "metadata", "ensure_unique", "run_count"}


def test_without_keys_a_place_or_anything_to_compare_with_it_is_said(
    run: RunCommand, datadog: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = run("reconcile", "e-new")
    assert (told.code, "was never published" in told.err) == (CANNOT_TELL, True)
    told = run("reconcile", "somebody-else-s")
    assert (told.code, told.out) == (
        CANNOT_TELL,
        "cannot tell: 0 events there, and no ledger here names it\n",
    )
    monkeypatch.setenv("LLMOBS_TRACE_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("llmobs_trace.catalog.asking._LAST_SECONDS", 1e9)  # no patience
    told = run("publish", "e-new")
    assert (told.code, "127.0.0.1:9" in told.err) == (NO, True)
    monkeypatch.delenv("DD_APP_KEY")
    told = run("publish", "e-new")
    assert (told.code, "set DD_APP_KEY" in told.err) == (MISUSE, True)


def test_of_several_events_of_one_key_each_is_looked_for() -> None:
    def one(digest: str) -> Fingerprint:
        return Fingerprint("metric", ("s", "label", "1"), digest.encode())

    found = reconcile(map(one, "aab"), map(one, "abbc"))
    assert (found.arrived, found.missing, found.different, found.twice) == (
        2,
        [],
        ["metric s label 1"],
        ["metric s label 1"],
    )
    assert not found.is_whole
