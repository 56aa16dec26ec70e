"""Brings a file to the newest schema. The thread that opens the store.

The schema is numbered by `PRAGMA user_version`: the number of migrations a file has had. A file with fewer
gets the rest, in one transaction; a file with more was written by a newer version of the library and is
refused, unchanged.

    experiment ─┬─< scope                   the projects and datasets its spans named
                ├─< span ─── span_event     one a span id; its event apart: spans are gone through fast
                ├─< metric                  one a distinct metric
                ├─< label                   sums over the metrics of a label and type
                ├─< row_tag                 the tags of rows, to be found by
                └─< earlier_mark            what a person said of a row before they said otherwise
    arrived                                 events of which nothing of all that is known yet, see `deriving`
    search                                  the words of all rows, where SQLite has FTS5
    state                                   one line: how often the file changed, how far `search` has got

Projects, datasets and what is known of experiments that were made by name: see `catalog_tables`.

Every event is kept as it came, in the column `event`. All else is taken from the events, to be found and
counted by, and can be made again from them: a migration that changes what is taken moves the old tables aside
as `old_span` and `old_metric`, and whoever opens the file adds their events again (`REFILLED`).

A *row* of an experiment is a root span of kind `experiment`. Every span of its tree, and every metric of
those spans, has the row's key in `in_row`; the row itself has its own there.

The views are for people with a SQL shell: see `views`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from llmobs_trace.errors import StoreError
from llmobs_trace.store import catalog_tables, row_tags
from llmobs_trace.store.views import VIEWS, VIEWS_5, VIEWS_7, VIEWS_9

if TYPE_CHECKING:
    import sqlite3

# "llmo": tells our files from other SQLite databases, as `file` and the CLI do.
APPLICATION_ID: Final = 0x6C6C6D6F

# --- Version 1 ---------------------------------------------------------------------------------------------

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

# --- Version 2: rows know their spans and metrics, search, counts that need no counting ---------------------

_SPAN_2: Final = """
CREATE TABLE span (
    key            INTEGER PRIMARY KEY,     -- in the order of arrival
    experiment     INTEGER NOT NULL REFERENCES experiment(key),
    in_row         INTEGER,                 -- the key of the row in whose tree it is; a row's is its own
    span_id        TEXT NOT NULL,
    trace_id       TEXT NOT NULL,
    parent_id      TEXT,                    -- from the tag parent_id:, absent for a root
    kind           TEXT,                    -- from the tag span_kind:
    row_id         TEXT,                    -- from the tag dataset_record_id:
    name           TEXT NOT NULL,
    start_ns       INTEGER NOT NULL,        -- since the Unix epoch
    duration_ns    INTEGER NOT NULL,
    status         TEXT NOT NULL,           -- ok, error
    output_hash    INTEGER,                 -- of the output's JSON: the same answer has the same one
    error_type     TEXT,
    error_message  TEXT,
    UNIQUE (experiment, span_id)
)"""

_SPAN_EVENT: Final = """
CREATE TABLE span_event (
    key      INTEGER PRIMARY KEY REFERENCES span(key),
    preview  BLOB,                          -- of a large event, what lists show of it
    event    TEXT NOT NULL                  -- the span as it came, JSON; last: reading the preview skips it
)"""

_METRIC_2: Final = """
CREATE TABLE metric (
    key                INTEGER PRIMARY KEY, -- in the order of arrival
    experiment         INTEGER NOT NULL REFERENCES experiment(key),
    in_row             INTEGER,             -- the key of the row in whose tree its span is
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

_LABEL: Final = """
CREATE TABLE label (                        -- what the metrics of a label say, summed up as they are added
    experiment   INTEGER NOT NULL REFERENCES experiment(key),
    label        TEXT NOT NULL,
    metric_type  TEXT NOT NULL,
    scored       INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    passed       INTEGER NOT NULL,          -- of the scored ones, as all that follows
    not_passed   INTEGER NOT NULL,
    numbers      INTEGER NOT NULL,          -- scores; their sum, least and greatest
    total        REAL NOT NULL,
    lowest       REAL,
    highest      REAL,
    trues        INTEGER NOT NULL,          -- booleans
    falses       INTEGER NOT NULL,
    categories   INTEGER NOT NULL,
    PRIMARY KEY (experiment, label, metric_type)
) WITHOUT ROWID"""

_STATE: Final = """
CREATE TABLE state (
    revision  INTEGER NOT NULL,             -- one more with every transaction that changed something
    searched  INTEGER NOT NULL              -- the key up to which spans are in `search`
)"""

# Kept by whoever adds events, in the same transaction: a list of experiments counts nothing.
_COUNTS: Final = tuple(
    f"ALTER TABLE experiment ADD COLUMN {column}"
    for column in (
        "rows INTEGER NOT NULL DEFAULT 0",
        "spans INTEGER NOT NULL DEFAULT 0",
        "errors INTEGER NOT NULL DEFAULT 0",
        "metrics INTEGER NOT NULL DEFAULT 0",
        "failed_metrics INTEGER NOT NULL DEFAULT 0",
        "began_ns INTEGER",
        "active_ns INTEGER",
    )
)

# --- Version 5: what model calls took ----------------------------------------------------------------------

# Of a model call, and of a root the sums of its tree; NULL is unknown.
_OF_CALLS: Final = tuple(
    f"ALTER TABLE span ADD COLUMN {column}"
    for column in (
        "model TEXT",
        "provider TEXT",
        "input_tokens INTEGER",
        "output_tokens INTEGER",
        "cached_tokens INTEGER",
        "model_calls INTEGER",
        "cost_usd REAL",
        # The price data by which the cost was worked out, or looked for in vain; NULL: it was stated, or
        # nobody has looked.
        "priced_with TEXT",
    )
)

# --- Version 7: repeats of a row, what does not apply ------------------------------------------------------

_OF_REPEATS: Final = (
    "ALTER TABLE span ADD COLUMN run_iteration INTEGER",  # from the tag of that name, on roots
    "ALTER TABLE span ADD COLUMN attempt INTEGER",  # from the tag of that name, on what a row's task recorded
    "ALTER TABLE span ADD COLUMN expected_hash INTEGER",  # as `output_hash`, of the expected output
    # 1: it says that its evaluator does not apply, and nothing else; then `failed` is 0.
    "ALTER TABLE metric ADD COLUMN not_applicable INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE label ADD COLUMN not_applicable INTEGER NOT NULL DEFAULT 0",
    # The keys up to which events were looked through for all columns, which takes the place of `calls_read`:
    # an older version that has the file open goes on adding events without them.
    "ALTER TABLE state ADD COLUMN spans_read INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE state ADD COLUMN metrics_read INTEGER NOT NULL DEFAULT 0",
    # Of an experiment that has any: how often its rows ran.
    "CREATE INDEX row_repeated ON span (experiment, run_iteration) WHERE in_row = key AND run_iteration > 1",
    # What was recorded in attempts of which nothing else came yet, or ever.
    "CREATE INDEX span_cut_off ON span (experiment, trace_id, status, span_id)"
    " WHERE in_row IS NULL AND attempt IS NOT NULL",
)

# --- Version 8: where else an experiment is -----------------------------------------------------------------

_PUBLICATION: Final = """
CREATE TABLE publication (
    experiment     INTEGER NOT NULL REFERENCES experiment(key),
    destination    TEXT NOT NULL,           -- a base URL
    run            TEXT NOT NULL,           -- the mark by which the experiment there is found again
    experiment_id  TEXT,                    -- its id there; NULL: it was not made yet
    spans          INTEGER NOT NULL,        -- the key up to which spans were taken
    metrics        INTEGER NOT NULL,        -- and metrics
    delivered      INTEGER NOT NULL,        -- how many events were taken, and how many refused for good
    rejected       INTEGER NOT NULL,
    finished_ns    INTEGER,                 -- when all was there; NULL: never yet
    PRIMARY KEY (experiment, destination)
) WITHOUT ROWID"""

# --- Version 9: what people say -----------------------------------------------------------------------------

_BY_HAND: Final = (
    "ALTER TABLE experiment ADD COLUMN given_name TEXT",  # by a person: `name` is what programs say
    "ALTER TABLE experiment ADD COLUMN note TEXT",
    # How many marks later ones took the place of: that changes what is said, and no count of events.
    "ALTER TABLE experiment ADD COLUMN replaced INTEGER NOT NULL DEFAULT 0",
)

# The latest mark of a span and label is in `metric`, and counts; those before it are kept here.
_EARLIER_MARK: Final = """
CREATE TABLE earlier_mark (
    key          INTEGER PRIMARY KEY,       -- in the order in which they were replaced
    experiment   INTEGER NOT NULL REFERENCES experiment(key),
    span_id      TEXT NOT NULL,
    label        TEXT NOT NULL,
    replaced_ns  INTEGER NOT NULL,          -- since the Unix epoch
    event        TEXT NOT NULL              -- the metric, JSON
)"""

# --- Version 11: what was handed over -----------------------------------------------------------------------

# AUTOINCREMENT: a reader takes over what was there when it asked, and no more.
_ARRIVED: Final = """
CREATE TABLE arrived (
    key         INTEGER PRIMARY KEY AUTOINCREMENT,
    experiment  INTEGER NOT NULL REFERENCES experiment(key),
    events      INTEGER NOT NULL,           -- how many
    trouble     TEXT,                       -- why nothing can be derived from it; NULL: it waits for that
    spans       BLOB NOT NULL,              -- as they came, JSON, one a line
    metrics     BLOB NOT NULL
)"""

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
    (
        "DROP VIEW experiments",
        "DROP VIEW experiment_rows",
        "DROP VIEW spans",
        "DROP VIEW metrics",
        *(
            f"DROP INDEX {index}"
            for index in (
                "span_by_trace",
                "span_by_start",
                "span_rows",
                "span_errors",
                "metric_by_span",
                "metric_by_label",
                "metric_failed",
            )
        ),
        "ALTER TABLE span RENAME TO old_span",
        "ALTER TABLE metric RENAME TO old_metric",
        *_COUNTS,
        _SPAN_2,
        _SPAN_EVENT,
        "CREATE INDEX span_by_trace ON span (experiment, trace_id, start_ns)",
        "CREATE INDEX span_by_start ON span (experiment, start_ns, duration_ns)",
        # Those that no row has: a child comes before its parent more often than not.
        "CREATE INDEX span_waiting ON span (experiment, parent_id)"
        " WHERE in_row IS NULL AND parent_id IS NOT NULL",
        # With the row's key, as `in_row`: what asks for no more is answered without going to the table.
        "CREATE INDEX row_by_start ON span (experiment, start_ns, in_row) WHERE in_row = key",
        "CREATE INDEX row_by_duration ON span (experiment, duration_ns, in_row) WHERE in_row = key",
        "CREATE INDEX row_by_id ON span (experiment, row_id, in_row) WHERE in_row = key",
        "CREATE INDEX row_by_status ON span (experiment, status, start_ns, in_row) WHERE in_row = key",
        _METRIC_2,
        "CREATE INDEX metric_by_span ON metric (experiment, span_id)",
        "CREATE INDEX metric_by_row ON metric (in_row, label, failed, score_value, boolean_value)",
        "CREATE INDEX metric_by_label ON metric"
        " (experiment, label, in_row, failed, score_value, boolean_value, metric_type)",
        # Longer ones are texts, not categories.
        "CREATE INDEX metric_by_category ON metric"
        " (experiment, label, categorical_value, failed, score_value, boolean_value)"
        " WHERE length(categorical_value) <= 200",
        "CREATE INDEX metric_waiting ON metric (experiment, span_id) WHERE in_row IS NULL",
        _LABEL,
        _STATE,
        "INSERT INTO state VALUES (0, 0)",
        *VIEWS,
    ),
    (
        # Roots that are no rows as well: what is in no row is found without going through all that is.
        "DROP INDEX span_waiting",
        "CREATE INDEX span_waiting ON span (experiment, parent_id) WHERE in_row IS NULL",
    ),
    (
        # How many metrics of a label say that lower values are better, and how many that higher ones are.
        "ALTER TABLE label ADD COLUMN says_lower INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE label ADD COLUMN says_higher INTEGER NOT NULL DEFAULT 0",
        # Rows in which any span failed are found without going through all spans.
        "CREATE INDEX span_errors ON span (experiment, in_row) WHERE status = 'error'",
    ),
    (
        *_OF_CALLS,
        # The key up to which the spans' events were looked through for these: an older version that has the
        # file open goes on adding spans without them.
        "ALTER TABLE state ADD COLUMN calls_read INTEGER NOT NULL DEFAULT 0",
        # How many costs were worked out: they change what is said of an experiment, and no count of events.
        "ALTER TABLE experiment ADD COLUMN priced INTEGER NOT NULL DEFAULT 0",
        *(
            f"CREATE INDEX row_by_{column} ON span (experiment, {column}, in_row) WHERE in_row = key"
            for column in ("cost_usd", "input_tokens", "output_tokens")
        ),
        # Those whose cost a reader has yet to work out.
        "CREATE INDEX call_without_cost ON span (experiment, priced_with)"
        " WHERE model IS NOT NULL AND cost_usd IS NULL",
        "CREATE INDEX root_without_cost ON span (experiment, priced_with)"
        " WHERE model_calls IS NOT NULL AND cost_usd IS NULL",
        *VIEWS_5,
    ),
    catalog_tables.MIGRATION,
    (*_OF_REPEATS, *VIEWS_7),
    (_PUBLICATION,),
    (
        *_BY_HAND,
        _EARLIER_MARK,
        "CREATE INDEX earlier_mark_by_span ON earlier_mark (experiment, span_id)",
        *VIEWS_9,
    ),
    (
        row_tags.TABLE,
        # Rows by the kinds and names of the spans in them.
        "CREATE INDEX span_by_kind ON span (experiment, kind, name, in_row)",
        # Every event is looked through once more, for its tags.
        "UPDATE state SET spans_read = 0",
    ),
    (_ARRIVED,),
)
# The migrations after which the events of the old tables must be added to the new ones.
REFILLED: Final = frozenset({2})


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
) -> bool:
    """Bring the file to the newest schema, in a transaction that is open already; the caller commits.

    Says whether the events in `old_span` and `old_metric` must be added again before that.
    """
    # Inside the transaction: another process may have done it while this one waited.
    check(connection, path, migrations)
    found = version(connection)
    if found == len(migrations):
        return False
    for statements in migrations[found:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
    return any(number in REFILLED for number in range(found + 1, len(migrations) + 1))
