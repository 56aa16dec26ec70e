"""The catalog over the store: found or made by name, one of each, by however many processes."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmobs_trace.catalog.catalog import Catalog, CatalogDataset, CatalogError, NewExperiment, Record
from llmobs_trace.catalog.local_catalog import LocalCatalog
from llmobs_trace.store import catalog_tables, made_experiments, projects, queries, schema
from llmobs_trace.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "x.db") as opened:
        yield opened


@pytest.fixture
def catalog(store: Store) -> Catalog:
    return LocalCatalog(store)


def record(id: str, value: Any = 1, **members: Any) -> Record:
    said = {name: msgspec.Raw(msgspec.json.encode(member)) for name, member in members.items()}
    return Record(id=id, input=msgspec.Raw(msgspec.json.encode(value)), **said)


def said(catalog: Catalog, dataset: CatalogDataset, version: int | None = None) -> dict[str, Any]:
    return {each.id: json.loads(bytes(each.input)) for each in catalog.records(dataset, version)}


def new(catalog: Catalog, run: str, name: str = "capitals", **members: Any) -> NewExperiment:
    project = catalog.project("p")
    dataset = catalog.dataset(project.id, "d", [record("r")])
    assert dataset is not None
    return NewExperiment(
        id=f"id-of-{run}", run=run, name=name, project_id=project.id, dataset_id=dataset.id, **members
    )


def test_what_is_made_by_name_meets_loops_that_say_the_same_name_as_an_id(catalog: Catalog) -> None:
    project = catalog.project("support bot")
    assert (project.id, catalog.project("support bot")) == ("support bot", project)
    mine, theirs = (catalog.dataset(catalog.project(name).id, "capitals", []) for name in ("mine", "theirs"))
    assert mine is not None
    assert theirs is not None
    assert mine.id == "capitals" != theirs.id
    assert (mine.version, theirs.name) == (0, "capitals")
    assert catalog.dataset(project.id, "capitals") is None  # nobody asked for it to be made


def test_a_version_keeps_what_it_holds(catalog: Catalog) -> None:
    project = catalog.project("p")

    def hold(*rows: Record, **how: bool) -> CatalogDataset:
        dataset = catalog.dataset(project.id, "d", iter(rows), **how)
        assert dataset is not None
        return dataset

    first = hold(*(record(f"r{number}", number) for number in range(1000)))
    assert first.version == 1
    assert hold(record("r7", 7), record("r3", 3)).version == 1  # nothing that it did not say already
    second = hold(record("new", "n"), record("r3", "changed"))
    assert second.version == 2
    assert list(said(catalog, second)) == [*(f"r{number}" for number in range(1000)), "new"]
    assert (said(catalog, second)["r3"], said(catalog, second, 1)["r3"]) == ("changed", 3)
    third = hold(record("new", "n"), mirror=True)
    assert (third.version, said(catalog, third), len(said(catalog, third, 2))) == (3, {"new": "n"}, 1001)
    assert said(catalog, first) == {f"r{number}": number for number in range(1000)}


def test_an_expected_output_metadata_and_tags_make_another_version(catalog: Catalog) -> None:
    project = catalog.project("p")
    states = [record("r"), record("r", expected_output="x"), record("r", expected_output="x", metadata={})]
    states.append(msgspec.structs.replace(states[-1], tags=("a:b",)))
    for version, state in enumerate(states, start=1):
        dataset = catalog.dataset(project.id, "d", [state])
        assert dataset is not None
        assert (dataset.version, list(catalog.records(dataset))) == (version, [state])


def test_an_experiment_is_made_once_for_a_run_and_has_a_name_of_its_own(
    catalog: Catalog, store: Store
) -> None:
    given = new(catalog, "run-1", description="why", config=msgspec.Raw(b'{"k":1}'), repeats=3)
    made = catalog.experiment(given)
    assert catalog.experiment(given) == made
    assert (made.id, made.name, made.unique_name, made.status) == (
        "id-of-run-1",
        "capitals",
        "capitals",
        None,
    )
    assert (made.dataset_version, made.repeats, bytes(made.config)) == (1, 3, b'{"k":1}')
    again = catalog.experiment(new(catalog, "run-2", parent_id=made.id))
    assert (again.unique_name, again.parent_id) == ("capitals-2", made.id)
    assert [found.id for found in catalog.find(name="capitals")] == [again.id, made.id]
    assert [found.id for found in catalog.find(run="run-1", project_id=made.project_id)] == [made.id]
    made_experiments.delete_experiments(store, [again.id])
    assert list(catalog.find(experiment_id=again.id)) == []
    assert [found.id for found in queries.experiments(store)] == [made.id]
    assert catalog.experiment(new(catalog, "run-3")).unique_name == "capitals-3"


def test_every_status_is_kept_with_its_time_and_its_error(catalog: Catalog, store: Store) -> None:
    made = catalog.experiment(new(catalog, "run", metadata=msgspec.Raw(b'{"a":1}')))
    catalog.status(made.id, "running")
    catalog.status(made.id, "failed", "47 of the first 50 rows raised")
    catalog.status(made.id, "completed", metadata=msgspec.Raw(b'{"b":2}'))
    [found] = catalog.find(experiment_id=made.id)
    assert (found.status, found.error, bytes(found.metadata)) == ("completed", None, b'{"b":2}')
    changes = made_experiments.status_changes(store, made.id)
    assert [(change.status, change.error) for change in changes] == [
        ("running", None),
        ("failed", "47 of the first 50 rows raised"),
        ("completed", None),
    ]
    assert sorted(changes, key=lambda change: change.at_ns) == changes


def test_an_experiment_whose_events_came_first_is_the_one_that_is_made(
    catalog: Catalog, store: Store
) -> None:
    store.add("id-of-run", (), ())
    assert catalog.experiment(new(catalog, "run")).id == "id-of-run"
    # One that was made already is another's.
    other = catalog.experiment(msgspec.structs.replace(new(catalog, "other"), id="id-of-run"))
    assert other.id != "id-of-run"
    assert len(queries.experiments(store)) == 2


def test_what_is_not_there_is_said_as_a_catalog_says_it(catalog: Catalog, store: Store) -> None:
    nowhere = CatalogDataset(id="none", project_id="none", name="n", version=1)
    for ask in (
        lambda: catalog.status("none", "running"),
        lambda: catalog.dataset("none", "d", []),
        lambda: list(catalog.records(nowhere)),
        lambda: catalog.experiment(msgspec.structs.replace(new(catalog, "r"), project_id="none")),
    ):
        with pytest.raises(CatalogError, match="of the id 'none'") as caught:
            ask()
        assert caught.value.is_final
    store.path.unlink()
    store.path.mkdir()
    with pytest.raises(CatalogError, match="is a directory"):
        catalog.project("p")


MAKE = """
import sys
from pathlib import Path
import msgspec
from llmobs_trace.catalog.catalog import NewExperiment, Record
from llmobs_trace.catalog.local_catalog import LocalCatalog
from llmobs_trace.store.store import Store

