from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.events import metric, span

from llmobs_trace.errors import StoreError
from llmobs_trace.store import prices, queries, schema
from llmobs_trace.store.store import Store
from llmobs_trace.viewer import respond

# A store as the first version of the library made it, with one row and one metric in it. It must always open.
VERSION_1 = Path(__file__).parent / "store_version_1.sql"


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    return sqlite3.connect(tmp_path / "x.db", isolation_level=None)


def run(connection: sqlite3.Connection, migrations: list[tuple[str, ...]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        schema.migrate(connection, "x.db", migrations)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def test_a_store_of_the_first_version_opens_with_all_that_was_in_it(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old = sqlite3.connect(path)
    old.executescript(VERSION_1.read_text())
    old.close()
    for read_only in (True, False):
        with Store(path, read_only=read_only) as store:
            assert [found.name for found in queries.experiments(store)] == ["an old one"]
            assert [row.row_id for row in queries.rows(store, "e")] == ["r1"]
            assert [found.score_value for found in queries.metrics(store, "e")] == [0.5]
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)


def test_an_older_file_gets_the_migrations_it_lacks_and_keeps_its_data(
    connection: sqlite3.Connection,
) -> None:
    run(connection, [("CREATE TABLE a (x)",)])
    connection.execute("INSERT INTO a VALUES (1)")
    run(
        connection,
        [("CREATE TABLE a (x)",), ("ALTER TABLE a ADD COLUMN y DEFAULT 2",), ("CREATE TABLE b (z)",)],
    )
    assert connection.execute("SELECT * FROM a").fetchall() == [(1, 2)]
    assert schema.version(connection) == 3


def test_a_migration_that_fails_leaves_the_file_as_it_was(connection: sqlite3.Connection) -> None:
    run(connection, [("CREATE TABLE a (x)",)])
    with pytest.raises(sqlite3.OperationalError):
        run(connection, [("CREATE TABLE a (x)",), ("CREATE TABLE b (y)", "no sql")])
    assert schema.version(connection) == 1
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]


@pytest.mark.parametrize("read_only", [True, False])
def test_a_newer_file_is_refused_and_stays_as_it_is(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "new.db"
    Store(path).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"written by a newer version .* pip install --upgrade llmobs-trace"):
        Store(path, read_only=read_only)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize(
    "statement", ["CREATE TABLE theirs (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"]
)
def test_another_programs_database_is_refused_and_stays_as_it_is(
    tmp_path: Path, statement: str, read_only: bool
) -> None:
    path = tmp_path / "theirs.db"
    theirs = sqlite3.connect(path)
    theirs.execute(statement)
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        Store(path, read_only=read_only)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store_even_where_it_is_only_read(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with Store(path, read_only=True) as store:
        assert queries.experiments(store) == []


def test_the_views_speak_in_ids_and_seconds(tmp_path: Path) -> None:
    with Store(tmp_path / "x.db") as store:
        root = span("a", kind="experiment", row="r1", input={"q": 1}, output="yes", duration_ns=1_500_000_000)
        store.add(
            "e", [root, span("b", parent="a", error={"message": "no"})], [metric("a", "f1", 0.5)], name="n"
        )
        assert list(store.select("SELECT id, name, spans, metrics, errors FROM experiments")) == [
            ("e", "n", 2, 1, 1)
        ]
        assert list(store.select("SELECT row_id, seconds, input, output FROM experiment_rows")) == [
            ("r1", 1.5, '{"q":1}', "yes")
        ]
        assert list(store.select("SELECT span_id, error_message FROM spans WHERE status = 'error'")) == [
            ("b", "no")
        ]
        assert list(store.select("SELECT span_id, label, value, failed FROM metrics")) == [
            ("a", "f1", 0.5, 0)
        ]


SPENT = ("cost_usd", "input_tokens", "output_tokens")


class Watched(Store):
    """A store that notes what it is asked."""

    asked: list[tuple[str, Sequence[object]]]

    def select(
        self, query: str, parameters: Sequence[object] = (), *, at_once: int = 1
    ) -> Iterator[tuple[Any, ...]]:
        self.asked.append((query, parameters))
        return super().select(query, parameters, at_once=at_once)


def plans(store: Watched, ask: Callable[[], object]) -> list[str]:
    """How SQLite finds what `ask` asks for among spans and metrics, a line a step."""
    store.asked = []
    ask()
    steps = [
        row[3]
        for each in store.asked
        for row in Store.select(store, f"EXPLAIN QUERY PLAN {each[0]}", each[1])
    ]
    return [step for step in steps if re.match(r"(SEARCH|SCAN) (span|metric|s|m|r)\b", step)]


def test_every_question_about_one_experiment_is_answered_from_an_index(tmp_path: Path) -> None:
    questions: list[Callable[[Watched], object]] = [
        lambda store: list(queries.spans(store, "e")),
        lambda store: list(queries.rows(store, "e")),
        lambda store: list(queries.metrics(store, "e")),
        lambda store: queries.labels(store, "e"),
        lambda store: list(queries.trace_ids(store, "e")),
        lambda store: list(queries.homeless_metrics(store, "e")),
    ]
    with Watched(tmp_path / "x.db") as store:
        store.asked = []
        store.add("e", [span("a")], [metric("a", "f1", 1)])
        for question in questions:
            steps = plans(store, lambda question=question: question(store))  # type: ignore[misc]
            assert steps
            assert not [step for step in steps if step.startswith("SCAN")]


def test_a_list_of_experiments_is_answered_without_counting(tmp_path: Path) -> None:
    with Watched(tmp_path / "x.db") as store:
        store.asked = []
        store.add("e", [span("a")], [metric("a", "f1", 1)])
        steps = plans(store, lambda: (queries.experiments(store), queries.find_experiment(store, "latest")))
        # Which rows repeat and what was cut off have indexes of their own, which are small or empty.
        rare = re.compile(
            r"SEARCH (s|span) USING (COVERING )?INDEX (span_cut_off|row_repeated) "
            r"|SEARCH m USING (COVERING )?INDEX metric_by_span \(experiment=\? AND span_id=\?\)"
        )
        assert [step for step in steps if not rare.match(step)] == []


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("experiments/e", {}),
        ("experiments/e/rows", {}),
        *(("experiments/e/rows", {"sort": sort}) for sort in ("latency", "row_id", "status", "f1")),
        *(("experiments/e/rows", {"sort": sort, "order": "desc"}) for sort in SPENT),
        *(("experiments/e/rows", {"where": f"f1{asked}"}) for asked in ("=failed", "=missing", ">=0.5")),
        *(("experiments/e/rows", {"where": where}) for where in ("status=error", "error=any", "error=E")),
        *(
            ("experiments/e/neighbours", {"trace": "t1", "sort": sort})
            for sort in ("start", "latency", "row_id", "status", "f1")
        ),
        ("experiments/e/neighbours", {"trace": "t1", "where": "error=any"}),
        ("experiments/e/traces/t1", {}),
        ("experiments/e/spans/a", {}),
        ("experiments/e/spans/a/shown", {}),
        ("compare/rows", {"a": "e", "b": "e"}),
        ("compare/rows", {"a": "e", "b": "e", "changed": "1"}),
        ("compare/rows", {"a": "e", "b": "e", "regressions": "1"}),
        ("compare/row", {"a": "e", "b": "e", "regression": "1"}),
        *(("compare/rows", {"a": "e", "b": "e", "flipped": label}) for label in ("f1", "tone")),
        *(("compare/rows", {"a": "e", "b": "e", "sort": sort}) for sort in ("duration", "score:f1", *SPENT)),
    ],
)
def test_every_question_of_the_viewer_is_answered_from_an_index(
    tmp_path: Path, path: str, query: dict[str, str]
) -> None:
    with Watched(tmp_path / "x.db") as store:
        store.asked = []
        store.add("e", [span("a", row="r")], [metric("a", "f1", 1), metric("a", "tone", "warm")])
        steps = plans(store, lambda: respond(store, f"/api/{path}", query, {}))
        assert steps
        assert not [step for step in steps if step.startswith("SCAN")]


