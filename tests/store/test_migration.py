"""A file of the first version, with anything in it, opens as if all of it had been added just now."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import events
from support.events import metric, span
from support.examples import examples
from support.stores import at_one_moment

from llmobs_trace.errors import StoreError
from llmobs_trace.store import schema
from llmobs_trace.store.columns import metric_columns, span_columns
from llmobs_trace.store.store import Store

_SPAN_1 = (
    "span_id, trace_id, parent_id, kind, row_id, name, start_ns, duration_ns, status, error_type,"
    " error_message"
)
_METRIC_1 = (
    "digest, span_id, label, metric_type, timestamp_ms, score_value, categorical_value, boolean_value,"
    " assessment, error_message, failed, event"
)


def marks(columns: str) -> str:
    return ",".join("?" * (columns.count(",") + 1))


def make_version_1(path: Path, spans: list[bytes], metrics: list[bytes]) -> None:
    """As the first version wrote it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN")
    schema.migrate(connection, path, schema.MIGRATIONS[:1])
    connection.execute("INSERT INTO experiment VALUES (1, 'e', 'old', 7)")
    for event in spans:
        columns, scope = span_columns(event)
        connection.execute("INSERT OR IGNORE INTO scope VALUES (1,?,?)", scope)
        named = [getattr(columns, name) for name in _SPAN_1.split(", ")]
        connection.execute(
            f"INSERT OR IGNORE INTO span (experiment, {_SPAN_1}, event) VALUES (1, {marks(_SPAN_1)}, ?)",
            [*named, columns.event],
        )
    for event in metrics:
        connection.execute(
            f"INSERT OR IGNORE INTO metric (experiment, {_METRIC_1}) VALUES (1, {marks(_METRIC_1)})",
            [getattr(metric_columns(event), name) for name in _METRIC_1.split(", ")],
        )
    connection.execute("COMMIT")
    connection.close()


def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every table as it is, but for the time at which the store first saw the experiment."""
    asked = {
        "experiment": "SELECT key, id, name, rows, spans, errors, metrics, failed_metrics FROM experiment",
        "times": "SELECT began_ns, active_ns FROM experiment",
        "scope": "SELECT * FROM scope",
        "span": "SELECT * FROM span ORDER BY key",
        "span_event": "SELECT * FROM span_event ORDER BY key",
        "metric": "SELECT * FROM metric ORDER BY key",
        "label": "SELECT * FROM label",
        "looked through": "SELECT searched, spans_read, metrics_read FROM state",
        "words": "SELECT rowid FROM search WHERE search MATCH 'a* OR b* OR 0* OR 1* OR step' ORDER BY 1",
        "schema": "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2",
    }
    return {name: list(store.select(query)) for name, query in asked.items()}


@settings(max_examples=examples(30))
@given(spans=st.lists(events.spans(), max_size=8), metrics=st.lists(events.metrics(), max_size=8))
def test_an_old_file_becomes_what_adding_its_events_makes(spans: list[bytes], metrics: list[bytes]) -> None:
    with TemporaryDirectory() as directory:
        make_version_1(Path(directory, "old.db"), spans, metrics)
        with Store(Path(directory, "new.db")) as new, Store(Path(directory, "old.db")) as old:
            new.add("e", spans, metrics, name="old")
            assert contents(old) == contents(new)
            assert list(old.select("SELECT created_ns FROM experiment")) == [(7,)]


def test_a_large_old_file_is_brought_over_in_order(tmp_path: Path) -> None:
    spans = [span(f"{number}", parent=f"{number - 1}" if number % 5 else None) for number in range(2_500)]
    metrics = [metric(f"{number}", "f1", number) for number in range(0, 2_500, 2)]
    make_version_1(tmp_path / "old.db", spans[::-1], metrics)
    with Store(tmp_path / "old.db", read_only=True) as store:
        assert list(store.select("SELECT rows, spans, metrics FROM experiment")) == [(500, 2_500, 1_250)]
        assert list(store.select("SELECT count(*) FROM metric WHERE in_row IS NULL")) == [(0,)]
        assert [key for (key,) in store.select("SELECT key FROM span ORDER BY key")] == list(range(1, 2_501))


def test_an_old_file_that_can_not_be_brought_over_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    make_version_1(path, [span("a")], [])
    broken = (schema.MIGRATIONS[0], (*schema.MIGRATIONS[1], "no sql"))
    with monkeypatch.context() as then:
        then.setattr(schema, "MIGRATIONS", broken)
        then.setattr(schema.migrate, "__defaults__", (broken,))
        with pytest.raises(StoreError, match="no"):
            Store(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT count(*) FROM span").fetchone() == (1,)
    connection.close()
    with Store(path) as store:
        assert list(store.select("SELECT spans FROM experiment")) == [(1,)]


_OPENER = """
import sys
from pathlib import Path
from llmobs_trace.store.store import Store
print("ready", flush=True)
sys.stdin.readline()
with Store(Path(sys.argv[1])) as store:
    store.add("e", [], [])
    print(list(store.select("SELECT rows, spans FROM experiment")))
"""


def test_programs_that_open_an_old_file_at_once_bring_it_over_once(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    make_version_1(path, [span(f"{number}") for number in range(500)], [])
    assert at_one_moment(_OPENER, path) == ["[(500, 500)]\n"] * 3