path, number = sys.argv[1:]
input()
with Store(Path(path)) as store:
    catalog = LocalCatalog(store)
    for turn in range(20):
        project = catalog.project(f"p{turn}")
        rows = [Record(id=id, input=msgspec.Raw(b"1")) for id in (f"{number}-{turn}", "all")]
        dataset = catalog.dataset(project.id, "d", rows)
        new = NewExperiment(id=f"{number}-{turn}", run=f"run-{turn}", name="e", project_id=project.id,
                            dataset_id=dataset.id)
        print(catalog.experiment(new).id)
        own = NewExperiment(id=f"own-{number}-{turn}", run=f"own-{number}-{turn}", name="own",
                            project_id=catalog.project("all").id, dataset_id=dataset.id)
        catalog.experiment(own)
"""


def test_processes_that_make_the_same_at_once_make_one_of_each(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    told = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        told.append(process.communicate()[0])
        assert process.returncode == 0
    assert told[0] == told[1] == told[2]
    with Store(path) as store:
        catalog = LocalCatalog(store)
        assert len(list(projects.find_projects(store))) == 21
        for turn in range(20):
            dataset = catalog.dataset(f"p{turn}", "d")
            assert dataset is not None
            assert said(catalog, dataset).keys() == {"all", *(f"{number}-{turn}" for number in range(3))}
            assert dataset.version == 3
        names = {found.unique_name for found in catalog.find(project_id="all")}
        assert names == {"own", *(f"own-{number}" for number in range(2, 61))}


def test_an_older_version_that_has_the_file_open_goes_on_adding_to_it(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    before = schema.MIGRATIONS[: schema.MIGRATIONS.index(catalog_tables.MIGRATION)]
    with sqlite3.connect(path, isolation_level=None) as older:
        older.execute("BEGIN")
        schema.migrate(older, path, before)
        older.execute("COMMIT")
        with Store(path) as store:
            made = LocalCatalog(store).experiment(new(LocalCatalog(store), "run"))
            older.execute("INSERT INTO experiment (id, name, created_ns) VALUES ('e', 'old', 7)")
            assert {found.id for found in queries.experiments(store)} == {made.id, "e"}
            # The old one is found, and can be made by name.
            assert (
                LocalCatalog(store)
                .experiment(msgspec.structs.replace(new(LocalCatalog(store), "other"), id="e"))
                .id
                == "e"
            )
