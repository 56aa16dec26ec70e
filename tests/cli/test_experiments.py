from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import Raw
from support.commands import RunCommand
from support.events import span

from llmobs_trace.catalog.catalog import NewExperiment, Record
from llmobs_trace.catalog.local_catalog import LocalCatalog
from llmobs_trace.store.store import Store


def test_json_is_a_list_with_the_latest_first(run: RunCommand) -> None:
    code, out, err = run("experiments", "--format", "json")
    assert (code, err) == (0, "")
    after, before = json.loads(out)
    assert (after["id"], after["name"], before["id"], before["name"]) == ("e-new", "after", "e-old", "before")
    assert {key: after[key] for key in ("rows", "spans", "metrics", "errors", "failed_metrics")} == {
        "rows": 2,
        "spans": 5,
        "metrics": 4,
        "errors": 1,
        "failed_metrics": 1,
    }
    assert (after["project_ids"], after["dataset_ids"]) == (["p"], ["d"])


def test_the_table_has_a_line_for_each_and_numbers_stand_below_their_titles(run: RunCommand) -> None:
    titles, after, before = run("experiments").out.splitlines()
    assert titles.split() == ["id", "name", "started", "rows", "spans", "errors", "metrics", "failed"]
    assert after.split()[0] == "e-new"
    assert after.split()[-5:] == ["2", "5", "1", "4", "1"]
    assert before.split()[-5:] == ["1", "1", "0", "0", "0"]
    assert len({len(titles), len(after), len(before)}) == 1


def test_what_was_made_by_name_says_its_project_its_dataset_s_version_and_how_it_ended(
    run: RunCommand, database: Path
) -> None:
    with Store(database) as store:
        catalog = LocalCatalog(store)
        project = catalog.project("support bot")
        dataset = catalog.dataset(project.id, "tickets", [Record(id="r", input=Raw(b"1"))])
        assert dataset is not None
        new = NewExperiment(
            id="made",
            run="mark",
            name="triage",
            project_id=project.id,
            dataset_id=dataset.id,
            description="why",
            config=Raw(b'{"model":"small"}'),
        )
        catalog.status(catalog.experiment(new).id, "completed", "2 of 48 rows raised")
    titles, *lines = run("experiments").out.splitlines()
    assert titles.split()[-2:] == ["project", "dataset"]
    [made] = [line for line in lines if line.startswith("made")]
    assert made.split()[-4:] == ["support", "bot", "tickets", "v1"]
    shown = run("show", "made").out
    for line in ("2 of 48 rows raised", "why", "project support bot", "dataset tickets, version 1"):
        assert f"  {line}\n" in shown
    assert '  config {"model":"small"}\n' in shown
    told = json.loads(run("show", "made", "--format", "json").out)["experiment"]
    listed = {each["id"]: each for each in json.loads(run("experiments", "--format", "json").out)}
    for each in (told, listed["made"]):
        assert (each["project"], each["dataset_version"], each["config"]) == (
            "support bot",
            1,
            {"model": "small"},
        )


def test_a_store_without_experiments_is_an_empty_list(run: RunCommand, tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    Store(empty).close()
    assert run("experiments", "--format", "json", on=empty)[:2] == (0, "[]\n")
    code, out, err = run("experiments", on=empty)
    assert (code, out) == (0, "")
    assert "holds no experiments yet" in err


def test_names_that_would_rewrite_the_screen_are_shown_as_escapes(run: RunCommand, database: Path) -> None:
    with Store(database) as store:
        store.add("evil", [span("a", start_ns=2**62)], [], name="\x1b]0;title\x07 \u202eevil\nline")
    lines = run("experiments").out.splitlines()
    assert len(lines) == 4
    assert "\\e]0;title\\x07 \\u202eevil\\nline" in lines[1]


def test_the_store_of_another_place_is_named_where_there_is_none_here(
    run: RunCommand, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state" / "llmobs-trace"
    state.mkdir(parents=True)
    (tmp_path / "here").mkdir()
    database.rename(state / "experiments.db")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("LLMOBS_TRACE_DATABASE", raising=False)
    code, out, err = run("experiments", on=None)
    assert (code, err) == (0, f"there is no store here; using {state}/experiments.db\n")
    assert "e-new" in out
    monkeypatch.setenv("LLMOBS_TRACE_DATABASE", str(state / "experiments.db"))
    assert run("experiments", on=None).err == ""
