from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.events import metric, span
from support.stores import at_one_moment

from llmobs_trace.store import late_columns, prices, queries, schema
from llmobs_trace.store.columns import metric_columns, span_columns
from llmobs_trace.store.store import Store

CALL = {
    "model_name": "gpt-4.1-mini",
    "model_provider": "openai",
    "input_tokens": 1200,
    "output_tokens": 34,
    "cached_tokens": 1000,
    "cost_usd": 0.0012,
}
# As version 4 wrote a span: by the names of its columns, which is why it goes on writing to a newer file.
_COLUMNS_4 = (
    "span_id, trace_id, parent_id, kind, row_id, name, start_ns, duration_ns, status, output_hash,"
    " error_type, error_message"
)


def add_as_version_4(connection: sqlite3.Connection, key: int, event: bytes) -> None:
    columns, _ = span_columns(event)
    named = [getattr(columns, name) for name in _COLUMNS_4.split(", ")]
    connection.execute(
        f"INSERT INTO span (key, experiment, in_row, {_COLUMNS_4}) VALUES (?, 1, NULL, {','.join('?' * 12)})",
        [key, *named],
    )
    connection.execute("INSERT INTO span_event (key, event) VALUES (?,?)", (key, columns.event))
    connection.execute("UPDATE state SET revision = revision + 1")


def make_version_4(path: Path, *events: bytes) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        schema.migrate(connection, path, schema.MIGRATIONS[:4])
        connection.execute("INSERT INTO experiment (key, id, created_ns) VALUES (1, 'e', 7)")
        for key, event in enumerate(events, 1):
            add_as_version_4(connection, key, event)
        connection.execute("COMMIT")


def add_metric_as_version_5(connection: sqlite3.Connection, event: bytes) -> None:
    """To which a metric that does not apply is one that failed."""
    names = "digest, span_id, label, metric_type, timestamp_ms, error_message"
    columns = metric_columns(event)
    connection.execute(
        f"INSERT INTO metric (experiment, {names}, failed, event) VALUES (1,?,?,?,?,?,?,1,?)",
        [*(getattr(columns, name) for name in names.split(", ")), columns.event],
    )
    connection.execute(
        "INSERT INTO label (experiment, label, metric_type, scored, failed, passed, not_passed, numbers,"
        " total, trues, falses, categories) VALUES (1, ?, 'score', 0, 1, 0, 0, 0, 0, 0, 0, 0)"
        " ON CONFLICT DO UPDATE SET failed = failed + 1",
        (columns.label,),
    )
    connection.execute("UPDATE experiment SET metrics = metrics + 1, failed_metrics = failed_metrics + 1")


def said(store: Store) -> dict[str, tuple[object, ...]]:
    return {
        each.span_id: (
            *(each.model, each.provider, each.input_tokens, each.output_tokens, each.cached_tokens),
            *(each.cost_usd, each.cost_from),
        )
        for each in queries.spans(store, "e")
    }


WHOLE = ("gpt-4.1-mini", "openai", 1200, 34, 1000, 0.0012, "stated")
NOTHING = (None,) * 7


def test_a_span_says_what_its_tags_say_of_a_model_call(tmp_path: Path) -> None:
    with Store(tmp_path / "x.db") as store:
        store.add("e", [span("a", kind="llm", say=CALL), span("b", kind="tool")], [])
        assert said(store) == {"a": WHOLE, "b": NOTHING}


@pytest.mark.parametrize("amount", ["", "-1", "1.5", "many", "9" * 19, "1e3", "٣", "\u00b2"])
def test_what_is_no_count_of_tokens_is_unknown_and_not_zero(tmp_path: Path, amount: str) -> None:
    with Store(tmp_path / "x.db") as store:
        store.add("e", [span("a", kind="llm", say={"input_tokens": amount})], [])
        assert said(store) == {"a": NOTHING}


@pytest.mark.parametrize("amount", ["", "-0.1", "nan", "inf", "free", "1e999"])
def test_what_is_no_cost_is_unknown_and_not_zero(tmp_path: Path, amount: str) -> None:
    with Store(tmp_path / "x.db") as store:
        store.add("e", [span("a", kind="llm", say={"cost_usd": amount})], [])
        assert said(store) == {"a": NOTHING}


