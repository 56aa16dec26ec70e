"""Deleting experiments: what is hidden comes back, what is removed is gone, and writers go on meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Raw
from support.events import START_NS, everything_once, metric, span

from llmobs_trace.catalog.catalog import NewExperiment, Record
from llmobs_trace.catalog.local_catalog import LocalCatalog
from llmobs_trace.store import by_hand, naming, publications, queries, removal, search
from llmobs_trace.store.publications import Publication
from llmobs_trace.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "x.db") as store:
        yield store


def ids(store: Store) -> list[str]:
    return [each.id for each in queries.experiments(store)]


def remove(store: Store, experiment_id: str) -> int:
    return sum(removal.remove(store, experiment_id))


def found(store: Store, text: str, experiment_id: str) -> list[str]:
    """The ids of rows with that text, as the pages find them."""
    ((key,),) = store.select("SELECT key FROM experiment WHERE id = ?", (experiment_id,))
    condition = search.rows_with(store, key, text)
    query = f"SELECT r.span_id FROM span r WHERE r.experiment = ? AND r.in_row = r.key AND {condition.sql}"
    return [span_id for (span_id,) in store.select(query, (key, *condition.parameters))]


def test_a_given_name_stays_whatever_programs_say_until_it_is_taken_away(store: Store) -> None:
    store.add("e", [span("a")], [], name="of the program")
    by_hand.rename(store, "e", "mine")
    by_hand.note(store, "e", "worth keeping")
    store.add("e", [span("b")], [], name="of the program, later")
    [there] = queries.experiments(store)
    assert (there.name, there.note) == ("mine", "worth keeping")
    assert queries.find_experiment(store, "mine").id == "e"
    assert list(store.select("SELECT name, note FROM experiments")) == [("mine", "worth keeping")]
    by_hand.rename(store, "e", "")
    by_hand.note(store, "e", " ")
    [there] = queries.experiments(store)
    assert (there.name, there.note) == ("of the program, later", None)
    with pytest.raises(naming.UnknownId):
        by_hand.rename(store, "no such", "x")


def test_what_is_hidden_no_reader_sees_until_it_is_restored(store: Store) -> None:
    store.add("e", *everything_once(), name="n")
    store.add("f", [span("x")], [])
    before = queries.find_experiment(store, "e")
    removal.hide(store, "e")
    assert ids(store) == ["f"]
    for view in ("experiments", "spans", "experiment_rows", "metrics", "scores"):
        column = "id" if view == "experiments" else "experiment_id"
        assert list(store.select(f"SELECT * FROM {view} WHERE {column} = 'e'")) == [], view
    removal.restore(store, "e")
    assert queries.find_experiment(store, "e") == before


def test_what_is_new_of_a_hidden_experiment_brings_it_back_whole_and_a_repeat_does_not(store: Store) -> None:
    store.add("e", [span("a"), span("b")], [metric("a", "f1", 1.0)], name="n")
    removal.hide(store, "e")
    store.add("e", [span("a")], [metric("a", "f1", 1.0)], name="n")
    assert ids(store) == []
    store.add("e", [span("c")], [], name="n")
    [there] = queries.experiments(store)
    assert (there.spans, there.metrics) == (3, 1)


def test_nothing_is_left_of_what_is_removed_and_all_of_the_others_is(store: Store) -> None:
    catalog = LocalCatalog(store)
    project = catalog.project("p")
    dataset = catalog.dataset(project.id, "d", [Record(id="r", input=Raw(b"1"))])
    assert dataset is not None
    made = catalog.experiment(
        NewExperiment(id="e", run="run", name="n", project_id=project.id, dataset_id=dataset.id)
    )
    catalog.status(made.id, "completed", None)
    store.add("kept", *everything_once())
    store.add(made.id, *everything_once())
    store.add(made.id, [span(f"s{n}", name="rareword") for n in range(600)], [])
    publications.keep(store, made.id, "https://there", Publication(run="run"))
    tables = ("span", "metric", "label", "scope", "publication", "status_change", "earlier_mark")
    ((key,),) = store.select("SELECT key FROM experiment WHERE id = ?", (made.id,))
    kept = queries.find_experiment(store, "kept")
    assert remove(store, made.id) == 605 + 4
    for table in tables:
        assert list(store.select(f"SELECT count(*) FROM {table} WHERE experiment = ?", (key,))) == [(0,)]
    assert list(store.select("SELECT count(*) FROM span_event")) == [(5,)]
    assert list(store.select("SELECT id FROM experiment")) == [("kept",)]
    assert queries.find_experiment(store, "kept") == kept
    # Most of the index was of what is gone: it was begun anew.
    assert list(store.select("SELECT count(*) FROM search WHERE search MATCH 'rareword'")) == [(0,)]
    assert found(store, "why", "kept") == ["r1"]
    with pytest.raises(naming.UnknownId):
        remove(store, made.id)


def test_what_comes_after_a_removal_is_found_and_nothing_under_the_words_of_what_is_gone(
    store: Store,
) -> None:
    for n in range(9):
        store.add(f"kept-{n}", [span("k", kind="experiment", input="common")], [])
    store.add("gone", [span("g", kind="experiment", input="secret")], [])
    remove(store, "gone")
    store.add("later", [span("l", kind="experiment", input="public")], [])
    assert (found(store, "public", "later"), found(store, "secret", "later")) == (["l"], [])
    for n in range(9):
        remove(store, f"kept-{n}")
    remove(store, "later")
    store.add("last", [span("z", kind="experiment", input="again")], [])
    assert found(store, "again", "last") == ["z"]
    store.index_words(60)
    assert list(store.select("SELECT max(key) FROM span")) == list(store.select("SELECT searched FROM state"))


def test_a_removal_that_was_cut_off_is_gone_on_with_and_its_id_is_free_meanwhile(store: Store) -> None:
    store.add("e", [span(f"s{n}") for n in range(600)], [])
    steps = removal.remove(store, "e")
    next(steps)
    steps.close()  # as where the process was killed
    assert ids(store) == []
    store.add("e", [span("new")], [])
    assert sum(removal.remove_expired(store)) == 350
    assert list(store.select("SELECT id, spans FROM experiment")) == [("e", 1)]


def test_what_is_hidden_is_removed_after_thirty_days(store: Store) -> None:
    store.add("e", [span("a")], [])
    store.add("f", [span("a")], [])
    removal.hide(store, "e")
    removal.hide(store, "f")
    days_ns = (removal.KEPT_DAYS * 86_400 + 1) * 10**9
    store.change(
        lambda c: c.execute("UPDATE experiment SET deleted_ns = deleted_ns - ? WHERE id = 'e'", (days_ns,))
    )
    assert sum(removal.remove_expired(store)) == 1
    with pytest.raises(naming.UnknownId):
        removal.restore(store, "e")
    removal.restore(store, "f")
    assert ids(store) == ["f"]


def test_unused_is_what_had_no_span_and_no_metric_since(store: Store) -> None:
    store.add("old", [span("a", start_ns=START_NS)], [metric("a", "f1", 1.0, at_ms=START_NS // 10**6)])
    store.add(
        "scored lately", [span("a", start_ns=START_NS)], [metric("a", "f1", 1.0, at_ms=START_NS // 10**6 + 9)]
    )
    store.add("new", [span("a", start_ns=START_NS + 9 * 10**6)], [])
    store.add("empty", [], [])
    assert removal.unused_since(store, START_NS + 5 * 10**6) == ["old"]


_WRITER = """
import sys
from pathlib import Path
from support.events import span
from llmobs_trace.store.store import Store
with Store(Path(sys.argv[1])) as store:
    for n in range(400):
        store.add("e", [span(f"w{n}", kind="experiment")], [])
        print(n, flush=True)
"""


def test_a_writer_loses_nothing_that_it_adds_after_the_removal_began(tmp_path: Path, store: Store) -> None:
    store.add("e", [span(f"s{n}") for n in range(3_000)], [])
    store.derive_rows()
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path / "x.db")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    assert remove(store, "e") >= 3_001
    began_ns = time.time_ns()
    writer.stdout.read()
    assert writer.wait() == 0
    [there] = queries.experiments(store)
    # All that came after the first step, in order to the last.
    kept = [each.span_id for each in queries.rows(store, "e")]
    numbers = sorted(int(span_id[1:]) for span_id in kept)
    assert numbers == list(range(numbers[0], 400))
    assert there.rows == len(numbers)
    assert there.created_ns < began_ns
