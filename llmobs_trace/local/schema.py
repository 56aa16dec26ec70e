"""A connection comes in, its file has the newest schema when it goes out; the thread that opens the store.

The schema is numbered by `PRAGMA user_version`: the number of migrations a file has had. A file with fewer
gets the rest, in one transaction; a file with more was written by a newer version of the library and is
refused, unchanged.

    experiment ─┬─< scope      the projects and datasets its spans named
                ├─< span       one a span id
                └─< metric     one a distinct metric

The views `experiments`, `spans`, `experiment_rows` and `metrics` are for people with a SQL shell: they speak
in ids and seconds. Every event is kept as it came, in the column `event`; the other columns are taken from
it, to be indexed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from llmobs_trace.errors import StoreError

if TYPE_CHECKING:
    import sqlite3

# "llmo": tells our files from other SQLite databases, as `file` and the CLI do.
APPLICATION_ID: Final = 0x6C6C6D6F

_EXPERIMENT: Final = """
CREATE TABLE experiment (
    key         INTEGER PRIMARY KEY,        -- in the order in which they were first seen
    id          TEXT NOT NULL UNIQUE,       -- the id in the endpoint's path
    name        TEXT,                       -- the last one given; the wire has no field for it
    created_ns  INTEGER NOT NULL            -- when this store first saw it, since the Unix epoch
)"""

_SCOPE: Final = """
CREATE TABLE scope (
    experiment  INTEGER NOT NULL REFERENCES experiment(key),
    project_id  TEXT NOT NULL,
    dataset_id  TEXT NOT NULL,
    PRIMARY KEY (experiment, project_id, dataset_id)
) WITHOUT ROWID"""

_SPAN: Final = """
CREATE TABLE span (
    key            INTEGER PRIMARY KEY,     -- in the order of arrival
    experiment     INTEGER NOT NULL REFERENCES experiment(key),
    span_id        TEXT NOT NULL,
    trace_id       TEXT NOT NULL,
    parent_id      TEXT,                    -- from the tag parent_id:, absent for a root
    kind           TEXT,                    -- from the tag span_kind:
    row_id         TEXT,                    -- from the tag dataset_record_id:
    name           TEXT NOT NULL,
    start_ns       INTEGER NOT NULL,        -- since the Unix epoch
    duration_ns    INTEGER NOT NULL,
    status         TEXT NOT NULL,           -- ok, error
    error_type     TEXT,
    error_message  TEXT,
    event          TEXT NOT NULL,           -- the span as it came, JSON; last: reading the others skips it
    UNIQUE (experiment, span_id)
)"""

_METRIC: Final = """
CREATE TABLE metric (
    key                INTEGER PRIMARY KEY, -- in the order of arrival
    experiment         INTEGER NOT NULL REFERENCES experiment(key),
    digest             BLOB NOT NULL,       -- of the event: a metric is known by its bytes
    span_id            TEXT NOT NULL,
    label              TEXT NOT NULL,
    metric_type        TEXT NOT NULL,       -- score, categorical, boolean, json
    timestamp_ms       INTEGER NOT NULL,    -- since the Unix epoch
    score_value        REAL,
    categorical_value  TEXT,
    boolean_value      INTEGER,
    assessment         TEXT,                -- pass, fail
    error_message      TEXT,                -- '' where there is an error that says nothing
    failed             INTEGER NOT NULL,    -- 1: its error says something, or neither value nor assessment
    event              TEXT NOT NULL,       -- the metric as it came, JSON
    UNIQUE (experiment, digest)
)"""

_EXPERIMENTS_VIEW: Final = """
CREATE VIEW experiments AS
SELECT e.id, e.name, datetime(e.created_ns / 1000000000, 'unixepoch') AS created_utc,
       (SELECT count(*) FROM span s WHERE s.experiment = e.key) AS spans,
       (SELECT count(*) FROM metric m WHERE m.experiment = e.key) AS metrics,
       (SELECT count(*) FROM span s WHERE s.experiment = e.key AND s.status = 'error') AS errors
FROM experiment e"""

_SPANS_VIEW: Final = """
CREATE VIEW spans AS
SELECT e.id AS experiment_id, s.trace_id, s.span_id, s.parent_id, s.kind, s.row_id, s.name,
       datetime(s.start_ns / 1000000000, 'unixepoch') AS start_utc, s.duration_ns / 1e9 AS seconds,
       s.status, s.error_type, s.error_message,
       json_extract(s.event, '$.meta.input') AS input, json_extract(s.event, '$.meta.output') AS output,
       json_extract(s.event, '$.meta.expected_output') AS expected_output, s.event
FROM span s JOIN experiment e ON e.key = s.experiment"""

_ROWS_VIEW: Final = """
CREATE VIEW experiment_rows AS
SELECT * FROM spans WHERE parent_id IS NULL AND coalesce(kind, 'experiment') = 'experiment'"""

_METRICS_VIEW: Final = """
CREATE VIEW metrics AS
SELECT e.id AS experiment_id, m.span_id, m.label, m.metric_type,
       coalesce(m.score_value, m.categorical_value, m.boolean_value,
                json_extract(m.event, '$.json_value')) AS value,
       m.assessment, m.failed, m.error_message AS error, json_extract(m.event, '$.reasoning') AS reasoning,
       datetime(m.timestamp_ms / 1000, 'unixepoch') AS recorded_utc, m.event
FROM metric m JOIN experiment e ON e.key = m.experiment"""

# Never edit an entry that was released: append one.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        _EXPERIMENT,
        _SCOPE,
        _SPAN,
        "CREATE INDEX span_by_trace ON span (experiment, trace_id, start_ns)",
        "CREATE INDEX span_by_start ON span (experiment, start_ns, duration_ns)",
        "CREATE INDEX span_rows ON span (experiment, start_ns, kind) WHERE parent_id IS NULL",
        "CREATE INDEX span_errors ON span (experiment) WHERE status = 'error'",
        _METRIC,
        "CREATE INDEX metric_by_span ON metric (experiment, span_id)",
        "CREATE INDEX metric_by_label ON metric (experiment, label)",
        "CREATE INDEX metric_failed ON metric (experiment) WHERE failed",
        _EXPERIMENTS_VIEW,
        _SPANS_VIEW,
        _ROWS_VIEW,
        _METRICS_VIEW,
    ),
)


def version(connection: sqlite3.Connection) -> int:
    """How many migrations the file has had; 0 for an empty one."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def check(
    connection: sqlite3.Connection, path: object, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """Raise `StoreError` for a file that this version can't use: a newer one's, or another program's."""
    found = version(connection)
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    # Last: another process may make the schema between these reads; who sees its tables must see its name.
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID and (application or found or tables):
        raise StoreError(f"{path} is a SQLite database of another program; name another file")
    if found > len(migrations):
        raise StoreError(
            f"{path} was written by a newer version of llmobs-trace (schema {found}, this one knows up to"
            f" {len(migrations)}): upgrade with pip install --upgrade llmobs-trace, or name another file"
        )


def migrate(
    connection: sqlite3.Connection, path: object, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """Bring the file to the newest schema, in a transaction that is open already; the caller commits."""
    # Inside the transaction: another process may have done it while this one waited.
    check(connection, path, migrations)
    found = version(connection)
    if found == len(migrations):
        return
    for statements in migrations[found:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