def test_the_rows_of_a_page_come_in_order_without_being_sorted(tmp_path: Path) -> None:
    with Watched(tmp_path / "x.db") as store:
        store.add("e", [span("a", row="r")], [])
        indexes = dict(
            zip(SPENT, SPENT, strict=True), start="start", latency="duration", row_id="id", status="status"
        )
        for sort, index in indexes.items():
            for order in ("asc", "desc"):
                store.asked = []
                respond(store, "/api/experiments/e/rows", {"sort": sort, "order": order}, {})
                (keys,) = [each for each in store.asked if each[0].endswith("LIMIT ? OFFSET ?")]
                plan = [row[3] for row in Store.select(store, f"EXPLAIN QUERY PLAN {keys[0]}", keys[1])]
                assert plan == [f"SEARCH r USING COVERING INDEX row_by_{index} (experiment=?)"]


def test_the_views_are_read_by_pandas(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    with Store(tmp_path / "x.db") as store:
        spans = [span(f"{n}", trace_id=f"t{n}", row=f"r{n}") for n in range(3)]
        store.add("e", spans, [*(metric(f"{n}", "f1", n / 2) for n in range(3)), metric("0", "tone", "warm")])
        queries.experiments(store)  # as any command does; the views show what is in the tables
    connection = sqlite3.connect(tmp_path / "x.db")
    metrics = pandas.read_sql("SELECT row_id, label, value FROM metrics", connection)
    wide = metrics.pivot(index="row_id", columns="label", values="value")
    assert list(wide["f1"]) == [0.0, 0.5, 1.0]
    scores = pandas.read_sql("SELECT * FROM scores", connection).set_index("label")
    assert list(scores.loc["tone", ["rows", "scored", "failed", "missing"]]) == [3, 1, 0, 2]
    assert scores.loc["f1", "mean"] == 0.5
    for view in ("experiments", "spans", "experiment_rows"):
        assert len(pandas.read_sql(f"SELECT * FROM {view}", connection)) in (1, 3)
    connection.close()


def test_a_trace_is_found_without_going_through_the_rest_of_its_experiment(tmp_path: Path) -> None:
    with Watched(tmp_path / "x.db") as store:
        store.add("e", [span("a")], [metric("a", "f1", 1)])
        steps = plans(
            store, lambda: (queries.trace(store, "e", "t1"), queries.trace_metrics(store, "e", "t1"))
        )
        assert len(steps) == 3
        assert [step for step in steps if "(experiment=? AND " not in step] == []


def test_what_nobody_stated_a_cost_of_is_found_from_an_index(tmp_path: Path) -> None:
    with Watched(tmp_path / "x.db") as store:
        store.asked = []
        store.add("e", [span("a", kind="llm", say={"model_name": "m", "input_tokens": 1})], [])
        steps = plans(store, lambda: (prices.waiting(store, "e"), list(prices.work_out(store, "e"))))
        assert steps
        assert not [step for step in steps if step.startswith("SCAN")]