@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_of_the_version_before_says_what_its_spans_tags_say(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "old.db"
    make_version_4(path, span("a", kind="llm", say=CALL), span("b"))
    with Store(path, read_only=read_only) as store:
        assert said(store) == {"a": WHOLE, "b": NOTHING}
        assert not prices.are_unread(store)


def test_what_an_older_program_adds_to_a_newer_file_is_looked_through_at_the_next_opening(
    tmp_path: Path,
) -> None:
    path = tmp_path / "old.db"
    make_version_4(path, span("a", kind="llm", say=CALL))
    with closing(sqlite3.connect(path, isolation_level=None)) as old, Store(path) as new:
        add_as_version_4(old, 2, span("b", kind="llm", say=CALL))
        assert prices.are_unread(new)
        new.add("e", [span("c", kind="llm", say=CALL)], [])
        assert said(new) == {"a": WHOLE, "b": NOTHING, "c": WHOLE}
        with Store(path, read_only=True) as reader:  # reads what is there, as it is
            assert said(reader)["b"] == NOTHING
        Store(path).close()
        assert said(new) == {"a": WHOLE, "b": WHOLE, "c": WHOLE}
        assert not prices.are_unread(new)


def test_an_opening_that_ends_half_way_goes_on_at_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    make_version_4(path, *(span(f"{number}", kind="llm", say=CALL) for number in range(5)))
    real = late_columns.catch_up
    done: list[int] = []

    def until_killed(connection: sqlite3.Connection) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        real(connection)
        done.append(1)

    with monkeypatch.context() as patched:
        patched.setattr(late_columns, "_AT_ONCE", 2)
        patched.setattr(late_columns, "catch_up", until_killed)
        with pytest.raises(KeyboardInterrupt):
            Store(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(model) FROM span").fetchone() == (4,)
    with Store(path) as store:
        assert set(said(store).values()) == {WHOLE}


_OPENER = """
import sys
from pathlib import Path
from llmobs_trace.store.store import Store
print("ready", flush=True)
sys.stdin.readline()
with Store(Path(sys.argv[1]), read_only=True) as store:
    print(list(store.select("SELECT count(model), (SELECT spans_read FROM state) FROM span")))
"""


def test_programs_that_open_a_file_of_the_version_before_at_once_look_through_it_once(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    make_version_4(path, *(span(f"{number}", kind="llm", say=CALL) for number in range(5000)))
    said_by_each = at_one_moment(_OPENER, path)
    # Who finds the new schema there reads what there is of it already.
    assert all(said.startswith("[(") for said in said_by_each)
    with Store(path) as store:
        assert list(store.select("SELECT count(model), (SELECT spans_read FROM state) FROM span")) == [
            (5000, 5000)
        ]


def test_repeats_and_what_does_not_apply_are_read_from_an_older_file(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    row = span("r", row="france", say={"run_iteration": 2, "attempt": 1, **CALL}, expected_output={"a": 1})
    make_version_4(path, row, span("b", expected_output=None))
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        schema.migrate(old, path, schema.MIGRATIONS[:5])
        add_metric_as_version_5(old, metric("r", "f1", error={}, tags=["not_applicable:true"]))
        add_metric_as_version_5(old, metric("r", "f1", error={}, reasoning="not_applicable:true"))
        with Store(path) as store:
            add_metric_as_version_5(old, metric("r", "f1", error={}, at_ms=2, tags=["not_applicable:true"]))
            assert late_columns.lags(old)
        with Store(path) as store:
            columns = "run_iteration, attempt, model, expected_hash IS NULL"
            found = list(store.select(f"SELECT {columns} FROM span ORDER BY key"))
            assert found == [(2, 1, "gpt-4.1-mini", 0), (None, None, None, 1)]
            assert list(store.select("SELECT failed, not_applicable FROM metric")) == [(0, 1), (1, 0), (0, 1)]
            assert list(store.select("SELECT failed, not_applicable FROM label")) == [(1, 2)]
            assert list(store.select("SELECT metrics, failed_metrics FROM experiment")) == [(3, 1)]
            assert not late_columns.lags(old)
